//! The year's bills, recomputed by separate code from the rules: every statement, every balance, to the millionth.

mod support;

use std::collections::BTreeMap;
use support::oracle::{Expected, recompute};
use support::{LedgerPlatform, block_on};
use utilidor_ledger::record::AccountRecord;
use utilidor_park::contracts::expected::{BillLine, bills};
use utilidor_park::contracts::{Contract, contracts};
use utilidor_park::data::Year;
use utilidor_park::scenario::{Deed, Journal, account_of, play};
use utilidor_types::action::Prepayment;
use utilidor_types::statement::StatementLine;
use utilidor_types::{Carrier, Money, Statement};

fn play_days(days: usize) -> (Journal, LedgerPlatform) {
    let platform = LedgerPlatform::new();
    let journal = block_on(play(&platform, &Year::load(), days, &mut |_| {})).unwrap();
    (journal, platform)
}

#[test]
fn every_bill_of_the_year_is_recomputed_to_the_millionth() {
    let (journal, platform) = play_days(365);
    let books = recompute(&journal);

    let own = contracts();
    let is_own = |statement: &Statement| own.iter().any(|contract| contract.agreement == statement.agreement);
    let statements = platform.statements();
    let mut found: Vec<Expected> = statements.iter().filter(|statement| !is_own(statement)).map(Expected::of).collect();
    found.sort_by_key(|statement| (statement.agreement, statement.number));
    assert!(found.len() > 250, "{} statements", found.len());
    for (expected, found) in books.statements.iter().zip(&found) {
        assert_eq!(expected, found);
    }
    assert_eq!(books.statements.len(), found.len());

    let memory = platform.memory();
    let mut paid: BTreeMap<&str, i128> = BTreeMap::new();
    for contract in &own {
        recompute_contract(contract, &journal, &statements, &mut paid);
    }
    for (who, balance) in &books.balances {
        let account = memory.read::<AccountRecord>(&account_of(who)).unwrap();
        let balance = balance + paid.get(who.as_str()).copied().unwrap_or(0);
        assert_eq!(balance, i128::from(account.free.0) + i128::from(account.reserved.0), "balance of {who}");
    }
    for carrier in Carrier::ALL {
        let unbilled = books.unbilled.get(&carrier).copied().unwrap_or(0);
        let told = journal.unbilled.iter().filter(|part| part.carrier == carrier).map(|part| part.quantity.0);
        assert_eq!(unbilled, i128::from(told.sum::<u64>()), "{carrier}: on nobody's bill");
        assert_eq!(books.supplied[&carrier], books.billed[&carrier] + unbilled, "{carrier}: supplied and billed");
    }
}

/// Holds a contract's statements against those worked out anew, line by line, and adds what each party has more or less by them.
fn recompute_contract<'a>(
    contract: &'a Contract,
    journal: &Journal,
    statements: &[Statement],
    paid: &mut BTreeMap<&'a str, i128>,
) {
    let party = |number: u8| number.checked_sub(1).map_or(contract.owner, |user| contract.users[usize::from(user)]);
    let line = |line: &StatementLine| match *line {
        StatementLine::Clause { clause, from, to, quantity, amount, .. } => {
            BillLine { clause, from: from.0, to: to.0, quantity: quantity.0, amount: amount.0 }
        }
        ref other => panic!("a program's statement has no such line: {other:?}"),
    };
    let of = statements.iter().filter(|statement| statement.agreement == contract.agreement);
    let found: Vec<Vec<BillLine>> = of.map(|statement| statement.lines.iter().map(line).collect()).collect();
    let expected = bills(&Year::load(), contract.name, journal.days, journal.end);
    let expected: Vec<Vec<BillLine>> = expected.into_iter().map(|bill| bill.lines).collect();
    assert_eq!(found, expected, "{}", contract.name);
    for line in expected.into_iter().flatten() {
        *paid.entry(party(line.from)).or_default() -= i128::from(line.amount);
        *paid.entry(party(line.to)).or_default() += i128::from(line.amount);
    }
}

#[test]
fn the_contracts_of_a_month_are_recomputed_to_the_millionth() {
    let (journal, platform) = play_days(31);
    let (own, mut paid) = (contracts(), BTreeMap::new());
    for contract in &own {
        recompute_contract(contract, &journal, &platform.statements(), &mut paid);
    }
    assert_eq!(paid.values().sum::<i128>(), 0, "what one pays another has");
    assert!(paid["station"] != 0);
}

#[test]
fn the_recomputation_notices_a_prepayment_of_another_size() {
    let (mut journal, platform) = play_days(31);
    let own = contracts();
    let is_own = |statement: &&Statement| own.iter().any(|contract| contract.agreement == statement.agreement);
    let statements = platform.statements();
    let found: u64 = statements.iter().filter(|one| !is_own(one)).map(|statement| statement.paid.0).sum();
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
