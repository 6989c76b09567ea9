//! An indexed PPA, on published numbers; all are for a megawatt-hour.
//!
//! * At 40 with an index of -2 the buyer pays 40, 38 or nothing: renewafi.com, "Why $0 price floors in PPAs matter".
//! * An index of 30 with a floor of 90 pays 90: flex-power.energy, "Reference market prices", October 2022.
//! * A cap of 160 for 200 MW in an hour: Energy Exemplar, "Financial contract cap price".

use contract_indexed_ppa::IndexedPpa;
use utilidor_program::coded::{Native, Respond};
use utilidor_program::host::{Host, Said, Setting, unheld};
use utilidor_program::wasm::Module;
use utilidor_program_sdk::{DAY_MS, HOUR_MS};
use utilidor_types::agreement::*;
use utilidor_types::program::*;
use utilidor_types::*;

const BEGIN: Timestamp = Timestamp(20_000 * DAY_MS);
const MWH: u64 = 3_600_000_000;
const PUBLISHER: Party = Party(2);
const STAYS: u64 = 0;
const LOWERED: u64 = 1;
const UNPAID: u64 = 2;

/// What may differ from one test to the next; prices for a megawatt-hour.
#[derive(Clone, Copy)]
struct Sheet {
    period_hours: u64,
    first_index: i64,
    factor_permille: i64,
    margin: i64,
    floor: i64,
    cap: i64,
    below_zero: u64,
    allowance: Money,
}

/// The index itself, which is 50 at first.
const SHEET: Sheet = Sheet {
    period_hours: 24,
    first_index: 50,
    factor_permille: 1_000,
    margin: 0,
    floor: -1_000,
    cap: 1_000,
    below_zero: STAYS,
    allowance: Money::units(100_000),
};

/// 40, whatever the index is.
const FORTY: Sheet = Sheet { factor_permille: 0, margin: 40, ..SHEET };

/// A price for a megawatt-hour in millionths for a kilowatt-hour.
const fn price(per_mwh: i64) -> i64 {
    per_mwh * 1_000
}

impl Sheet {
    /// Two periods of hours, with guarantees of 100.
    fn setting(&self) -> Setting {
        let guarantee = Money::units(100);
        let period_ms = self.period_hours * HOUR_MS;
        let end = Timestamp(BEGIN.0 + 2 * period_ms);
        let times = [BEGIN.0, period_ms, 2, 6 * HOUR_MS, HOUR_MS, PUBLISHER.0.into()].map(|number| number as i64);
        let prices =
            [price(self.first_index), self.factor_permille, price(self.margin), price(self.floor), price(self.cap)];
        let rest = [self.below_zero, guarantee.0, guarantee.0].map(|number| number as i64);
        Setting {
            parties: 3,
            grants: [Party::OWNER, Party::USER].map(|party| (party, guarantee, self.allowance)).to_vec(),
            meters: vec![(Carrier::Electricity, Party::OWNER)],
            window: Window { from: BEGIN, to: end },
            parameters: [&times[..], &prices, &rest].concat(),
            hard_end: Timestamp(end.0 + 30 * DAY_MS),
        }
    }
}

/// A signed contract with its meter.
struct Plant<R> {
    host: Host<R>,
    register: u64,
}

fn plant(sheet: Sheet) -> Plant<Native> {
    plant_on(Native(utilidor_program_sdk::answer::<IndexedPpa>), sheet)
}

fn plant_on<R: Respond>(run: R, sheet: Sheet) -> Plant<R> {
    let mut host = Host::new(run, sheet.setting().terms().unwrap(), Money::units(100_000), BEGIN);
    host.sign().unwrap();
    host.reading(0, BEGIN, Quantity(0)).unwrap();
    Plant { host, register: 0 }
}

impl<R: Respond> Plant<R> {
    /// By an hour after the begin, it has brought so many megawatt-hours more.
    fn by(&mut self, hour: u64, mwh: u64) {
        self.register += mwh * MWH;
        self.host.reading(0, Timestamp(BEGIN.0 + hour * HOUR_MS), Quantity(self.register)).unwrap();
    }

    fn index(&mut self, by: Party, hour: u64, values: &[i64]) -> bool {
        let values = values.iter().flat_map(|value| price(*value).to_le_bytes());
        let bytes: Vec<u8> = [1].into_iter().chain(hour.to_le_bytes()).chain(values).collect();
        self.host.command(by, &bytes).is_ok()
    }

    /// Settles what is due six hours after an hour, and gives what the last statement says.
    fn settle(&mut self, hour: u64) -> Vec<Said> {
        self.host.pass_to(Timestamp(BEGIN.0 + (hour + 6) * HOUR_MS));
        self.host.said().pop().unwrap()
    }
}

/// A line of so many megawatt-hours and units of money, which the user pays, or below zero the owner.
fn line(clause: u16, mwh: u64, units: i64) -> Said {
    let (user, owner) = (Party::USER, Party::OWNER);
    let (from, to) = if units < 0 { (owner, user) } else { (user, owner) };
    Said { clause, from, to, quantity: Quantity(mwh * MWH), amount: Money::units(units.unsigned_abs()) }
}

/// What so many megawatt-hours in an hour come to at an index.
fn hour(sheet: Sheet, index: i64, mwh: u64) -> Vec<Said> {
    let mut plant = plant(sheet);
    assert!(plant.index(PUBLISHER, 0, &[index]));
    plant.by(1, mwh);
    plant.by(24, 0);
    plant.settle(24)
}

#[test]
fn below_zero_the_price_stays_or_is_lowered_or_nothing_is_paid() {
    let at = |below_zero| hour(Sheet { below_zero, ..FORTY }, -2, 1);
    assert_eq!(at(STAYS), [line(0, 1, 40)]);
    assert_eq!(at(LOWERED), [line(0, 1, 38)]);
    assert_eq!(at(UNPAID), [line(2, 1, 0)]);
    for below_zero in [STAYS, LOWERED, UNPAID] {
        assert_eq!(hour(Sheet { below_zero, ..FORTY }, 0, 1), [line(0, 1, 40)], "not at zero");
    }
}

#[test]
fn the_price_is_at_least_the_floor_and_at_most_the_cap() {
    let collar = Sheet { floor: 90, cap: 160, ..SHEET };
    assert_eq!(hour(collar, 30, 1), [line(0, 1, 90)]);
    assert_eq!(hour(collar, 120, 1), [line(0, 1, 120)]);
    assert_eq!(hour(collar, 300, 200), [line(0, 200, 32_000)]);
}

#[test]
fn the_price_is_the_index_times_the_factor_plus_the_margin() {
    let discount = Sheet { factor_permille: 900, margin: 3, ..SHEET };
    assert_eq!(hour(discount, 50, 2), [line(0, 2, 96)]);
    assert_eq!(hour(discount, -10, 2), [line(1, 2, -12)], "-9 and 3");
}

#[test]
fn at_a_price_below_zero_the_owner_pays() {
    assert_eq!(hour(Sheet { below_zero: LOWERED, ..FORTY }, -50, 3), [line(1, 3, -30)]);
}

#[test]
fn the_named_party_alone_brings_the_index_for_one_interval_or_several_until_the_period_is_settled() {
    let mut plant = plant(SHEET);
    assert!(!plant.index(Party::OWNER, 0, &[1]) && !plant.index(Party::USER, 0, &[1]));
    assert!(plant.index(PUBLISHER, 0, &[10, 20, 30]));
    assert!(plant.index(PUBLISHER, 1, &[25]), "again");
    assert!(!plant.index(PUBLISHER, 47, &[1, 2]), "there are 48");
    (1..=3).for_each(|hour| plant.by(hour, 1));
    plant.by(24, 0);
    assert_eq!(plant.settle(24), [line(0, 1, 10), line(0, 1, 25), line(0, 1, 30)]);
    assert!(!plant.index(PUBLISHER, 23, &[1]), "the first day is settled");
    assert!(plant.index(PUBLISHER, 24, &[1]));
}

#[test]
fn where_no_index_has_come_the_one_before_it_counts_and_at_first_the_agreed_one() {
    let mut plant = plant(SHEET);
    assert!(plant.index(PUBLISHER, 1, &[70]));
    (1..=3).for_each(|hour| plant.by(hour, 1));
    plant.by(24, 0);
    assert_eq!(plant.settle(24), [line(0, 1, 50), line(0, 1, 70), line(0, 1, 70)]);
    plant.by(47, 0);
    plant.by(48, 1);
    assert_eq!(plant.settle(48), [line(0, 1, 70)]);
    assert_eq!(plant.host.ended(), Some(Status::Settled));
}

#[test]
fn all_that_the_plant_brings_is_taken() {
    let mut plant = plant(SHEET);
    (1..=24).for_each(|hour| plant.by(hour, hour));
    let taken: u64 = plant.settle(24).iter().map(|line| line.quantity.0).sum();
    assert_eq!(taken, 300 * MWH);
}

#[test]
fn what_cannot_be_paid_stands_on_the_next_statement_and_in_the_end_the_guarantee_serves() {
    for (sheet, sign) in [(FORTY, 1), (Sheet { margin: -40, ..FORTY }, -1)] {
        let mut plant = plant(Sheet { allowance: Money::units(100), ..sheet });
        plant.by(1, 4);
        plant.by(24, 0);
        let clause = if sign > 0 { 0 } else { 1 };
        assert_eq!(plant.settle(24), [line(clause, 4, sign * 160), line(3, 0, sign * -60)]);
        assert_eq!(plant.settle(48), [line(3, 0, sign * 60)]);
        assert_eq!(plant.host.ended(), Some(Status::Settled));
        let owner = 100_000i64 + sign * 160;
        assert_eq!(plant.host.free(Party::OWNER), Money::units(owner.unsigned_abs()));
    }
}

#[test]
fn what_comes_of_a_settled_period_counts_in_the_next_one_in_whatever_order_it_comes() {
    let first = Window { from: BEGIN, to: Timestamp(BEGIN.0 + HOUR_MS) };
    let less = |plant: &mut Plant<Native>, mwh: u64| {
        plant.host.correct(0, first, Quantity(0), Quantity(mwh * MWH)).unwrap();
    };
    for correction_first in [true, false] {
        let mut plant = plant(SHEET);
        plant.by(1, 4);
        plant.by(24, 0);
        assert_eq!(plant.settle(24), [line(0, 4, 200)]);
        if correction_first {
            less(&mut plant, 3);
        }
        plant.by(31, 0);
        plant.by(32, 5);
        plant.by(48, 0);
        if !correction_first {
            less(&mut plant, 3);
        }
        assert_eq!(plant.settle(48), [line(0, 2, 100)]);
    }

    let mut plant = plant(SHEET);
    plant.by(1, 4);
    plant.by(24, 0);
    plant.settle(24);
    less(&mut plant, 3);
    plant.by(25, 1);
    plant.by(48, 0);
    assert_eq!(plant.settle(48), [Said { from: Party::OWNER, to: Party::USER, ..line(0, 2, 100) }]);
}

/// 4 MWh are charged with 200 on the first day, of which 3 never came; what of them is paid back if the second day has these indices.
fn paid_back(below_zero: u64, values: &[i64]) -> Vec<Said> {
    let first = Window { from: BEGIN, to: Timestamp(BEGIN.0 + HOUR_MS) };
    let mut plant = plant(Sheet { below_zero, ..SHEET });
    plant.by(1, 4);
    plant.by(24, 0);
    assert_eq!(plant.settle(24), [line(0, 4, 200)]);
    assert!(plant.index(PUBLISHER, 24, values));
    plant.host.correct(0, first, Quantity(0), Quantity(3 * MWH)).unwrap();
    plant.by(48, 0);
    plant.settle(48)
}

#[test]
fn what_is_paid_back_has_the_price_of_the_periods_first_interval_with_one_else_the_last_that_was_charged() {
    let back = |units| [Said { from: Party::OWNER, to: Party::USER, ..line(0, 3, units) }];
    assert_eq!(paid_back(STAYS, &[70, 80]), back(210));
    assert_eq!(paid_back(UNPAID, &[70, 80]), back(210));
    assert_eq!(paid_back(UNPAID, &[-2, 80, 90]), back(240), "the second hour has the first price");
    assert_eq!(paid_back(UNPAID, &[-2]), back(150), "no hour of the day has a price");
}

#[test]
fn what_comes_after_the_last_statement_is_not_settled() {
    let mut plant = plant(SHEET);
    plant.by(1, 4);
    plant.by(40, 0);
    plant.settle(48);
    assert_eq!(plant.host.ended(), Some(Status::Settled));
    let last_hour = Window { from: Timestamp(BEGIN.0 + 47 * HOUR_MS), to: Timestamp(BEGIN.0 + 48 * HOUR_MS) };
    plant.by(55, 9);
    plant.host.correct(0, last_hour, Quantity(MWH), Quantity(0)).unwrap();
    plant.host.pass_to(Timestamp(plant.host.now().0 + 20 * DAY_MS));
    assert_eq!(plant.host.statements().len(), 2);
}

#[test]
fn it_ends_early_only_when_owner_and_user_want_it() {
    let mut plant = plant(SHEET);
    // Its wish is not noted, so that of the other side does not find another one there.
    assert!(plant.host.terminate(PUBLISHER, false).is_err());
    plant.host.terminate(Party::USER, false).unwrap();
    assert!(plant.host.terminate(PUBLISHER, true).is_err());
    assert_eq!(plant.host.ended(), None);
    plant.host.terminate(Party::OWNER, true).unwrap();
    assert_eq!(plant.host.ended(), Some(Status::Terminated));
    assert_eq!(plant.host.free(Party::USER), Money::units(100_000));
}

#[test]
fn parameters_without_sense_are_refused() {
    let refused = |place: usize, number: i64| {
        let mut setting = SHEET.setting();
        setting.parameters[place] = number;
        let run = Native(utilidor_program_sdk::answer::<IndexedPpa>);
        Host::new(run, setting.terms().unwrap(), Money::units(1_000), BEGIN).sign().is_err()
    };
    assert!(refused(4, HOUR_MS as i64 / 2), "more intervals than there is room for");
    assert!(refused(5, 3), "no such party");
    assert!(refused(9, 2_000_000), "a floor above the cap");
    assert!(refused(11, 3), "no such rule below zero");
}

/// The longest periods, with something in each hour.
fn long<R: Respond>(run: R) -> Host<R> {
    let mut plant = plant_on(run, Sheet { period_hours: 42, below_zero: LOWERED, ..SHEET });
    let values: Vec<i64> = (0..84).map(|hour| 60 - 2 * hour).collect();
    assert!(plant.index(PUBLISHER, 0, &values));
    (1..=84).for_each(|hour| plant.by(hour, hour));
    plant.settle(84);
    plant.host
}

#[test]
fn the_built_module_comes_to_the_same_as_its_source_within_an_events_fuel() {
    let native = long(Native(utilidor_program_sdk::answer::<IndexedPpa>));
    let built = long(Module::compile(include_bytes!("../contract.wasm")).unwrap());
    assert_eq!(built.most_fuel(), u64::from(manifest().fuel), "what the manifest says");
    assert!(native.answers().eq(built.answers()));
    assert_eq!(built.said().len(), 2);
}

/// Each sentence of the text, and the test that holds it.
const HELD: &[(&str, &str)] = &[
    ("The user takes all that the plant brings, at the price of an index", "all_that_the_plant_brings_is_taken"),
    (
        "The contract is told no index of the ledger: the named party brings the values by commands, for one interval or for several",
        "the_named_party_alone_brings_the_index_for_one_interval_or_several_until_the_period_is_settled",
    ),
    (
        "It may bring a value again until the period is settled",
        "the_named_party_alone_brings_the_index_for_one_interval_or_several_until_the_period_is_settled",
    ),
    (
        "Where none has come, the one before it counts, and at first the agreed one",
        "where_no_index_has_come_the_one_before_it_counts_and_at_first_the_agreed_one",
    ),
    (
        "What comes of a settled period until the last statement, late or by a correction, counts in the period settled next",
        "what_comes_of_a_settled_period_counts_in_the_next_one_in_whatever_order_it_comes",
    ),
    (
        "What is less than nothing then is paid back with the last statement, at the price of its period's first interval that has one, else at the last price charged",
        "what_is_paid_back_has_the_price_of_the_periods_first_interval_with_one_else_the_last_that_was_charged",
    ),
    ("What comes after the last statement is not settled", "what_comes_after_the_last_statement_is_not_settled"),
    ("It ends early only when the owner and the user want it", "it_ends_early_only_when_owner_and_user_want_it"),
    (
        "Energy of an interval at its price: the index times the factor plus the margin, at least the floor and at most the cap",
        "the_price_is_the_index_times_the_factor_plus_the_margin",
    ),
    (
        "Energy of an interval at its price: the index times the factor plus the margin, at least the floor and at most the cap",
        "the_price_is_at_least_the_floor_and_at_most_the_cap",
    ),
    (
        "Where the index is below zero, the price stays (0), is lowered by as much (1), or nothing is paid (2), as agreed",
        "below_zero_the_price_stays_or_is_lowered_or_nothing_is_paid",
    ),
    ("Energy of an interval whose price is below zero: the owner pays", "at_a_price_below_zero_the_owner_pays"),
    (
        "Energy of an interval that nobody pays for, as its index is below zero",
        "below_zero_the_price_stays_or_is_lowered_or_nothing_is_paid",
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
