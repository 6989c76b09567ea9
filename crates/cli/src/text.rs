//! The words that people read in answers, in English and Chinese. Sentences stand with what they tell; refusals and problems in
//! [`crate::chinese`]. A new word gets a line in [`WORDS`]; a test finds words that are missing.

use std::sync::OnceLock;

/// A language of headings and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// English.
    En,
    /// Chinese.
    Zh,
}

/// The language of this process, once it is known.
static SPOKEN: OnceLock<Lang> = OnceLock::new();

/// The language of this process.
pub fn lang() -> Lang {
    SPOKEN.get().copied().unwrap_or(Lang::En)
}

/// Says the language of this process, once.
pub fn speak(lang: Lang) {
    // The first word counts: it is the command line's.
    let _ = SPOKEN.set(lang);
}

impl Lang {
    /// The language of a locale name such as `zh_CN.UTF-8`; English unless it is Chinese.
    pub fn of_locale(locale: Option<&str>) -> Self {
        match locale {
            Some(locale) if locale.starts_with("zh") => Self::Zh,
            _ => Self::En,
        }
    }
}

/// Word, English, Chinese; in the order of the first.
const WORDS: &[(&str, &str, &str)] = &[
    ("account", "account", "账户"),
    ("actions", "actions", "操作"),
    ("address", "address", "地址"),
    ("against", "against", "反对"),
    ("agreement", "agreement", "合约"),
    ("agreements", "agreements", "合约"),
    ("agrees", "the configuration agrees with the ledger", "配置与账本一致"),
    ("allowance", "allowance in 30 days", "30 天内扣款上限"),
    ("allowance_left", "allowance", "允许扣款"),
    ("amendment", "amendment", "变更"),
    ("amount", "amount", "金额"),
    ("answer", "asked, answered", "请求、应答"),
    ("app", "app", "应用"),
    ("appointed", "wanted by the council", "理事会任命"),
    ("area", "floor area", "建筑面积"),
    ("asking_price", "asking price", "要价"),
    ("available", "available", "可供"),
    ("award", "award", "授标"),
    ("awarded", "awarded", "已授"),
    ("band_deep", "deep", "深谷"),
    ("band_flat", "flat", "平段"),
    ("band_peak", "peak", "高峰"),
    ("band_sharp", "sharp", "尖峰"),
    ("band_valley", "valley", "低谷"),
    ("base", "on", "计税基数"),
    ("base_units", "base units (J or mL)", "基本单位（J 或 mL）"),
    ("bidder", "bidder", "报价方"),
    ("binding", "binding", "有约束力"),
    ("block", "block", "区块"),
    ("blocks", "blocks", "区块数"),
    ("bond", "bond", "报价保证金"),
    ("by", "by", "一方"),
    ("bytes", "bytes", "字节"),
    ("capacity", "capacity per hour", "每小时容量"),
    ("carrier", "carrier", "能源品种"),
    ("carrier_cooling", "cooling", "供冷"),
    ("carrier_electricity", "electricity", "电"),
    ("carrier_gas", "gas", "燃气"),
    ("carrier_heating", "heating", "供热"),
    ("carrier_hot_water", "hot_water", "生活热水"),
    ("carrier_water", "water", "自来水"),
    ("category", "category", "类别"),
    ("certificate", "certificate", "计量凭证"),
    ("certificates", "certificates", "计量凭证数"),
    ("certified", "certified", "已认证"),
    ("chain", "chain", "链"),
    ("chain_bytes", "chain bytes/unit", "每单位链上字节"),
    ("charge", "charge", "附加费"),
    ("charged", "charged", "已计费"),
    ("charged_net", "charged, net, without levies and taxes", "已计费（净额，不含附加费与税）"),
    ("charges", "charges", "附加费"),
    ("check_bad", "BAD    ", "异常"),
    ("check_damaged", "DAMAGED", "损坏"),
    ("check_good", "good   ", "正常"),
    ("check_unknown", "unknown", "未知"),
    ("check_warning", "warning", "注意"),
    ("checked", "checked", "已核验"),
    ("checking", "checking", "正在检查"),
    ("circulation", "in circulation", "流通中"),
    ("clause", "clause", "条款"),
    ("clause_sheet", "clause sheet", "条款单"),
    ("closed", "closed", "已停止订阅"),
    ("closes", "until", "截止"),
    ("closing", "closes", "结算类型"),
    ("closing_end", "the agreement", "合约终结"),
    ("closing_period", "a period", "期间"),
    ("closing_supplement", "what came after the end", "终结后补充"),
    ("code", "code", "代码"),
    ("commitment", "commitment", "承诺"),
    ("conserved", "money conserved", "货币守恒"),
    ("contracted", "contracted", "合约量"),
    ("copying", "copying", "正在复制"),
    ("correction", "correction", "更正"),
    ("corrections", "corrections", "更正数"),
    ("cpu_us", "CPU us/unit", "每单位 CPU 微秒"),
    ("data_format", "data format", "数据格式"),
    ("days", "days", "天数"),
    ("debt", "debt", "欠款"),
    ("debt_paid", "paid for earlier use", "先抵扣欠量"),
    ("decision", "decision", "决定事项"),
    ("deposit", "deposit", "保证金"),
    ("detail", "detail", "说明"),
    ("device", "device", "设备"),
    ("digest", "digest", "摘要"),
    ("discount", "discount", "折扣"),
    ("done", "done", "完成"),
    ("ends", "ends", "终止时间"),
    ("engine", "engine", "引擎"),
    ("enough", "there is enough", "余额充足"),
    ("epoch", "epoch", "纪元"),
    ("epoch_length", "blocks of an epoch", "纪元区块数"),
    ("event", "event", "事件"),
    ("everything", "everything", "全部"),
    ("failed", "failed", "失败"),
    ("files", "files", "文件"),
    ("first_block", "first block", "首个区块"),
    ("folder", "folder", "文件夹"),
    ("follower", "follower", "跟随节点"),
    ("follower_bytes", "follower's bytes", "跟随节点的字节"),
    ("free", "free", "可用"),
    ("from", "from", "自"),
    ("fuel", "most fuel of an event", "单次事件最高耗用"),
    ("gaps", "gaps", "缺数区间"),
    ("gate", "gate closes", "截止报价"),
    ("grants", "what the program may reserve and take", "程序可冻结与扣取"),
    ("guarantee", "guarantee", "付款担保"),
    ("hard_end", "ends at the latest", "最迟终止"),
    ("height", "height", "高度"),
    ("holder", "holder", "计量对象"),
    ("idle", "one processor idle", "单核空闲"),
    ("in_30_days", "in 30 days", "每 30 天"),
    ("in_favour", "for", "赞成"),
    ("in_force", "in force", "生效中"),
    ("index_bytes", "index bytes/unit", "每单位索引字节"),
    ("index_schema", "schema of the read model", "读取模型的结构版本"),
    ("indexed", "indexed height", "索引高度"),
    ("interval", "interval", "区间"),
    ("issued", "issued", "已发行"),
    ("its_meters", "meters", "表计"),
    ("journal_bytes", "journal bytes/reading", "每读数日志字节"),
    ("kind", "kind", "类型"),
    ("kind_coded", "coded", "自编合约"),
    ("kind_purchase", "purchase", "交易"),
    ("kind_subscription", "subscription", "套餐订阅"),
    ("lapses", "lapses", "失效时间"),
    ("layer", "layer", "层"),
    ("least", "at least", "最低额"),
    ("limits", "limits of a member", "每个成员的限额"),
    ("line", "line", "明细"),
    ("line_clause", "clause", "条款"),
    ("line_credit", "credit", "退计"),
    ("line_default_forfeit", "deposit forfeited for default", "违约没收保证金"),
    ("line_delivery", "delivery", "交付"),
    ("line_demand", "demand charge", "需量电费"),
    ("line_energy", "energy", "能源费"),
    ("line_fixed", "fixed charge", "固定费用"),
    ("line_floor_area", "floor area", "面积费"),
    ("line_forfeit", "deposit forfeited", "没收保证金"),
    ("line_levy", "levies", "附加税费"),
    ("line_minimum", "minimum charge", "最低消费差额"),
    ("line_no_reading", "no reading", "无读数"),
    ("line_number", "line", "行"),
    ("line_refund", "refund", "退款"),
    ("line_tax", "value-added tax", "增值税"),
    ("line_usage", "usage", "用量"),
    ("list_price", "list price", "目录价"),
    ("listening", "listening on", "监听地址"),
    ("low_balance", "notice below", "低余额提醒"),
    ("made_in", "made in", "生成用时"),
    ("member", "member", "成员"),
    ("meter", "meter", "表计"),
    ("meter_in_service", "in service", "在用"),
    ("meter_retired", "retired", "已停用"),
    ("meters", "meters", "表计数"),
    ("money", "money", "货币"),
    ("motion", "motion", "议案"),
    ("motion_carried", "carried", "已通过"),
    ("motion_failed", "carried without effect", "通过但未生效"),
    ("motion_lapsed", "lapsed", "已过期"),
    ("motion_open", "open", "表决中"),
    ("motion_rejected", "rejected", "已否决"),
    ("movement", "movement", "资金流动"),
    ("movement_fall_back", "fall_back", "最迟终止时分配"),
    ("movement_forfeit", "forfeit", "没收"),
    ("movement_issue", "issue", "发行"),
    ("movement_pay", "pay", "付款"),
    ("movement_redeem", "redeem", "赎回"),
    ("movement_release", "release", "解冻"),
    ("movement_reserve", "reserve", "冻结"),
    ("movement_transfer", "transfer", "转账"),
    ("name", "name", "名称"),
    ("next", "next", "下一步"),
    ("no", "no", "否"),
    ("node", "node", "节点"),
    ("nonce", "next nonce", "下一序号"),
    ("none", "none", "无"),
    (
        "not_granted",
        "little is left, and no more is granted; paid ahead within 30 days:",
        "余额不足，且已达授权上限；30 天内已预付：",
    ),
    ("nothing", "there are none", "没有记录"),
    ("nothing_happens", "If nobody does anything and no meter brings readings:", "若各方均无动作且无读数："),
    ("notice", "notice", "说明"),
    ("notice_days", "notice of an end in days", "终止预告天数"),
    ("notices", "notices", "通知"),
    ("number", "number", "序号"),
    ("offer", "offer", "要约"),
    ("offer_awarding", "awarding", "授标中"),
    ("offer_closed", "closed", "已结束"),
    ("offer_open", "open", "报价中"),
    ("offer_withdrawn", "withdrawn", "已撤回"),
    ("oldest", "oldest open", "最早未完成"),
    ("on_the_way", "on the way", "在途"),
    ("opened", "in force since", "生效"),
    ("operator", "operator", "运营方"),
    ("option", "option", "方案"),
    ("outcome", "would be", "结果将为"),
    ("owner", "owner", "供能方"),
    ("p50", "finality p50 ms", "最终确认 p50 毫秒"),
    ("p99", "finality p99 ms", "最终确认 p99 毫秒"),
    ("package", "package", "能源套餐"),
    ("pages", "pages of memory", "内存页"),
    ("paid", "paid", "已付"),
    ("parameters", "parameters", "参数"),
    ("party", "party", "当事方"),
    ("party_owner", "owner", "供能方"),
    ("party_user", "user", "用能方"),
    ("passed", "passed", "流量"),
    ("peak", "peak MiB", "内存峰值 MiB"),
    ("per_month", "a month", "每月"),
    ("period", "period", "期间"),
    ("pool", "waiting", "待处理"),
    ("prepaid", "prepaid", "预付"),
    ("prepayments", "paid ahead", "预付记录"),
    ("price", "price", "单价"),
    ("price_index", "index", "指数"),
    ("process", "process", "进程"),
    ("program", "program", "程序"),
    ("proposer", "moved by", "提案方"),
    ("protocol", "protocol", "协议"),
    ("public", "public key", "公钥"),
    ("published", "published", "发布时间"),
    ("publisher", "publisher", "发布方"),
    ("purpose", "purpose", "用途"),
    ("quantity", "quantity", "数量"),
    ("quote_awarded", "awarded", "已授标"),
    ("quote_forfeited", "forfeited", "保证金没收"),
    ("quote_lapsed", "lapsed", "已失效"),
    ("quote_replaced", "replaced", "已被取代"),
    ("quote_submitted", "submitted", "已提交"),
    ("quote_withdrawn", "withdrawn", "已撤回"),
    ("quotes", "quotes", "报价数"),
    ("range", "least to most", "最小到最大"),
    ("reached_in", "reached in", "追上用时"),
    ("read", "last read", "最近抄表"),
    ("reading_blocks", "reading blocks", "正在读取区块"),
    ("readings", "readings certified", "已认证读数"),
    ("ready_epoch", "ready in epoch", "就绪纪元"),
    ("reason", "reason", "理由"),
    ("record", "signed record", "签名记录"),
    ("redeemed", "redeemed", "已赎回"),
    ("reference", "reference", "附言"),
    ("refunded", "refunded", "已退款"),
    ("refusal", "reason", "原因"),
    ("refused", "refused", "被拒绝"),
    ("register", "register", "表底"),
    ("reserved", "reserved", "冻结"),
    ("role", "role", "角色"),
    ("role_issuer", "issuer", "发行方"),
    ("role_meter_operator", "meter_operator", "表计运营方"),
    ("role_owner", "owner", "供能方"),
    ("role_supervisor", "supervisor", "监管方"),
    ("role_user", "user", "用能方"),
    ("role_validator", "validator", "验证方"),
    ("roles", "roles", "角色"),
    ("rows", "rows compared", "比对行数"),
    ("rule", "award rule", "授标规则"),
    ("same_code", "the sources give the published code", "源码重建结果与发布代码一致"),
    ("seal_key", "seal key", "密封公钥"),
    ("seats", "council", "理事会成员"),
    ("sees", "may see", "可见范围"),
    ("segments", "segments", "计量区段"),
    ("served_in", "served in", "可查询用时"),
    ("settlement", "settlement", "结算"),
    ("shortfall", "missing", "缺额"),
    ("sign_by", "sign before", "签署期限"),
    ("signature", "signature", "签名"),
    ("signatures", "signatures", "签名"),
    ("signer_gateway", "by the gateway", "网关签名"),
    ("signer_meter", "by the meter", "表计签名"),
    ("signer_record", "by the device, OCMF", "设备签名（OCMF）"),
    ("since", "in service since", "启用"),
    ("since_change", "since", "自"),
    ("sources", "sources", "源码摘要"),
    ("speed", "speed", "速度"),
    ("start_peak", "peak MiB until all meters are known", "读入全部表计前的内存峰值 MiB"),
    ("statement", "statement", "账单"),
    ("statements", "statements", "账单"),
    ("status", "status", "状态"),
    ("status_active", "active", "履行中"),
    ("status_declined", "declined", "已拒签"),
    ("status_defaulted", "defaulted", "已违约"),
    ("status_expired", "expired", "逾期未签"),
    ("status_proposed", "proposed", "待签署"),
    ("status_settled", "settled", "已结算"),
    ("status_stalled", "stalled", "已冻结"),
    ("status_terminated", "terminated", "已提前终止"),
    ("step", "step", "步骤"),
    ("stopped", "the node has stopped", "节点已停止"),
    ("stopped_meter", "stopped", "已停用"),
    ("storage", "settlements ago", "前几次结算"),
    ("subject", "of", "对象"),
    ("substituted", "substituted", "含替代值"),
    ("suite", "suite", "套件"),
    ("supervisor", "supervisor", "监管方"),
    ("supply", "supply", "供能"),
    ("taken", "taken", "实取"),
    ("tariff", "tariff", "计费方式"),
    ("tax", "value-added tax", "增值税"),
    ("terms", "terms", "条款"),
    ("text", "text", "正文"),
    ("threshold", "votes needed", "所需票数"),
    ("time", "time", "时间"),
    ("to", "to", "至"),
    ("to_peer", "to the peer", "相对对照系统"),
    ("token", "token", "令牌"),
    ("tolerance", "tolerance", "容差"),
    ("toolchain", "built with", "构建工具"),
    ("tranche", "tranche", "预付批次"),
    ("transaction", "transaction", "交易"),
    ("transactions", "transactions", "交易数"),
    ("unit", "unit", "单位"),
    ("unpaid", "unpaid", "未付"),
    ("unreadable", "does not open", "无法开启"),
    ("until", "until", "截至"),
    ("until_block", "until block", "至区块"),
    ("user", "user", "用能方"),
    ("value", "value", "值"),
    ("verified", "the proof holds", "证明有效"),
    ("version", "version", "版本"),
    ("vote", "vote", "表决"),
    ("votes", "for : against", "赞成 : 反对"),
    ("waiting", "waiting", "等待中"),
    ("whole", "nothing is damaged; parts that were looked at", "没有损坏；已检查的部分"),
    ("window", "delivery window", "交付时段"),
    ("withheld", "withheld", "扣留"),
    ("would_be_certified", "certified", "认证"),
    ("yes", "yes", "是"),
];

/// The word `key` in a language. Panics for a word that is not listed, which a test of every use prevents.
pub fn text(key: &str, lang: Lang) -> &'static str {
    let place = WORDS.binary_search_by(|(word, ..)| (*word).cmp(key));
    let (_, english, chinese) = WORDS[place.unwrap_or_else(|_| panic!("the word {key:?} is not in the catalogue"))];
    match lang {
        Lang::En => english,
        Lang::Zh => chinese,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_in_order_and_once() {
        assert!(WORDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn every_word_that_a_command_uses_is_listed_and_every_listed_word_is_used() {
        fn read(folder: &std::path::Path) -> String {
            let paths = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
            let texts = paths.map(|path| match path.is_dir() {
                true => read(&path),
                false if path.ends_with("text.rs") => String::new(),
                false => std::fs::read_to_string(path).unwrap(),
            });
            texts.collect()
        }
        let sources = read(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        // Words are written as t!("word") and nowhere else; other macros' names may end alike.
        let used: std::collections::BTreeSet<&str> = sources
            .match_indices("t!(\"")
            .filter(|(place, _)| !sources[..*place].ends_with(|before: char| before.is_alphanumeric()))
            .filter_map(|(place, found)| sources[place + found.len()..].split_once("\")"))
            .map(|(word, _)| word)
            .collect();
        let listed: std::collections::BTreeSet<&str> = WORDS.iter().map(|(word, ..)| *word).collect();
        assert_eq!(used.difference(&listed).collect::<Vec<_>>(), Vec::<&&str>::new(), "used, not listed");
        assert_eq!(listed.difference(&used).collect::<Vec<_>>(), Vec::<&&str>::new(), "listed, not used");
    }

    #[test]
    fn the_locale_decides_unless_told_otherwise() {
        assert_eq!(Lang::of_locale(Some("zh_CN.UTF-8")), Lang::Zh);
        assert_eq!(Lang::of_locale(Some("C.UTF-8")), Lang::En);
        assert_eq!(Lang::of_locale(None), Lang::En);
    }
}
