//! The words on paper.

use super::Language;
use utilidor_types::{Band, Carrier};

macro_rules! words {
    ($($name:ident = $english:literal, $chinese:literal;)*) => {
        /// A word on paper.
        #[derive(Debug, Clone, Copy)]
        pub(super) enum Word {
            $($name,)*
        }

        /// A word in a language.
        pub(super) const fn said(word: Word, lang: Language) -> &'static str {
            match (word, lang) {
                $((Word::$name, Language::En) => $english, (Word::$name, Language::Zh) => $chinese,)*
            }
        }
    };
}

words! {
    Statement = "Statement", "账单";
    Agreement = "Agreement", "合约";
    Number = "Number", "序号";
    Owner = "Owner", "供能方";
    User = "User", "用能方";
    Period = "Period", "期间";
    Issued = "Issued", "出账时间";
    Paid = "Paid", "已付";
    Unpaid = "Unpaid", "未付";
    Debt = "Debt", "欠款";
    Substituted = "Substituted values", "含替代值";
    Yes = "yes", "是";
    Correction = "correction", "更正";
    Line = "Line", "明细";
    Carrier = "Carrier", "能源品种";
    Quantity = "Quantity", "数量";
    Price = "Price", "单价";
    Amount = "Amount", "金额";
    Proof = "What is printed proves nothing. The proof, to be checked without this node:", "打印件不构成证明。可脱离本节点核验的证明：";
    ListPrice = "list price", "目录价";
    Tranche = "tranche", "预付批次";
    Delivery = "Delivery", "交付";
    NoReading = "No reading", "无读数";
    Forfeit = "Deposit forfeited", "没收保证金";
    Usage = "Usage", "用量";
    Energy = "Energy", "能源费";
    Levy = "Levies", "附加税费";
    FloorArea = "Floor area", "面积费";
    Days = "days", "天";
    Fixed = "Fixed charge", "固定费用";
    Minimum = "Minimum charge", "最低消费差额";
    Demand = "Demand charge", "需量电费";
    Credit = "Credit", "退计";
    Clause = "Clause", "条款";
    Tax = "Value-added tax", "增值税";
    Refund = "Refund", "退款";
}

/// A carrier's name.
pub(super) const fn carrier(carrier: Carrier, lang: Language) -> &'static str {
    match (carrier, lang) {
        (_, Language::En) => carrier.name(),
        (Carrier::Electricity, Language::Zh) => "电",
        (Carrier::Heating, Language::Zh) => "热",
        (Carrier::Cooling, Language::Zh) => "冷",
        (Carrier::HotWater, Language::Zh) => "热水",
        (Carrier::Gas, Language::Zh) => "燃气",
        (Carrier::Water, Language::Zh) => "水",
    }
}

/// A band's name.
pub(super) const fn band(band: Band, lang: Language) -> &'static str {
    match (band, lang) {
        (_, Language::En) => band.name(),
        (Band::Flat, Language::Zh) => "平",
        (Band::Sharp, Language::Zh) => "尖",
        (Band::Peak, Language::Zh) => "峰",
        (Band::Valley, Language::Zh) => "谷",
        (Band::Deep, Language::Zh) => "深谷",
    }
}
