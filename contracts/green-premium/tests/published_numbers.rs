//! A green premium, on published numbers.
//!
//! * 86.50 dollars of electricity and 3.00 for a block of 100 kWh of green power are 89.50: York Electric Cooperative,
//!   "How will my electricity bill be calculated?" (yorkelectric.net).
//! * A price of two parts, energy and environment: Anhui, rules of the green power trial, 2022.
//! * What is missing from the contract's volume costs a tenth of the contract's price: Shaanxi, plan for green power trade, 2022.

use contract_green_premium::GreenPremium;
use utilidor_program::coded::{Native, Respond};
use utilidor_program::host::{Host, Said, Setting, unheld};
use utilidor_program::wasm::Module;
use utilidor_program_sdk::{DAY_MS, HOUR_MS};
use utilidor_types::agreement::*;
use utilidor_types::program::*;
use utilidor_types::*;

const BEGIN: Timestamp = Timestamp(20_000 * DAY_MS);
const KWH: u64 = 3_600_000;
const PUBLISHER: Party = Party(2);

/// What may differ from one test to the next.
#[derive(Clone, Copy)]
struct Sheet {
    interval_ms: u64,
    guaranteed_kwh: u64,
    allowance: Money,
}

const SHEET: Sheet = Sheet { interval_ms: DAY_MS, guaranteed_kwh: 0, allowance: Money::units(1_000) };

impl Sheet {
    /// Days at 0.0865 a kWh, a premium of 0.03 on up to 100 kWh, a tenth of the reference price for what is missing, and
    /// guarantees of 20.
    fn setting(&self) -> Setting {
        let guarantee = Money::units(20);
        let numbers = [
            BEGIN.0,
            DAY_MS,
            3,
            6 * HOUR_MS,
            self.interval_ms,
            PUBLISHER.0.into(),
            86_500,
            30_000,
            100 * KWH,
            self.guaranteed_kwh * KWH,
            8_650,
            guarantee.0,
            guarantee.0,
        ];
        let end = Timestamp(BEGIN.0 + 3 * DAY_MS);
        Setting {
            parties: 3,
            grants: [Party::OWNER, Party::USER].map(|party| (party, guarantee, self.allowance)).to_vec(),
            meters: vec![(Carrier::Electricity, Party::OWNER), (Carrier::Electricity, Party::USER)],
            window: Window { from: BEGIN, to: end },
            parameters: numbers.map(|number| number as i64).to_vec(),
            hard_end: Timestamp(end.0 + 30 * DAY_MS),
        }
    }
}

/// A signed contract with its meters' registers.
struct Supply<R> {
    host: Host<R>,
    registers: [u64; 2],
}

fn supply(sheet: Sheet) -> Supply<Native> {
    supply_on(Native(utilidor_program_sdk::answer::<GreenPremium>), sheet)
}

fn supply_on<R: Respond>(run: R, sheet: Sheet) -> Supply<R> {
    let mut host = Host::new(run, sheet.setting().terms().unwrap(), Money::units(1_000), BEGIN);
    host.sign().unwrap();
    let mut supply = Supply { host, registers: [0; 2] };
    supply.by(0, [0, 0]);
    supply
}

impl<R: Respond> Supply<R> {
    /// By an hour after the begin, plant and user have brought and taken so many kilowatt-hours more.
    fn by(&mut self, hour: u64, kwh: [u64; 2]) {
        for (meter, more) in (0..).zip(kwh) {
            self.registers[usize::from(meter)] += more * KWH;
            let register = Quantity(self.registers[usize::from(meter)]);
            self.host.reading(meter, Timestamp(BEGIN.0 + hour * HOUR_MS), register).unwrap();
        }
    }

    /// Settles so many days, and gives what the last statement says.
    fn settle(&mut self, days: u64) -> Vec<Said> {
        self.host.pass_to(Timestamp(BEGIN.0 + days * DAY_MS + 6 * HOUR_MS));
        self.host.said().pop().unwrap()
    }

    fn brings(&mut self, by: Party, period: u64, reference: i64) -> bool {
        let bytes = [&[1][..], &period.to_le_bytes(), &reference.to_le_bytes()].concat();
        self.host.command(by, &bytes).is_ok()
    }
}

/// A line of so many kilowatt-hours and millionths, which the user pays, or below zero the owner.
fn line(clause: u16, kwh: u64, millionths: i64) -> Said {
    let (user, owner) = (Party::USER, Party::OWNER);
    let (from, to) = if millionths < 0 { (owner, user) } else { (user, owner) };
    Said { clause, from, to, quantity: Quantity(kwh * KWH), amount: Money(millionths.unsigned_abs()) }
}

#[test]
fn the_reference_price_and_the_premium_are_paid_together() {
    let mut supply = supply(SHEET);
    supply.by(24, [500, 1_000]);
    assert_eq!(supply.settle(1), [line(0, 1_000, 86_500_000), line(1, 100, 3_000_000)]);
    assert_eq!(supply.host.free(Party::OWNER).0, Money::units(980).0 + 89_500_000, "20 are reserved");
}

#[test]
fn the_smallest_of_what_is_wanted_brought_and_taken_is_certified() {
    for (plant, taken, certified) in [(500, 1_000, 100), (80, 1_000, 80), (500, 70, 70), (0, 1_000, 0)] {
        let mut supply = supply(SHEET);
        supply.by(24, [plant, taken]);
        assert_eq!(supply.settle(1)[1], line(1, certified, certified as i64 * 30_000), "{plant} and {taken}");
    }
}

#[test]
fn plant_and_user_are_compared_interval_by_interval() {
    let mut supply = supply(Sheet { interval_ms: HOUR_MS, ..SHEET });
    supply.by(2, [0, 60]);
    supply.by(12, [0, 0]);
    supply.by(13, [60, 25]);
    supply.by(24, [0, 0]);
    assert_eq!(supply.settle(1), [line(0, 85, 7_352_500), line(1, 25, 750_000)], "nothing of the night's 60");
}

#[test]
fn the_owner_pays_for_what_is_missing_from_the_guaranteed_volume() {
    let missing = |plant, taken| {
        let mut supply = supply(Sheet { guaranteed_kwh: 100, ..SHEET });
        supply.by(24, [plant, taken]);
        supply.settle(1).get(2).copied()
    };
    // A tenth of 0.0865.
    assert_eq!(missing(80, 1_000), Some(line(2, 20, -173_000)));
    assert_eq!(missing(0, 30), Some(line(2, 30, -259_500)), "of what the user takes, if that is less");
    assert_eq!(missing(100, 1_000), None);
}

#[test]
fn the_named_party_brings_the_reference_price_and_where_none_has_come_the_one_before_counts() {
    let mut supply = supply(SHEET);
    supply.by(24, [0, 10]);
    assert_eq!(supply.settle(1)[0], line(0, 10, 865_000), "at first the agreed one");
    assert!(!supply.brings(Party::OWNER, 1, 100_000) && !supply.brings(Party::USER, 1, 0));
    assert!(!supply.brings(PUBLISHER, 0, 100_000), "the first period is settled");
    assert!(!supply.brings(PUBLISHER, 3, 100_000), "there are three");
    assert!(supply.brings(PUBLISHER, 1, 100_000));
    supply.by(48, [0, 10]);
    assert_eq!(supply.settle(2)[0], line(0, 10, 1_000_000));
    supply.by(72, [0, 10]);
    assert_eq!(supply.settle(3)[0], line(0, 10, 1_000_000), "as the day before");
    assert_eq!(supply.host.ended(), Some(Status::Settled));
}

#[test]
fn what_cannot_be_paid_stands_on_the_next_statement_and_in_the_end_the_guarantee_serves() {
    let mut supply = supply(Sheet { allowance: Money::units(80), ..SHEET });
    supply.by(24, [500, 1_000]);
    let carried = |millionths| line(3, 0, millionths);
    assert_eq!(supply.settle(1)[2], carried(-9_500_000), "89.50 less 80");
    assert_eq!(supply.settle(2).len(), 2, "nothing more could be paid");
    assert_eq!(supply.settle(3)[2], carried(9_500_000));
    assert_eq!(supply.host.ended(), Some(Status::Settled));
    assert_eq!(supply.host.free(Party::USER).0, Money::units(1_000).0 - 89_500_000);
}

#[test]
fn what_comes_of_a_settled_period_counts_in_the_next_one_and_is_paid_back_in_the_end() {
    let day = Window { from: BEGIN, to: Timestamp(BEGIN.0 + DAY_MS) };
    for (second, said) in [(500, line(0, 100, 8_650_000)), (300, line(0, 100, -8_650_000))] {
        let mut supply = supply(Sheet { interval_ms: DAY_MS, ..SHEET });
        supply.by(24, [0, 1_000]);
        supply.settle(1);
        supply.host.correct(1, day, Quantity(0), Quantity(400 * KWH)).unwrap();
        supply.by(48, [0, 0]);
        assert_eq!(supply.settle(2)[0].quantity, Quantity(0), "nothing is there to take it off");
        supply.by(72, [0, second]);
        assert!(supply.settle(3).contains(&said), "{:?}", supply.host.said());
    }
}

#[test]
fn what_comes_after_the_last_statement_is_not_settled() {
    let day = Window { from: Timestamp(BEGIN.0 + 2 * DAY_MS), to: Timestamp(BEGIN.0 + 3 * DAY_MS) };
    let mut supply = supply(SHEET);
    supply.by(48, [100, 100]);
    supply.by(60, [0, 0]);
    supply.settle(3);
    assert_eq!(supply.host.ended(), Some(Status::Settled));
    supply.by(90, [50, 50]);
    supply.host.correct(1, day, Quantity(KWH), Quantity(0)).unwrap();
    supply.host.pass_to(Timestamp(supply.host.now().0 + 20 * DAY_MS));
    assert_eq!(supply.host.statements().len(), 3);
}

#[test]
fn it_ends_early_only_when_owner_and_user_want_it() {
    let mut supply = supply(SHEET);
    // Its wish is not noted, so that of the other side does not find another one there.
    assert!(supply.host.terminate(PUBLISHER, false).is_err());
    supply.host.terminate(Party::USER, false).unwrap();
    assert!(supply.host.terminate(PUBLISHER, true).is_err());
    assert_eq!(supply.host.ended(), None);
    supply.host.terminate(Party::OWNER, true).unwrap();
    assert_eq!(supply.host.ended(), Some(Status::Terminated));
    assert_eq!(supply.host.free(Party::OWNER), Money::units(1_000));
}

#[test]
fn the_plants_meter_comes_first_then_the_users() {
    let refused = |change: &dyn Fn(&mut Setting)| {
        let mut setting = SHEET.setting();
        change(&mut setting);
        let run = Native(utilidor_program_sdk::answer::<GreenPremium>);
        Host::new(run, setting.terms().unwrap(), Money::units(1_000), BEGIN).sign().is_err()
    };
    assert!(!refused(&|_| {}));
    assert!(refused(&|setting| setting.meters.swap(0, 1)));
    assert!(refused(&|setting| setting.meters[1].0 = Carrier::Heating), "another carrier");
    assert!(refused(&|setting| setting.meters.truncate(1)));
    assert!(refused(&|setting| setting.parameters[5] = 3), "no such party");
    assert!(refused(&|setting| setting.parameters[7] = -1), "a premium below zero");
    assert!(refused(&|setting| setting.parameters[9] = setting.parameters[8] + 1), "more guaranteed than wanted");
}

fn three_days<R: Respond>(run: R) -> Host<R> {
    let mut supply = supply_on(run, Sheet { interval_ms: HOUR_MS / 4, guaranteed_kwh: 90, ..SHEET });
    for hour in 1..=72 {
        if hour % 24 == 7 {
            assert!(supply.brings(PUBLISHER, hour / 24, 80_000 + hour as i64));
        }
        supply.by(hour, [hour % 24, 8]);
    }
    supply.settle(3);
    supply.host
}

#[test]
fn the_built_module_comes_to_the_same_as_its_source_within_an_events_fuel() {
    let native = three_days(Native(utilidor_program_sdk::answer::<GreenPremium>));
    let built = three_days(Module::compile(include_bytes!("../contract.wasm")).unwrap());
    assert!(native.answers().eq(built.answers()));
    assert_eq!((built.ended(), built.said().len()), (Some(Status::Settled), 3));
    assert_eq!(built.most_fuel(), u64::from(manifest().fuel), "what the manifest says");
}

/// Each sentence of the text, and the test that holds it.
const HELD: &[(&str, &str)] = &[
    (
        "The owner supplies the user at a reference price, with a premium on what is certified as renewable",
        "the_reference_price_and_the_premium_are_paid_together",
    ),
    (
        "The contract is told no index of the ledger: the named party brings the reference price by a command for each period",
        "the_named_party_brings_the_reference_price_and_where_none_has_come_the_one_before_counts",
    ),
    (
        "Where none has come, the one before it counts, and at first the agreed one",
        "the_named_party_brings_the_reference_price_and_where_none_has_come_the_one_before_counts",
    ),
    ("The plant's meter, the owner's, comes first, then the user's", "the_plants_meter_comes_first_then_the_users"),
    (
        "What comes of a settled period until the last statement, late or by a correction, counts in the period settled next; what is less than nothing then is paid back with the last statement",
        "what_comes_of_a_settled_period_counts_in_the_next_one_and_is_paid_back_in_the_end",
    ),
    ("What comes after the last statement is not settled", "what_comes_after_the_last_statement_is_not_settled"),
    ("It ends early only when the owner and the user want it", "it_ends_early_only_when_owner_and_user_want_it"),
    ("All that the user takes, times the reference price", "the_reference_price_and_the_premium_are_paid_together"),
    (
        "Premium: the smallest of what is wanted, what the plant brings and what the user takes, times the premium",
        "the_smallest_of_what_is_wanted_brought_and_taken_is_certified",
    ),
    ("Plant and user are compared interval by interval", "plant_and_user_are_compared_interval_by_interval"),
    (
        "Compensation: what is missing from the guaranteed volume, or from what the user takes if that is less, which the owner pays",
        "the_owner_pays_for_what_is_missing_from_the_guaranteed_volume",
    ),
    (
        "What cannot be paid is taken off here and added to the next statement",
        "what_cannot_be_paid_stands_on_the_next_statement_and_in_the_end_the_guarantee_serves",
    ),
    (
        "In the end the guarantee serves",
        "what_cannot_be_paid_stands_on_the_next_statement_and_in_the_end_the_guarantee_serves",
    ),
];

fn manifest() -> Manifest {
    serde_json::from_str(include_str!("../manifest.json")).unwrap()
}

#[test]
fn the_manifest_describes_the_parameters_and_each_sentence_is_held_by_a_test() {
    let manifest = manifest();
    assert_eq!(manifest.parameters.len(), SHEET.setting().parameters.len());
    assert!(encode(&manifest).len() < MAX_MANIFEST_BYTES);
    assert_eq!(unheld(&manifest, HELD, include_str!("published_numbers.rs")), Vec::<String>::new());
}
