//! What sheets settle.

use super::support::*;
use utilidor_program::host::{Host, Said, Sheets};
use utilidor_types::agreement::{Party, Status};
use utilidor_types::price_index::PublishedValue;
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
fn a_value_that_was_published_before_the_signature_has_had_its_notice() {
    let sheet = sheet(
        "let price money/kWh \"price\" \"单价\" = index(spot, notice 240 hours) else 0.5 money/kWh;
         pay user \"power\" \"电费\" for taken = price * sum(taken);",
    );
    for (days, charged) in [(9, 50_000_000), (11, 40_000_000)] {
        let mut host = signed(&sheet);
        let published = Timestamp(day(1, 1).0 - days * DAY_MS);
        host.published(INDEX, month(1), PublishedValue { micro: 400_000, published });
        read(&mut host, day(2, 1), 100).unwrap();
        host.pass_to(settled(2));
        assert_eq!(host.said(), [vec![said(0, Party::USER, 100, charged)]], "{days} days");
    }
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
    let mut host = Host::new(Sheets, terms(&sheet, Money::units(1_000)), Money::units(40), sheet.periods.begin);
    host.sign().unwrap();
    host.reading(0, sheet.periods.begin, Quantity(0)).unwrap();
    read(&mut host, day(2, 1), 50).unwrap();
    host.pass_to(settled(2));
    let carried = sheet.carried_clause();
    let lines = host.said().pop().unwrap();
    assert_eq!(lines[0], said(0, Party::USER, 50, 50_000_000));
    assert_eq!((lines[1].clause, lines[1].from, lines[1].amount), (carried, Party::OWNER, Money::units(20)));
}

/// What comes before a settlement.
#[derive(Clone, Copy, PartialEq)]
enum Comes {
    Read(u8, u64),
    Less(u8, u64),
}

/// What a sheet of three months charges in all: each month's statement after what comes before it.
fn charged(rest: &str, months: [&[Comes]; 3]) -> (Vec<i64>, Host<Sheets>) {
    let sheet = sheet(rest);
    let mut host = signed(&sheet);
    for (number, comes) in (2..).zip(months) {
        for one in comes {
            match *one {
                Comes::Read(month, kwh) => read(&mut host, day(month, 1), kwh).unwrap(),
                Comes::Less(of, kwh) => host.correct(0, month(of), Quantity(0), Quantity(kwh * KWH)).unwrap(),
            }
        }
        host.pass_to(settled(number));
    }
    (money(&host), host)
}

/// What the user pays by each statement, in money; below zero the owner pays.
fn money(host: &Host<Sheets>) -> Vec<i64> {
    let sign = |line: &Said| if line.from == Party::USER { 1 } else { -1 };
    let sum = |lines: &Vec<Said>| lines.iter().map(|line| sign(line) * line.amount.0 as i64).sum::<i64>() / 1_000_000;
    host.said().iter().map(sum).collect()
}

const FLAT: &str = "pay user \"power\" \"电费\" for taken = 0.1 money/kWh * sum(taken);";

#[test]
fn a_correction_of_a_settled_period_counts_whether_it_comes_before_or_after_the_next_reading() {
    use Comes::{Less, Read};
    for second in [[Less(1, 900), Read(3, 2_000)], [Read(3, 2_000), Less(1, 900)]] {
        let (charged, _) = charged(FLAT, [&[Read(2, 1_000)], &second, &[Read(4, 3_000)]]);
        assert_eq!(charged, [100, 10, 100]);
    }
}

#[test]
fn what_is_less_than_nothing_of_a_period_is_credited_in_the_next_one() {
    use Comes::{Less, Read};
    let (all, _) = charged(FLAT, [&[Read(2, 1_000)], &[Less(1, 900), Read(3, 1_200)], &[Read(4, 2_200)]]);
    assert_eq!(all, [100, 0, 30], "700 kWh wait for March");
    let least = "pay user \"power\" \"电费\" for taken = max(0.1 money/kWh * sum(taken), 5 money);";
    let (all, _) = charged(least, [&[Read(2, 1_000)], &[Less(1, 900), Read(3, 1_200)], &[Read(4, 2_200)]]);
    assert_eq!(all, [100, 5, 30], "a least amount takes nothing of it away");
}

#[test]
fn what_is_less_than_nothing_at_the_end_is_paid_back_and_what_cannot_be_is_owed() {
    use Comes::{Less, Read};
    let months: [&[Comes]; 3] = [&[Read(2, 1_000)], &[Read(3, 1_000)], &[Less(1, 900), Read(4, 1_000)]];
    let (all, host) = charged(FLAT, months);
    assert_eq!((all, host.ended()), (vec![100, 0, -90], Some(Status::Settled)));
    assert_eq!(host.said().pop().unwrap(), [said(0, Party::OWNER, 900, 90_000_000)]);

    let sheet = sheet(FLAT);
    let mut terms = terms(&sheet, Money::units(1_000));
    let Program::Coded(coded) = &mut terms.program else { unreachable!() };
    let mut grants = coded.grants.clone().into_vec();
    grants[0].allowance = Money::units(60);
    coded.grants = grants.try_into().unwrap();
    let mut host = Host::new(Sheets, terms, Money::units(10_000), sheet.periods.begin);
    host.sign().unwrap();
    host.reading(0, sheet.periods.begin, Quantity(0)).unwrap();
    read(&mut host, day(2, 1), 1_000).unwrap();
    host.pass_to(settled(3));
    host.correct(0, month(1), Quantity(0), Quantity(900 * KWH)).unwrap();
    host.pass_to(settled(4));
    let lines = host.said().pop().unwrap();
    assert_eq!(lines[0], said(0, Party::OWNER, 900, 90_000_000));
    let owed = (sheet.carried_clause(), Party::USER, Money::units(30));
    assert_eq!((lines[1].clause, lines[1].from, lines[1].amount), owed, "60 of 90 are paid back");
    assert_eq!(host.ended(), Some(Status::Defaulted));
}

#[test]
fn a_correction_that_a_band_cannot_give_is_taken_off_the_others() {
    let bands = "band day 0-12 \"day\" \"日\";
                 pay user \"day\" \"日\" = 0.1 money/kWh * sum(taken, day);
                 pay user \"night\" \"夜\" = 0.1 money/kWh * sum(taken, other);";
    let sheet = sheet(bands);
    let noon = Timestamp(day(1, 31).0 + 12 * HOUR_MS);
    let last_day = Window { from: day(1, 31), to: day(2, 1) };
    let mut host = signed(&sheet);
    read(&mut host, day(1, 31), 0).unwrap();
    read(&mut host, noon, 120).unwrap();
    read(&mut host, day(2, 1), 120).unwrap();
    host.correct(0, last_day, Quantity(0), Quantity(120 * KWH)).unwrap();
    host.pass_to(settled(2));
    assert_eq!(money(&host), [0], "all of the day is taken off, though its night had nothing");
}

#[test]
fn what_comes_after_the_last_statement_is_settled_by_a_supplement_and_nothing_fixed_is_charged_twice() {
    use Comes::Read;
    let fixed = "pay user \"fee\" \"月费\" = 7 money;
                 pay user \"power\" \"电费\" for taken = max(0.1 money/kWh * sum(taken), 20 money);";
    let (all, mut host) = charged(fixed, [&[Read(2, 1_000)], &[Read(3, 2_000)], &[]]);
    assert_eq!((all, host.ended()), (vec![107, 107, 27], Some(Status::Settled)));
    read(&mut host, day(4, 6), 3_000).unwrap();
    host.correct(0, month(2), Quantity(0), Quantity(100 * KWH)).unwrap();
    host.pass_to(day(4, 9));
    let closing: Vec<statement::Closing> = host.statements().iter().map(|(_, draft)| draft.closing).collect();
    assert_eq!(closing.last(), Some(&statement::Closing::Supplement));
    // Of 1,000 kWh in 36 days, 31 days are March's: 861.1; 100 less of February.
    assert_eq!(host.said().pop().unwrap()[1].amount, Money(56_111_111));
    host.correct(0, month(3), Quantity(0), Quantity(700 * KWH)).unwrap();
    host.pass_to(day(4, 20));
    let back = host.said().pop().unwrap()[1];
    assert_eq!((back.from, back.amount), (Party::OWNER, Money(56_111_111)), "down to the least amount, and no further");
    assert_eq!(host.statements().len(), 5, "nothing comes, nothing is said");
}

#[test]
fn a_supplement_is_worked_out_with_the_last_periods_index_whatever_is_published_for_the_month_after() {
    let sheet = sheet(FOLLOWS);
    for after in [None, Some(600_000)] {
        let mut host = signed(&sheet);
        for number in 1..=3 {
            host.publish(INDEX, month(number), 300_000);
            read(&mut host, day(number + 1, 1), if number == 3 { 1_000 } else { 0 }).unwrap();
            host.pass_to(settled(number + 1));
        }
        assert_eq!(host.said().pop().unwrap(), [said(0, Party::USER, 1_000, 300_000_000)]);
        if let Some(micro) = after {
            host.publish(INDEX, month(4), micro);
        }
        host.correct(0, month(3), Quantity(KWH), Quantity(0)).unwrap();
        host.pass_to(day(4, 20));
        assert_eq!(host.said().pop().unwrap(), [said(0, Party::USER, 1, 300_000)], "{after:?}");
    }
}
