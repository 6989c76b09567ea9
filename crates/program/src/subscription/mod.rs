//! The native program `subscription`: Energy Packages [M19-M23]. Energy is billed by when it flowed (docs/adr/0012).
//!
//! ```text
//! signed ──> segments, prepayments ──> month's end + 6 h: statement ──> ... ──> end ──> final statement ──> supplements
//! ```
//!
//! * *stretch*: what flows between two boundaries: prepayments, amendments, months' ends, the end. It is charged when the
//!   meter has passed it: tranches are drawn oldest first, the rest is owed at list price.
//! * *tranche*: prepaid money that buys at one price. Opening it pays what was used before; the remainder sets its discount.
//! * *statement*: charges what a month's stretches have come to, the days of a floor area, charges and taxes; and closes them.
//! * *late*: what comes for a closed stretch. It is charged at the price that the stretch ended with, under its own period.
//! * *end*: frees the meters at once. The final statement gives back what is left, less the discount on what was used.
//!
//! What the rules leave open is decided so:
//!
//! * A tranche keeps its whole tariff: price, factors, levy and tax of the version that it was bought under.
//! * A period of metered heat begins when what has been paid for is over, used up or not, because the meter may not have told
//!   yet: a second month that is paid within the first is the next one. What is used meanwhile costs list price.
//! * A debt from earlier statements is paid at once out of a prepayment. For a period of a floor area both are asked for.
//! * A day of a floor area, of a fixed charge or of a minimum belongs to whoever is there at its end; who comes and goes within a
//!   week has had the day on which it goes, unless by the final statement another one has taken a meter over on that day, on terms that
//!   cover all services: then the day is the other's, by the same rule. Without a meter nobody can know who follows whom.
//! * Days that a tranche does not reach, because the area or the season has grown, cost the list price in force on them.
//! * A demand charge is for the whole month, however few days of it were served. A higher demand that shows late is charged
//!   as the difference, by the version of its month's end; after the final statement on a supplement.
//! * A minimum counts the period's own net charges, whenever they come, less what corrections take back: what comes late is set
//!   off against the minimum that was charged for its period, as a credit of no energy, and a correction raises it again.
//!   A whole month's demand counts where its period begins.
//! * An amendment within a month makes two periods of it, on one statement; with the same version one for charges and minimums.
//! * What a meter had brought before the end, though it has not passed it, is on a last supplement 31 days after it.
//! * A credit lowers what is due at its rate of tax; the rest waits for the next statement. The last one and supplements show
//!   all of it, and it lowers all that is due and what is owed; what is left lowers later supplements.
//! * What comes after an early end costs what the rest cost in the end: list price where a discount was withheld.
//!
//! | file | what it is |
//! |---|---|
//! | `work` | one step: events in, effects out |
//! | `head` | what all services share: versions, tariffs, meters, what is due |
//! | `signing`, `prepay`, `ending` | what the parties do |
//! | `account`, `stretch` | a service's accounts, and its timeline; `tranche` and `usage` are what they hold |
//! | `level` | notices of what is left |
//! | `statement`, `bill` | lines and money; `charge`, `minimum` and `area` are lines of their own kind |
//! | `rate`, `frame`, `sparse` | prices; what they are looked up in; how bands are kept |
//!
//! The state: a head, and a slot for each service under its carrier's number.
//!
//! Deliberately absent: readings, registers and their order, which are the ledger's; balances, which it checks.

mod account;
mod area;
mod bill;
mod charge;
mod ending;
pub mod estimate;
mod frame;
mod head;
mod level;
mod minimum;
mod prepay;
mod rate;
mod signing;
mod sparse;
mod statement;
mod stretch;
mod tranche;
mod usage;
mod work;

use crate::contract::{Case, Event, Fault, State, Step, UNEXPECTED, Wants};
use crate::native::Contract;
use head::{Due, Head, Supply};
use utilidor_types::agreement::{Allowance, Fallback, HardEnd, Program, Service};
use utilidor_types::statement::MAX_TRANCHES;
use utilidor_types::time::MAX_TIMESTAMP;
use utilidor_types::{AgreementTerms, MeterId, Party, Refusal, SubscriptionTerms, Timestamp};
use work::{Flow, Work, read_head};

impl Contract for SubscriptionTerms {
    /// Order: parties, services; then for each its carrier.
    fn check(&self, terms: &AgreementTerms) -> Result<(), Refusal> {
        if terms.parties.len() != 2 {
            return Err(Refusal::BadParties);
        }
        if self.services.is_empty() {
            return Err(Refusal::NoServices);
        }
        for (place, service) in self.services.iter().enumerate() {
            let carrier = service.carrier;
            if self.services[..place].iter().any(|before| before.carrier == carrier) {
                return Err(Refusal::DuplicateCarrier { carrier });
            }
        }
        Ok(())
    }

    /// The carriers stay. What else stays is seen when the tariffs are known: kinds of tariff, and the offset from UTC.
    fn check_amendment(&self, before: &AgreementTerms, _now: Timestamp) -> Result<(), Refusal> {
        let Program::Subscription(before) = &before.program else { return Err(Refusal::AmendmentKind) };
        let same = before.services.iter().map(|service| service.carrier);
        if same.eq(self.services.iter().map(|service| service.carrier)) { Ok(()) } else { Err(Refusal::AmendmentKind) }
    }

    fn allowances(&self) -> Vec<Allowance> {
        vec![Allowance { party: Party::USER, cap: self.allowance, renews: true }]
    }

    fn hard_end(&self, _signed: Timestamp) -> HardEnd {
        HardEnd { at: MAX_TIMESTAMP, fallback: Fallback::GiveBack }
    }

    fn wants(&self, event: &Event, state: &State) -> Result<Wants, Fault> {
        let chosen = || self.services.iter().map(|service| signing::tariff_id(self, service)).collect::<Vec<_>>();
        if *event == Event::Signed {
            return Ok(Wants { tariffs: chosen(), packages: vec![(self.package, self.version)], ..Wants::default() });
        }
        let head = read_head(state)?;
        let all = || Wants { slots: slots(self), tariffs: head.tariff_ids(None), ..Wants::default() };
        Ok(match event {
            Event::Segment { binding, .. }
            | Event::Returned { binding, .. }
            | Event::Level { binding, .. }
            | Event::Corrected { binding, .. } => head.supply(*binding).map_or_else(Wants::default, |supply| Wants {
                slots: vec![supply.carrier as u8],
                tariffs: head.tariff_ids(Some(supply.carrier)),
                // A supplement charges what has shown of a demand.
                packages: if head.finished { head.charged_versions() } else { Vec::new() },
                ..Wants::default()
            }),
            Event::Due => match head.next_due() {
                Some((_, Due::Statement(ends) | Due::Final(ends) | Due::Last(ends))) => {
                    let follows = head.followed_within(ends);
                    Wants { packages: head.charged_versions(), read: to_read(&head, ends), follows, ..all() }
                }
                None => Wants::default(),
            },
            Event::Prepaid { carrier, .. } => {
                let slots = slots(self).into_iter().filter(|slot| *slot == *carrier as u8).collect();
                Wants { slots, tariffs: head.tariff_ids(Some(*carrier)), ..Wants::default() }
            }
            Event::Amended { .. } => {
                let mut wants = all();
                wants.tariffs.extend(chosen());
                wants.tariffs.sort();
                wants.tariffs.dedup();
                wants.packages.push((self.package, self.version));
                wants
            }
            Event::Ending { .. } => Wants { packages: head.charged_versions(), ..all() },
            Event::EndingWithdrawn { .. } => all(),
            Event::Command { .. } => return Err(Refusal::WrongProgram.into()),
            Event::Signed => return Err(UNEXPECTED),
        })
    }

    fn act(&self, event: &Event, case: Case<'_>) -> Result<Step, Fault> {
        let Case { agreement, state, facts, .. } = case;
        if *event == Event::Signed {
            return signing::signed(self, facts)?.answer(state);
        }
        let mut work = Work::read(self, facts, state, &self.wants(event, state)?.slots)?;
        match event {
            // What a binding brings that nothing can charge any more is on nobody's bill. What a purchase gives back had come in time.
            Event::Segment { binding, .. } | Event::Level { binding, .. } | Event::Corrected { binding, .. }
                if work.head.supply(*binding).is_none() || !work.takes_flows() => {}
            Event::Returned { binding, .. } if work.head.supply(*binding).is_none() => {}
            // It flowed for another agreement that had this one's id before.
            Event::Segment { segment, .. }
            | Event::Returned { segment, .. }
            | Event::Corrected { more: segment, .. }
                if segment.interval.to <= work.head.opened => {}
            Event::Segment { binding, segment } => work.flow(*binding, segment, Flow::Segment)?,
            Event::Returned { binding, segment } => work.flow(*binding, segment, Flow::Returned)?,
            Event::Corrected { binding, more, less } => work.corrected(*binding, more, less)?,
            Event::Level { binding, bands } => {
                let carrier = work.head.supply(*binding).map(|supply| supply.carrier);
                carrier.map_or(Ok(()), |carrier| work.look_beyond(carrier, bands))?;
            }
            Event::Due => work.due()?,
            Event::Prepaid { carrier, payment } => {
                work.prepaid(*carrier, *payment)?;
                if !work.has_room(*carrier) {
                    return Err(Refusal::TooManyTranches { max: MAX_TRANCHES as u32 }.into());
                }
            }
            Event::Amended { before, from } => {
                let Program::Subscription(before) = &before.program else {
                    return Err(Refusal::AmendmentKind.into());
                };
                work.amended(before, *from)?;
            }
            Event::Ending { by, agreed } => work.ending(*by, *agreed)?,
            Event::EndingWithdrawn { by } => work.ending_withdrawn(agreement, *by)?,
            Event::Command { .. } => return Err(Refusal::WrongProgram.into()),
            Event::Signed => return Err(UNEXPECTED),
        }
        work.answer(state)
    }
}

/// Whether a subscription of the terms `after` has a day that one of the terms `before` would have had: it is of the same owner's same
/// version, and has all its services with the same options and no less floor area.
pub fn covers(after: &AgreementTerms, before: &AgreementTerms) -> bool {
    let (Program::Subscription(one), Program::Subscription(other)) = (&after.program, &before.program) else {
        return false;
    };
    let has = |service: &Service| {
        let same = |own: &&Service| (own.carrier, own.option) == (service.carrier, service.option);
        one.services.iter().find(same).is_some_and(|own| own.floor_area >= service.floor_area)
    };
    after.owner() == before.owner()
        && (one.package, one.version) == (other.package, other.version)
        && other.services.iter().all(has)
}

fn slots(terms: &SubscriptionTerms) -> Vec<u8> {
    terms.services.iter().map(|service| service.carrier as u8).collect()
}

/// The meters that have not passed the end of what is billed: they are read for the statement.
fn to_read(head: &Head, ends: Timestamp) -> Vec<(u8, MeterId)> {
    let behind = |supply: &&Supply| !supply.over && supply.passed < ends;
    head.supplies.iter().filter(behind).map(|supply| (supply.number, supply.meter)).collect()
}
