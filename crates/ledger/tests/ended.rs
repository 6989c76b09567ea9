//! An agreement that has ended early: its program's own time comes no more, whatever it had scheduled. What its meters bring of the
//! time before it is still told.

mod world;

use utilidor_program::clauses::text::parse;
use utilidor_types::agreement::*;
use utilidor_types::program::*;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;
use world::puppet::publish;
use world::*;

/// How long an agreement stays in the state after its end, and some days.
const LONG_DAYS: u64 = 40;

/// What an ended agreement has no business with: money, statements, calls of its program that fail, and warnings.
fn is_told_of(event: &Event) -> bool {
    use Event::*;
    matches!(event, Moved { .. } | StatementIssued(_) | ProgramFailed { .. } | ReadingsMissing { .. } | Debt { .. })
}

/// Lets days pass after an end, the meters being read on each of the first, and gives what an ended agreement has no business with.
fn pass_after_end(world: &mut World, meters: &[String]) -> Vec<Event> {
    let mut events = Vec::new();
    for day in 1..LONG_DAYS {
        world.now = Timestamp(world.now.0 + DAY_MS);
        for meter in meters.iter().filter(|_| day < 3) {
            let readings = world.readings(meter, &[(world.now, 10 * (day + 2) * KWH)]);
            events.extend(world.done("gateway", readings));
        }
        let receipts = world.block(vec![]).receipts;
        events.extend(receipts.iter().flat_map(|receipt| receipt.events().to_vec()));
    }
    events.retain(is_told_of);
    events
}

/// A contract in WebAssembly with numbers that make sense to it, how many parties it has, and which of them have its meters.
struct Contract {
    path: &'static str,
    numbers: Vec<u64>,
    parties: u8,
    meters: &'static [u8],
}

/// All contracts that end by the word of their parties, with their first settlement after or before the end.
fn contracts(begin: u64) -> Vec<Contract> {
    let (month, kwh, money) = (30 * DAY_MS, 100 * KWH, Money::units(5).0);
    let taken = vec![300_000, kwh, begin, month, 1, 1, 6 * HOUR_MS, money];
    let series = [begin, DAY_MS, 30, 6 * HOUR_MS, HOUR_MS];
    let loads = vec![begin, 30, 6 * HOUR_MS, 2 * HOUR_MS, 5, 5, 0, 10, 4, kwh, 400_000, 0, 0, 1_000_000, money, money];
    let premium = [&series[..], &[2, 500_000, 30_000, kwh, kwh, 50_000, money, money]].concat();
    let indexed = [&series[..], &[2, 500_000, 1_000, 0, 0, 900_000, 0, money, money]].concat();
    let roof = [&series[..], &[0, 500_000, 100_000, money, 0, 30, 70], &[0; 10]].concat();
    vec![
        Contract { path: "take-or-pay", numbers: taken.clone(), parties: 2, meters: &[1] },
        Contract { path: "take-or-pay/assemblyscript", numbers: taken, parties: 2, meters: &[1] },
        Contract { path: "interruptible-load", numbers: loads, parties: 2, meters: &[1] },
        Contract { path: "green-premium", numbers: premium, parties: 3, meters: &[0, 1] },
        Contract { path: "indexed-ppa", numbers: indexed, parties: 3, meters: &[0] },
        Contract { path: "shared-roof-pv", numbers: roof, parties: 3, meters: &[0, 1, 2] },
    ]
}

const PARTIES: [&str; 3] = ["roof", "alice", "bob"];

fn meter_of(party: u8) -> String {
    format!("{}/electricity", PARTIES[usize::from(party)])
}

fn coded_meter(world: &World, party: u8) -> CodedMeter {
    CodedMeter {
        meter: meter_id(&meter_of(party)),
        carrier: Carrier::Electricity,
        party: Party(party),
        window: Window { from: world.now, to: Timestamp(world.now.0 + 30 * DAY_MS) },
        metered: Metered::Rest,
    }
}

fn grants(parties: u8) -> Bounded<Grant, MAX_PARTIES> {
    let (reserve, allowance) = (Money::units(100), Money::units(10_000));
    let grant = |party| Grant { party: Party(party), reserve, allowance, renews: true };
    (0..parties).map(grant).collect::<Vec<_>>().try_into().unwrap()
}

/// Has all parties sign, lets two days be read, and has all want to end it after the fifth.
fn sign_and_end(world: &mut World, coded: CodedTerms) -> AgreementId {
    let parties = &PARTIES[..coded.grants.len()];
    let accounts: Vec<AccountId> = parties.iter().map(|party| account(party)).collect();
    let hard_end = Some(HardEnd { at: Timestamp(world.now.0 + 60 * DAY_MS), fallback: Fallback::GiveBack });
    let meters: Vec<String> = coded.meters.iter().map(|meter| meter_of(meter.party.0)).collect();
    let terms = AgreementTerms { parties: accounts.try_into().unwrap(), program: Program::Coded(coded), hard_end };
    let digest = terms.digest();
    let agreement = agreement_of("roof", "a");
    world.done("roof", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 });
    for party in &parties[1..] {
        world.done(party, Action::SignAgreement { agreement, terms: digest });
    }
    for day in 1..=5 {
        world.now = Timestamp(world.now.0 + DAY_MS);
        for meter in meters.iter().filter(|_| day < 3) {
            let readings = world.readings(meter, &[(world.now, 10 * day * KWH)]);
            world.done("gateway", readings);
        }
        world.block(vec![]);
    }
    for party in parties {
        assert_eq!(world.agreement(agreement).status, Status::Active);
        world.done(party, Action::Terminate { agreement });
        if world.agreement(agreement).is_over() {
            break;
        }
    }
    assert_eq!(world.agreement(agreement).status, Status::Terminated);
    agreement
}

#[test]
fn a_contract_that_its_parties_have_ended_settles_nothing_and_fails_at_nothing_any_more() {
    for (contract, is_read) in contracts(World::new().now.0).iter().flat_map(|one| [(one, false), (one, true)]) {
        let Contract { path, numbers, parties, meters } = contract;
        let mut world = World::new();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts");
        let code = Code::new(std::fs::read(format!("{folder}/{path}/contract.wasm")).unwrap()).unwrap();
        let manifest = Manifest { name: Text::new(*path).unwrap(), ..Manifest::default() };
        let publication = Publication { engine: utilidor_program::wasm::ENGINE, code, manifest };
        world.done("roof", publish(&publication));
        let coded_meters: Vec<CodedMeter> = meters.iter().map(|party| coded_meter(&world, *party)).collect();
        let parameters: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let coded = CodedTerms {
            code: ProgramCode::Published(publication.id()),
            grants: grants(*parties),
            meters: coded_meters.try_into().unwrap(),
            parameters: parameters.try_into().unwrap(),
        };
        let agreement = sign_and_end(&mut world, coded);
        let read: Vec<String> = meters.iter().filter(|_| is_read).map(|party| meter_of(*party)).collect();
        assert_eq!(pass_after_end(&mut world, &read), [], "{path}, {} meters read", read.len());
        assert!(!world.has_agreement(agreement), "{path} leaves the state in its time");
    }
}

#[test]
fn a_clause_sheet_that_its_parties_have_ended_settles_nothing_and_fails_at_nothing_any_more() {
    let sheet = parse(
        "clauses 1; title \"Test\" \"试\"; periods month from 2025-01-01 at +08:00, 1 times, settled after 6 hours;
         reserve owner 0 money, user 10 money;
         meter taken electricity \"power taken\" \"用电量\";
         pay user \"power\" \"电费\" for taken = max(1 money/kWh * sum(taken), 100 money);",
    );
    let sheet = sheet.unwrap_or_else(|error| panic!("{error}"));
    for read in [vec![], vec![meter_of(1)]] {
        let mut world = World::new();
        let meter = coded_meter(&world, 1);
        let window = Window { to: sheet.periods.end().unwrap(), ..meter.window };
        let meters = vec![CodedMeter { window, ..meter }].try_into().unwrap();
        sign_and_end(&mut world, sheet.terms(grants(2), meters).unwrap());
        assert_eq!(pass_after_end(&mut world, &read), [], "{read:?}");
    }
}

#[test]
fn a_purchase_that_both_have_ended_warns_of_no_reading_and_settles_nothing_any_more() {
    let mut world = World::new();
    world.trade("alice");
    let agreement = agreement_id("alice");
    for party in ["station", "alice"] {
        world.done(party, Action::Terminate { agreement });
    }
    assert_eq!(world.agreement(agreement).status, Status::Terminated);
    assert_eq!(pass_after_end(&mut world, &[]), []);
}

/// Alice buys of a seller, without deposits; what no reading proves was not delivered.
fn buy(world: &mut World, seller: &str, lot: PurchaseLot, window: Window, grace_ms: u64) {
    let terms = PurchaseTerms {
        lots: vec![lot].try_into().unwrap(),
        window,
        deposit_permille: 0,
        guarantee_permille: 0,
        tolerance_permille: 0,
        grace_ms: grace_ms as u32,
        substitute: Substitute::Nothing,
    };
    let terms = AgreementTerms::between(account(seller), account("alice"), Program::Purchase(terms));
    let (agreement, signed) = (agreement_of(seller, "bought"), terms.digest());
    world.done(seller, Action::ProposeAgreement { label: label("bought"), terms, signing_ms: HOUR_MS as u32 });
    world.done("alice", Action::SignAgreement { agreement, terms: signed });
}

/// 100 kWh and 2 m3 of before the end are certified after the final statement, and then both meters are silent. The user has 100.00.
#[test]
fn the_last_supplements_of_two_services_take_what_money_there_is_one_after_the_other() {
    let mut world = World::new();
    let services = [Carrier::Electricity, Carrier::HotWater].map(|carrier| world.service("alice", carrier, 0));
    world.subscribe(services.to_vec());
    world.now = at(1, 8, 7);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 8, 7), 0)]));
    world.done("gateway", world.readings("alice/hot_water", &[(at(1, 8, 7), 0)]));
    world.transfer("alice", "bob", Money::units(1_000_000 - 100));
    world.pass_to(at(1, 8, 12));
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    world.pass_to(at(1, 8, 20));
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 8, 11), 100 * KWH)]));
    world.done("gateway", world.readings("alice/hot_water", &[(at(1, 8, 11), 2_000_000)]));

    let receipts = [at(2, 9, 0), at(2, 9, 1)].map(|time| world.pass_to(time)).concat();
    let events: Vec<&Event> = receipts.iter().flat_map(|receipt| receipt.events()).collect();
    assert!(!events.iter().any(|event| matches!(event, Event::ProgramFailed { .. })), "{events:?}");
    let statements = events.iter().filter_map(|event| match event {
        Event::StatementIssued(statement) => Some((statement.paid, statement.unpaid, statement.debt)),
        _ => None,
    });
    let [electricity, hot_water] = [[80, 0, 0], [20, 36, 36]].map(|told| told.map(Money::units).into());
    assert_eq!(statements.collect::<Vec<_>>(), [electricity, hot_water]);
    assert_eq!(world.balance("alice").0, Money::ZERO);
}

/// The supply ends on 8 January at 12:00, and 100 kWh of 11:00 are certified after its final statement. Of them a purchase of 1 kWh, from
/// 5 to 10 January, takes its own, and settles when its readings have had so many days.
#[test]
fn the_last_supplement_waits_for_a_purchase_that_still_takes_of_its_meter() {
    for (grace_days, blocks_each_day) in [(20, 1), (45, 1), (49, 4)] {
        let mut world = World::new();
        world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
        let lot = PurchaseLot {
            carrier: Carrier::Electricity,
            quantity: Quantity(KWH),
            price: Price::micro_per_kwh(600_000),
            metering: Metering { delivery: None, take: Some(meter_id("alice/electricity")) },
        };
        buy(&mut world, "station", lot, Window { from: at(1, 5, 0), to: at(1, 10, 0) }, grace_days * DAY_MS);
        world.now = at(1, 8, 7);
        world.done("gateway", world.readings("alice/electricity", &[(at(1, 8, 7), 0)]));
        world.pass_to(at(1, 8, 12));
        world.done("alice", Action::Terminate { agreement: subscription_id() });
        world.pass_to(at(1, 8, 20));
        world.done("gateway", world.readings("alice/electricity", &[(at(1, 8, 11), 100 * KWH)]));

        let (mut statements, mut receipts) = (0, 0);
        for step in 1..=80 * blocks_each_day {
            let passed = world.pass_to(Timestamp(at(1, 8, 20).0 + step * DAY_MS / blocks_each_day));
            receipts += passed.len();
            let events = passed.iter().flat_map(|receipt| receipt.events());
            statements += events.filter(|event| matches!(event, Event::StatementIssued(_))).count();
        }
        let left = world.balance("alice").0.0;
        // 1 kWh at 0.60, and 99 kWh at 0.80.
        assert_eq!(Money::units(1_000_000).0 - left, 79_800_000, "{grace_days} days");
        assert_eq!(statements, 2, "the purchase's, and the last supplement");
        assert!(receipts < 10, "who waits is no burden: {receipts}");
        assert!(!world.has_agreement(subscription_id()), "it is forgotten after that");
    }
}

/// The roof sells a month that it never delivers, and both meters are read to its end: all goes back to the supply when the purchase
/// settles, which has ended at that moment.
#[test]
fn what_a_purchase_gives_back_long_after_the_end_of_a_supply_is_billed_all_the_same() {
    let mut paid = Vec::new();
    for (grace_ms, ends) in [(HOUR_MS, false), (30 * DAY_MS, true), (49 * DAY_MS, true)] {
        let mut world = World::new();
        world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
        let metering =
            Metering { delivery: Some(meter_id("roof/electricity")), take: Some(meter_id("alice/electricity")) };
        let lot = PurchaseLot {
            carrier: Carrier::Electricity,
            quantity: Quantity(1_000_000 * KWH),
            price: Price::micro_per_kwh(1),
            metering,
        };
        buy(&mut world, "roof", lot, Window { from: at(1, 1, 1), to: at(1, 31, 0) }, grace_ms);
        for day in 2..=31 {
            world.pass_to(at(1, day, 0));
            let so_far = u64::from(day - 1) * 100 * KWH;
            world.done("gateway", world.readings("alice/electricity", &[(at(1, day, 0), so_far)]));
            world.done("gateway", world.readings("roof/electricity", &[(at(1, day, 0), 0)]));
        }
        if ends {
            world.done("alice", Action::Terminate { agreement: subscription_id() });
        }
        for day in 1..=120 {
            world.pass_to(Timestamp(at(1, 31, 0).0 + day * DAY_MS));
        }
        paid.push(Money::units(1_000_000).0 - world.balance("alice").0.0);
        assert_eq!(world.has_agreement(subscription_id()), !ends, "what is over and given back to is forgotten");
    }
    // 3,000 kWh, 7 of 24 hours at 40 %.
    assert!(paid.iter().all(|each| *each == paid[0] && *each > 1_900_000_000), "{paid:?}");
}
