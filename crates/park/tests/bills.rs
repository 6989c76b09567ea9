//! Every bill of the year, recomputed from the data files by separate code, against the ledger's; and the year's other
//! balances: supplied = billed, money conserved, the same state each time.

mod support;

use support::books::books;
use support::oracle::{Expected, recompute};
use support::{LedgerPlatform, block_on};
use utilidor_ledger::record::{AccountRecord, MeterState};
use utilidor_park::Lang;
use utilidor_park::data::Year;
use utilidor_park::report::{Report, Run};
use utilidor_park::scenario::{Deed, Journal, account_of, play};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::Side;
use utilidor_types::statement::StatementLine;
use utilidor_types::{Carrier, Money};

fn play_days(days: usize) -> (Journal, LedgerPlatform) {
    let platform = LedgerPlatform::new();
    let journal = block_on(play(&platform, &Year::load(), days, &mut |_| {})).unwrap();
    (journal, platform)
}

#[test]
fn every_bill_of_the_year_is_recomputed_to_the_millionth() {
    let (journal, platform) = play_days(365);
    let books = recompute(&journal);

    let mut found: Vec<Expected> = platform.statements().iter().map(Expected::of).collect();
    found.sort_by_key(|statement| (statement.agreement, statement.number));
    assert!(found.len() > 250, "{} statements", found.len());
    for (expected, found) in books.statements.iter().zip(&found) {
        assert_eq!(expected, found);
    }
    assert_eq!(books.statements.len(), found.len());

    let memory = platform.memory();
    for (who, balance) in &books.balances {
        let account = memory.read::<AccountRecord>(&account_of(who)).unwrap();
        assert_eq!(*balance, i128::from(account.free.0) + i128::from(account.reserved.0), "balance of {who}");
    }
    for carrier in Carrier::ALL {
        assert_eq!(books.supplied[&carrier], books.billed[&carrier], "{carrier}: supplied and billed");
    }
}

#[test]
fn the_recomputation_notices_a_prepayment_of_another_size() {
    let (mut journal, platform) = play_days(31);
    let found: u64 = platform.statements().iter().map(|statement| statement.paid.0).sum();
    let recomputed = |journal: &Journal| recompute(journal).statements.iter().map(|bill| bill.paid).sum::<i128>();
    assert_eq!(recomputed(&journal), i128::from(found));
    // Enough for another step, and so another discount.
    let payment = journal.entries.iter_mut().find_map(|entry| match &mut entry.deed {
        Deed::Prepaid { carrier: Carrier::Electricity, payment: Prepayment::Amount(amount), .. } => Some(amount),
        _ => None,
    });
    *payment.unwrap() = Money::units(499_999);
    assert_ne!(recomputed(&journal), i128::from(found));
}

#[test]
fn the_report_holds_together_after_any_number_of_days() {
    for days in (1..34).chain([55, 56, 60, 73, 74, 151, 175, 176, 181, 182, 243, 244, 365]) {
        let (journal, platform) = play_days(days);
        let report = Report::new(&journal, &Year::load(), &books(&platform, &journal), Run::default());
        let failed: Vec<_> = report.checks.iter().filter(|check| !check.held).collect();
        assert!(failed.is_empty(), "after {days} days: {failed:#?}");
        let billed: u64 = report.tenants.iter().map(|tenant| tenant.package.0).sum();
        assert_eq!(billed > 0, days >= 31);
        for name in
            report.occasions.iter().map(|occasion| &occasion.name).chain(report.checks.iter().map(|check| &check.name))
        {
            assert!(utilidor_park::render(&report, Lang::En).contains(name.as_str()), "{name}");
            assert!(!utilidor_park::render(&report, Lang::Zh).contains(name.as_str()), "{name} has no Chinese name");
        }
    }
}

#[test]
fn a_report_of_wrong_books_does_not_hold() {
    let (journal, platform) = play_days(31);
    let right = books(&platform, &journal);
    let holds = |books| Report::new(&journal, &Year::load(), &books, Run::default()).holds();
    assert!(holds(right.clone()));
    let mut wrong = right.clone();
    wrong.summary.money.free.0 += 1;
    assert!(!holds(wrong), "a millionth too much");
    let mut wrong = right.clone();
    wrong.statements.pop();
    assert!(!holds(wrong), "a statement too few");
    let mut wrong = right.clone();
    wrong.meters[5].register.0 += 1;
    assert!(!holds(wrong), "another register");
    let mut wrong = right.clone();
    wrong.summary.refused.clear();
    assert!(!holds(wrong), "refusals that did not happen");
}

#[test]
fn what_is_certified_is_what_is_billed() {
    let (journal, platform) = play_days(31);
    let certificates = platform.certificates();
    assert_eq!(certificates.len() as u64, journal.readings);
    let mut certified = [0u64; Carrier::COUNT];
    let meters = utilidor_park::meters::park_meters(&Year::load());
    for certificate in &certificates {
        let meter = meters.iter().find(|meter| meter.id == certificate.meter).unwrap();
        if meter.tenant.is_some() {
            certified[meter.carrier as usize] += certificate.quantity.0;
        }
    }
    let mut billed = [0u64; Carrier::COUNT];
    for line in platform.statements().iter().flat_map(|statement| statement.lines.iter()) {
        match line {
            StatementLine::Usage { carrier, quantity, .. } => billed[*carrier as usize] += quantity.0,
            StatementLine::Delivery { carrier, delivered, .. } => billed[*carrier as usize] += delivered.0,
            _ => {}
        }
    }
    assert_eq!(certified, billed);
    assert!(certified[Carrier::Gas as usize] > 0);
}

#[test]
fn a_month_played_twice_gives_the_same_state_and_journal() {
    let (first_journal, first) = play_days(31);
    let (second_journal, second) = play_days(31);
    assert_eq!(first_journal, second_journal);
    assert_eq!(first.memory().cells(), second.memory().cells());
}

#[test]
fn playing_again_on_the_same_chain_changes_nothing() {
    let (journal, platform) = play_days(8);
    let before = platform.memory();
    let again = block_on(play(&platform, &Year::load(), 8, &mut |_| {})).unwrap();
    assert_eq!(again, journal);
    assert_eq!(platform.memory().cells(), before.cells());
    assert_eq!(platform.memory().height(), before.height());
}

#[test]
fn a_longer_demonstration_goes_on_where_a_shorter_one_ended() {
    let (_, platform) = play_days(40);
    let longer = block_on(play(&platform, &Year::load(), 65, &mut |_| {})).unwrap();
    let (direct, other) = play_days(65);
    assert_eq!(longer, direct);
    assert_eq!(platform.statements(), other.statements());
}

#[test]
fn the_year_holds_every_occasion() {
    let (journal, platform) = play_days(365);
    let statements = platform.statements();
    let lines = || statements.iter().flat_map(|statement| statement.lines.iter());
    let forfeits =
        |side| lines().filter(|line| matches!(line, StatementLine::Forfeit { by, .. } if *by == side)).count();
    assert!(forfeits(Side::Owner) >= 1, "an under-delivery");
    assert!(forfeits(Side::User) >= 1, "an under-take");
    let withheld = |line: &&StatementLine| matches!(line, StatementLine::Refund { withheld, .. } if withheld.0 > 0);
    assert!(lines().filter(withheld).count() >= 1, "an early termination with refund");
    let deeds = || journal.entries.iter().map(|entry| &entry.deed);
    assert_eq!(deeds().filter(|deed| matches!(deed, Deed::Unsigned(_))).count(), 1, "an award that expires");
    assert_eq!(deeds().filter(|deed| matches!(deed, Deed::Adjusted { .. })).count(), 1, "a tariff adjusted by consent");
    let bids: usize = journal.tenders.iter().map(|tender| tender.bids.len()).sum();
    let won = deeds().filter(|deed| matches!(deed, Deed::Concluded(_) | Deed::Unsigned(_))).count();
    assert!(won < bids, "a quote that is never awarded");
    assert_eq!(journal.tenders.len(), 36, "three tenders each month");
    assert_eq!((journal.gaps, journal.exhausted), (1, 0));
    assert_eq!(journal.refusals["reading/replayed"], 1);
    assert_eq!(journal.refusals["offer/gate-closed"], 1);
    let memory = platform.memory();
    for meter in utilidor_park::meters::park_meters(&Year::load()) {
        let state = memory.read::<MeterState>(&meter.id).unwrap();
        assert_eq!(state.last.register.0, meter.register_after(365 * 24), "{}", meter.label);
    }
}
