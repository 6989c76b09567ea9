//! The year's balances: supplied = billed, money conserved, the same state each time, every occasion.

mod support;

use support::books::books;
use support::{LedgerPlatform, block_on};
use utilidor_ledger::record::MeterState;
use utilidor_park::Lang;
use utilidor_park::data::Year;
use utilidor_park::report::{Report, Run};
use utilidor_park::scenario::{Deed, Journal, play};
use utilidor_types::Carrier;
use utilidor_types::Party;
use utilidor_types::statement::StatementLine;

fn play_days(days: usize) -> (Journal, LedgerPlatform) {
    let platform = LedgerPlatform::new();
    let journal = block_on(play(&platform, &Year::load(), days, &mut |_| {})).unwrap();
    (journal, platform)
}

#[test]
fn the_report_holds_together_after_any_number_of_days() {
    for days in (1..34)
        .chain([55, 56, 60, 73, 74, 120, 121, 129, 130, 151, 175, 176, 181, 182, 270, 271, 272, 273, 363, 364, 365])
    {
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
fn what_is_certified_is_what_is_billed_or_told_to_be_on_nobodys_bill() {
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
    // The supplies begin some milliseconds after the first readings.
    for part in &journal.unbilled {
        billed[part.carrier as usize] += part.quantity.0;
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
    assert!(forfeits(Party::OWNER) >= 1, "an under-delivery");
    assert!(forfeits(Party::USER) >= 1, "an under-take");
    let withheld = |line: &&StatementLine| matches!(line, StatementLine::Refund { withheld, .. } if withheld.0 > 0);
    assert!(lines().filter(withheld).count() >= 1, "an early termination with refund");
    assert_eq!(lines().filter(|line| matches!(line, StatementLine::Credit { .. })).count(), 1, "a corrected reading");
    assert_eq!(statements.iter().filter(|statement| statement.substituted).count(), 1, "a substituted reading");
    assert!(statements.iter().any(|statement| statement.debt.0 > 0), "a debt");
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
