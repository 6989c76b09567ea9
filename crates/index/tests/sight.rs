//! Who sees what now: roles are what the council says when somebody asks, and not what they were at signing in.

mod chain;

use chain::*;
use utilidor_index::{Questions, Reader};
use utilidor_types::action::Prepayment;
use utilidor_types::council::Threshold;
use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
use utilidor_types::session::{Category, Subject};
use utilidor_types::*;
use utilidor_view::*;

const SEATS: [&str; 3] = ["north", "east", "south"];
const EPOCH: u64 = 8;

fn node(label: &str) -> PrivateKey {
    key(&format!("{label}'s node"))
}

fn member(label: &str) -> MemberId {
    MemberId::of(account(label))
}

/// A chain on which whoever decides trades nothing: bob has a package from the station, on a meter that the gateway operates.
fn town() -> Chain {
    let first = |label: &str, roles: &[Role]| GenesisMember { account: account(label), roles: Roles::of(roles) };
    let mut members: Vec<_> = SEATS.iter().map(|label| first(label, &[Role::Validator])).collect();
    members.extend([
        first("station", &[Role::Owner]),
        first("alice", &[Role::User]),
        first("bob", &[Role::User]),
        first("gateway", &[Role::MeterOperator]),
        first("issuer", &[Role::Issuer]),
        first("inspector", &[Role::Supervisor]),
    ]);
    let validator = |label: &&str| Validator {
        key: node(label).public_key(),
        member: member(label),
        address: format!("{label}.example:4700").parse().ok(),
    };
    let mut chain = Chain::on(Genesis {
        kind: ChainKind::Development,
        time: at(1, 1, 0),
        validators: SEATS.iter().map(validator).collect::<Vec<_>>().try_into().unwrap(),
        epoch_length: EPOCH,
        threshold: Threshold::TWO_THIRDS,
        members: members.try_into().unwrap(),
        limits: Limits::DEFAULT,
    });
    let amount = Money::units(1_000);
    chain.done("issuer", Action::Issue { to: account("bob"), amount, reference: Text::default() });
    chain.done("gateway", Action::RegisterMeter(meter_document("bob")));
    chain.done("station", Action::PublishPackage(package(1)));
    chain.done("bob", Action::Subscribe { label: label("s"), terms: terms(Quantity(KWH)) });
    let payment = Prepayment::Amount(Money::units(80));
    chain.done("bob", Action::Prepay { subscription: subscription(), carrier: ELECTRICITY, payment });
    chain
}

fn decided(chain: &mut Chain, decision: Decision) {
    let motion = Motion::of(decision.clone());
    let vote = Action::VoteOnMotion {
        motion: MotionId::of(account("north"), motion.label),
        digest: motion.digest(),
        in_favour: true,
    };
    chain.done("north", Action::decide(decision));
    chain.done("east", vote);
}

/// Blocks until the next epoch has begun.
fn next_epoch(chain: &mut Chain) {
    let end = (chain.state.height() / EPOCH + 1) * EPOCH;
    for place in 0.. {
        chain.state.set_proposer(node(SEATS[place % SEATS.len()]).public_key());
        chain.block(vec![]);
        if chain.state.height() > end {
            break;
        }
    }
}

fn holder(account: AccountId) -> Viewer {
    Viewer::Holder { account, scope: Scope::whole() }
}

fn asking(reader: &Reader, viewer: Viewer) -> Questions<'_> {
    reader.questions(viewer).unwrap()
}

#[test]
fn whoever_is_no_validator_any_more_sees_its_own_only_by_its_account_and_by_its_nodes_key() {
    let mut chain = town();
    let viewers = [holder(account("south")), holder(AccountId::of(&node("south").public_key()))];
    let before = Fixture::of(&chain);
    for viewer in viewers {
        let ask = asking(&before.reader, viewer);
        assert!(ask.sees_everything(), "{viewer:?} validates");
        assert!(ask.account(account("bob")).unwrap().is_some());
    }
    let only = Viewer::Holder { account: account("south"), scope: Scope::of(&Category::ALL, true) };
    assert!(!asking(&before.reader, only).sees_everything(), "a token of one account shows that account");

    decided(&mut chain, Decision::ChangeRoles { member: member("south"), roles: Roles::of(&[Role::User]) });
    // The set changes after an epoch in which enough of the next one's nodes were there.
    next_epoch(&mut chain);
    next_epoch(&mut chain);
    let after = Fixture::of(&chain);
    assert_eq!(after.ask().council(chain.state.genesis()).unwrap().validators.validators.len(), 2);
    for viewer in viewers {
        let ask = asking(&after.reader, viewer);
        assert!(!ask.sees_everything(), "{viewer:?} validates no more");
        assert_eq!(ask.account(account("bob")).unwrap(), None);
        assert!(!ask.sees_agreement(subscription()).unwrap());
        assert_eq!(ask.meter(meter("bob")).unwrap(), None);
    }
    assert!(asking(&after.reader, holder(account("east"))).sees_everything());
}

#[test]
fn whoever_is_no_supervisor_any_more_sees_nothing_by_the_reason_it_once_gave() {
    let mut chain = town();
    let supervisor = |category, subject| Viewer::Supervisor { account: account("inspector"), category, subject };
    let trade = [
        supervisor(Category::Trade, Subject::Everything),
        supervisor(Category::Trade, Subject::Account(account("bob"))),
        supervisor(Category::Trade, Subject::Agreement(subscription())),
    ];
    let meters = supervisor(Category::Meters, Subject::Meter(meter("bob")));
    let before = Fixture::of(&chain);
    for viewer in trade {
        assert!(asking(&before.reader, viewer).sees_agreement(subscription()).unwrap(), "{viewer:?}");
    }
    assert!(asking(&before.reader, meters).meter(meter("bob")).unwrap().is_some());
    let by_another =
        Viewer::Supervisor { account: account("alice"), category: Category::Trade, subject: Subject::Everything };
    assert!(!asking(&before.reader, by_another).sees_agreement(subscription()).unwrap(), "she never was one");

    let (member, roles) = (member("inspector"), Roles::of(&[Role::User]));
    for dismissed in [Decision::ChangeRoles { member, roles }, Decision::RemoveMember { member }] {
        decided(&mut chain, dismissed);
        let after = Fixture::of(&chain);
        for viewer in trade {
            let ask = asking(&after.reader, viewer);
            assert!(!ask.sees_everything() && !ask.sees_agreement(subscription()).unwrap(), "{viewer:?}");
            assert_eq!(all(ask.agreements(&AgreementFilter::default(), whole()).unwrap()), []);
        }
        assert_eq!(asking(&after.reader, meters).meter(meter("bob")).unwrap(), None);
    }
}

#[test]
fn whoever_was_removed_is_no_member_any_more_and_keeps_what_was_its_own() {
    let mut chain = town();
    let ask = |fixture: &Fixture| {
        let ask = asking(&fixture.reader, holder(account("alice")));
        let members = all(ask.members(whole()).unwrap()).len();
        (ask.asking_member().is_some(), members, ask.concerns(Subject::Everything).unwrap())
    };
    decided(&mut chain, Decision::ChangeLimits { member: member("bob"), limits: None });
    let fixture = Fixture::of(&chain);
    assert_eq!(ask(&fixture), (true, 9, true));
    let motions = |fixture: &Fixture| {
        let ask = asking(&fixture.reader, holder(account("alice")));
        all(ask.motions(MotionFilter::default(), whole()).unwrap()).len()
    };
    assert_eq!(motions(&fixture), 1);

    decided(&mut chain, Decision::RemoveMember { member: member("alice") });
    let fixture = Fixture::of(&chain);
    assert_eq!(ask(&fixture), (false, 0, false));
    assert_eq!(motions(&fixture), 0, "what members decide is for members");
    let own = asking(&fixture.reader, holder(account("alice")));
    assert!(own.account(account("alice")).unwrap().is_some(), "its balance can still be read, and proven");
}

#[test]
fn what_else_a_meter_serves_is_proven_to_its_holder_and_its_operator_only() {
    let chain = town();
    let fixture = Fixture::of(&chain);
    // All records of a meter begin alike; among them stands which agreements it serves.
    let key = Key::of(21, &encode(&meter("bob")));
    let sees = |viewer| asking(&fixture.reader, viewer).sees_key(key).unwrap();
    for (who, may) in
        [("bob", true), ("gateway", true), ("north", true), ("station", false), ("alice", false), ("inspector", false)]
    {
        assert_eq!(sees(holder(account(who))), may, "{who}");
    }
    {
        let station = asking(&fixture.reader, holder(account("station")));
        assert!(station.meter(meter("bob")).unwrap().is_some(), "it sees the meter, since that serves its contract");
        assert!(station.sees_key(Key::of(9, &encode(&subscription()))).unwrap(), "and its contract's own record");
    }
    let meters = Viewer::Holder { account: account("bob"), scope: Scope::of(&[Category::Meters], false) };
    assert!(!sees(meters), "contracts are another category than meters");
    let looked = |category, subject| Viewer::Supervisor { account: account("inspector"), category, subject };
    assert!(!sees(looked(Category::Meters, Subject::Meter(meter("bob")))));
}
