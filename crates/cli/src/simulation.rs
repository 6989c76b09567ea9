//! Playing a contract on a past before anybody signs it: every statement, what is left in the end, the most fuel, and what
//! becomes of it if a party does nothing.

use crate::failure::Failure;
use crate::sentence::Said;
use crate::{chinese, fault, import, said, units};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utilidor_program::coded::Respond;
use utilidor_program::host::{Acted, Host};
use utilidor_program::wasm::{Module, Ran};
use utilidor_program::{Effect, Event, Fault};
use utilidor_types::agreement::{CodedTerms, Party, ProgramCode, Status};
use utilidor_types::price_index::PublishedValue;
use utilidor_types::program::CLAUSES;
use utilidor_types::statement::StatementLine;
use utilidor_types::{AgreementTerms, Money, PriceIndexId, Program, Quantity, Timestamp, Window};

/// Something that happens from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A meter is read.
    Reading {
        /// Which, by its place in the terms.
        meter: u8,
        /// When, which may be earlier than it arrives.
        time: Timestamp,
        /// What it shows.
        register: Quantity,
    },
    /// A party tells the program something.
    Command {
        /// Who.
        by: Party,
        /// What.
        bytes: Vec<u8>,
    },
    /// A value of an index is published.
    Published {
        /// The index.
        index: PriceIndexId,
        /// The period.
        period: Window,
        /// The value in millionths.
        micro: i64,
    },
}

/// What a play came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Whether the program took it that all have signed; what it does not take, nobody can sign.
    pub began: bool,
    /// How it ended; none: it has not.
    pub ended: Option<Status>,
    /// When the play ended.
    pub until: Timestamp,
    /// Its statements.
    pub statements: Vec<Stated>,
    /// What each party has more, or less, at the end, in millionths.
    pub change_micro: Vec<i128>,
    /// What is reserved of each party at the end.
    pub reserved: Vec<Money>,
    /// What the user owes.
    pub debt: Money,
    /// Events that the program took.
    pub events: usize,
    /// The most fuel that one took.
    pub most_fuel: u64,
    /// Events at which it failed.
    pub failures: Vec<Failed>,
    /// Whether a clause sheet's period was due and waits for a value of an index.
    pub awaits_index: bool,
}

/// An event at which the program failed.
#[derive(Debug, Clone, Serialize)]
pub struct Failed {
    /// When.
    pub at: Timestamp,
    /// What it was told.
    pub event: Said,
    /// The code; none: a party's wish was refused.
    pub code: Option<u16>,
    /// Why.
    pub why: Said,
    /// What to do about it.
    pub next: Option<Said>,
}

impl Failed {
    fn of(acted: &Acted) -> Option<Self> {
        let (event, at) = (fault::event(&acted.told), acted.at);
        Some(match acted.answer.as_ref().err()? {
            Fault::Failed(code) => {
                let (why, next) = fault::in_play(*code);
                Self { at, event, code: Some(*code), why, next: Some(next) }
            }
            Fault::Refused(refusal) => {
                Self { at, event, code: None, why: chinese::refusal(refusal), next: fault::next_of(refusal) }
            }
        })
    }
}

/// A statement of the play.
#[derive(Debug, Clone, Serialize)]
pub struct Stated {
    /// When it was issued.
    pub issued: Timestamp,
    /// What it is about.
    pub period: Window,
    /// Its lines.
    pub lines: Vec<StatementLine>,
    /// What the user pays with it.
    pub paid: Money,
    /// What it owes with it.
    pub unpaid: Money,
}

/// A compiled program that several plays share.
#[derive(Debug, Clone)]
pub struct Shared(pub Arc<Module>);

impl Respond for Shared {
    fn run(&self, input: &[u8]) -> Result<Ran, Fault> {
        self.0.run(input)
    }
}

/// A clause sheet that is due settles, unless a value that it needs is absent; then it asks to be called again, and for nothing else.
fn waits(due: &Acted) -> bool {
    matches!(due.answer.as_deref(), Ok([Effect::Schedule(_)]))
}

/// What each party begins with: enough for anything that a contract may take.
const PURSE: Money = Money::units(1_000_000_000);

/// Plays terms from the time of signing over all that happens, and on until `until`.
pub fn play<R: Respond + Clone>(
    program: &R,
    terms: &AgreementTerms,
    signed: Timestamp,
    happenings: &[(Timestamp, Happening)],
    until: Timestamp,
) -> Outcome {
    let mut host = Host::new(program.clone(), terms.clone(), PURSE, signed);
    let began = host.sign().is_ok();
    if began {
        for (time, happening) in happenings {
            host.pass_to(*time);
            // What fails stands among the failures. What has ended takes no commands.
            let _ = match happening {
                Happening::Reading { meter, time, register } => host.reading(*meter, *time, *register),
                Happening::Command { .. } if host.ended().is_some() => Ok(()),
                Happening::Command { by, bytes } => host.command(*by, bytes),
                Happening::Published { index, period, micro } => {
                    host.published(*index, *period, PublishedValue { micro: *micro, published: *time });
                    Ok(())
                }
            };
        }
        host.pass_to(until);
    }
    outcome(&host, began, terms)
}

fn outcome<R: Respond>(host: &Host<R>, began: bool, terms: &AgreementTerms) -> Outcome {
    let parties = terms.parties.len();
    let is_sheet = matches!(&terms.program, Program::Coded(coded) if coded.code == ProgramCode::Native(CLAUSES));
    let all = || (0..parties as u8).map(Party);
    let change =
        |party: Party| i128::from(host.free(party).0) + i128::from(host.reserved(party).0) - i128::from(PURSE.0);
    let stated = host.statements().iter().map(|(issued, draft)| Stated {
        issued: *issued,
        period: draft.period,
        lines: draft.lines.clone(),
        paid: draft.paid,
        unpaid: draft.unpaid,
    });
    Outcome {
        began,
        ended: host.ended(),
        until: host.now(),
        statements: stated.collect(),
        change_micro: all().map(change).collect(),
        reserved: all().map(|party| host.reserved(party)).collect(),
        debt: host.debt(),
        events: host.acted().len(),
        most_fuel: host.most_fuel(),
        failures: host.acted().iter().filter_map(Failed::of).collect(),
        awaits_index: is_sheet && host.acted().iter().rfind(|acted| acted.told == Event::Due).is_some_and(waits),
    }
}

/// Readings of files, whose meters are named by their place in the terms or by their ids. Each arrives at its own time, or all of a file
/// at a later one.
pub fn readings(
    files: &[(Vec<u8>, Option<Timestamp>)],
    terms: &CodedTerms,
) -> Result<Vec<(Timestamp, Happening)>, Failure> {
    let mut lines = Vec::new();
    for (bytes, arrives) in files {
        let read = import::read(bytes, &import::Defaults::default()).map_err(Failure::usage)?;
        lines.extend(read.into_iter().map(|line| (line.time.max(arrives.unwrap_or_default()), line)));
    }
    lines.sort_by_key(|(_, line)| line.time);
    let mut happenings = Vec::with_capacity(lines.len());
    let mut shown: BTreeMap<u8, (Timestamp, Timestamp, Quantity)> = BTreeMap::new();
    for (arrives, line) in lines {
        let bad = |reason: Said| Failure::usage(import::on_line(line.number, &reason));
        let place = line
            .meter
            .parse::<usize>()
            .ok()
            .or_else(|| terms.meters.iter().position(|meter| meter.meter.to_string().starts_with(&line.meter)));
        let meter = place.and_then(|place| terms.meters.get(place));
        let meter = meter.ok_or_else(|| bad(said!("the terms name no meter {}", "条款中没有表计 {}", line.meter)))?;
        let register = line.register.of(meter.carrier).map_err(bad)?;
        let number = terms.meters.iter().position(|other| other.meter == meter.meter).unwrap_or_default() as u8;
        let before = shown.insert(number, (line.time, arrives, register));
        let [was, is] = [before.map_or(register, |(.., before)| before), register]
            .map(|register| units::quantity_of(register, Some(meter.carrier)));
        match before {
            Some((time, _, before)) if time == line.time && before != register => {
                return Err(bad(said!(
                    "meter {} shows {was} and {is} at one time",
                    "表计 {} 在同一时刻既为 {was} 又为 {is}",
                    line.meter
                )));
            }
            Some((time, _, before)) if time < line.time && before > register => {
                let what = said!(
                    "the register of meter {} goes back from {was} to {is}",
                    "表计 {} 的表底从 {was} 倒退到 {is}",
                    line.meter
                );
                return Err(bad(what).next(said!(
                    "where it began again from zero, or is another device's, write what it would show had it gone on: add what was shown \
                     before, less what the new one began with",
                    "若表底归零重计或已换表，请写其一直累计时的数值：加上此前的表底，减去新表的起始表底"
                )));
            }
            _ => {}
        }
        if before.is_some_and(|(_, before, _)| before > arrives) {
            return Err(bad(said!(
                "a reading of meter {} from before it arrives later: the ledger refuses what is older than what it knows",
                "表计 {} 在此之前的读数到达得更晚：账本拒绝早于已知读数的读数",
                line.meter
            )));
        }
        happenings.push((arrives, Happening::Reading { meter: number, time: line.time, register }));
    }
    Ok(happenings)
}

/// The terms of a program of its own.
pub fn coded(terms: &AgreementTerms) -> Result<&CodedTerms, Failure> {
    match &terms.program {
        Program::Coded(coded) => Ok(coded),
        _ => Err(Failure::usage(said!(
            "the terms are of no program of the parties' own",
            "这些条款不属于当事方自编的程序"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;
    use utilidor_program::coded::Native;
    use utilidor_program::host::Setting;
    use utilidor_types::Carrier;

    #[test]
    fn a_failure_of_a_play_names_its_event_its_reason_and_what_to_do_and_spends_no_fuel() {
        let window = Window { from: Timestamp(0), to: Timestamp(86_400_000) };
        let (grants, parameters) = (Vec::new(), Vec::new());
        let meters = vec![(Carrier::Electricity, Party::USER)];
        let terms = Setting { parties: 2, grants, meters, window, parameters, hard_end: window.to }.terms().unwrap();
        // The SDK's bytes of a fault with code 4.
        let outcome = play(&Native(|_| vec![1, 4, 0]), &terms, Timestamp(0), &[], window.to);
        let [failed] = &outcome.failures[..] else { panic!("{:?}", outcome.failures) };
        assert_eq!((failed.event.text(Lang::En), failed.code), ("Signed", Some(4)));
        assert_eq!(failed.event.text(Lang::Zh), "Signed（全部签署）");
        assert!(failed.why.text(Lang::En).contains("parameters or meters"), "{}", failed.why);
        assert!(failed.next.as_ref().unwrap().text(Lang::En).contains("manifest's order"), "{:?}", failed.next);
        assert_eq!(outcome.most_fuel, 0);
        assert!(!outcome.began, "nobody could sign it");

        let coded = coded(&terms).unwrap();
        // By their time, in whatever order a file has them.
        let back = b"meter,time,register\n0,2025-01-01T00:00:00Z,5 kWh\n0,2025-01-01T01:00:00Z,4 kWh\n";
        let mixed = b"meter,time,register\n0,2025-01-05T00:00:00Z,5 kWh\n0,2025-01-07T00:00:00Z,9 kWh\n0,2025-01-06T00:00:00Z,10 kWh\n";
        let failure = readings(&[(mixed.to_vec(), None)], coded).unwrap_err();
        assert!(failure.what().to_string().contains("line 3: the register of meter 0 goes back"), "{failure:?}");
        let failure = readings(&[(back.to_vec(), None)], coded).unwrap_err();
        assert!(
            failure.what().to_string().contains("line 3: the register of meter 0 goes back from 5.000 kWh"),
            "{failure:?}"
        );
        let twice = b"meter,time,register\n0,2025-01-01T00:00:00Z,9 kWh\n0,2025-01-01T00:00:00Z,5 kWh\n";
        let failure = readings(&[(twice.to_vec(), None)], coded).unwrap_err();
        assert!(
            failure.what().to_string().contains("line 3: meter 0 shows 9.000 kWh and 5.000 kWh at one time"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_late_reading_arrives_when_its_file_does_and_none_after_a_later_one() {
        const DAY: u64 = 86_400_000;
        let window = Window { from: Timestamp(0), to: Timestamp(DAY) };
        let (grants, parameters) = (Vec::new(), Vec::new());
        let meters = vec![(Carrier::Electricity, Party::USER)];
        let terms = Setting { parties: 2, grants, meters, window, parameters, hard_end: window.to }.terms().unwrap();
        let file = |day: u8| format!("meter,time,register\n0,1970-01-0{}T00:00:00Z,{day} kWh\n", day + 1).into_bytes();
        let arriving = |late: u64, last: u64| {
            let files =
                [(file(0), None), (file(1), Some(Timestamp(late * DAY))), (file(2), Some(Timestamp(last * DAY)))];
            let happenings = readings(&files, coded(&terms).unwrap())?;
            let days = |(arrives, happening): &(Timestamp, Happening)| match happening {
                Happening::Reading { time, .. } => (arrives.0 / DAY, time.0 / DAY),
                other => panic!("{other:?}"),
            };
            Ok::<_, Failure>(happenings.iter().map(days).collect::<Vec<_>>())
        };
        assert_eq!(arriving(5, 5).unwrap(), [(0, 0), (5, 1), (5, 2)]);
        assert_eq!(arriving(0, 0).unwrap(), [(0, 0), (1, 1), (2, 2)], "none before its time");
        let failure = arriving(5, 4).unwrap_err();
        assert!(failure.what().to_string().contains("arrives later"), "{failure:?}");
    }
}
