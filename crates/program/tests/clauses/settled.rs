//! What sheets settle.

use super::support::*;
use utilidor_program::host::Said;
use utilidor_types::agreement::{Party, Status};
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;

fn said(clause: u16, from: Party, kwh: u64, micro: u64) -> Said {
    Said { clause, from, to: from.other(), quantity: Quantity(kwh * KWH), amount: Money(micro) }
}

fn settled(month: u8) -> Timestamp {
    Timestamp(day(month, 1).0 + 6 * HOUR_MS)
}

const FOLLOWS: &str = "let price money/kWh \"price\" \"单价\" = min(max(index(spot), 0.2 money/kWh), 0.6 money/kWh);
                       pay user \"power\" \"电费\" for taken = price * sum(taken);";

#[test]
fn a_price_follows_its_index_between_floor_and_cap() {
    let sheet = sheet(FOLLOWS);
    let mut host = signed(&sheet);
    for (month_number, micro, kwh, charged) in [(1, 100_000, 100, 20_000_000), (2, 455_000, 300, 91_000_000)] {
        host.publish(INDEX, month(month_number), micro);
        read(&mut host, day(month_number + 1, 1), kwh).unwrap();
        host.pass_to(settled(month_number + 1));
        let last = host.said().pop().unwrap();
        let brought = if month_number == 1 { 100 } else { 200 };
        assert_eq!(last, [said(0, Party::USER, brought, charged)]);
    }
    host.publish(INDEX, month(3), 900_000);
    read(&mut host, day(4, 1), 400).unwrap();
    host.pass_to(settled(4));
    assert_eq!(host.said().pop().unwrap(), [said(0, Party::USER, 100, 60_000_000)]);
    assert_eq!(host.ended(), Some(Status::Settled));
    assert_eq!(host.reserved(Party::USER), Money::ZERO);
}

#[test]
fn a_period_waits_for_a_value_that_is_not_published_and_is_settled_the_day_after_it_is() {
    let sheet = sheet(FOLLOWS);
    let mut host = signed(&sheet);
    read(&mut host, day(2, 1), 100).unwrap();
    host.pass_to(Timestamp(settled(2).0 + 3 * DAY_MS));
    assert_eq!(host.said().len(), 0, "nothing is invented");
    host.publish(INDEX, month(1), 300_000);
    host.pass_to(Timestamp(settled(2).0 + 4 * DAY_MS));
    assert_eq!(host.said(), [vec![said(0, Party::USER, 100, 30_000_000)]]);
}

#[test]
fn a_value_for_another_period_is_none() {
    let sheet = sheet(FOLLOWS);
    let mut host = signed(&sheet);
    read(&mut host, day(2, 1), 100).unwrap();
    host.publish(INDEX, Window { from: day(1, 1), to: day(1, 2) }, 300_000);
    host.pass_to(settled(2));
    assert_eq!(host.said().len(), 0);
}

#[test]
fn at_an_amount_below_zero_the_other_side_pays() {
    let sheet = sheet("pay user \"power\" \"电费\" for taken = index(spot) * sum(taken);");
    let mut host = signed(&sheet);
    host.publish(INDEX, month(1), -50_000);
    read(&mut host, day(2, 1), 100).unwrap();
    host.pass_to(settled(2));
    assert_eq!(host.said(), [vec![said(0, Party::OWNER, 100, 5_000_000)]]);
}

#[test]
fn a_price_changes_with_notice_and_stays_what_it_was_without() {
    let notice = "let price money/kWh \"price\" \"单价\" =
                    index(spot, notice 240 hours) else before(price) else 0.5 money/kWh;
                  pay user \"power\" \"电费\" for taken = price * sum(taken);";
    let sheet = sheet(notice);
    let mut host = signed(&sheet);
    host.publish(INDEX, month(1), 900_000);
    host.pass_to(day(1, 20));
    host.publish(INDEX, month(2), 400_000);
    read(&mut host, day(2, 1), 100).unwrap();
    host.pass_to(day(2, 20));
    assert_eq!(host.said(), [vec![said(0, Party::USER, 100, 50_000_000)]], "what came with the month came too late");
    host.publish(INDEX, month(3), 700_000);
    read(&mut host, day(3, 1), 200).unwrap();
    host.pass_to(settled(3));
    assert_eq!(host.said().pop().unwrap(), [said(0, Party::USER, 100, 40_000_000)], "twelve days before");
    read(&mut host, day(4, 1), 300).unwrap();
    host.pass_to(settled(4));
    assert_eq!(host.said().pop().unwrap(), [said(0, Party::USER, 100, 40_000_000)], "nine days are no notice");
}

#[test]
fn hours_of_the_day_are_told_apart_by_their_share_of_time() {
    let bands = "band peak 8-11 18-21 \"peak\" \"峰段\";
                 pay user \"peak\" \"峰段电费\" = 1 money/kWh * sum(taken, peak);
                 pay user \"rest\" \"其余电费\" = 0.1 money/kWh * sum(taken, other);";
    let sheet = sheet(bands);
    let mut host = signed(&sheet);
    read(&mut host, day(2, 1), 31 * 24).unwrap();
    host.pass_to(settled(2));
    let said: Vec<u64> = host.said()[0].iter().map(|line| line.amount.0).collect();
    assert_eq!(said, [31 * 6 * 1_000_000, 31 * 18 * 100_000]);
}

#[test]
fn steps_and_shares_are_exact() {
    let steps =
        "let tier money/kWh \"tier\" \"档价\" = table(sum(taken), up to 100 kWh: 0.5 money/kWh, above: 0.4 money/kWh);
                 pay user \"power\" \"电费\" = tier * sum(taken);
                 pay user \"tax\" \"税\" = tier * sum(taken) * 13%;
                 pay user \"share\" \"分摊\" = share(1 money, sum(taken), 3 kWh);";
    for (kwh, amounts) in [(100, [50_000_000, 6_500_000, 33_333_333]), (101, [40_400_000, 5_252_000, 33_666_667])] {
        let sheet = sheet(steps);
        let mut host = signed(&sheet);
        read(&mut host, day(2, 1), kwh).unwrap();
        host.pass_to(settled(2));
        let said: Vec<u64> = host.said()[0].iter().map(|line| line.amount.0).collect();
        assert_eq!(said, amounts, "{kwh} kWh");
    }
}

#[test]
fn what_comes_after_its_period_was_settled_counts_in_the_next_one() {
    let sheet = sheet("pay user \"power\" \"电费\" for taken = 1 money/kWh * sum(taken);");
    let mut host = signed(&sheet);
    host.pass_to(settled(2));
    assert_eq!(host.said(), [vec![said(0, Party::USER, 0, 0)]]);
    read(&mut host, day(3, 1), 59).unwrap();
    host.correct(0, month(1), Quantity(KWH), Quantity(0)).unwrap();
    host.pass_to(settled(3));
    assert_eq!(host.said().pop().unwrap(), [said(0, Party::USER, 60, 60_000_000)]);
}

#[test]
fn what_cannot_be_paid_is_carried_to_the_next_statement() {
    let sheet = sheet("pay user \"power\" \"电费\" for taken = 1 money/kWh * sum(taken);");
    let mut host = utilidor_program::host::Host::new(
        utilidor_program::host::Sheets,
        terms(&sheet, Money::units(1_000)),
        Money::units(40),
        sheet.periods.begin,
    );
    host.sign().unwrap();
    host.reading(0, sheet.periods.begin, Quantity(0)).unwrap();
    read(&mut host, day(2, 1), 50).unwrap();
    host.pass_to(settled(2));
    let carried = sheet.carried_clause();
    let lines = host.said().pop().unwrap();
    assert_eq!(lines[0], said(0, Party::USER, 50, 50_000_000));
    assert_eq!((lines[1].clause, lines[1].from, lines[1].amount), (carried, Party::OWNER, Money::units(20)));
}
