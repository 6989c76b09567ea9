//! A shared roof, on published numbers.
//!
//! * Fixed shares: 100 Wh from 11 to 12 o'clock, shared 30 % to 70 %; 45 and 80 Wh are consumed: ecodrivex.es, "Así funciona".
//! * In order: 1 kWh from 12:00 to 12:30, of which B takes the 0.4 kWh that it consumes and C the other 0.6 of its 0.8:
//!   doc.plein-soleil.org, "L'autoconsommation collective".
//! * By consumption, and what becomes of a share that is not used: energiegemeinschaften.gv.at, "Energiezuteilung in
//!   Energiegemeinschaften" (Austria); on the half-hour above.

use contract_shared_roof_pv::{MAX_TENANTS, SharedRoofPv};
use utilidor_program::coded::{Native, Respond};
use utilidor_program::host::{Host, Setting, unheld};
use utilidor_program::wasm::Module;
use utilidor_program_sdk::{DAY_MS, HOUR_MS, MINUTE_MS, split};
use utilidor_types::agreement::*;
use utilidor_types::program::*;
use utilidor_types::*;

const BEGIN: Timestamp = Timestamp(20_000 * DAY_MS);
const WH: u64 = 3_600;
const FIXED: i64 = 0;
const BY_CONSUMPTION: i64 = 1;
const IN_ORDER: i64 = 2;

/// What may differ from one test to the next.
#[derive(Clone, Copy)]
struct Sheet<'a> {
    interval_ms: u64,
    periods: u64,
    key: i64,
    standing: Money,
    /// The owner's share and the tenants'.
    shares: &'a [i64],
    /// What the contract may take of each tenant in 30 days.
    allowance: Money,
}

/// Two tenants with 30 and 70 of 100.
const TWO: Sheet<'_> = Sheet {
    interval_ms: HOUR_MS,
    periods: 2,
    key: FIXED,
    standing: Money::ZERO,
    shares: &[0, 30, 70],
    allowance: Money::units(1_000),
};

impl Sheet<'_> {
    /// Days at 0.50 for a kWh, with a guarantee of 5.
    fn setting(&self) -> Setting {
        let parties = self.shares.len() as u8;
        let mut parameters = vec![BEGIN.0, DAY_MS, self.periods, 6 * HOUR_MS, self.interval_ms, self.key as u64];
        parameters.extend([500_000, self.standing.0, Money::units(5).0]);
        let mut parameters: Vec<i64> = parameters.into_iter().map(|number| number as i64).collect();
        parameters.extend((0..=MAX_TENANTS).map(|number| self.shares.get(number).copied().unwrap_or(0)));
        let end = Timestamp(BEGIN.0 + self.periods * DAY_MS);
        Setting {
            parties,
            grants: (1..parties).map(|tenant| (Party(tenant), Money::units(5), self.allowance)).collect(),
            meters: (0..parties).map(|party| (Carrier::Electricity, Party(party))).collect(),
            window: Window { from: BEGIN, to: end },
            parameters,
            hard_end: Timestamp(end.0 + 30 * DAY_MS),
        }
    }
}

/// A signed contract, with its meters' registers.
struct Roof<R> {
    host: Host<R>,
    registers: Vec<u64>,
}

fn roof(sheet: Sheet<'_>) -> Roof<Native> {
    roof_on(Native(utilidor_program_sdk::answer::<SharedRoofPv>), sheet)
}

fn roof_on<R: Respond>(run: R, sheet: Sheet<'_>) -> Roof<R> {
    let mut host = Host::new(run, sheet.setting().terms().unwrap(), Money::units(1_000), BEGIN);
    host.sign().unwrap();
    let mut roof = Roof { host, registers: vec![0; sheet.shares.len()] };
    roof.brings(0, &vec![0; sheet.shares.len()]);
    roof
}

impl<R: Respond> Roof<R> {
    /// By a time after the begin, the roof and the tenants have brought and taken so much more, in joules.
    fn brings(&mut self, ms: u64, joules: &[u64]) {
        for (number, more) in joules.iter().enumerate() {
            self.registers[number] += more;
            let register = Quantity(self.registers[number]);
            self.host.reading(number as u8, Timestamp(BEGIN.0 + ms), register).unwrap();
        }
    }

    /// From an hour on, for a time, the roof brings and the tenants take so many watt-hours.
    fn hour(&mut self, hour: u64, ms: u64, wh: &[u64]) {
        self.brings(hour * HOUR_MS, &vec![0; wh.len()]);
        self.brings(hour * HOUR_MS + ms, &wh.iter().map(|wh| wh * WH).collect::<Vec<_>>());
    }

    fn settle(&mut self, days: u64) {
        self.host.pass_to(Timestamp(BEGIN.0 + days * DAY_MS + 6 * HOUR_MS));
    }

    /// What the last statement says of a clause: joules and money, tenant by tenant.
    fn said(&self, clause: u16) -> Vec<(u64, u64)> {
        let statements = self.host.said();
        let lines = statements.last().unwrap().iter().filter(|line| line.clause == clause);
        lines.map(|line| (line.quantity.0, line.amount.0)).collect()
    }

    /// The tenants' shares in watt-hours.
    fn shares_wh(&self) -> Vec<u64> {
        self.said(0).iter().map(|(joules, _)| joules / WH).collect()
    }
}

#[test]
fn fixed_shares_are_shared_as_agreed_and_each_tenant_pays_for_its_own() {
    let mut roof = roof(TWO);
    roof.hour(11, HOUR_MS, &[100, 45, 80]);
    roof.settle(1);
    assert_eq!(roof.shares_wh(), [30, 70], "Juan is left with 15 Wh of the grid, Amaya with 10");
    assert_eq!(roof.said(0), [(30 * WH, 15_000), (70 * WH, 35_000)]);
    assert_eq!(roof.host.free(Party::OWNER).0 - Money::units(1_000).0, 50_000);
    assert_eq!(roof.host.free(Party(2)).0, Money::units(995).0 - 35_000, "5 are reserved");
}

#[test]
fn what_a_tenant_does_not_use_of_a_fixed_share_stays_with_the_owner() {
    let mut roof = roof(TWO);
    roof.hour(11, HOUR_MS, &[100, 20, 80]);
    roof.settle(1);
    assert_eq!(roof.shares_wh(), [20, 70], "Amaya's 80 do not get what Juan leaves");
    assert_eq!(roof.said(2), [(10 * WH, 0)]);
}

#[test]
fn in_order_the_first_tenant_is_served_first() {
    let mut roof = roof(Sheet { interval_ms: 30 * MINUTE_MS, key: IN_ORDER, ..TWO });
    roof.hour(12, 30 * MINUTE_MS, &[1_000, 400, 800]);
    roof.settle(1);
    assert_eq!(roof.shares_wh(), [400, 600]);
}

#[test]
fn by_consumption_the_generation_is_shared_in_proportion() {
    let mut roof = roof(Sheet { interval_ms: 30 * MINUTE_MS, key: BY_CONSUMPTION, ..TWO });
    roof.hour(12, 30 * MINUTE_MS, &[1_000, 400, 800]);
    roof.settle(1);
    assert_eq!(roof.said(0).iter().map(|(joules, _)| *joules).collect::<Vec<_>>(), [1_200_000, 2_400_000]);
}

#[test]
fn nobody_gets_more_than_it_consumes_in_the_interval() {
    for key in [FIXED, BY_CONSUMPTION, IN_ORDER] {
        let mut roof = roof(Sheet { key, ..TWO });
        // What is consumed at night is not served by what the roof brings at noon.
        roof.hour(2, HOUR_MS, &[0, 500, 500]);
        roof.hour(12, HOUR_MS, &[1_000, 25, 100]);
        roof.settle(1);
        assert_eq!(roof.shares_wh(), [25, 100], "key {key}");
        assert_eq!(roof.said(2), [(875 * WH, 0)], "key {key}");
    }
}

#[test]
fn shares_and_rest_add_up_to_the_generation_to_the_last_joule() {
    for key in [FIXED, BY_CONSUMPTION, IN_ORDER] {
        let mut roof = roof(Sheet { key, shares: &[1; 8], periods: 1, ..TWO });
        let mut generation = 0;
        for hour in 6..18 {
            let joules = 7_919 * hour + 1_000_003;
            let mut brought = vec![joules];
            brought.extend((1..8).map(|tenant| 104_729 * tenant % 300_007 + hour));
            roof.brings((hour + 1) * HOUR_MS, &brought);
            generation += joules;
        }
        roof.settle(1);
        let shared: u64 = roof.said(0).iter().map(|(joules, _)| joules).sum();
        assert_eq!(shared + roof.said(2)[0].0, generation, "key {key}");
        assert!(shared > generation / 2, "key {key}");
    }
}

#[test]
fn the_standing_charge_is_split_by_the_fixed_shares_to_the_last_millionth() {
    let standing = Money(100);
    let mut roof = roof(Sheet { standing, shares: &[1, 1, 1], key: BY_CONSUMPTION, ..TWO });
    roof.settle(1);
    assert_eq!(split(100, &[1, 1, 1]), Ok(vec![33, 33, 34]));
    assert_eq!(roof.said(1), [(0, 33), (0, 34)], "the owner bears its own 33");
}

#[test]
fn what_a_tenant_cannot_pay_stands_on_its_next_statement() {
    let mut roof = roof(Sheet { allowance: Money(20_000), periods: 3, ..TWO });
    roof.hour(11, HOUR_MS, &[100, 45, 80]);
    roof.settle(1);
    assert_eq!(roof.said(3), [(0, 15_000)], "35 cents less 20");
    assert_eq!(roof.host.free(Party::OWNER).0 - Money::units(1_000).0, 35_000);
    roof.settle(2);
    let lines = roof.host.said().pop().unwrap();
    assert!(lines.iter().all(|line| line.clause != 3), "nothing more could be paid: {lines:?}");
}

#[test]
fn in_the_end_the_guarantee_of_a_tenant_serves() {
    let mut roof = roof(Sheet { allowance: Money(20_000), ..TWO });
    roof.hour(11, HOUR_MS, &[100, 45, 80]);
    roof.settle(2);
    let lines = roof.host.said().pop().unwrap();
    let carried = lines.iter().find(|line| line.clause == 3).unwrap();
    assert_eq!((carried.from, carried.to, carried.amount), (Party(2), Party::OWNER, Money(15_000)));
    assert_eq!(roof.host.ended(), Some(Status::Settled));
    assert_eq!(roof.host.free(Party(2)).0, Money::units(1_000).0 - 35_000, "the rest of the guarantee is free again");
}

#[test]
fn a_tenant_that_cannot_pay_in_the_end_defaults_and_the_others_have_their_own_again() {
    let mut roof = roof(Sheet { allowance: Money::ZERO, periods: 1, ..TWO });
    roof.hour(11, HOUR_MS, &[100_000, 45, 80_000]);
    roof.settle(1);
    // 70 kWh cost 35, of which the guarantee pays 5.
    assert_eq!(roof.host.ended(), Some(Status::Defaulted));
    assert_eq!(roof.said(3), [(0, Money::units(30).0)]);
    assert_eq!(roof.host.free(Party(1)).0, Money::units(1_000).0 - 22_500, "45 Wh out of the guarantee");
    assert_eq!(roof.host.reserved(Party(1)), Money::ZERO);
}

#[test]
fn what_is_read_after_the_settlement_is_not_shared() {
    let mut roof = roof(TWO);
    roof.settle(1);
    // One reading for two days, half of which are settled.
    roof.brings(2 * DAY_MS, &[48_000 * WH, 48_000 * WH, 48_000 * WH]);
    roof.settle(2);
    assert_eq!(roof.shares_wh(), [7_200, 16_800], "24 kWh of the second day");
}

#[test]
fn a_correction_before_the_settlement_counts() {
    let mut roof = roof(TWO);
    roof.hour(11, HOUR_MS, &[100, 45, 80]);
    let hour = Window { from: Timestamp(BEGIN.0 + 11 * HOUR_MS), to: Timestamp(BEGIN.0 + 12 * HOUR_MS) };
    roof.host.correct(0, hour, Quantity::ZERO, Quantity(50 * WH)).unwrap();
    roof.host.correct(2, hour, Quantity(WH), Quantity::ZERO).unwrap();
    roof.settle(1);
    assert_eq!(roof.shares_wh(), [15, 35]);
}

#[test]
fn it_ends_early_only_when_all_parties_want_it() {
    let mut roof = roof(TWO);
    roof.host.terminate(Party(2), false).unwrap();
    roof.host.terminate(Party::OWNER, true).unwrap();
    assert_eq!(roof.host.ended(), None, "two of three");
    roof.host.terminate(Party(1), true).unwrap();
    assert_eq!(roof.host.ended(), Some(Status::Terminated));
    assert_eq!(roof.host.free(Party(1)), Money::units(1_000));
}

#[test]
fn the_owners_meter_comes_first_then_one_of_each_tenant() {
    let refused = |change: &dyn Fn(&mut Setting)| {
        let mut setting = TWO.setting();
        change(&mut setting);
        let run = Native(utilidor_program_sdk::answer::<SharedRoofPv>);
        Host::new(run, setting.terms().unwrap(), Money::units(1_000), BEGIN).sign().is_err()
    };
    assert!(!refused(&|_| {}));
    assert!(refused(&|setting| setting.meters.swap(0, 1)));
    assert!(refused(&|setting| setting.meters[2].0 = Carrier::Gas));
    assert!(refused(&|setting| setting.meters.truncate(2)), "a tenant without a meter");
    assert!(refused(&|setting| setting.parameters[12] = 1), "a share of a fourth party");
    assert!(refused(&|setting| setting.parameters[5] = 3), "a key that there is not");
    assert!(refused(&|setting| setting.parameters[4] = 7 * HOUR_MS as i64), "a day has no whole number of intervals");
    assert!(
        refused(&|setting| setting.parameters[4] = 10 * MINUTE_MS as i64),
        "too many intervals for an event's fuel"
    );
    assert!(refused(&|setting| setting.parameters[9..12].fill(0)), "nobody has a share");
}

/// A day on which nobody can pay, with so many tenants and intervals.
fn busy_day<R: Respond>(run: R, key: i64, tenants: usize, intervals: u64) -> Host<R> {
    let shares = vec![1; 1 + tenants];
    let (interval_ms, standing) = (DAY_MS / intervals, Money(1_000));
    let sheet = Sheet { key, shares: &shares, interval_ms, standing, allowance: Money::ZERO, ..TWO };
    let mut roof = roof_on(run, sheet);
    for interval in 1..=intervals {
        let brought: Vec<u64> = (0..=tenants as u64).map(|n| 40_000_000 + 1_000_003 * interval * (n + 1)).collect();
        roof.brings(interval * interval_ms, &brought);
    }
    roof.settle(2);
    roof.host
}

#[test]
fn the_built_module_comes_to_the_same_as_its_source_within_an_events_fuel() {
    let mut most = 0;
    // The most that the parameters allow.
    for (tenants, intervals) in [(1, 96), (2, 96), (4, 48), (7, 24), (10, 12), (12, 6)] {
        for key in [FIXED, BY_CONSUMPTION, IN_ORDER] {
            let module = Module::compile(include_bytes!("../contract.wasm")).unwrap();
            let native = busy_day(Native(utilidor_program_sdk::answer::<SharedRoofPv>), key, tenants, intervals);
            let built = busy_day(module, key, tenants, intervals);
            most = most.max(built.most_fuel());
            assert!(native.answers().eq(built.answers()));
            assert!(built.ended().is_some());
        }
    }
    assert_eq!(most, u64::from(manifest().fuel), "what the manifest says");
}

/// Each sentence of the text, and the test that holds it.
const HELD: &[(&str, &str)] = &[
    (
        "A roof's generation is shared among the tenants below it, interval by interval, by the key that all have signed: fixed shares (0), by consumption (1) or in order (2)",
        "nobody_gets_more_than_it_consumes_in_the_interval",
    ),
    ("Nobody gets more than it consumes in the interval", "nobody_gets_more_than_it_consumes_in_the_interval"),
    (
        "Each tenant pays the owner for what it gets",
        "fixed_shares_are_shared_as_agreed_and_each_tenant_pays_for_its_own",
    ),
    (
        "The owner's meter comes first, then one of each tenant, in the order of the parties",
        "the_owners_meter_comes_first_then_one_of_each_tenant",
    ),
    ("What is read after a period's settlement is not shared", "what_is_read_after_the_settlement_is_not_shared"),
    ("It ends early only when all parties want it", "it_ends_early_only_when_all_parties_want_it"),
    ("Share of the generation, times the price", "fixed_shares_are_shared_as_agreed_and_each_tenant_pays_for_its_own"),
    (
        "With fixed shares, what a tenant does not consume of its share stays with the owner",
        "what_a_tenant_does_not_use_of_a_fixed_share_stays_with_the_owner",
    ),
    (
        "By consumption, the generation is shared in proportion to what each tenant consumes in the interval",
        "by_consumption_the_generation_is_shared_in_proportion",
    ),
    (
        "In order, the first tenant is served first, then the second, and so on",
        "in_order_the_first_tenant_is_served_first",
    ),
    (
        "Part of the period's standing charge by the fixed shares; the owner bears its own",
        "the_standing_charge_is_split_by_the_fixed_shares_to_the_last_millionth",
    ),
    (
        "What stays with the owner, which nobody pays for",
        "what_a_tenant_does_not_use_of_a_fixed_share_stays_with_the_owner",
    ),
    (
        "With the tenants' shares it adds up to the generation exactly",
        "shares_and_rest_add_up_to_the_generation_to_the_last_joule",
    ),
    (
        "What a tenant cannot pay is taken off here and added to its next statement",
        "what_a_tenant_cannot_pay_stands_on_its_next_statement",
    ),
    ("In the end its guarantee serves", "in_the_end_the_guarantee_of_a_tenant_serves"),
];

fn manifest() -> Manifest {
    serde_json::from_str(include_str!("../manifest.json")).unwrap()
}

#[test]
fn the_manifest_describes_the_parameters_and_each_sentence_is_held_by_a_test() {
    let manifest = manifest();
    assert_eq!(manifest.parameters.len(), TWO.setting().parameters.len());
    assert!(encode(&manifest).len() < MAX_MANIFEST_BYTES);
    assert_eq!(unheld(&manifest, HELD, include_str!("published_numbers.rs")), Vec::<String>::new());
}
