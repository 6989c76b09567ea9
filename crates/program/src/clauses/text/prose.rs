//! A sheet as both sides read it, in English and in Chinese, printed from what they sign.

use super::super::tree::{Node, Unit};
use super::super::{Cadence, Label, Sheet};
use super::{decimal, is_in_heat, number, per, stretches};
use utilidor_types::Carrier;
use utilidor_types::agreement::Party;

/// A language of the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Chinese.
    Zh,
}

use Language::{En, Zh};

impl Language {
    fn of<'a>(self, en: &'a str, zh: &'a str) -> &'a str {
        match self {
            En => en,
            Zh => zh,
        }
    }

    fn label(self, label: &Label) -> &str {
        self.of(&label.en, &label.zh)
    }
}

/// Everything that the sheet says, a sentence a line.
pub fn prose(sheet: &Sheet, language: Language) -> String {
    let mut lines = vec![language.label(&sheet.title).to_owned(), periods(sheet, language), reserves(sheet, language)];
    for meter in &sheet.meters {
        let (label, carrier) = (language.label(&meter.named.label), carrier(meter.carrier, language));
        lines.push(match language {
            En => format!("Measured is {label} ({carrier})."),
            Zh => format!("计量：{label}（{carrier}）。"),
        });
    }
    for band in &sheet.bands {
        let hours: Vec<String> = stretches(band.hours).iter().map(|(from, to)| format!("{from}:00-{to}:00")).collect();
        let (label, hours) = (language.label(&band.named.label), hours.join(language.of(", ", "、")));
        lines.push(match language {
            En => format!("The hours {hours} of each day are called {label}."),
            Zh => format!("每日 {hours} 称为{label}。"),
        });
    }
    for index in &sheet.indices {
        let (label, id) = (language.label(&index.named.label), index.index);
        lines.push(match language {
            En => format!("The value that is called {label} is that of the published index {id} for the same period."),
            Zh => format!("{label}指已发布的指数 {id} 在同一期间的值。"),
        });
    }
    for definition in &sheet.definitions {
        let label = language.label(&definition.named.label);
        let value = expression(sheet, &definition.value, language);
        lines.push(match language {
            En => format!("What is called {label} is {value}."),
            Zh => format!("{label}等于{value}。"),
        });
    }
    for payment in &sheet.payments {
        let [payer, payee] = [payment.from, payment.from.other()].map(|party| who(party, language));
        let (label, value) = (language.label(&payment.label), expression(sheet, &payment.amount, language));
        lines.push(match language {
            En => format!("For {label} the {payer} pays the {payee} {value}; below zero the {payee} pays."),
            Zh => format!("{payer}就{label}向{payee}支付{value}；为负时由{payee}支付。"),
        });
    }
    lines.extend(always(sheet, language));
    lines.join("\n")
}

fn periods(sheet: &Sheet, language: Language) -> String {
    let periods = &sheet.periods;
    let date = periods.begin.date(periods.offset_minutes);
    let date = format!("{:04}-{:02}-{:02}", date.year, date.month, date.day);
    let sign = if periods.offset_minutes < 0 { '-' } else { '+' };
    let minutes = periods.offset_minutes.unsigned_abs();
    let offset = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    let (count, grace) = (periods.count, periods.grace_hours);
    let cadence = match periods.cadence {
        Cadence::Day => language.of("day", "日"),
        Cadence::Month => language.of("calendar month", "自然月"),
    };
    match language {
        En => format!(
            "It is settled for each {cadence} from {date} (UTC{offset}) on, {count} times, {grace} hours after its end."
        ),
        Zh => format!("自 {date}（UTC{offset}）起按{cadence}结算，共 {count} 期，每期结束后 {grace} 小时结算。"),
    }
}

fn reserves(sheet: &Sheet, language: Language) -> String {
    let [owner, user] = sheet.reserves.map(|money| decimal(i64::try_from(money.0).unwrap_or(i64::MAX), 6));
    match language {
        En => {
            format!("When both sign, {owner} of the owner's money and {user} of the user's are reserved for the end.")
        }
        Zh => format!("双方签署时，冻结供能方 {owner}、用能方 {user}，供最终结算。"),
    }
}

/// What holds for every sheet.
fn always(sheet: &Sheet, language: Language) -> Vec<String> {
    let mut lines = match language {
        En => vec![
            "A period waits, and is tried again each day, until every value that its payments need is published.",
            "What is measured late or corrected after its period was settled counts in the period settled next; if that comes to less than nothing, the rest counts in the one after it, and at the end it is paid back.",
            "What comes after the last statement is settled by supplements, by what the last period comes to with it, for 31 days.",
            "What cannot be paid is carried to the next statement.",
        ],
        Zh => vec![
            "付款所需的值未全部发布前，该期间等待，并逐日重试。",
            "期间结算后才测得或更正的量，计入下一个结算的期间；若因此小于零，余量计入再下一个期间，最后一期则退还。",
            "最后一张账单之后 31 天内测得或更正的量，由补充账单结算：按计入该量后重算的最后一期补差。",
            "未能支付的部分转入下一张账单。",
        ],
    };
    let rounds = sheet.definitions.iter().map(|one| &one.value).chain(sheet.payments.iter().map(|one| &one.amount));
    if rounds.flatten().any(|node| matches!(node, Node::Times | Node::Share)) {
        lines.push(language.of(
            "Products are rounded to the millionth, halves to the even one.",
            "乘积精确到百万分之一，恰为一半时取偶数。",
        ));
    }
    lines.into_iter().map(Into::into).collect()
}

fn who(party: Party, language: Language) -> &'static str {
    match (party == Party::OWNER, language) {
        (true, En) => "owner",
        (false, En) => "user",
        (true, Zh) => "供能方",
        (false, Zh) => "用能方",
    }
}

fn carrier(carrier: Carrier, language: Language) -> &'static str {
    match (carrier, language) {
        (Carrier::Electricity, Zh) => "电",
        (Carrier::Heating, Zh) => "供热",
        (Carrier::Cooling, Zh) => "供冷",
        (Carrier::HotWater, Zh) => "生活热水",
        (Carrier::Gas, Zh) => "燃气",
        (Carrier::Water, Zh) => "自来水",
        (Carrier::HotWater, En) => "hot water",
        (_, En) => carrier.name(),
    }
}

/// A number with its unit. Money has no name: all of it is of the settlement currency.
fn amount(value: i64, unit: Unit, language: Language, in_heat: bool) -> String {
    match unit {
        Unit::Money => decimal(value, 6),
        Unit::Price(unit) => match language {
            En => format!("{} per {}", decimal(value, 6), per(unit)),
            Zh => format!("{}/{}", decimal(value, 6), per(unit)),
        },
        _ => match language {
            En => number(value, unit, in_heat),
            Zh => {
                number(value, unit, in_heat).replace(" days", " 天").replace(" hours", " 小时").replace(" ms", " 毫秒")
            }
        },
    }
}

fn expression(sheet: &Sheet, nodes: &[Node], language: Language) -> String {
    // Whether a part stands for itself, so that it needs no brackets inside another.
    let mut waiting: Vec<(String, bool)> = Vec::new();
    for node in nodes {
        let operands = waiting.split_off(waiting.len().saturating_sub(node.operands()));
        waiting.push(said(sheet, node, &operands, language));
    }
    waiting.pop().map_or_else(|| "?".into(), |(text, _)| text)
}

fn said(sheet: &Sheet, node: &Node, operands: &[(String, bool)], language: Language) -> (String, bool) {
    let part = |place: usize| match operands.get(place) {
        None => "?".to_owned(),
        Some((text, true)) => text.clone(),
        Some((text, false)) => match language {
            En => format!("({text})"),
            Zh => format!("（{text}）"),
        },
    };
    let of = |label: Option<&Label>| label.map_or("?", |label| language.label(label)).to_owned();
    let meter = |place: u8| of(sheet.meters.get(usize::from(place)).map(|one| &one.named.label));
    let index = |place: u8| of(sheet.indices.get(usize::from(place)).map(|one| &one.named.label));
    let definition = |place: u8| of(sheet.definitions.get(usize::from(place)).map(|one| &one.named.label));
    let pair = |en: &str, zh: &str| {
        // What stands in the parts is not looked at: a label may hold anything.
        let (head, rest) = language.of(en, zh).split_once("{0}").unwrap_or_default();
        let (middle, tail) = rest.split_once("{1}").unwrap_or_default();
        (format!("{head}{}{middle}{}{tail}", part(0), part(1)), false)
    };
    let in_heat = is_in_heat(sheet);
    let quantity = |value, unit| amount(value, unit, language, in_heat);
    match node {
        Node::Number(value, unit) => (quantity(*value, *unit), true),
        Node::Sum { meter: of, band: None } => (meter(*of), true),
        Node::Sum { meter: place, band: Some(band) } => {
            let found = usize::from(*band).checked_sub(1).and_then(|place| sheet.bands.get(place));
            let band = match found {
                Some(band) => language.label(&band.named.label).to_owned(),
                None => language.of("the other hours", "其余时段").to_owned(),
            };
            let meter = meter(*place);
            let text = match language {
                En => format!("{meter} in {band}"),
                Zh => format!("{band}的{meter}"),
            };
            (text, false)
        }
        Node::Index { index: place, notice_hours: 0 } => (index(*place), true),
        Node::Index { index: place, notice_hours } => {
            let index = index(*place);
            let text = match language {
                En => format!("{index} if it was published at least {notice_hours} hours before the period"),
                Zh => format!("在期间开始前至少 {notice_hours} 小时发布的{index}"),
            };
            (text, false)
        }
        Node::Defined(place) => (definition(*place), true),
        Node::Before(place) => {
            let definition = definition(*place);
            let text = match language {
                En => format!("{definition} of the period before"),
                Zh => format!("上一期间的{definition}"),
            };
            (text, false)
        }
        Node::Length => (language.of("the length of the period", "期间长度").to_owned(), true),
        Node::Add => pair("{0} plus {1}", "{0}加{1}"),
        Node::Subtract => pair("{0} less {1}", "{0}减{1}"),
        Node::Times => pair("{0} times {1}", "{0}乘以{1}"),
        Node::Min => pair("the smaller of {0} and {1}", "{0}与{1}中较小者"),
        Node::Max => pair("the larger of {0} and {1}", "{0}与{1}中较大者"),
        Node::Else => pair("{0}, or where there is none, {1}", "{0}，没有时为{1}"),
        Node::Share => {
            let [value, part_of, whole] = [part(0), part(1), part(2)];
            let text = match language {
                En => format!("{value} times {part_of} divided by {whole}, or nothing where that is nothing"),
                Zh => format!("{value}乘以{part_of}除以{whole}，除数为零时为零"),
            };
            (text, false)
        }
        Node::Table { of, rows, above, unit } => {
            let row = |(limit, value): &(i64, i64)| {
                let (limit, value) = (quantity(*limit, *of), quantity(*value, *unit));
                match language {
                    En => format!("{value} up to {limit}"),
                    Zh => format!("不超过 {limit} 为 {value}"),
                }
            };
            let rows: Vec<String> = rows.iter().map(row).collect();
            let (size, rows, above) = (part(0), rows.join(language.of(", ", "，")), quantity(*above, *unit));
            let text = match language {
                En => format!("by {size}: {rows}, {above} above that"),
                Zh => format!("按{size}：{rows}，超过为 {above}"),
            };
            (text, false)
        }
    }
}
