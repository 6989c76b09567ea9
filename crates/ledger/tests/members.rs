//! Members, accounts, money, and what makes a transaction inadmissible.

mod world;

use utilidor_ledger::Inadmissible;
use utilidor_types::*;
use world::*;

fn admit(member_label: &str, account_label: &str) -> Action {
    let roles = Roles::of(&[Role::User]);
    Action::AdmitMember { member: member(member_label), account: account(account_label), roles }
}

#[test]
fn joining_is_by_permission() {
    let mut world = World::new();
    assert_eq!(world.refused("alice", admit("new", "new")).code(), "member/missing-role");
    assert_eq!(world.refused("station", admit("alice", "new")), Refusal::IdTaken);
    assert_eq!(world.refused("station", admit("new", "alice")).code(), "account/exists");
    world.done("station", admit("new", "new"));
    world.done("station", admit("new", "new"));
    let unknown = Action::ChangeRoles { member: member("x"), roles: Roles::default() };
    assert_eq!(world.refused("station", unknown).code(), "member/unknown");
}

#[test]
fn a_member_opens_fresh_accounts_for_itself() {
    let mut world = World::new();
    let open = |label| Action::OpenAccount { account: account(label) };
    world.done("alice", open("new"));
    world.done("alice", open("new"));
    assert_eq!(world.refused("bob", open("new")).code(), "account/exists");
    world.done("alice", Action::Transfer { to: account("new"), amount: Money(1), reference: Text::default() });
    assert_eq!(world.balance("new").0, Money(1));
}

#[test]
fn money_is_issued_and_redeemed_by_the_issuer_alone() {
    let mut world = World::new();
    let issue = |to, amount| Action::Issue { to: account(to), amount, reference: Text::default() };
    let redeem = |amount| Action::Redeem { amount, reference: Text::default() };
    assert_eq!(world.refused("alice", issue("alice", Money(1))).code(), "member/missing-role");
    assert_eq!(world.refused("issuer", issue("alice", Money::ZERO)), Refusal::ZeroAmount);
    assert_eq!(world.refused("issuer", issue("stranger", Money(1))).code(), "account/unknown");
    assert_eq!(world.refused("issuer", issue("alice", Money(u64::MAX))), Refusal::Overflow);
    assert_eq!(world.refused("alice", redeem(Money(1))).code(), "member/missing-role");
    assert_eq!(world.refused("issuer", redeem(Money::ZERO)), Refusal::ZeroAmount);
    assert_eq!(world.refused("issuer", redeem(Money(1))).code(), "money/insufficient-funds");
    let back = Action::Transfer { to: account("issuer"), amount: Money(5), reference: Text::default() };
    world.done("alice", back);
    world.done("issuer", redeem(Money(5)));
}

#[test]
fn refuses_transfers_in_this_order() {
    let mut world = World::new();
    let transfer = |to, amount| Action::Transfer { to: account(to), amount, reference: Text::default() };
    assert_eq!(world.refused("alice", transfer("stranger", Money::ZERO)), Refusal::ZeroAmount);
    assert_eq!(world.refused("alice", transfer("stranger", Money(u64::MAX))).code(), "account/unknown");
    assert_eq!(world.refused("alice", transfer("bob", Money(u64::MAX))).code(), "money/insufficient-funds");
    world.done("alice", transfer("alice", Money::units(1_000_000)));
    assert_eq!(world.balance("alice").0, Money::units(1_000_000));
}

#[test]
fn capacities_are_declared_for_owners_by_validators() {
    let mut world = World::new();
    let declare =
        |owner| Action::DeclareCapacity { owner: account(owner), carrier: Carrier::Gas, per_hour: Quantity(1) };
    assert_eq!(world.refused("roof", declare("roof")).code(), "member/missing-role");
    assert_eq!(world.refused("station", declare("stranger")).code(), "account/unknown");
    assert_eq!(world.refused("station", declare("alice")).code(), "member/missing-role");
    world.done("station", declare("roof"));
}

#[test]
fn transactions_that_cannot_stand_in_a_block_change_nothing() {
    let mut world = World::new();
    let transfer = || Action::Transfer { to: account("bob"), amount: Money(1), reference: Text::default() };
    let stranger = world.sign("stranger", transfer());
    let replayed = world.sign("alice", transfer());
    world.block(vec![replayed.clone()]);
    let mut expired = world.sign("alice", transfer());
    expired.transaction.expires = world.state.height();
    let expired = expired.transaction.sign(&key("alice"));
    let mut early = replayed.transaction.clone();
    early.nonce = 7;
    let early = early.sign(&key("alice"));
    let mut far = expired.transaction.clone();
    far.expires = u64::MAX;
    let far = far.sign(&key("alice"));

    let cells = world.state.cells().clone();
    let outcome = world.block(vec![stranger, replayed, early, expired, far]);
    let height = world.state.height();
    assert_eq!(
        outcome.inadmissible,
        [
            (0, Inadmissible::UnknownAccount(account("stranger"))),
            (1, Inadmissible::WrongNonce { found: 0, expected: 1 }),
            (2, Inadmissible::WrongNonce { found: 7, expected: 1 }),
            (3, Inadmissible::Expired { expires: height - 1, height }),
            (4, Inadmissible::Expired { expires: u64::MAX, height }),
        ]
    );
    assert_eq!((outcome.receipts, outcome.admitted, outcome.cells), (vec![], vec![], vec![]));
    assert_eq!(&cells, world.state.cells());
}
