//! Blocks made to cost more than they look: long chains of dependence, backlogs, actions that name little and touch much.
//! Each test stands for an attack that once stopped the chain; blocks stay bounded in passes and in work. That they end at the bound of
//! passes is tested inside of the crate, where reading ahead can be left away.

mod world;

use utilidor_ledger::{MAX_BLOCK_WORK, Outcome};
use utilidor_types::agreement::*;
use utilidor_types::genesis::Limits;
use utilidor_types::meter::MeterRun;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;
use world::*;

/// Limits that stop none of these tests.
const NO_LIMITS: Limits = Limits { proposals: u32::MAX, ..Limits::DEFAULT };
/// Passes within which every block of these tests is done, unless it is made to come to their bound.
const FEW_PASSES: u32 = 12;

/// Registers meters of a holder, named `holder/carrier/number`.
fn register_meters(world: &mut World, holder: &str, carrier: Carrier, count: u64) {
    let meter = |world: &World, number| Meter {
        label: label(&format!("{holder}/{carrier}/{number}")),
        ..world.meter(holder, carrier)
    };
    let transactions = (0..count).map(|number| {
        let action = Action::RegisterMeter(meter(world, number));
        world.sign("operator", action)
    });
    let transactions = transactions.collect();
    applied(&world.block(transactions), count);
}

fn day(number: u64) -> Timestamp {
    Timestamp(20_200 * DAY_MS + number * DAY_MS)
}

/// A purchase of all that the station can supply in a UTC day, at price zero: no money is needed.
fn whole_day(from: u64, meter: &str, grace_ms: u32) -> Program {
    let lot = PurchaseLot {
        carrier: Carrier::Electricity,
        quantity: Quantity(24 * 1_000_000 * KWH),
        price: Price::micro_per_kwh(0),
        metering: Metering { delivery: None, take: Some(meter_id(meter)) },
    };
    Program::Purchase(PurchaseTerms {
        lots: vec![lot].try_into().unwrap(),
        window: Window { from: day(from), to: day(from + 1) },
        deposit_permille: 0,
        guarantee_permille: 0,
        tolerance_permille: 0,
        grace_ms,
        substitute: Substitute::Nothing,
    })
}

/// A purchase of a little of all six carriers in each hour of 31 days, with a meter on either side.
fn long_purchase(number: u64) -> Program {
    let lots = Carrier::ALL.map(|carrier| PurchaseLot {
        carrier,
        quantity: Quantity(744),
        price: match carrier {
            Carrier::Electricity | Carrier::Heating | Carrier::Cooling => Price::micro_per_kwh(0),
            _ => Price::micro_per_m3(0),
        },
        metering: Metering {
            delivery: Some(meter_id(&format!("station/{carrier}/{}", number / 16))),
            take: Some(meter_id(&format!("alice/{carrier}/{}", number / 16))),
        },
    });
    let Program::Purchase(terms) = whole_day(0, "", 0) else { unreachable!() };
    let window = Window { from: day(32 * number), to: day(32 * number + 31) };
    Program::Purchase(PurchaseTerms { lots: lots.to_vec().try_into().unwrap(), window, ..terms })
}

fn terms(program: Program) -> AgreementTerms {
    AgreementTerms::between(account("station"), account("alice"), program)
}

fn propose(world: &mut World, label: &str, program: Program, signing_ms: u32) -> SignedTransaction {
    world.sign("alice", Action::ProposeAgreement { label: self::label(label), terms: terms(program), signing_ms })
}

fn sign(world: &mut World, label: &str, program: Program) -> SignedTransaction {
    let agreement = agreement_of("alice", label);
    world.sign("station", Action::SignAgreement { agreement, terms: terms(program).digest() })
}

fn propose_amendment(world: &mut World, label: &str, program: Program) -> SignedTransaction {
    let from = Timestamp(0);
    world.sign("alice", Action::ProposeAmendment { agreement: agreement_of("alice", label), program, from })
}

fn sign_amendment(world: &mut World, label: &str, program: Program) -> SignedTransaction {
    let terms = terms(program).amendment_digest(Timestamp(0));
    world.sign("station", Action::SignAmendment { agreement: agreement_of("alice", label), terms })
}

/// All that were admitted were applied, and there are so many.
fn applied(outcome: &Outcome, count: u64) {
    let refused = outcome.receipts.iter().find_map(Receipt::refusal);
    assert_eq!((refused, outcome.admitted.len() as u64), (None, count));
    assert_eq!(outcome.inadmissible, vec![]);
}

/// Agreements `g0..`, each of which holds the station's whole capacity of the day after its number.
fn chain_of_agreements(count: u64) -> World {
    let mut world = World::with_limits(NO_LIMITS);
    register_meters(&mut world, "alice", Carrier::Electricity, count.div_ceil(16));
    for from in (0..count).step_by(1_024) {
        let to = count.min(from + 1_024);
        let mut transactions = Vec::new();
        for number in from..to {
            let program = whole_day(number + 1, &chain_meter(number), 0);
            transactions.push(propose(&mut world, &format!("g{number}"), program.clone(), 1_000));
            transactions.push(sign(&mut world, &format!("g{number}"), program));
        }
        applied(&world.block(transactions), 2 * (to - from));
        assert!(world.state.passes() <= FEW_PASSES, "{} passes", world.state.passes());
    }
    world
}

fn chain_meter(number: u64) -> String {
    format!("alice/electricity/{}", number / 16)
}

/// One block of amendments, each of which frees the day that the next one needs.
fn a_chain_of_amendments_takes_few_passes(count: u64) {
    let mut world = chain_of_agreements(count);
    let amended = |number| whole_day(number, &chain_meter(number), 0);
    let proposals =
        (0..count).map(|number| propose_amendment(&mut world, &format!("g{number}"), amended(number))).collect();
    applied(&world.block(proposals), count);
    let signatures: Vec<_> =
        (0..count).map(|number| sign_amendment(&mut world, &format!("g{number}"), amended(number))).collect();
    let begin = std::time::Instant::now();
    let outcome = world.block(signatures);
    println!("{count} amendments: {} passes, {:?}, {:?}", world.state.passes(), begin.elapsed(), outcome.work);
    applied(&outcome, count);
    assert!(world.state.passes() <= FEW_PASSES, "{} passes", world.state.passes());
}

#[test]
fn a_chain_of_a_thousand_amendments_takes_few_passes() {
    a_chain_of_amendments_takes_few_passes(1_024);
}

/// As many as fit in a block.
#[test]
#[cfg_attr(debug_assertions, ignore = "fast in release only")]
fn a_chain_of_four_thousand_amendments_takes_few_passes() {
    a_chain_of_amendments_takes_few_passes(4_096);
}

/// What the next one needs is named by nothing that was there before the block.
#[test]
fn a_chain_of_amendments_proposed_in_the_same_block_takes_few_passes() {
    let count = 64;
    let mut world = chain_of_agreements(count);
    let amended = |number: u64| whole_day(number, &chain_meter(number), 300_000 * (number as u32 + 1));
    let mut transactions: Vec<_> =
        (0..count).map(|number| propose_amendment(&mut world, &format!("g{number}"), amended(number))).collect();
    transactions.extend((0..count).map(|number| sign_amendment(&mut world, &format!("g{number}"), amended(number))));
    applied(&world.block(transactions), 2 * count);
    assert!(world.state.passes() <= FEW_PASSES, "{} passes", world.state.passes());
}

fn left_out(outcome: &Outcome) -> Vec<usize> {
    use utilidor_ledger::Inadmissible::NotThisBlock;
    outcome.inadmissible.iter().filter(|(_, reason)| *reason == NotThisBlock).map(|(place, _)| *place).collect()
}

#[test]
fn an_amendment_that_touches_much_takes_few_passes() {
    let mut world = World::with_limits(NO_LIMITS);
    for holder in ["alice", "station"] {
        Carrier::ALL.into_iter().for_each(|carrier| register_meters(&mut world, holder, carrier, 2));
    }
    for transaction in [
        propose(&mut world, "g", long_purchase(0), 1_000),
        sign(&mut world, "g", long_purchase(0)),
        propose_amendment(&mut world, "g", long_purchase(16)),
        sign_amendment(&mut world, "g", long_purchase(16)),
    ] {
        applied(&world.block(vec![transaction]), 1);
        assert!(world.state.passes() <= 6, "{} passes", world.state.passes());
    }
}

/// So many proposals, of which one expires every so many seconds, are worked off after the last of them.
fn a_backlog_takes_few_passes(world: &mut World, count: u32, step: u32) {
    for from in (1..=count).step_by(5_000) {
        let numbers = from..=count.min(from + 4_999);
        let transactions: Vec<_> = numbers
            .map(|number| {
                let label = format!("{count} {step} {number}");
                propose(world, &label, whole_day(1, "alice/electricity", 0), number * step * 1_000)
            })
            .collect();
        let proposed = transactions.len() as u64;
        applied(&world.block(transactions), proposed);
    }
    world.now = Timestamp(world.now.0 + u64::from(count + 1) * u64::from(step) * 1_000);
    let mut worked_off = 0;
    while worked_off < count as usize {
        let begin = std::time::Instant::now();
        let done = world.block(vec![]).receipts;
        let passes = world.state.passes();
        println!("one every {step} s: {} of {count} in {passes} passes, {:?}", done.len(), begin.elapsed());
        assert!(passes <= FEW_PASSES, "{passes} passes");
        assert!(done.is_sorted_by_key(|receipt| match receipt.cause {
            Cause::Due { at, .. } => at,
            _ => unreachable!("the block is empty"),
        }));
        worked_off += done.len();
    }
    assert_eq!((worked_off, world.block(vec![]).next_due), (count as usize, None));
}

#[test]
fn a_backlog_of_many_seconds_is_worked_off_in_few_passes() {
    let mut world = World::with_limits(NO_LIMITS);
    for (count, step) in [(1_000, 1), (1_000, 300), (4_000, 300), (5_000, 300)] {
        a_backlog_takes_few_passes(&mut world, count, step);
    }
}

/// For almost as long as a proposal can wait.
#[test]
#[cfg_attr(debug_assertions, ignore = "fast in release only")]
fn a_backlog_of_a_hundred_thousand_items_over_weeks_is_worked_off_in_few_passes() {
    a_backlog_takes_few_passes(&mut World::with_limits(NO_LIMITS), 100_000, 42);
}

/// A signature carries a digest; what it costs is in the terms.
#[test]
fn a_block_holds_no_more_work_than_is_allowed_and_leaves_the_rest_to_the_next() {
    let mut world = World::with_limits(NO_LIMITS);
    let count = 288;
    for holder in ["alice", "station"] {
        Carrier::ALL.into_iter().for_each(|carrier| register_meters(&mut world, holder, carrier, count / 16));
    }
    let proposals: Vec<_> =
        (0..count).map(|number| propose(&mut world, &format!("g{number}"), long_purchase(number), 1_000)).collect();
    applied(&world.block(proposals), count);
    let mut signatures: Vec<_> =
        (0..count).map(|number| sign(&mut world, &format!("g{number}"), long_purchase(number))).collect();
    let mut blocks = Vec::new();
    while !signatures.is_empty() {
        let before = world.state.clone();
        let outcome = world.block(signatures.clone());
        assert!(outcome.work.is_within(&MAX_BLOCK_WORK), "{:?}", outcome.work);
        assert!(outcome.cells.len() as u64 <= outcome.work.cells_written, "all that is written is counted");
        let after = std::mem::replace(&mut world.state, before);
        let taken = outcome.admitted.len();
        assert_eq!(outcome.admitted, (0..taken).collect::<Vec<_>>(), "from the first on");
        let verified = world.block(signatures[..taken].to_vec());
        assert_eq!((verified.work, verified.inadmissible), (outcome.work, vec![]));
        assert_eq!(world.state.cells(), after.cells());
        signatures.drain(..taken);
        blocks.push(taken);
    }
    println!("blocks of {blocks:?} signatures");
    assert!(blocks.len() > 1);
}

#[test]
fn a_batch_with_an_empty_run_is_refused() {
    let mut world = World::with_limits(NO_LIMITS);
    let run = MeterRun { meter: meter_id("alice/electricity"), readings: Bounded::empty(), signature: None };
    let runs = Action::RecordReadings { runs: vec![run.clone(), run].try_into().unwrap() };
    assert_eq!(world.refused("gateway", runs).code(), "reading/empty-run");
}

/// What was looked up is counted, whether it exists or not.
#[test]
fn readings_of_meters_that_do_not_exist_are_counted() {
    let mut world = World::with_limits(NO_LIMITS);
    world.now = at(1, 1, 1);
    let run = |number: u64| MeterRun {
        meter: meter_id(&number.to_string()),
        readings: vec![Reading { time: Timestamp(HOUR_MS), register: Quantity(0) }].try_into().unwrap(),
        signature: None,
    };
    let batches: Vec<_> = (0..40)
        .map(|batch| {
            let runs = (0..1_024).map(|number| run(1_024 * batch + number)).collect();
            world.sign("gateway", Action::RecordReadings { runs: Bounded::new(runs).unwrap() })
        })
        .collect();
    let outcome = world.block(batches);
    assert!(outcome.work.look_ups >= 32 * 1_024 && outcome.work.is_within(&MAX_BLOCK_WORK), "{:?}", outcome.work);
    assert_eq!((outcome.work.readings, outcome.admitted.len()), (MAX_BLOCK_WORK.readings, 32));
}

/// Whoever is let in may act in the next block: until then, what it has sent is kept, not refused.
#[test]
fn an_account_acts_from_the_block_after_the_one_that_opens_it() {
    let mut world = World::with_limits(NO_LIMITS);
    let admit = Action::decide(Decision::AdmitMember {
        account: world.new_account("new", "new"),
        roles: Roles::of(&[Role::User]),
    });
    let admit = world.sign("station", admit);
    let open = Action::OpenAccount { account: world.new_account("new/2", "new") };
    let open = world.sign("new", open);
    let stranger = Action::OpenAccount { account: world.new_account("new/3", "stranger") };
    let stranger = world.sign("stranger", stranger);
    let outcome = world.block(vec![open.clone(), stranger, admit, open.clone()]);
    assert_eq!(left_out(&outcome), vec![0, 3]);
    assert_eq!(outcome.admitted, vec![2]);
    applied(&world.block(vec![open]), 1);
}

/// All six carriers, a meter of either side for each, and a supply behind every one of alice's.
#[test]
fn what_touches_most_is_done_in_few_passes() {
    let mut world = World::with_limits(NO_LIMITS);
    for holder in ["alice", "station"] {
        Carrier::ALL.into_iter().for_each(|carrier| register_meters(&mut world, holder, carrier, 1));
    }
    let passes = |world: &World, what: &str| {
        println!("{what}: {} passes", world.state.passes());
        assert!(world.state.passes() <= 8, "{what}: {} passes", world.state.passes());
    };
    let mut package = world.package(1);
    let mut options = package.options.clone().into_vec();
    options.truncate(1);
    for carrier in [Carrier::Cooling, Carrier::Heating, Carrier::HotWater, Carrier::Gas, Carrier::Water] {
        let mut option = TariffOption { carrier, ..options[0].clone() };
        if let Tariff::Metered(tariff) = &mut option.tariff
            && !tariff.price.per.fits(carrier)
        {
            tariff.price = Price::micro_per_m3(1_000);
        }
        options.push(option);
    }
    package.options = options.try_into().unwrap();
    world.done("station", Action::PublishPackage(package));
    passes(&world, "publish");
    let services = Carrier::ALL.map(|carrier| Service {
        meter: Some(meter_id(&format!("alice/{carrier}/0"))),
        ..world.service("alice", carrier, 0)
    });
    world.done("alice", world.subscription(services.to_vec()));
    passes(&world, "subscribe");
    let from = Timestamp(world.now.0 + DAY_MS - world.now.0 % DAY_MS);
    let Program::Purchase(terms) = long_purchase(0) else { unreachable!() };
    let lots = terms.lots.iter().map(|lot| PurchaseLot { quantity: Quantity(744), ..lot.clone() });
    let window = Window { from, to: Timestamp(from.0 + 2 * DAY_MS) };
    let program =
        Program::Purchase(PurchaseTerms { lots: lots.collect::<Vec<_>>().try_into().unwrap(), window, ..terms });
    for transaction in [propose(&mut world, "g", program.clone(), 1_000), sign(&mut world, "g", program)] {
        applied(&world.block(vec![transaction]), 1);
        passes(&world, "sign");
    }
    world.done("alice", world.prepay(Carrier::Electricity, action::Prepayment::Amount(Money::units(100))));
    passes(&world, "prepay");
    world.now = Timestamp(window.to.0 - HOUR_MS);
    for holder in ["alice", "station"] {
        for carrier in Carrier::ALL {
            let quantity = if holder == "alice" { 1_000 } else { 400 };
            let reading = world.readings(&format!("{holder}/{carrier}/0"), &[(world.now, quantity)]);
            world.done("gateway", reading);
            passes(&world, "reading");
        }
    }
    let receipts = world.pass_to(window.to);
    passes(&world, "settle");
    assert!(
        matches!(receipts[0].events().last(), Some(Event::AgreementStatus { status: Status::Settled, .. })),
        "{receipts:?}"
    );
    world.pass_to(at(2, 1, 6));
    passes(&world, "statement");
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    passes(&world, "terminate");
    world.pass_to(at(2, 1, 12));
    passes(&world, "final statement");
}
