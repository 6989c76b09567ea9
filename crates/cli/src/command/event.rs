//! What receipts tell, a line each, in both languages.

use super::plain;
use crate::output::Output;
use crate::{chinese, fault, say, t, units};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use utilidor_sdk::Client;
use utilidor_types::event::BondMovement;
use utilidor_types::{Bands, Carrier, Event, MeterId, Quantity};

/// What meters measure, as far as it is known: an event says a quantity in base units alone.
#[derive(Debug, Clone, Default)]
pub struct Measured(BTreeMap<MeterId, Carrier>);

impl Measured {
    /// One meter.
    pub fn by(meter: MeterId, carrier: Carrier) -> Self {
        Self([(meter, carrier)].into())
    }

    /// The meters whose quantities events tell, as far as whoever asks sees them.
    pub async fn in_events(client: &Client, events: &[Event]) -> Self {
        let meters: BTreeSet<MeterId> = events.iter().flat_map(meters_of).collect();
        let mut measured = Self::default();
        for meter in meters {
            if let Ok(found) = client.meter(meter).await {
                measured.0.insert(meter, found.carrier);
            }
        }
        measured
    }

    /// What a meter measures.
    pub fn of(&self, meter: MeterId) -> Option<Carrier> {
        self.0.get(&meter).copied()
    }

    /// A carrier that stands for all of the meters: quantities of those with the same base unit read alike.
    fn any(&self) -> Option<Carrier> {
        let first = *self.0.values().next()?;
        self.0.values().all(|carrier| carrier.base_unit() == first.base_unit()).then_some(first)
    }
}

impl FromIterator<(MeterId, Carrier)> for Measured {
    fn from_iter<T: IntoIterator<Item = (MeterId, Carrier)>>(meters: T) -> Self {
        Self(meters.into_iter().collect())
    }
}

/// The meters whose quantities an event tells.
fn meters_of(event: &Event) -> Vec<MeterId> {
    match event {
        Event::Certified { refused, .. } => refused.iter().map(|reading| reading.meter).collect(),
        Event::Segment(segment) => vec![segment.meter],
        Event::Unsupplied { meter, .. } | Event::Corrected { meter, .. } => vec![*meter],
        _ => Vec::new(),
    }
}

/// A consequence in one line.
pub fn line(out: &Output, event: &Event) -> String {
    line_of(out, event, &Measured::default())
}

/// All bands together.
pub fn total(out: &Output, bands: &Bands, carrier: Option<Carrier>) -> String {
    bands.total().map_or_else(|| "-".into(), |total| quantity(out, total, carrier))
}

/// A quantity in the unit that people read, or in base units if it is not known of what.
pub fn quantity(out: &Output, quantity: Quantity, carrier: Option<Carrier>) -> String {
    match carrier {
        Some(carrier) => units::quantity(quantity, carrier),
        None => format!("{quantity} {}", out.word(t!("base_units"))),
    }
}

/// A consequence in one line, of meters whose carriers are known.
pub fn line_of(out: &Output, event: &Event, measured: &Measured) -> String {
    match event {
        Event::Moved { agreement, movement, amount } => {
            let how = plain(&json!(movement));
            say!(out, "moved {amount} for agreement {agreement}: {how}", "合约 {agreement} 资金流动 {amount}：{how}")
        }
        Event::AgreementProposed { agreement, terms, sign_by, .. } => {
            let by = out.time(*sign_by);
            say!(
                out,
                "agreement {agreement} proposed, terms {terms}, to be signed before {by}",
                "合约 {agreement} 已提出，条款 {terms}，须在 {by} 前签署"
            )
        }
        Event::AgreementStatus { agreement, status } => {
            let status = super::status_text(out, *status);
            say!(out, "agreement {agreement} is {status}", "合约 {agreement} {status}")
        }
        Event::AgreementAmended { agreement, terms } => {
            say!(out, "agreement {agreement} amended, terms {terms}", "合约 {agreement} 已变更，条款 {terms}")
        }
        Event::Certified { first, count, refused } => {
            let refusals = refused.len();
            let mut line = say!(
                out,
                "{count} readings certified from certificate {first} on, {refusals} refused",
                "自凭证 {first} 起认证 {count} 个读数，拒绝 {refusals} 个"
            );
            for reading in refused {
                let (index, meter, code) = (reading.index, reading.meter, reading.refusal.code());
                let why = chinese::refusal_of(&reading.refusal, measured.of(meter));
                line.push_str("\n    ");
                line.push_str(&say!(
                    out,
                    "reading {index} of meter {meter} refused ({code}): {why}",
                    "表计 {meter} 的第 {index} 个读数被拒绝（{code}）：{why}"
                ));
            }
            line
        }
        Event::Gap { meter, interval } => {
            let (from, to) = (out.time(interval.from), out.time(interval.to));
            say!(
                out,
                "readings of meter {meter} are missing from {from} to {to}",
                "表计 {meter} 自 {from} 至 {to} 缺少读数"
            )
        }
        Event::StatementIssued(statement) => {
            let (number, agreement, paid) = (statement.number, statement.agreement, statement.paid);
            let (unpaid, debt) = (statement.unpaid, statement.debt);
            say!(
                out,
                "statement {number} of agreement {agreement}: paid {paid}, unpaid {unpaid}, debt {debt}",
                "合约 {agreement} 的账单 {number}：已付 {paid}，未付 {unpaid}，欠款 {debt}"
            )
        }
        Event::Segment(segment) => {
            let (meter, from, to) = (segment.meter, out.time(segment.interval.from), out.time(segment.interval.to));
            let passed = segment.passed().map_or_else(|| "-".into(), |bands| total(out, &bands, measured.of(meter)));
            say!(
                out,
                "meter {meter} has passed {to}: {passed} since {from}",
                "表计 {meter} 已过 {to}：自 {from} 流过 {passed}"
            )
        }
        Event::Returned { agreement, interval, bands, .. } => {
            let (quantity, from, to) =
                (total(out, bands, measured.any()), out.time(interval.from), out.time(interval.to));
            say!(
                out,
                "{quantity} goes back to supply {agreement} from {from} to {to}",
                "{from} 至 {to} 的 {quantity} 退回供能合约 {agreement}"
            )
        }
        Event::LevelReached { agreement, bands, .. } => {
            let quantity = total(out, bands, measured.any());
            say!(
                out,
                "supply {agreement} has brought {quantity} since its last segment",
                "供能合约 {agreement} 自上一区段已供 {quantity}"
            )
        }
        Event::Adjusted { agreement, interval, more, less, .. } => {
            let (from, to) = (out.time(interval.from), out.time(interval.to));
            let (more, less) = (total(out, more, measured.any()), total(out, less, measured.any()));
            say!(
                out,
                "supply {agreement} is corrected from {from} to {to}: {more} more, {less} less",
                "供能合约 {agreement} 更正 {from} 至 {to}：增 {more}，减 {less}"
            )
        }
        Event::Unsupplied { meter, interval, quantity: missed } => {
            let missed = quantity(out, *missed, measured.of(*meter));
            let (from, to) = (out.time(interval.from), out.time(interval.to));
            say!(
                out,
                "{missed} of meter {meter} from {from} to {to} are on nobody's bill",
                "表计 {meter} 自 {from} 至 {to} 的 {missed} 不在任何人的账单上"
            )
        }
        Event::Corrected { meter, interval, certified, right, reason } => {
            let of = |what| quantity(out, what, measured.of(*meter));
            let (certified, right) = (of(*certified), of(*right));
            let (from, to) = (out.time(interval.from), out.time(interval.to));
            say!(
                out,
                "meter {meter} corrected from {from} to {to}: {right} instead of {certified} ({reason})",
                "表计 {meter} 更正 {from} 至 {to}：{right}，原为 {certified}（{reason}）"
            )
        }
        Event::Prepaid { carrier, tranche, paid, .. } => {
            let carrier = out.say(*carrier);
            say!(
                out,
                "tranche {tranche} for {carrier}: {paid} paid, in force once the meter has passed this time",
                "{carrier}预付批次 {tranche}：已付 {paid}，表计过此时刻后生效"
            )
        }
        Event::TrancheOpened { carrier, tranche, debt_paid, paid, discount_permille, .. } => {
            let (carrier, discount) = (out.say(*carrier), super::permille(*discount_permille));
            say!(
                out,
                "tranche {tranche} for {carrier}: {debt_paid} paid for earlier use, {paid} left, discount {discount}",
                "{carrier}预付批次 {tranche}：先抵扣欠量 {debt_paid}，余 {paid}，折扣 {discount}"
            )
        }
        Event::ProgramFailed { agreement, code, failures } => {
            let (told, next) = (fault::told(*code), fault::next(*code));
            say!(
                out,
                "the program of agreement {agreement} failed with {told}; {failures} in a row\n    next: {next}",
                "合约 {agreement} 的程序失败，{told}；连续 {failures} 次\n    下一步：{next}"
            )
        }
        Event::ProgramRan { agreement, fuel, .. } => say!(
            out,
            "the program of agreement {agreement} has acted with {fuel} of fuel",
            "合约 {agreement} 的程序已执行，耗用 {fuel}"
        ),
        Event::IndicesRead { agreement, values } => {
            let known = values.iter().filter(|read| read.value.is_some()).count();
            let asked = values.len();
            say!(
                out,
                "the program of agreement {agreement} asked for {asked} values of indices and found {known}",
                "合约 {agreement} 的程序查询 {asked} 个指数值，查得 {known} 个"
            )
        }
        Event::Debt { agreement, party, owes } => {
            let party = super::party_text(out, *party);
            say!(out, "the {party} owes {owes} under agreement {agreement}", "{party}在合约 {agreement} 下欠 {owes}")
        }
        Event::Ending { agreement, at } => {
            let at = out.time(*at);
            say!(out, "agreement {agreement} ends at {at}", "合约 {agreement} 将于 {at} 终止")
        }
        Event::DayPassedOn { subscription, to } => say!(
            out,
            "the day of subscription {subscription} is that of {to}, which has taken its meter over",
            "订阅 {subscription} 当日的按日费用由接用其表计的 {to} 承担"
        ),
        Event::EndingStands { agreement, at } => {
            let at = out.time(*at);
            say!(
                out,
                "a meter's operator wants agreement {agreement} to end: it does by {at}, and no party can put that off",
                "表计运营方要求终止合约 {agreement}：合约最迟于 {at} 终止，当事方不能再推迟"
            )
        }
        Event::Bond { offer, bidder, movement, amount } => match movement {
            BondMovement::Reserved => say!(
                out,
                "bond of {amount} for the quote of {bidder} on offer {offer} reserved",
                "冻结 {bidder} 对要约 {offer} 的报价保证金 {amount}"
            ),
            BondMovement::Released => say!(
                out,
                "bond of {amount} for the quote of {bidder} on offer {offer} released",
                "退还 {bidder} 对要约 {offer} 的报价保证金 {amount}"
            ),
            BondMovement::Forfeited => say!(
                out,
                "bond of {amount} for the quote of {bidder} on offer {offer} forfeited to the owner",
                "{bidder} 对要约 {offer} 的报价保证金 {amount} 没收归供能方"
            ),
        },
        Event::AwardRefused { offer, bidder, refusal } => {
            let (code, why) = (refusal.code(), chinese::refusal(refusal));
            say!(
                out,
                "award to {bidder} on offer {offer} refused ({code}): {why}",
                "要约 {offer} 对 {bidder} 的授标被拒绝（{code}）：{why}"
            )
        }
        Event::MotionOpened { motion, closes, .. } => {
            let closes = out.time(*closes);
            say!(out, "motion {motion} is open until {closes}", "议案 {motion} 开放表决至 {closes}")
        }
        Event::Voted { motion, member, in_favour: true } => {
            say!(out, "member {member} votes for motion {motion}", "成员 {member} 赞成议案 {motion}")
        }
        Event::Voted { motion, member, in_favour: false } => {
            say!(out, "member {member} votes against motion {motion}", "成员 {member} 反对议案 {motion}")
        }
        Event::Decided { motion, decision } => {
            let decision = super::council::decision_text(decision);
            say!(out, "motion {motion} is carried: {decision}", "议案 {motion} 通过：{decision}")
        }
        Event::MotionEnded { motion, end } => {
            let end = plain(&json!(end));
            say!(out, "motion {motion} is over: {end}", "议案 {motion} 结束：{end}")
        }
        Event::ValidatorReady { member, epoch } => {
            let next = epoch.saturating_add(1);
            say!(
                out,
                "the node of member {member} is ready to take part from epoch {next} on",
                "成员 {member} 的节点已就绪，可自第 {next} 纪元起参与共识"
            )
        }
        Event::ValidatorsChanged { epoch, set } => {
            let nodes = set.validators.len();
            say!(
                out,
                "{nodes} nodes take part in consensus from epoch {epoch} on",
                "自第 {epoch} 纪元起 {nodes} 个节点参与共识"
            )
        }
        Event::ValidatorsKept { epoch, live, needed } => say!(
            out,
            "the same nodes take part in epoch {epoch}: of those that are to, {live} are known to be there, {needed} must be",
            "第 {epoch} 纪元节点不变：拟参与的节点中已知 {live} 个在线，须有 {needed} 个"
        ),
        Event::OfferLapsed { offer } => say!(out, "offer {offer} has lapsed", "要约 {offer} 已失效"),
        Event::ReadingsMissing { agreement, meter, at } => {
            let at = out.time(*at);
            say!(
                out,
                "readings of meter {meter} are missing: agreement {agreement} is settled without them at {at}",
                "缺少表计 {meter} 的读数：合约 {agreement} 将于 {at} 在没有它们的情况下结算"
            )
        }
        Event::LowBalance { subscription, carrier } => {
            let carrier = out.say(*carrier);
            say!(
                out,
                "little {carrier} is left in subscription {subscription}",
                "订阅 {subscription} 的{carrier}余额不足"
            )
        }
        Event::Exhausted { subscription, carrier } => {
            let carrier = out.say(*carrier);
            say!(out, "no {carrier} is left in subscription {subscription}", "订阅 {subscription} 的{carrier}已用完")
        }
    }
}
