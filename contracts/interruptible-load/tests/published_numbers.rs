//! Interruptible load, on published methods and prices.
//!
//! * The four business days before Friday, 18 July 2008 are Monday, 14 July to Thursday, 17 July: CenterPoint Energy, load
//!   management program, step 4 (centerpointefficiency.com/ci_lm_sop).
//! * The mean of the last five working days: Jiangsu, rules of June 2015 (chinasmartgrid.com.cn, 19 October 2015). A top-up to
//!   4 yuan a kWh: Quzhou, measures of 2022.
//! * Ten previous weekdays without an event, of which the five with the highest usage: PG&E, Power Saver Rewards, questions.
//! * At least 50 kW in each of two hours, at 0.50 dollars a kW and hour: PG&E, demand bidding (mushfiqsarker.com, 2013).
//! * 1 dollar a kWh x mean hourly relief x hours: "Performance Payment" (lawinsider.com, dynamic load management).

use contract_interruptible_load::InterruptibleLoad;
use utilidor_program::coded::{Native, Respond};
use utilidor_program::host::{Host, Said, Setting, unheld};
use utilidor_program::wasm::Module;
use utilidor_program_sdk::{DAY_MS, HOUR_MS};
use utilidor_types::agreement::*;
use utilidor_types::program::*;
use utilidor_types::time::Date;
use utilidor_types::*;

const KWH: u64 = 3_600_000;
const CENT: u64 = 10_000;
/// A Monday.
const BEGIN: Date = Date { year: 2008, month: 6, day: 30 };
/// 18 July.
const FRIDAY: u64 = 18;

/// What may differ from one test to the next; prices in cents, shares in thousandths.
#[derive(Clone, Copy)]
struct Sheet {
    days: u64,
    looked_at: u64,
    taken: u64,
    weekdays_only: bool,
    calls: u64,
    committed_kwh: u64,
    bonus: u64,
    penalty: u64,
    shares: (u64, u64),
    /// What the contract may take of each party in 30 days.
    allowance: Money,
}

/// Whatever is shed is paid with 4.00.
const SHEET: Sheet = Sheet {
    days: 28,
    looked_at: 5,
    taken: 5,
    weekdays_only: true,
    calls: 10,
    committed_kwh: 100,
    bonus: 400,
    penalty: 0,
    shares: (0, 1_000_000),
    allowance: Money::units(1_000_000),
};

fn at(hours: u64) -> Timestamp {
    Timestamp(BEGIN.midnight(0).unwrap().0 + hours * HOUR_MS)
}

impl Sheet {
    fn setting(&self) -> Setting {
        let guarantee = Money::units(50);
        let numbers = [
            at(0).0,
            self.days,
            6 * HOUR_MS,
            2 * HOUR_MS,
            self.looked_at,
            self.taken,
            self.weekdays_only.into(),
            self.calls,
            4,
            self.committed_kwh * KWH,
            self.bonus * CENT,
            self.penalty * CENT,
            self.shares.0,
            self.shares.1,
            guarantee.0,
            guarantee.0,
        ];
        Setting {
            parties: 2,
            grants: [Party::OWNER, Party::USER].map(|party| (party, guarantee, self.allowance)).to_vec(),
            meters: vec![(Carrier::Electricity, Party::USER)],
            window: Window { from: at(0), to: at(self.days * 24) },
            parameters: numbers.map(|number| number as i64).to_vec(),
            hard_end: Timestamp(at(self.days * 24).0 + 30 * DAY_MS),
        }
    }
}

/// A signed contract with its meter.
struct Load<R> {
    host: Host<R>,
    hour: u64,
    register: u64,
}

fn load(sheet: Sheet) -> Load<Native> {
    load_on(Native(utilidor_program_sdk::answer::<InterruptibleLoad>), sheet)
}

fn load_on<R: Respond>(run: R, sheet: Sheet) -> Load<R> {
    let mut host = Host::new(run, sheet.setting().terms().unwrap(), Money::units(1_000_000), at(0));
    host.sign().unwrap();
    host.reading(0, at(0), Quantity(0)).unwrap();
    Load { host, hour: 0, register: 0 }
}

impl<R: Respond> Load<R> {
    /// In each of the next hours so many kilowatt-hours are taken.
    fn takes(&mut self, hours: u64, kwh: u64) {
        for _ in 0..hours {
            self.hour += 1;
            self.register += kwh * KWH;
            self.host.reading(0, at(self.hour), Quantity(self.register)).unwrap();
        }
    }

    /// Days on which so much is taken in the hour from 16 o'clock on, and nearly as much in the others.
    fn days(&mut self, kwh: &[u64]) {
        for kwh in kwh {
            self.day(&[*kwh], 16);
        }
    }

    /// The rest of a day on which so much is taken in the hours from one on, and 10 in the others.
    fn day(&mut self, kwh: &[u64], from: u64) {
        self.takes(from - self.hour % 24, 10);
        kwh.iter().for_each(|kwh| self.takes(1, *kwh));
        self.takes(24 - self.hour % 24, 10);
    }

    /// The owner calls for hours from one of today on.
    fn call(&mut self, from: u64, hours: u8) {
        let begin = self.hour / 24 * 24 + from;
        self.host.command(Party::OWNER, &command(at(begin), hours)).unwrap();
    }

    /// A call for so many hours from 16 o'clock on, in which so much is taken; what its statement says.
    fn called(&mut self, kwh: &[u64]) -> Vec<Said> {
        self.call(16, kwh.len() as u8);
        self.day(kwh, 16);
        self.host.pass_to(at(self.hour + 6));
        self.host.said().pop().unwrap()
    }
}

fn command(begin: Timestamp, hours: u8) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend(begin.0.to_le_bytes());
    bytes.push(hours);
    bytes
}

/// A line of so many kilowatt-hours and cents.
fn line(clause: u16, kwh: u64, cents: u64) -> Said {
    let (owner, user) = (Party::OWNER, Party::USER);
    let (from, to) = if clause == 1 { (user, owner) } else { (owner, user) };
    Said { clause, from, to, quantity: Quantity(kwh * KWH), amount: Money(cents * CENT) }
}

#[test]
fn the_last_working_days_before_friday_18_july_2008_are_monday_to_thursday() {
    let mut load = load(Sheet { looked_at: 4, taken: 4, ..SHEET });
    load.days(&[9_000; 14]);
    load.days(&[1_000, 1_100, 1_200, 1_300]);
    assert_eq!(load.hour, FRIDAY * 24);
    // The mean is 1,150; 200 kWh at 4 yuan.
    assert_eq!(load.called(&[950]), [line(0, 200, 80_000)]);
    assert_eq!(load.host.free(Party::USER), Money::units(1_000_000 - 50 + 800), "50 are reserved");
}

#[test]
fn the_mean_of_the_last_five_working_days_leaves_the_weekend_out() {
    let mut load = load(SHEET);
    load.days(&[9_000; 11]);
    // From Friday, 11 July on, with a weekend of other loads.
    load.days(&[800, 0, 9_000, 1_000, 1_100, 1_200, 1_300]);
    assert_eq!(load.called(&[1_000]), [line(0, 80, 32_000)], "the mean is 1,080");
}

#[test]
fn of_ten_days_the_five_with_the_highest_load_are_taken() {
    let days = [100, 900, 200, 800, 300, 0, 0, 700, 400, 600, 500, 1_000, 0, 0];
    let ten = |taken| {
        let mut load = load(Sheet { looked_at: 10, taken, bonus: 50, ..SHEET });
        load.days(&days);
        load.called(&[300])
    };
    assert_eq!(ten(5), [line(0, 500, 25_000)], "5 of 10: 600 to 1,000, whose mean is 800");
    assert_eq!(ten(10), [line(0, 250, 12_500)], "10 of 10: the mean is 550");
}

#[test]
fn a_day_with_a_call_does_not_count() {
    let mut load = load(SHEET);
    load.days(&[1_000, 1_000, 1_000, 1_000, 1_000, 0, 0]);
    load.called(&[400]);
    assert_eq!(load.called(&[400]), [line(0, 600, 240_000)], "Monday's 400 are not in Tuesday's baseline");
}

#[test]
fn weekends_count_if_so_agreed() {
    let mut load = load(Sheet { weekdays_only: false, looked_at: 2, taken: 2, ..SHEET });
    load.days(&[9_000, 9_000, 9_000, 9_000, 9_000, 300, 500]);
    assert_eq!(load.called(&[300]), [line(0, 100, 40_000)]);
}

#[test]
fn from_the_least_share_on_there_is_a_bonus() {
    // 50 kW in each of two hours, at 0.50.
    let sheet = Sheet { committed_kwh: 50, bonus: 50, shares: (1_000, 1_000_000), ..SHEET };
    let shed = |kwh: [u64; 2]| {
        let mut load = load(sheet);
        (0..5).for_each(|_| load.day(&[500, 500], 16));
        load.days(&[0, 0]);
        load.called(&kwh)
    };
    assert_eq!(shed([450, 450]), [line(0, 100, 5_000)]);
    assert_eq!(shed([451, 451]), [line(1, 2, 0)], "98 of 100 kWh: no bonus, and here no penalty either");
}

#[test]
fn below_the_least_share_the_user_pays_for_what_is_missing() {
    let mut load = load(Sheet { shares: (800, 1_200), penalty: 200, ..SHEET });
    load.days(&[500, 500, 500, 500, 500, 0, 0]);
    assert_eq!(load.called(&[470]), [line(1, 70, 14_000)], "30 of 100 are shed");
    assert_eq!(load.host.free(Party::OWNER), Money::units(1_000_000 - 50 + 140));
}

#[test]
fn above_the_most_share_there_is_no_more_bonus() {
    let mut load = load(Sheet { shares: (800, 1_200), ..SHEET });
    load.days(&[500, 500, 500, 500, 500, 0, 0]);
    assert_eq!(load.called(&[300]), [line(0, 120, 48_000)], "of 200");
}

#[test]
fn the_bonus_is_the_price_times_the_mean_hourly_relief_times_the_hours() {
    let mut load = load(Sheet { bonus: 100, ..SHEET });
    (0..5).for_each(|_| load.day(&[200, 220, 240], 16));
    load.days(&[0, 0]);
    // 30, 50 and 40: the mean of 40 for three hours at 1 dollar.
    assert_eq!(load.called(&[170, 170, 200]), [line(0, 120, 12_000)]);
}

#[test]
fn an_hour_above_the_baseline_takes_nothing_off() {
    let mut load = load(SHEET);
    (0..5).for_each(|_| load.day(&[200, 200], 16));
    load.days(&[0, 0]);
    assert_eq!(load.called(&[150, 900]), [line(0, 50, 20_000)]);
}

#[test]
fn an_hour_without_readings_sheds_nothing() {
    let mut load = load(SHEET);
    (0..5).for_each(|_| load.day(&[200, 200], 16));
    load.days(&[0, 0]);
    load.call(16, 2);
    load.takes(17, 100);
    load.host.pass_to(at(7 * 24 + 24));
    assert_eq!(load.host.said().pop().unwrap(), [line(0, 100, 40_000)], "the second hour would shed 200");
}

#[test]
fn with_too_few_days_for_a_baseline_nobody_pays() {
    let mut load = load(Sheet { shares: (1_000, 1_000), penalty: 200, ..SHEET });
    load.days(&[500, 500, 500, 500]);
    assert_eq!(load.called(&[0]), [line(2, 0, 0)]);
}

#[test]
fn the_owner_alone_calls_ahead_of_time_for_whole_hours_of_one_day() {
    let mut load = load(SHEET);
    load.days(&[500; 5]);
    let mut refuses = |by, bytes: &[u8]| load.host.command(by, bytes).is_err();
    let monday = at(7 * 24 + 16);
    assert!(refuses(Party::USER, &command(monday, 1)));
    assert!(refuses(Party::OWNER, &command(at(5 * 24 + 16), 1)), "a Saturday");
    assert!(refuses(Party::OWNER, &command(Timestamp(monday.0 + HOUR_MS / 2), 1)), "half an hour");
    assert!(refuses(Party::OWNER, &command(monday, 0)));
    assert!(refuses(Party::OWNER, &command(monday, 5)), "longer than agreed");
    assert!(refuses(Party::OWNER, &command(at(8 * 24 - 1), 2)), "over midnight");
    assert!(refuses(Party::OWNER, &command(at(4 * 24 + 16), 1)), "the past");
    assert!(refuses(Party::OWNER, &command(at(28 * 24), 1)), "after the end");
    assert!(refuses(Party::OWNER, &command(Timestamp(u64::MAX), 1)));
    assert!(refuses(Party::OWNER, &[1, 2, 3]));
    assert!(!refuses(Party::OWNER, &command(monday, 4)));
}

#[test]
fn a_call_comes_as_long_ahead_as_agreed() {
    let mut load = load(SHEET);
    load.days(&[500]);
    load.takes(15, 10);
    assert!(load.host.command(Party::OWNER, &command(at(24 + 16), 1)).is_err(), "an hour, where two are agreed");
    assert!(load.host.command(Party::OWNER, &command(at(24 + 17), 1)).is_ok());
}

#[test]
fn the_next_call_waits_until_the_last_one_is_settled_and_there_are_so_many() {
    let mut load = load(Sheet { calls: 2, ..SHEET });
    load.days(&[500, 500, 500, 500, 500, 0, 0]);
    load.call(16, 1);
    assert!(load.host.command(Party::OWNER, &command(at(8 * 24 + 16), 1)).is_err(), "one is open");
    load.days(&[400]);
    load.called(&[400]);
    assert!(load.host.command(Party::OWNER, &command(at(9 * 24 + 16), 1)).is_err(), "two are agreed");
}

#[test]
fn what_cannot_be_paid_stands_on_the_next_statement_and_in_the_end_the_guarantee_serves() {
    let mut load = load(Sheet { days: 10, allowance: Money::units(100), ..SHEET });
    load.days(&[500, 500, 500, 500, 500, 0, 0]);
    let carried =
        |from, to, cents: u64| Said { clause: 3, from, to, quantity: Quantity::ZERO, amount: Money(cents * CENT) };
    let back = carried(Party::USER, Party::OWNER, 4_000);
    assert_eq!(load.called(&[465]), [line(0, 35, 14_000), back], "140 are due, 100 can be taken");
    load.host.pass_to(at(11 * 24));
    let paid = carried(Party::OWNER, Party::USER, 4_000);
    assert_eq!(load.host.said().pop().unwrap(), [paid]);
    assert_eq!(load.host.ended(), Some(Status::Settled));
    assert_eq!(load.host.free(Party::USER), Money::units(1_000_140));
    assert_eq!(load.host.free(Party::OWNER), Money::units(1_000_000 - 140), "the rest of its guarantee is free again");
}

#[test]
fn it_ends_without_a_statement_when_nothing_is_open_and_early_when_both_want_it() {
    let mut quiet = load(Sheet { days: 1, ..SHEET });
    quiet.days(&[500]);
    quiet.host.pass_to(at(48));
    assert_eq!((quiet.host.ended(), quiet.host.said().len()), (Some(Status::Settled), 0));
    let mut early = load(SHEET);
    early.host.terminate(Party::USER, false).unwrap();
    assert_eq!(early.host.ended(), None);
    early.host.terminate(Party::OWNER, true).unwrap();
    assert_eq!(early.host.ended(), Some(Status::Terminated));
    assert_eq!(early.host.free(Party::USER), Money::units(1_000_000));
}

#[test]
fn parameters_without_sense_are_refused() {
    let refused = |place: usize, number: i64| {
        let mut setting = SHEET.setting();
        setting.parameters[place] = number;
        let run = Native(utilidor_program_sdk::answer::<InterruptibleLoad>);
        Host::new(run, setting.terms().unwrap(), Money::units(1_000), at(0)).sign().is_err()
    };
    assert!(refused(1, 0), "no day");
    assert!(refused(4, 15) && refused(4, 0), "more baseline days than are remembered, or none");
    assert!(refused(5, 6), "more taken than looked at");
    assert!(refused(8, 25), "longer than a day");
    assert!(refused(9, -1));
}

/// A month with a call of four hours on each of its last working days.
fn month<R: Respond>(run: R) -> Host<R> {
    let mut load = load_on(run, Sheet { looked_at: 10, taken: 10, ..SHEET });
    for day in 0..28 {
        match day >= 21 && day % 7 < 5 {
            true => drop(load.called(&[400 + day, 410, 420, 430])),
            false => load.day(&[500 + day, 510, 520, 530], 16),
        }
    }
    load.host.pass_to(at(30 * 24));
    load.host
}

#[test]
fn the_built_module_comes_to_the_same_as_its_source_within_an_events_fuel() {
    let native = month(Native(utilidor_program_sdk::answer::<InterruptibleLoad>));
    let built = month(Module::compile(include_bytes!("../contract.wasm")).unwrap());
    assert!(native.answers().eq(built.answers()));
    assert_eq!((built.ended(), built.said().len()), (Some(Status::Settled), 5));
    assert_eq!(built.most_fuel(), u64::from(manifest().fuel), "what the manifest says");
}

/// Each sentence of the text, and the test that holds it.
const HELD: &[(&str, &str)] = &[
    (
        "The owner calls on the user to shed load in whole hours of one day, some time ahead",
        "the_owner_alone_calls_ahead_of_time_for_whole_hours_of_one_day",
    ),
    (
        "The owner calls on the user to shed load in whole hours of one day, some time ahead",
        "a_call_comes_as_long_ahead_as_agreed",
    ),
    (
        "What was shed is measured against a baseline: the mean, hour by hour, of the days with the highest load in the called hours among the last days before that count",
        "of_ten_days_the_five_with_the_highest_load_are_taken",
    ),
    (
        "Days with a call do not count, nor do weekends if so agreed",
        "the_mean_of_the_last_five_working_days_leaves_the_weekend_out",
    ),
    ("Days with a call do not count, nor do weekends if so agreed", "a_day_with_a_call_does_not_count"),
    (
        "The owner can call again when a call is settled, up to the agreed number of calls",
        "the_next_call_waits_until_the_last_one_is_settled_and_there_are_so_many",
    ),
    (
        "It ends early only when both want it, without another statement",
        "it_ends_without_a_statement_when_nothing_is_open_and_early_when_both_want_it",
    ),
    (
        "Bonus: from the least share of the commitment on, the owner pays for what was shed, up to the most",
        "from_the_least_share_on_there_is_a_bonus",
    ),
    (
        "Bonus: from the least share of the commitment on, the owner pays for what was shed, up to the most",
        "above_the_most_share_there_is_no_more_bonus",
    ),
    ("An hour above the baseline takes nothing off", "an_hour_above_the_baseline_takes_nothing_off"),
    ("An hour that was not read to its end sheds nothing", "an_hour_without_readings_sheds_nothing"),
    (
        "Penalty: below the least share there is no bonus, and the user pays for what is missing from the commitment, which may cost nothing",
        "below_the_least_share_the_user_pays_for_what_is_missing",
    ),
    ("Too few days count for a baseline: nobody pays", "with_too_few_days_for_a_baseline_nobody_pays"),
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

#[test]
fn more_days_than_are_remembered_when_a_call_is_settled_are_refused() {
    let signs = |looked_at: u64, weekdays_only: bool, grace_hours: u64| {
        let mut setting = Sheet { looked_at, weekdays_only, ..SHEET }.setting();
        setting.parameters[2] = (grace_hours * HOUR_MS) as i64;
        let run = Native(utilidor_program_sdk::answer::<InterruptibleLoad>);
        Host::new(run, setting.terms().unwrap(), Money::units(1_000_000), at(0)).sign().is_ok()
    };
    // Of the 18 days before the day of a call that are remembered a day later, at least 12 are working days.
    assert!(signs(12, true, 24));
    assert!(!signs(13, true, 24), "before a Monday there are only 12");
    assert!(signs(18, false, 24));
    assert!(!signs(19, false, 24));
    assert!(!signs(18, false, 25), "another day goes off");
}

#[test]
fn the_oldest_day_of_a_baseline_is_still_remembered_when_the_grace_time_is_long() {
    let sheet = Sheet { looked_at: 16, taken: 16, weekdays_only: false, ..SHEET };
    let mut setting = sheet.setting();
    setting.parameters[2] = 3 * DAY_MS as i64;
    let run = Native(utilidor_program_sdk::answer::<InterruptibleLoad>);
    let mut host = Host::new(run, setting.terms().unwrap(), Money::units(1_000_000), at(0));
    host.sign().unwrap();
    host.reading(0, at(0), Quantity(0)).unwrap();
    let mut load = Load { host, hour: 0, register: 0 };
    // 20 days at 100 kWh an hour; on the next one nothing is taken in the first hour, which was called.
    load.takes(19 * 24, 100);
    load.host.pass_to(at(load.hour));
    let mut call = vec![1];
    call.extend_from_slice(&at(20 * 24).0.to_le_bytes());
    call.push(1);
    load.host.command(Party::OWNER, &call).unwrap();
    load.takes(24, 100);
    load.takes(1, 0);
    load.takes(3 * 24, 100);
    load.host.pass_to(at(load.hour));
    let (_, draft) = load.host.statements().last().expect("the call is settled");
    let line = format!("{:?}", draft.lines[0]);
    assert!(line.contains("clause: 0") && line.contains(&format!("Quantity({})", 100 * KWH)), "{line}");
}
