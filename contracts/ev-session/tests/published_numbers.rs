//! Charging sessions on the examples of OCPI 2.2, module tariffs (`mod_tariffs`, "Examples"): net prices in euro.

use contract_ev_session::EvSession;
use utilidor_program::coded::{Native, Respond};
use utilidor_program::host::{Host, unheld};
use utilidor_program::wasm::Module;
use utilidor_program_sdk::MINUTE_MS;
use utilidor_types::agreement::*;
use utilidor_types::program::*;
use utilidor_types::time::Date;
use utilidor_types::*;

const KWH: u64 = 3_600_000;
const EURO: u64 = 1_000_000;

/// The parameters in the order of the manifest; what is nothing costs nothing.
#[derive(Clone, Copy)]
struct Sheet {
    start: u64,
    energy: u64,
    energy_step: u64,
    low_power_w: u64,
    charging: [(u64, u64); 3],
    parking: [(u64, u64, u64, u64); 2],
    least: u64,
    most: u64,
}

const FREE: Sheet = Sheet {
    start: 0,
    energy: 0,
    energy_step: KWH / 1_000,
    low_power_w: u64::MAX >> 1,
    charging: [(0, 1); 3],
    parking: [(0, 1, 0, 1_440); 2],
    least: 0,
    most: 1_000 * EURO,
};

impl Sheet {
    fn parameters(&self) -> Vec<u8> {
        let mut numbers = vec![0, self.start, self.energy, self.energy_step, self.low_power_w];
        numbers.extend(self.charging.iter().flat_map(|(price, minutes)| [*price, minutes * MINUTE_MS]));
        numbers.extend(self.parking.iter().flat_map(|(price, step, from, to)| [*price, step * MINUTE_MS, *from, *to]));
        numbers.extend([self.least, self.most, 15 * MINUTE_MS]);
        numbers.into_iter().flat_map(u64::to_le_bytes).collect()
    }
}

fn at(date: Date, minute: u64) -> Timestamp {
    Timestamp(date.midnight(0).unwrap().0 + minute * MINUTE_MS)
}

const MONDAY: Date = Date { year: 2019, month: 7, day: 1 };
const SATURDAY: Date = Date { year: 2019, month: 7, day: 6 };

fn host(sheet: Sheet) -> Host<Native> {
    host_on(Native(utilidor_program_sdk::answer::<EvSession>), sheet)
}

fn host_on<R: Respond>(run: R, sheet: Sheet) -> Host<R> {
    let (from, to) = (at(MONDAY, 0), at(MONDAY, 10 * 1_440));
    let meter = CodedMeter {
        meter: MeterId([1; 16]),
        carrier: Carrier::Electricity,
        party: Party::OWNER,
        window: Window { from, to },
        metered: Metered::Rest,
    };
    let grant = Grant { party: Party::USER, reserve: Money::ZERO, allowance: Money::units(100), renews: true };
    let coded = CodedTerms {
        code: ProgramCode::Published(ProgramId::default()),
        grants: vec![grant].try_into().unwrap(),
        meters: vec![meter].try_into().unwrap(),
        parameters: sheet.parameters().try_into().unwrap(),
    };
    let terms = AgreementTerms::between(AccountId([1; 32]), AccountId([2; 32]), Program::Coded(coded));
    let terms = AgreementTerms { hard_end: Some(HardEnd { at: to, fallback: Fallback::GiveBack }), ..terms };
    let mut host = Host::new(run, terms, Money::units(1_000), from);
    host.sign().unwrap();
    host
}

/// A session that begins at a minute of a day and charges so long, in which so much energy flows, and parks so long; what it
/// costs in cents.
fn session(sheet: Sheet, begin: (Date, u64), charging: u64, wh: u64, parking: u64) -> u64 {
    session_on(&mut host(sheet), begin, charging, wh, parking)
}

fn session_on<R: Respond>(host: &mut Host<R>, (day, minute): (Date, u64), charging: u64, wh: u64, parking: u64) -> u64 {
    let owner = Party::OWNER;
    let begun = at(day, minute);
    host.pass_to(begun);
    host.reading(0, begun, Quantity(0)).unwrap();
    host.command(owner, &[1]).unwrap();
    // Mean powers count of readings that are at most an hour apart.
    let energy = wh * KWH / 1_000;
    for part in [1, 2] {
        host.reading(0, Timestamp(begun.0 + charging * MINUTE_MS * part / 2), Quantity(energy * part / 2)).unwrap();
    }
    host.command(owner, &[2]).unwrap();
    host.pass_to(at(day, minute + charging + parking));
    host.command(owner, &[3]).unwrap();
    host.pass_to(at(day, minute + charging + parking + 16));
    assert_eq!(host.statements().len(), 1, "{:?}", host.acted());
    let earned = host.free(owner).0 - Money::units(1_000).0;
    assert_eq!(earned, host.statements()[0].1.paid.0);
    assert!(earned.is_multiple_of(EURO / 100));
    earned / (EURO / 100)
}

#[test]
fn energy_alone_and_with_a_start_fee() {
    let simple = Sheet { energy: 250_000, ..FREE };
    assert_eq!(session(simple, (MONDAY, 600), 60, 20_000, 0), 500);
    let start = Sheet { start: 500_000, ..simple };
    assert_eq!(session(start, (MONDAY, 600), 60, 20_000, 0), 550);
}

#[test]
fn a_lowest_price_holds_for_little_energy() {
    let sheet = Sheet { energy: 250_000, least: 500_000, ..FREE };
    assert_eq!(session(sheet, (MONDAY, 600), 60, 20_000, 0), 500);
    assert_eq!(session(sheet, (MONDAY, 600), 60, 1_000, 0), 50);
}

#[test]
fn parking_is_billed_in_quarters_of_an_hour() {
    let always = (2 * EURO, 15, 0, 1_440);
    let sheet = Sheet { start: 500_000, energy: 250_000, parking: [always; 2], ..FREE };
    assert_eq!(session(sheet, (MONDAY, 600), 60, 20_000, 40), 700);
}

#[test]
fn a_highest_price_holds_for_much_energy() {
    let sheet = Sheet { start: 500_000, energy: 250_000, most: 10 * EURO, ..FREE };
    assert_eq!(session(sheet, (MONDAY, 600), 60, 50_000, 0), 1_000);
    assert_eq!(session(sheet, (MONDAY, 600), 60, 30_000, 0), 800);
}

#[test]
fn time_of_charging_alone_and_with_parking() {
    let hourly = Sheet { charging: [(2 * EURO, 1); 3], ..FREE };
    assert_eq!(session(hourly, (MONDAY, 600), 150, 9_000, 30), 500);
    let both = Sheet { charging: [(3 * EURO, 1); 3], parking: [(5 * EURO, 5, 0, 1_440); 2], ..FREE };
    assert_eq!(session(both, (MONDAY, 600), 150, 9_000, 42), 1_125);
}

#[test]
fn energy_is_billed_in_steps() {
    let sheet = Sheet { energy: 220_000, energy_step: KWH / 10, ..FREE };
    assert_eq!(session(sheet, (MONDAY, 600), 60, 20_450, 0), 451);
}

/// 32 A of one phase at 230 V.
const COMPLEX: Sheet = Sheet {
    start: 2_500_000,
    low_power_w: 32 * 230,
    charging: [(EURO, 15), (2 * EURO, 10), (1_250_000, 10)],
    parking: [(5 * EURO, 5, 9 * 60, 18 * 60), (6 * EURO, 5, 10 * 60, 17 * 60)],
    ..FREE
};

#[test]
fn the_complex_tariff_on_a_monday_morning_with_little_power() {
    // 16 A for 147 minutes.
    let wh = 16 * 230 * 147 / 60;
    assert_eq!(session(COMPLEX, (MONDAY, 9 * 60 + 30), 147, wh, 42), 875);
}

#[test]
fn the_complex_tariff_on_a_saturday_afternoon_with_much_power() {
    let wh = 43 * 230 * 114 / 60;
    assert_eq!(session(COMPLEX, (SATURDAY, 13 * 60 + 30), 114, wh, 71), 1_250);
}

#[test]
fn parking_outside_of_the_hours_is_free_and_power_counts_on_weekdays() {
    let wh = 43 * 230;
    assert_eq!(session(COMPLEX, (MONDAY, 18 * 60), 60, wh, 30), 250 + 200);
}

#[test]
fn a_session_is_settled_after_the_grace_time_for_late_readings() {
    let mut host = host(Sheet { start: 500_000, ..FREE });
    host.pass_to(at(MONDAY, 600));
    host.reading(0, host.now(), Quantity(0)).unwrap();
    host.command(Party::OWNER, &[1]).unwrap();
    host.pass_to(at(MONDAY, 660));
    host.command(Party::OWNER, &[3]).unwrap();
    host.pass_to(at(MONDAY, 674));
    assert_eq!(host.statements().len(), 0, "15 minutes are agreed");
    host.reading(0, at(MONDAY, 674), Quantity(KWH)).unwrap();
    host.pass_to(at(MONDAY, 675));
    assert_eq!(host.statements().len(), 1);
}

#[test]
fn what_cannot_be_paid_is_owed() {
    let mut host = host(Sheet { start: 130 * EURO, ..FREE });
    host.pass_to(at(MONDAY, 600));
    for command in [1, 2, 3] {
        host.command(Party::OWNER, &[command]).unwrap();
    }
    host.pass_to(at(MONDAY, 620));
    assert_eq!((host.free(Party::OWNER), host.debt()), (Money::units(1_100), Money::units(30)));
}

#[test]
fn what_the_grant_does_not_let_the_user_owe_is_let_off() {
    let mut host = host(Sheet { start: 1_350 * EURO, most: 2_000 * EURO, ..FREE });
    host.pass_to(at(MONDAY, 600));
    for command in [1, 2, 3] {
        host.command(Party::OWNER, &[command]).unwrap();
    }
    host.pass_to(at(MONDAY, 620));
    // 100 are paid, and twelve times 100 owed.
    assert_eq!((host.free(Party::OWNER), host.debt()), (Money::units(1_100), Money::units(1_200)));
    let let_off = host.said()[0].iter().find(|line| line.clause == 6).map(|line| (line.from, line.amount));
    assert_eq!(let_off, Some((Party::OWNER, Money::units(50))));
}

#[test]
fn either_side_ends_it_while_no_session_is_open() {
    for by in [Party::OWNER, Party::USER] {
        let mut host = host(FREE);
        host.pass_to(at(MONDAY, 600));
        host.command(Party::OWNER, &[1]).unwrap();
        assert!(host.terminate(by, false).is_err(), "a session is open");
        host.command(Party::OWNER, &[3]).unwrap();
        host.pass_to(at(MONDAY, 620));
        host.terminate(by, false).unwrap();
        assert_eq!(host.ended(), Some(Status::Terminated));
    }
}

#[test]
fn only_the_owner_says_how_far_a_session_is_and_in_order() {
    let mut host = host(FREE);
    assert!(host.command(Party::USER, &[1]).is_err());
    assert!(host.command(Party::OWNER, &[2]).is_err());
    host.command(Party::OWNER, &[1]).unwrap();
    assert!(host.command(Party::OWNER, &[1]).is_err());
    assert!(host.command(Party::OWNER, &[]).is_err());
    assert!(host.terminate(Party::USER, true).is_err(), "a session runs");
}

#[test]
fn the_built_module_comes_to_the_same_as_its_source() {
    let module = Module::compile(include_bytes!("../contract.wasm")).unwrap();
    let wh = 43 * 230 * 114 / 60;
    let mut built = host_on(module, COMPLEX);
    assert_eq!(session_on(&mut built, (SATURDAY, 13 * 60 + 30), 114, wh, 71), 1_250);
    assert_eq!(built.most_fuel(), u64::from(manifest().fuel), "what the manifest says");
}

/// Each sentence of the text, and the test that holds it.
const HELD: &[(&str, &str)] = &[
    (
        "Charging sessions of an electric vehicle: a start fee, energy, time of charging and of parking, each in steps that are rounded up, between a lowest and a highest price",
        "the_complex_tariff_on_a_monday_morning_with_little_power",
    ),
    ("Prices are net", "energy_alone_and_with_a_start_fee"),
    (
        "A session is settled after a grace time for late readings",
        "a_session_is_settled_after_the_grace_time_for_late_readings",
    ),
    ("What cannot be paid is owed, as far as the user's grant goes", "what_cannot_be_paid_is_owed"),
    ("Either side can end the contract while no session is open", "either_side_ends_it_while_no_session_is_open"),
    ("Start fee of a session", "energy_alone_and_with_a_start_fee"),
    (
        "Energy by the certified readings of the charging point's meter, rounded up to whole steps, times the price",
        "energy_is_billed_in_steps",
    ),
    (
        "Time of charging, rounded up to whole steps (quantity in milliseconds): at the lower price up to the agreed power, above it at the price of weekdays or of weekends, as the session began",
        "the_complex_tariff_on_a_monday_morning_with_little_power",
    ),
    (
        "Time of charging, rounded up to whole steps (quantity in milliseconds): at the lower price up to the agreed power, above it at the price of weekdays or of weekends, as the session began",
        "the_complex_tariff_on_a_saturday_afternoon_with_much_power",
    ),
    (
        "Time of parking after charging, rounded up to whole steps (quantity in milliseconds), at the price of the day and hour at which parking began; outside of those hours it is free",
        "parking_is_billed_in_quarters_of_an_hour",
    ),
    (
        "Time of parking after charging, rounded up to whole steps (quantity in milliseconds), at the price of the day and hour at which parking began; outside of those hours it is free",
        "parking_outside_of_the_hours_is_free_and_power_counts_on_weekdays",
    ),
    ("What is missing from the lowest price of a session", "a_lowest_price_holds_for_little_energy"),
    ("What goes beyond the highest price of a session, which the owner bears", "a_highest_price_holds_for_much_energy"),
    (
        "What can neither be paid nor be owed, because it goes beyond what the user's grant lets it owe",
        "what_the_grant_does_not_let_the_user_owe_is_let_off",
    ),
    ("It is let off", "what_the_grant_does_not_let_the_user_owe_is_let_off"),
];

fn manifest() -> Manifest {
    serde_json::from_str(include_str!("../manifest.json")).unwrap()
}

#[test]
fn the_manifest_describes_the_parameters_and_each_sentence_is_held_by_a_test() {
    let manifest = manifest();
    assert_eq!(manifest.parameters.len() * PARAMETER_BYTES, FREE.parameters().len());
    assert!(encode(&manifest).len() < MAX_MANIFEST_BYTES);
    assert_eq!(unheld(&manifest, HELD, include_str!("published_numbers.rs")), Vec::<String>::new());
}
