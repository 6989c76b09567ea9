//! Strain that transactions alone cannot bring about in a test's time: seeded states, and lower bounds.

#[path = "../tests/world/mod.rs"]
mod world;

use crate::context::{Context, Ledger};
use crate::execution::{Execution, Outcome, Progress};
use crate::memory::Memory;
use crate::record::{
    AccountRecord, AgreementRecord, AgreementState, DUE_PAGE_ITEMS, DueBucket, DuePage, DuePlace, FuelRecord,
    OfferRecord, Record,
};
use crate::store::{Stop, Store};
use crate::work::{MAX_BLOCK_WORK, MAX_DUE_WORK, Work};
use crate::{Inadmissible, LEDGER_CODES, MAX_DUE_PER_BLOCK, MAX_FAILURES, RETRY_MS};
use commonware_parallel::Sequential;
use rand::SeedableRng as _;
use utilidor_types::agreement::{AgreementTerms, Metering, Origin, PurchaseLot, PurchaseTerms, Status, Substitute};
use utilidor_types::genesis::Limits;
use utilidor_types::time::DAY_MS;
use utilidor_types::transaction::verify_batch;
use utilidor_types::{
    Action, AgreementId, Bounded, Carrier, Cause, DueItem, Event, MemberId, Money, Price, Program, Quantity, Receipt,
    Refusal, SignedTransaction, Text, Timestamp, Verdict, VerifiedTransaction, Window,
};
use world::puppet::{OWNER, Puppet, USER, command, pay, signed};
use world::{KWH, World, account, agreement_id, at, label, meter_id};

/// Changes a state by other means than a block.
fn seed(state: &mut Memory, mut change: impl FnMut(&mut Ledger<'_>) -> Result<(), Stop>) {
    let (mut store, mut certified) = (Store::default(), Vec::new());
    let context = Context::of(state.context_at(state.time()), state.genesis());
    loop {
        store.ask_for_rests();
        let cells: Vec<_> = store.wanted().iter().map(|key| state.cells().get(key).copied()).collect();
        if !cells.is_empty() {
            store.supply(cells);
            continue;
        }
        store.begin_pass();
        store.begin(0);
        match change(&mut Ledger::new(&mut store, &mut certified, &context)) {
            Ok(()) => break,
            Err(Stop::Unfetched) => store.abandon(),
            Err(Stop::Refused(refusal)) => panic!("refused: {refusal}"),
        }
    }
    store.finish();
    state.take_on(&store.changes());
}

fn verified(world: &World, transactions: Vec<SignedTransaction>) -> Vec<VerifiedTransaction> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let verdicts = verify_batch(world.state.genesis().chain(), transactions, &mut rng, &Sequential);
    verdicts.into_iter().map(|verdict| verdict.expect("the test signs well")).collect()
}

/// Executes a block that was begun in some way. Gives the passes that it took, too.
fn execute(world: &World, mut execution: Execution) -> (Outcome, u32) {
    loop {
        match execution.run() {
            Progress::Wants(keys) => execution.supply(keys.iter().map(|key| world.state.cells().get(key).copied())),
            Progress::Done(outcome) => return (outcome, execution.passes()),
        }
    }
}

fn begin(world: &World, transactions: Vec<SignedTransaction>) -> Execution {
    Execution::new(world.state.context_at(world.now), world.state.genesis(), verified(world, transactions))
}

/// Executes a block in which less work is allowed.
fn execute_with(world: &World, most: Work, transactions: Vec<SignedTransaction>) -> Outcome {
    execute(world, begin(world, transactions).with_most(most)).0
}

/// A purchase of all that the station can supply in a UTC day, at price zero.
fn whole_day(number: u64, user: &str, grace_ms: u32) -> Program {
    let day = |number| Timestamp((20_200 + number) * DAY_MS);
    Program::Purchase(PurchaseTerms {
        lots: Bounded::new(vec![PurchaseLot {
            carrier: Carrier::Electricity,
            quantity: Quantity(24 * 1_000_000 * KWH),
            price: Price::micro_per_kwh(0),
            metering: Metering { delivery: None, take: Some(meter_id(&format!("{user}/electricity"))) },
        }])
        .expect("one lot"),
        window: Window { from: day(number), to: day(number + 1) },
        deposit_permille: 0,
        guarantee_permille: 0,
        tolerance_permille: 0,
        grace_ms,
        substitute: Substitute::Nothing,
    })
}

fn read<R: Record>(world: &World, id: &R::Id) -> R {
    world.state.read(id).expect("the record exists")
}

/// A year's standstill: each item lies in a node of its own, some five minutes after the one before.
#[test]
fn a_years_backlog_is_worked_off_a_block_at_a_time() {
    let mut world = World::with_limits(Limits { proposals: u32::MAX, ..Limits::DEFAULT });
    world.trade("alice");
    let model: AgreementRecord = read(&world, &agreement_id("alice"));
    let state: AgreementState = read(&world, &agreement_id("alice"));
    let count: u32 = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    let id = |number: u32| {
        let mut id = [7; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        AgreementId(id)
    };
    let begin = world.now;
    let at = |number: u32| Timestamp(begin.0 + u64::from(number + 1) * (365 * DAY_MS / u64::from(count)));
    for numbers in (0..count).collect::<Vec<_>>().chunks(5_000) {
        seed(&mut world.state, |ledger| {
            let entered = numbers.iter().map(|number| ledger.schedule(DueItem::Agreement(id(*number)), at(*number)));
            entered.fold(Ok(()), |all, entered| all.and(entered.map(drop)))
        });
        seed(&mut world.state, |ledger| {
            numbers.iter().for_each(|number| ledger.store.want::<AgreementRecord>(&id(*number)));
            numbers.iter().for_each(|number| ledger.store.want::<AgreementState>(&id(*number)));
            for number in numbers {
                let mut record = model.clone();
                record.agreement.id = id(*number);
                (record.agreement.sign_by, record.agreement.origin) = (at(*number), Origin::Package);
                ledger.store.create(&id(*number), record)?;
                let (pots, called) = (Bounded::empty(), Some(at(*number)));
                let state = AgreementState { status: Status::Proposed, pots, called, ..state.clone() };
                ledger.store.create(&id(*number), state)?;
            }
            Ok(())
        });
    }
    world.now = Timestamp(begin.0 + 366 * DAY_MS);
    let mut worked_off = 0;
    while worked_off < count as usize {
        let begin = std::time::Instant::now();
        let receipts = world.block(vec![]).receipts;
        let took = begin.elapsed();
        let passes = world.state.passes();
        println!("{} of {count} in {passes} passes, {:?}", receipts.len(), took);
        assert!(passes <= 12, "{passes} passes");
        let expected = MAX_DUE_PER_BLOCK.min(count as usize - worked_off);
        let others = receipts.len() - expected;
        assert!(others <= 2, "the trade's own offer and settlement are among them");
        worked_off += receipts.len() - others;
        assert!(receipts.iter().all(|receipt| receipt.refusal().is_none()));
    }
    let forgotten = Timestamp(world.now.0 + crate::KEPT_AFTER_END_MS);
    assert_eq!(world.block(vec![]).next_due, Some(forgotten), "nothing but to forget the trade");
}

#[test]
fn a_transaction_that_takes_more_than_a_block_may_is_refused_and_its_nonce_counts() {
    let mut world = World::new();
    let transfer = || Action::Transfer { to: account("bob"), amount: Money(1), reference: Text::default() };
    let transactions: Vec<_> = (0..3).map(|_| world.sign("alice", transfer())).collect();
    let outcome = execute_with(&world, Work { look_ups: 2, ..MAX_BLOCK_WORK }, transactions.clone());
    let refusals: Vec<_> = outcome.receipts.iter().map(|receipt| receipt.refusal().cloned()).collect();
    assert_eq!(refusals, vec![Some(Refusal::TooMuchWork)], "it takes a whole block's work");
    assert_eq!(outcome.inadmissible, vec![(1, Inadmissible::NotThisBlock), (2, Inadmissible::NotThisBlock)]);
    let before: AccountRecord = read(&world, &account("alice"));
    world.state.take_on(&outcome.cells);
    let after: AccountRecord = read(&world, &account("alice"));
    assert_eq!(after, AccountRecord { nonce: before.nonce + 1, ..before });

    // With room for one, the others follow in later blocks.
    let one = Work { cells_written: 3, ..MAX_BLOCK_WORK };
    let outcome = execute_with(&world, one, transactions[1..].to_vec());
    assert_eq!((outcome.admitted, outcome.receipts[0].refusal()), (vec![0], None));
}

/// What takes more passes than there are left, and all behind it, is left to the next block. Others agree that it is,
/// whatever the proposer has left out.
#[test]
fn a_block_that_comes_to_the_bound_of_passes_ends_there_for_all_members() {
    let mut world = World::new();
    let count = 10;
    let terms = |program| AgreementTerms::between(account("station"), account("alice"), program);
    for number in 0..count {
        let (label, terms) = (label(&number.to_string()), terms(whole_day(number + 1, "alice", 0)));
        let signed = terms.digest();
        world.done("station", Action::ProposeAgreement { label, terms, signing_ms: 1_000 });
        let agreement = agreement_id(&number.to_string());
        world.done("alice", Action::SignAgreement { agreement, terms: signed });
    }
    let transfer = || Action::Transfer { to: account("bob"), amount: Money(1), reference: Text::default() };
    let used = world.sign("bob", transfer());
    world.block(vec![used.clone()]);
    let mut transactions = Vec::new();
    for _ in 0..count {
        // The nonce is used: the proposer leaves it out.
        transactions.push(used.clone());
        transactions.push(world.sign("carol", transfer()));
    }
    let (amended, from) = (|number| whole_day(number + 1 + count, "alice", 0), Timestamp(0));
    for number in 0..count {
        let (agreement, program) = (agreement_id(&number.to_string()), amended(number));
        transactions.push(world.sign("alice", Action::ProposeAmendment { agreement, program, from }));
    }
    for number in 0..count {
        let (agreement, terms) = (agreement_id(&number.to_string()), terms(amended(number)).amendment_digest(from));
        transactions.push(world.sign("station", Action::SignAmendment { agreement, terms }));
    }
    // What signatures need that the block's own proposals bring is known only when they are run.
    let few = |transactions| execute(&world, begin(&world, transactions).with_most_passes(5));
    let (outcome, _) = few(transactions.clone());
    assert_eq!(outcome.admitted.len(), 2 * count as usize, "the transfers and the proposals");
    let left = outcome.inadmissible.iter().filter(|(_, reason)| *reason == Inadmissible::NotThisBlock).count();
    assert_eq!(left, count as usize, "the signatures");

    let (verified, _) = few(outcome.admitted.iter().map(|place| transactions[*place].clone()).collect());
    assert_eq!(verified.inadmissible, vec![]);
    assert_eq!(
        (verified.receipts, verified.next_due, verified.work),
        (outcome.receipts, outcome.next_due, outcome.work)
    );
    let more = outcome.inadmissible.iter().find(|(_, reason)| *reason == Inadmissible::NotThisBlock);
    let more = more.map(|(place, _)| *place).into_iter();
    let block = outcome.admitted.iter().copied().chain(more).map(|place| transactions[place].clone());
    assert_eq!(few(block.collect()).0.inadmissible.len(), 1, "a block with one more breaks the rule");
}

/// The owner's balance is full to the brim: the settlement's payment does not fit.
#[test]
fn a_settlement_that_cannot_be_carried_out_moves_nothing_and_is_tried_again() {
    let mut world = World::new();
    world.trade("alice");
    world.now = at(1, 11, 0);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 11, 0), 1_000 * KWH)]));
    seed(&mut world.state, |ledger| {
        let mut record: AccountRecord = ledger.store.known(&account("station"))?;
        record.free = Money(u64::MAX - record.reserved.0);
        ledger.store.put(&account("station"), record);
        Ok(())
    });
    let agreement = agreement_id("alice");
    let before: AgreementState = read(&world, &agreement);
    let outcome = world.state.execute(at(1, 11, 1), vec![]);
    // Half an hour earlier it would have warned of missing readings.
    let due = Timestamp(at(1, 11, 1).0 - 1_800_000);
    let cause = Cause::Due { item: DueItem::Agreement(agreement), at: due };
    let failed = Event::ProgramFailed { agreement, code: LEDGER_CODES, failures: 1 };
    let verdict = Verdict::Applied(vec![failed].try_into().unwrap());
    assert_eq!(outcome.receipts, vec![Receipt { cause, verdict }]);
    let again = Timestamp(at(1, 11, 1).0 + RETRY_MS);
    assert_eq!(outcome.next_due, Some(again));
    let after: AgreementState = read(&world, &agreement);
    assert_eq!(after, AgreementState { failures: 1, called: Some(again), due: after.due, ..before });
}

#[test]
fn a_due_item_that_takes_more_than_a_block_may_is_due_again_an_hour_later() {
    let mut world = World::new();
    world.trade("alice");
    world.pass_to(at(1, 10, 0));
    world.now = at(1, 11, 1);
    let little = Work { cells_written: 1, ..MAX_DUE_WORK };
    let (outcome, _) = execute(&world, begin(&world, vec![]).with_most_due(little));
    let failed = Event::ProgramFailed { agreement: agreement_id("alice"), code: LEDGER_CODES + 16, failures: 1 };
    assert_eq!(outcome.receipts.len(), 1);
    assert_eq!(outcome.receipts[0].events(), [failed]);
    assert_eq!(outcome.next_due, Some(Timestamp(world.now.0 + RETRY_MS)));
    let before: AgreementState = read(&world, &agreement_id("alice"));
    world.state.take_on(&outcome.cells);
    let after: AgreementState = read(&world, &agreement_id("alice"));
    let (called, due) = (Some(Timestamp(world.now.0 + RETRY_MS)), after.due);
    assert_eq!(
        after,
        AgreementState { failures: 1, called, due, ..before },
        "its program has failed, and nothing is moved"
    );
    world.pass_to(Timestamp(world.now.0 + RETRY_MS));
    assert_eq!(world.status("alice"), Status::Settled);
}

#[test]
fn a_program_that_takes_more_than_a_block_may_each_time_is_stalled_the_third_time() {
    let mut world = World::new();
    world.trade("alice");
    world.pass_to(at(1, 10, 0));
    world.now = at(1, 11, 1);
    let agreement = agreement_id("alice");
    let little = Work { cells_written: 1, ..MAX_DUE_WORK };
    for failures in 1..=MAX_FAILURES {
        let (outcome, _) = execute(&world, begin(&world, vec![]).with_most_due(little));
        let failed = Event::ProgramFailed { agreement, code: LEDGER_CODES + 16, failures };
        assert_eq!(outcome.receipts[0].events()[0], failed);
        world.state.take_on(&outcome.cells);
        world.now = Timestamp(world.now.0 + RETRY_MS);
    }
    let state: AgreementState = read(&world, &agreement);
    assert_eq!(
        (state.status, state.called),
        (Status::Stalled, Some(state.ends)),
        "it is called no more before its hard end"
    );
}

#[test]
fn an_offer_that_could_not_lapse_in_a_block_keeps_one_entry_in_the_calendar() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let offer = world::offer_id("o");
    world.now = read::<OfferRecord>(&world, &offer).offer.lapses;
    let nothing = Work { cells_written: 0, ..MAX_DUE_WORK };
    let (outcome, _) = execute(&world, begin(&world, vec![]).with_most_due(nothing));
    assert_eq!(outcome.receipts[0].refusal(), Some(&Refusal::TooMuchWork));
    world.state.take_on(&outcome.cells);
    let again = Timestamp(world.now.0 + RETRY_MS);
    let place = read::<OfferRecord>(&world, &offer).due.expect("it stands in the calendar");
    assert_eq!((u64::from(place.second) * 1_000, outcome.next_due), (again.0, Some(again)));
    world.pass_to(again);
    assert_eq!(world.block(vec![]).next_due, None);
}

/// Who stands in the calendar without being there: nothing is done for it.
fn nobody(number: u32) -> DueItem {
    let mut id = [9; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    DueItem::Agreement(AgreementId(id))
}

#[test]
fn what_has_left_a_second_takes_nothing_of_what_a_block_works_off() {
    let mut world = World::new();
    world.trade("alice");
    world.pass_to(at(1, 10, 0));
    let (count, kept) = (3 * MAX_DUE_PER_BLOCK as u32, 5);
    let mut places = Vec::new();
    for numbers in (0..count).collect::<Vec<_>>().chunks(1_024) {
        let mut entered = Vec::new();
        seed(&mut world.state, |ledger| {
            let places =
                numbers.iter().map(|number| Ok((nobody(*number), ledger.schedule(nobody(*number), at(1, 10, 1))?)));
            places.collect::<Result<Vec<_>, Stop>>().map(|places| entered = places)
        });
        places.extend(entered);
    }
    for places in places[kept..places.len() - kept].chunks(512) {
        seed(&mut world.state, |ledger| {
            places.iter().for_each(|(item, place)| ledger.note_gone(*item, Some(*place)));
            ledger.keep_calendar()
        });
    }
    world.pass_to(at(1, 11, 1));
    assert_eq!(world.status("alice"), Status::Settled, "in the block in which it is due");
}

/// A second in which a million were scheduled, one item of which is left.
fn seed_left(world: &mut World, at: Timestamp, count: u32) {
    seed(&mut world.state, |ledger| {
        let place = ledger.schedule(nobody(0), at)?;
        ledger.store.delete::<DuePage>(&place.page());
        let last = DuePlace { number: count - 1, ..place };
        let mut items = vec![DueItem::Epoch(0); last.number as usize % DUE_PAGE_ITEMS];
        items.push(nobody(0));
        ledger.store.find::<DuePage>(&last.page())?;
        ledger.store.put(&last.page(), DuePage { items: items.try_into().expect("a page has room") });
        ledger.store.put(&place.second, DueBucket { count, done: 0, left: 1 });
        Ok(())
    });
}

#[test]
fn a_second_that_nearly_all_have_left_is_passed_in_few_blocks() {
    let mut world = World::new();
    world.trade("alice");
    world.pass_to(at(1, 10, 0));
    seed_left(&mut world, at(1, 10, 1), 1_000_000);
    world.now = at(1, 11, 1);
    let mut blocks = 0;
    while world.status("alice") != Status::Settled {
        assert!(world.block(vec![]).next_due <= Some(world.now) || world.status("alice") == Status::Settled);
        assert!(world.state.passes() <= 12, "{} passes", world.state.passes());
        blocks += 1;
    }
    assert_eq!(blocks, 8, "131,072 places a block");
}

#[test]
fn many_seconds_that_hold_much_are_looked_up_within_what_a_unit_may_read() {
    let mut world = World::new();
    for second in 0..600 {
        seed_left(&mut world, Timestamp(at(1, 2, 0).0 + 1_000 * second), 4_096);
    }
    world.now = at(1, 3, 0);
    let mut blocks = 0;
    while world.block(vec![]).next_due.is_some() {
        blocks += 1;
    }
    assert_eq!(blocks, 600 * 4_096 / (32 * 4_096));
}

#[test]
fn a_command_that_is_refused_for_the_work_that_it_takes_counts_for_who_asked() {
    let mut world = World::new();
    let agreement = signed(&mut world, &Puppet::answering(vec![], vec![]));
    let used = |world: &World| world.state.read::<FuelRecord>(&world::member("alice")).map_or(0, |record| record.used);
    let before = used(&world);
    let transaction = world.sign("alice", command(agreement, vec![pay(USER, OWNER, 1)]));
    let outcome = execute_with(&world, Work { cells_written: 3, ..MAX_BLOCK_WORK }, vec![transaction]);
    assert_eq!(outcome.receipts[0].refusal(), Some(&Refusal::TooMuchWork));
    world.state.take_on(&outcome.cells);
    assert!(used(&world) > before, "its program has been run");
}

#[test]
fn what_is_written_after_something_was_undone_is_counted() {
    let mut store = Store::default();
    store.begin(1);
    let mark = store.mark();
    let fuel = FuelRecord { day: 1, used: 1 };
    (0..3).for_each(|number| store.create_unread(&MemberId([number; 16]), fuel.clone()));
    assert_eq!(store.spent_so_far().cells_written, 3);
    store.undo(mark);
    (3..5).for_each(|number| store.create_unread(&MemberId([number; 16]), fuel.clone()));
    assert_eq!(store.spent_so_far().cells_written, 5, "and what was undone stays counted: it has been done");
}
