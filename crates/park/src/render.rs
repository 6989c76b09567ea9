//! The report as text, in English or Chinese.

use crate::consortium::Story;
use crate::report::{Report, TenantReport, saved_permille};
use crate::wire;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use std::fmt::Write as _;
use utilidor_types::{Carrier, Money, carrier::BaseUnit, money::MICRO};

/// The language of headings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl Lang {
    const fn of(self, en: &'static str, zh: &'static str) -> &'static str {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }

    /// A name of the report's: an occasion, a check or a way of charging. They stand in the JSON in English.
    fn name(self, name: &str) -> String {
        if self == Self::En {
            return name.into();
        }
        if let Some(carrier) = name.strip_prefix(SUPPLIED_IS_BILLED) {
            return format!("供应 = 计费：{}", carrier.parse().map_or(carrier, |carrier| self.carrier(carrier)));
        }
        if let Some(size) = name.strip_prefix(TOP_UPS) {
            return format!("计量，每次充值 {size}");
        }
        let known = NAMES_IN_CHINESE.iter().find(|(en, _)| *en == name);
        known.map_or(name, |(_, zh)| zh).into()
    }

    const fn carrier(self, carrier: Carrier) -> &'static str {
        match (self, carrier) {
            (Self::En, carrier) => carrier.name(),
            (Self::Zh, Carrier::Electricity) => "电",
            (Self::Zh, Carrier::Heating) => "供热",
            (Self::Zh, Carrier::Cooling) => "供冷",
            (Self::Zh, Carrier::HotWater) => "生活热水",
            (Self::Zh, Carrier::Gas) => "燃气",
            (Self::Zh, Carrier::Water) => "自来水",
        }
    }
}

const SUPPLIED_IS_BILLED: &str = "supplied = billed: ";
const TOP_UPS: &str = "metered, top-ups of ";

/// The report's names in Chinese.
const NAMES_IN_CHINESE: [(&str, &str); 39] = [
    ("a tender with several winners", "一次招标多家中标"),
    ("a quote never awarded", "未中标的报价"),
    ("a quote after the gate, refused", "截止后报价，被拒绝"),
    ("an unsigned award that expires", "中标后未签署而失效"),
    ("a register that rolls over", "表计读数翻转"),
    ("a replayed reading, refused", "重放读数，被拒绝"),
    ("a gap in a meter's readings", "读数缺失"),
    ("an under-take", "用户少取"),
    ("a meter exchange", "换表"),
    ("an under-delivery", "供方少供"),
    ("a tariff adjusted by consent", "协商调整费率"),
    ("a late reading, billed as a correction", "迟到的读数，以更正行计费"),
    ("a corrected reading, credited", "读数更正，退还差额"),
    ("a debt that is paid", "欠费后补缴"),
    ("a tenant that moves in within a month", "用户月中迁入"),
    ("a substituted reading", "缺失读数以替代量计"),
    ("an early termination with refund", "提前终止并退款"),
    ("money is conserved after every block", "每个区块后货币守恒"),
    ("every reading is certified", "所有读数均已认证"),
    ("every register on the chain is the meter's", "链上表底与表计一致"),
    ("every month is billed to every subscriber", "每月每户均已出账"),
    ("every purchase that fell due has executed", "到期交易均已执行"),
    ("everything is paid", "款项全部付清"),
    ("no supply is exhausted", "无预付耗尽"),
    ("refused is what should be refused, and nothing else", "仅拒绝应拒绝者"),
    ("what happens once has happened on its day", "一次性事件均如期发生"),
    ("shared generation is what the data say", "共享光伏的结算与数据重算一致"),
    ("called load is what the data say", "可中断负荷的结算与数据重算一致"),
    ("cold taken or paid is what the data say", "照付不议冷量的结算与数据重算一致"),
    ("all nodes hold the same chain, the one that was killed too", "所有节点的链一致，含被强行终止的节点"),
    ("who joined takes part", "新加入者已参与共识"),
    ("bills, energy, money and carbon are those of one member", "账单、能量、资金与碳排放同单成员运行一致"),
    ("what went wrong on the wire was met", "线路上的故障均已妥善处理"),
    ("floor area, by the month", "按面积，月付"),
    ("floor area, by the quarter", "按面积，季付"),
    ("floor area, by the year", "按面积，年付"),
    ("metered, by the month", "计量，月付"),
    ("metered, by the quarter", "计量，季付"),
    ("metered, by the year", "计量，年付"),
];

/// The report as text.
pub fn render(report: &Report, lang: Lang) -> String {
    let mut text = String::new();
    let mut section = |title: &str, body: String| {
        let _ = writeln!(text, "\n{title}\n{body}");
    };
    let t = |en, zh| lang.of(en, zh);
    section(t("Bills of the complete months, CNY", "完整月份的账单（元）"), bills(report, lang));
    section(
        t("By carrier: today's charging, package and purchases, CNY", "按能源品种：现行收费、套餐与交易（元）"),
        carriers(report, lang),
    );
    section(t("Energy and carbon", "能量与碳排放"), energy(report, lang));
    section(t("Revenue, CNY", "收入（元）"), revenue(report, lang));
    section(
        t("Contracts in the parties' own code: what was paid, by which clause", "自编合约：按条款的付款"),
        contracts(report, lang),
    );
    section(t("Supplied and billed", "供应与计费"), balances(report, lang));
    section(t("The platform's work", "平台运行"), work(report, lang));
    section(t("What happens once", "一次性事件"), occasions(report, lang));
    if let Some(story) = &report.wire {
        section(t("Readings over the wire", "经通信线路抄读"), over_the_wire(story, lang));
    }
    if let Some(story) = &report.consortium {
        section(t("The members", "联盟成员"), members(story, lang));
    }
    section(t("Checks", "检查"), checks(report, lang));
    text
}

fn members(story: &Story, lang: Lang) -> String {
    let t = |en, zh| lang.of(en, zh);
    let on = |day: Option<usize>| match (day, lang) {
        (None, _) => t("in an earlier run", "此前的运行").to_owned(),
        (Some(day), Lang::En) => format!("day {day}"),
        (Some(day), Lang::Zh) => format!("第 {day} 天"),
    };
    let mut table = table(&["", t("found", "结果")]);
    let mut fact = |name: &str, found: String| text_row(&mut table, vec![name.into(), found]);
    fact(t("began", "创始成员"), story.members.join(", "));
    fact(t("killed", "被强行终止"), format!("{}: {}", story.killed, on(story.killed_on_day)));
    fact(t("started again", "重新启动"), format!("{}: {}", story.killed, on(story.back_on_day)));
    fact(t("admitted", "接纳"), format!("{}: {}", story.joined, on(story.admitted_on_day)));
    let takes_part = if story.takes_part { t("yes", "是") } else { t("no", "否") };
    fact(t("takes part in consensus", "参与共识"), format!("{}: {takes_part}", story.joined));
    table.to_string()
}

fn over_the_wire(story: &wire::Story, lang: Lang) -> String {
    let t = |en, zh| lang.of(en, zh);
    let mut table = table(&["", t("found", "结果")]);
    let mut fact = |name: String, found: String| text_row(&mut table, vec![name, found]);
    let days = match (story.days, lang) {
        (31, Lang::En) => "readings of January".to_owned(),
        (31, Lang::Zh) => "一月读数".to_owned(),
        (days, Lang::En) => format!("readings of the first {days} days"),
        (days, Lang::Zh) => format!("前 {days} 天的读数"),
    };
    let by_protocol = story.protocols.iter().map(|by| {
        let (readings, meters) = (thousands(by.readings.into()), by.meters);
        let protocol = match by.protocol.as_str() {
            "dlt645" => "DL/T 645",
            "cjt188" => "CJ/T 188",
            "modbus-tcp" => "Modbus TCP",
            "mqtt" => "MQTT",
            other => other,
        };
        match lang {
            Lang::En => format!("{readings} over {protocol} ({meters} meters)"),
            Lang::Zh => format!("{protocol}：{readings} 条（{meters} 块表）"),
        }
    });
    fact(days, by_protocol.collect::<Vec<_>>().join(t(", ", "；")));
    fact(t("the rest, from the files", "其余，来自数据文件").into(), thousands(story.from_files.into()));
    let water = match story.broker {
        true => t(
            "published by its collectors over MQTT, through a broker (mosquitto) that the demonstration started",
            "由采集器经 MQTT 发布，代理（mosquitto）由演示启动",
        ),
        false => t(
            "read over CJ/T 188 like heat: no MQTT broker (mosquitto) is on this machine",
            "与热量一样经 CJ/T 188 抄读：本机没有 MQTT 代理（mosquitto）",
        ),
    };
    fact(t("water", "水").into(), water.into());
    for met in &story.met {
        let kind = match met.kind {
            wire::Kind::Silence => t("silence", "无应答"),
            wire::Kind::LateAnswer => t("a late answer", "迟到的应答"),
            wire::Kind::SwappedWords => t("swapped words", "字序颠倒"),
            wire::Kind::Exchange => t("another device", "设备更换"),
            wire::Kind::Rollover => t("a register at its last step", "示数跳至满量程"),
            wire::Kind::DigitsEnd => t("a register that starts again", "示数翻转"),
            wire::Kind::Gap => t("hours without readings", "数小时无读数"),
        };
        let how = match met.code.as_str() {
            "line/silent" if met.kind == wire::Kind::LateAnswer => {
                t("discarded with its connection; asked again", "随连接一并丢弃，重新抄读")
            }
            "line/silent" => t("waited for in vain; asked again", "等待超时，重新抄读"),
            "reading/beyond-capacity" => t("implausible at two looks: refused", "两次抄读均不可信，拒绝"),
            "meter/device-changed" => t("the meter was stopped until it was accepted", "停抄，经确认后恢复"),
            "reading/rollover" => t("looked at twice: taken", "复读一致，采纳"),
            "meter/silent" => t("gap alarm; the next reading was looked at twice", "缺失告警，恢复后复读确认"),
            _ => t("not met", "未妥善处理"),
        };
        let (day, hour) = (met.hour / 24 + 1, met.hour % 24 + 1);
        let when = match lang {
            Lang::En => format!("{}, day {day}, {hour}:00", met.meter),
            Lang::Zh => format!("{}，第 {day} 天 {hour} 时", met.meter),
        };
        fact(format!("{kind}: {when}"), format!("{how} ({})", met.code));
    }
    table.to_string()
}

fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().enumerate().map(|(column, heading)| cell(column, (*heading).to_owned())));
    table
}

/// The first column is text, the others are figures.
fn cell(column: usize, text: String) -> Cell {
    let alignment = if column == 0 { CellAlignment::Left } else { CellAlignment::Right };
    Cell::new(text).set_alignment(alignment)
}

fn row(table: &mut Table, cells: Vec<String>) {
    table.add_row(cells.into_iter().enumerate().map(|(column, text)| cell(column, text)).collect::<Vec<_>>());
}

fn text_row(table: &mut Table, cells: Vec<String>) {
    table.add_row(cells.into_iter().map(|text| Cell::new(text).set_alignment(CellAlignment::Left)).collect::<Vec<_>>());
}

/// Money in whole units with thousands set apart; the millionths are in the JSON.
fn whole(money: Money) -> String {
    thousands((u128::from(money.0) + u128::from(MICRO / 2)) / u128::from(MICRO))
}

fn thousands(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn permille(permille: i64) -> String {
    let sign = if permille < 0 { "-" } else { "" };
    format!("{sign}{}.{} %", permille.abs() / 10, permille.abs() % 10)
}

fn bills(report: &Report, lang: Lang) -> String {
    let t = |en, zh| lang.of(en, zh);
    let mut table = table(&[
        t("tenant", "用户"),
        t("today's charging", "现行收费"),
        t("package and purchases", "套餐与交易"),
        t("saved", "节省"),
        t("deposits lost", "没收保证金"),
        t("deposits gained", "获得赔偿"),
        t("still reserved", "仍冻结"),
    ]);
    for tenant in &report.tenants {
        let cells = vec![
            tenant.tenant.clone(),
            whole(tenant.baseline),
            whole(tenant.package),
            permille(tenant.saved_permille),
            whole(tenant.forfeited),
            whole(tenant.compensated),
            whole(tenant.prepaid),
        ];
        row(&mut table, cells);
    }
    let sum = |of: fn(&TenantReport) -> Money| report.tenants.iter().map(of).sum::<Money>();
    let (baseline, package) = (sum(|tenant| tenant.baseline), sum(|tenant| tenant.package));
    let (forfeited, compensated) = (sum(|tenant| tenant.forfeited), sum(|tenant| tenant.compensated));
    let cells = vec![
        t("all", "合计").to_owned(),
        whole(baseline),
        whole(package),
        permille(saved_permille(baseline, package, forfeited, compensated)),
        whole(forfeited),
        whole(compensated),
        whole(sum(|tenant| tenant.prepaid)),
    ];
    row(&mut table, cells);
    let told = t(
        "What the parties' own contracts have paid is in none of these columns; it stands below.",
        "自编合约的付款不计入以上各列，见下文。",
    );
    format!("{table}\n{told}")
}

fn carriers(report: &Report, lang: Lang) -> String {
    let t = |en, zh| lang.of(en, zh);
    let mut table = table(&[
        t("tenant", "用户"),
        t("carrier", "品种"),
        t("charged", "计费方式"),
        t("today's charging", "现行收费"),
        t("package", "套餐"),
        t("purchases", "交易"),
    ]);
    for tenant in &report.tenants {
        for bill in &tenant.carriers {
            let cells = vec![
                tenant.tenant.clone(),
                lang.carrier(bill.carrier).to_owned(),
                lang.name(&bill.mode),
                whole(bill.baseline),
                whole(bill.subscription),
                whole(bill.purchases),
            ];
            row(&mut table, cells);
        }
    }
    table.to_string()
}

fn energy(report: &Report, lang: Lang) -> String {
    let t = |en, zh| lang.of(en, zh);
    let mut table = table(&[
        t("tenant", "用户"),
        t("electricity, kWh", "电（千瓦时）"),
        t("of it from the roofs", "其中屋顶光伏"),
        t("heat and cold, kWh", "热与冷（千瓦时）"),
        t("carbon dioxide, kg", "二氧化碳（千克）"),
    ]);
    for tenant in &report.tenants {
        let cells = vec![
            tenant.tenant.clone(),
            thousands(tenant.electricity_kwh.into()),
            thousands(tenant.solar_kwh.into()),
            thousands(tenant.thermal_kwh.into()),
            thousands(tenant.carbon_kg.into()),
        ];
        row(&mut table, cells);
    }
    let told = t(
        "From the roofs: what was bought of them by purchases. What they share by contracts of their own stands below.",
        "屋顶光伏仅计经交易购得的电量；其自编合约所分享的电量见下文。",
    );
    format!("{table}\n{told}")
}

fn revenue(report: &Report, lang: Lang) -> String {
    let t = |en, zh| lang.of(en, zh);
    let mut table = table(&[
        t("owner", "供能方"),
        t("packages", "套餐"),
        t("purchases", "交易"),
        t("own contracts", "自编合约"),
        t("forfeits", "保证金净额"),
    ]);
    for revenue in &report.revenue {
        let cells = vec![
            revenue.owner.clone(),
            whole(revenue.subscriptions),
            whole(revenue.purchases),
            signed(revenue.contracts_micro),
            signed(revenue.forfeits_micro),
        ];
        row(&mut table, cells);
    }
    table.to_string()
}

/// Money that may be below zero.
fn signed(micro: i64) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    format!("{sign}{}", whole(Money(micro.unsigned_abs())))
}

fn contracts(report: &Report, lang: Lang) -> String {
    let t = |en, zh| lang.of(en, zh);
    let mut table = table(&[
        t("contract", "合约"),
        t("clause", "条款"),
        t("who pays whom", "付款方与收款方"),
        t("kWh", "千瓦时"),
        t("CNY", "元"),
    ]);
    for contract in &report.contracts {
        for clause in &contract.clauses {
            let text = if lang == Lang::En { &clause.text.en } else { &clause.text.zh };
            let cells = vec![
                contract.name.clone(),
                format!("{} {}", clause.clause, &**text),
                format!("{} -> {}", clause.from, clause.to),
                thousands((clause.quantity.0 / 3_600_000).into()),
                whole(clause.amount),
            ];
            row(&mut table, cells);
        }
    }
    table.to_string()
}

fn balances(report: &Report, lang: Lang) -> String {
    let t = |en, zh| lang.of(en, zh);
    let mut table = table(&[
        t("carrier", "品种"),
        t("unit", "单位"),
        t("supplied", "供应"),
        t("billed by subscription", "套餐计费"),
        t("billed by purchase", "交易计费"),
    ]);
    for balance in &report.balances {
        let (unit, size) = match balance.carrier.base_unit() {
            BaseUnit::Joule => ("kWh", 3_600_000),
            BaseUnit::Millilitre => ("m3", 1_000_000),
        };
        let cells = vec![
            lang.carrier(balance.carrier).to_owned(),
            unit.into(),
            thousands((balance.supplied.0 / size).into()),
            thousands((balance.by_subscription.0 / size).into()),
            thousands((balance.by_purchase.0 / size).into()),
        ];
        row(&mut table, cells);
    }
    table.to_string()
}

fn work(report: &Report, lang: Lang) -> String {
    let t = |en, zh| lang.of(en, zh);
    let number = |number: u64| thousands(number.into());
    let mut table = table(&["", ""]);
    let mut line = |name: &str, value: String| text_row(&mut table, vec![name.into(), value]);
    line(t("days played", "运行天数"), number(report.days as u64));
    line(
        t("tenders; quotes; never opened", "招标；报价；从未开启"),
        format!("{}; {}; {}", report.tenders, report.quotes, report.quotes_unopened),
    );
    line(t("contracts executed by themselves", "自动执行的合约"), number(report.contracts_executed));
    line(t("readings certified", "认证读数"), number(report.readings_certified));
    line(t("statements issued", "结算单"), number(report.statements_issued));
    line(t("low-balance notices", "余额不足通知"), number(report.low_balance_notices));
    let refused = report.refused.iter().map(|(code, count)| format!("{code}: {count}")).collect::<Vec<_>>().join(", ");
    line(t("refused, by reason", "按原因拒绝"), refused);
    if let Some(times) = &report.delivery_to_payment {
        let minutes = |ms: u64| format!("{} min", ms / 60_000);
        let value = format!(
            "{} - {}, {} {}, {} {}",
            minutes(times.least_ms),
            minutes(times.most_ms),
            t("mean", "平均"),
            minutes(times.mean_ms),
            t("at most blocks:", "最多区块："),
            times.most_blocks
        );
        line(t("from delivery to payment (on the chain)", "从交付到付款（链上时间）"), value);
    }
    line(t("money issued; held", "货币发行；持有"), format!("{}; {}", report.issued, report.held));
    line(
        t("blocks; transactions", "区块；交易"),
        format!("{}; {}", number(report.run.blocks), number(report.transactions)),
    );
    let seconds = format!("{}.{} s", report.run.duration_ms / 1_000, report.run.duration_ms % 1_000 / 100);
    line(t("duration of this run", "本次运行时间"), seconds);
    line(t("disk", "磁盘"), format!("{} MB", report.run.disk_bytes / 1_000_000));
    line(t("state root", "状态根"), report.run.state_root.clone());
    line(t("data folder", "数据目录"), report.run.data_dir.clone());
    line(t("interface", "接口地址"), report.run.api.clone());
    table.to_string()
}

fn occasions(report: &Report, lang: Lang) -> String {
    let t = |en, zh| lang.of(en, zh);
    let mut table = table(&[t("occasion", "事件"), t("day", "日期"), ""]);
    for occasion in &report.occasions {
        let state = match (occasion.reached, occasion.observed) {
            (true, true) => t("happened", "已发生"),
            (false, false) => t("not in these days", "不在此期间"),
            (true, false) => t("MISSING", "缺失"),
            (false, true) => t("TOO EARLY", "提前发生"),
        };
        text_row(&mut table, vec![lang.name(&occasion.name), occasion.on.clone(), state.into()]);
    }
    table.to_string()
}

fn checks(report: &Report, lang: Lang) -> String {
    let t = |en, zh| lang.of(en, zh);
    let mut table = table(&["", t("check", "检查"), t("found", "结果")]);
    for check in &report.checks {
        let held = if check.held { t("held", "通过") } else { t("FAILED", "未通过") };
        text_row(&mut table, vec![held.into(), lang.name(&check.name), check.found.clone()]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_set_in_thousands() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(whole(Money(1_499_999)), "1");
        assert_eq!([permille(123), permille(-5)], ["12.3 %", "-0.5 %"]);
    }
}
