//! Members, accounts, money, and what makes a transaction inadmissible.

mod world;

use utilidor_ledger::Inadmissible;
use utilidor_types::action::NewAccount;
use utilidor_types::genesis::Limits;
use utilidor_types::refusal::Limited;
use utilidor_types::*;
use world::*;

fn admit(world: &World, label: &str) -> Action {
    let account = NewAccount::first(world.state.genesis().chain(), &key(label));
    Action::decide(Decision::AdmitMember { account, roles: Roles::of(&[Role::User]) })
}

#[test]
fn joining_is_by_permission() {
    let mut world = World::new();
    assert_eq!(world.refused("alice", admit(&world, "new")).code(), "member/missing-role");
    let anothers =
        Action::decide(Decision::AdmitMember { account: world.new_account("new", "alice"), roles: Roles::default() });
    assert_eq!(world.refused("station", anothers).code(), "account/wrong-member");
    world.done("station", admit(&world, "new"));
    world.done("station", admit(&world, "new"));
    let account = NewAccount::first(world.state.genesis().chain(), &key("new"));
    let other = Action::decide(Decision::AdmitMember { account, roles: Roles::of(&[Role::Owner]) });
    assert_eq!(world.refused("station", other), Refusal::IdTaken);
    let unknown = Action::decide(Decision::ChangeRoles { member: member("x"), roles: Roles::default() });
    assert_eq!(world.refused("station", unknown).code(), "member/unknown");
}

#[test]
fn who_is_an_account_of_another_member_cannot_be_admitted() {
    let mut world = World::new();
    world.done("alice", Action::OpenAccount { account: world.new_account("new", "alice") });
    assert_eq!(world.refused("station", admit(&world, "new")).code(), "account/exists");
}

#[test]
fn a_member_opens_fresh_accounts_for_itself() {
    let mut world = World::new();
    let open = |world: &World, of| Action::OpenAccount { account: world.new_account("new", of) };
    assert_eq!(world.refused("bob", open(&world, "alice")).code(), "account/wrong-member");
    world.done("alice", open(&world, "alice"));
    world.done("alice", open(&world, "alice"));
    assert_eq!(world.refused("bob", open(&world, "bob")).code(), "account/exists");
    world.transfer("alice", "new", Money(1));
    assert_eq!(world.balance("new").0, Money(1));
}

#[test]
fn a_member_has_no_more_accounts_than_its_limit() {
    let mut world = World::with_limits(Limits { accounts: 2, ..Limits::DEFAULT });
    world.done("alice", Action::OpenAccount { account: world.new_account("1", "alice") });
    let third = Action::OpenAccount { account: world.new_account("2", "alice") };
    assert_eq!(world.refused("alice", third), Refusal::LimitReached { what: Limited::Accounts, max: 2 });
    world.done(
        "station",
        Action::decide(Decision::ChangeRoles { member: member("alice"), roles: Roles::of(&[Role::User]) }),
    );
    let third = Action::OpenAccount { account: world.new_account("2", "alice") };
    assert_eq!(world.refused("alice", third).code(), "member/limit-reached", "other roles, the same count");
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
    world.transfer("alice", "issuer", Money(5));
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
    let declare = |owner| {
        Action::decide(Decision::DeclareCapacity {
            owner: account(owner),
            carrier: Carrier::Gas,
            per_hour: Quantity(1),
        })
    };
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
