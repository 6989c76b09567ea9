//! The council in the read model: motions with everybody's votes, what they changed, and who the validators are.

mod chain;

use chain::*;
use utilidor_ledger::record::{CouncilRecord, EpochRecord, MemberRecord, MeterRecord};
use utilidor_types::council::Threshold;
use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
use utilidor_types::*;
use utilidor_view::*;

const SEATS: [&str; 3] = ["north", "east", "south"];
const EPOCH: u64 = 8;

fn node_key(label: &str) -> PrivateKey {
    key(&format!("{label}'s node"))
}

fn address(label: &str) -> Option<NodeAddress> {
    format!("{label}.example:4700").parse().ok()
}

fn consortium() -> Chain {
    let first = |label: &str, roles: &[Role]| GenesisMember { account: account(label), roles: Roles::of(roles) };
    let mut members: Vec<_> = SEATS.iter().map(|label| first(label, &[Role::Validator])).collect();
    members.extend([first("gateway", &[Role::MeterOperator]), first("operator", &[Role::MeterOperator])]);
    members.push(first("alice", &[Role::User]));
    let validator = |label: &&str| Validator {
        key: node_key(label).public_key(),
        member: MemberId::of(account(label)),
        address: address(label),
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
    chain.block(vec![]);
    chain
}

fn vote(decision: &Decision, in_favour: bool) -> Action {
    let motion = Motion::of(decision.clone());
    Action::VoteOnMotion { motion: MotionId::of(account("north"), motion.label), digest: motion.digest(), in_favour }
}

fn decided(chain: &mut Chain, decision: Decision) {
    chain.done("north", Action::decide(decision.clone()));
    chain.done("east", vote(&decision, true));
}

#[test]
fn a_motion_is_shown_with_every_member_s_vote_and_its_end() {
    let mut chain = consortium();
    let member = MemberId::of(account("alice"));
    let roles = Decision::ChangeRoles { member, roles: Roles::of(&[Role::User, Role::Owner]) };
    let removed = Decision::RemoveMember { member };
    chain.done("north", Action::decide(roles.clone()));
    chain.done("south", vote(&roles, false));
    chain.done("south", vote(&roles, true));
    chain.done("north", Action::decide(removed.clone()));
    chain.done("south", vote(&removed, false));
    chain.done("east", vote(&removed, false));
    chain.done(
        "north",
        Action::decide(Decision::ChangeLimits { member, limits: Some(Limits { offers: 7, ..Limits::DEFAULT }) }),
    );

    let fixture = Fixture::of(&chain);
    let motions = all(fixture.ask().motions(MotionFilter::default(), whole()).unwrap());
    let statuses: Vec<_> = motions.iter().map(|motion| motion.status).collect();
    assert_eq!(statuses, [MotionStatus::Carried, MotionStatus::Rejected, MotionStatus::Open]);
    let votes: Vec<_> = motions[0].votes.iter().map(|vote| (vote.member, vote.in_favour)).collect();
    assert_eq!(
        votes,
        [(MemberId::of(account("north")), true), (MemberId::of(account("south")), true)],
        "the last vote counts"
    );
    assert!(motions[0].votes.iter().all(|vote| vote.cause.transaction.is_some()), "each is somebody's transaction");
    assert_eq!(motions[0].ended.as_ref().unwrap().height, motions[0].votes[1].cause.height);
    assert_eq!((motions[0].digest, &motions[0].decision), (Motion::of(roles.clone()).digest(), &roles));
    assert_eq!(motions[2].ended, None);
    let open = MotionFilter { status: Some(MotionStatus::Open) };
    assert_eq!(all(fixture.ask().motions(open, whole()).unwrap()), motions[2..]);
    assert_eq!(fixture.ask().motion(motions[1].motion).unwrap().as_ref(), Some(&motions[1]));
    let found = fixture.ask().ids_beginning(&motions[1].motion.to_string()[..8]).unwrap();
    assert_eq!(found[0], FoundId { kind: IdKind::Motion, id: motions[1].motion.to_string() });

    let members = all(fixture.ask().members(whole()).unwrap());
    for shown in members {
        let ledger: MemberRecord = chain.state.read(&shown.member).unwrap();
        assert_eq!((shown.roles, shown.removed, shown.limits), (ledger.roles, ledger.removed, ledger.limits));
    }
}

#[test]
fn a_removed_member_and_its_own_limits_are_shown_as_the_ledger_has_them() {
    let mut chain = consortium();
    let member = MemberId::of(account("alice"));
    let limits = Limits { accounts: 3, ..Limits::DEFAULT };
    decided(&mut chain, Decision::ChangeLimits { member, limits: Some(limits) });
    decided(&mut chain, Decision::RemoveMember { member });
    let fixture = Fixture::of(&chain);
    let shown = all(fixture.ask().members(whole()).unwrap()).pop().unwrap();
    assert_eq!(
        (shown.member, shown.removed, shown.limits, shown.roles),
        (member, true, Some(limits), Roles::default())
    );
    let account = utilidor_types::action::NewAccount::first(chain.state.genesis().chain(), &key("alice"));
    decided(&mut chain, Decision::AdmitMember { account, roles: Roles::of(&[Role::User]) });
    let fixture = Fixture::of(&chain);
    let again = all(fixture.ask().members(whole()).unwrap()).pop().unwrap();
    assert_eq!((again.removed, again.roles), (false, Roles::of(&[Role::User])));
}

#[test]
fn meters_that_were_taken_over_are_the_new_operator_s() {
    let mut chain = consortium();
    let document = meter_document("alice");
    let id = document.id(account("gateway"));
    chain.done("gateway", Action::RegisterMeter(document));
    decided(&mut chain, Decision::HandOverMeters { from: account("gateway"), to: account("operator") });
    chain.done("operator", Action::TakeOverMeters { meters: vec![id].try_into().unwrap() });
    let fixture = Fixture::of(&chain);
    let shown = fixture.ask().meter(id).unwrap().unwrap();
    assert_eq!(shown.operator, chain.state.read::<MeterRecord>(&id).unwrap().operator);
    assert_eq!(shown.operator, account("operator"));
}

#[test]
fn the_council_and_the_validators_are_shown_with_the_epoch_in_which_a_node_must_say_that_it_is_ready() {
    let mut chain = consortium();
    let genesis = chain.state.genesis().clone();
    let council = Fixture::of(&chain).ask().council(&genesis).unwrap();
    assert_eq!((council.seats.len(), council.needed), (3, 2));
    assert!(council.appointed.iter().all(|appointed| appointed.in_force && appointed.ready_epoch.is_none()));
    assert_eq!(council.validators, genesis.roster());

    // A node that is to move still takes part where it is.
    let south = MemberId::of(account("south"));
    let moved = node_key("south").public_key();
    decided(&mut chain, Decision::AppointValidator { member: south, key: moved, address: address("moved") });
    let council = Fixture::of(&chain).ask().council(&genesis).unwrap();
    assert!(council.appointed.iter().all(|appointed| appointed.in_force));

    let mut chain = consortium();
    let (member, new) = (MemberId::of(account("south")), key("new"));
    decided(&mut chain, Decision::AppointValidator { member, key: new.public_key(), address: address("south") });
    let council = Fixture::of(&chain).ask().council(&genesis).unwrap();
    let appointed = council.appointed.iter().find(|appointed| appointed.validator.member == member).unwrap();
    assert!(!appointed.in_force);
    let epoch = council.epoch.unwrap();
    let record: EpochRecord = chain.state.read(&()).unwrap();
    assert_eq!(epoch.number, record.epoch);
    // The test's blocks have no digests of their own in the ledger; a node's do, and the two are one.
    let word = Readiness::sign(genesis.chain(), record.epoch, record.after, &new);
    chain.done("alice", Action::ProveReady(word));
    let organisations = SEATS.map(|label| node_key(label).public_key());
    for place in 0.. {
        chain.state.set_proposer(organisations[place % 3]);
        chain.block(vec![]);
        if chain.state.height() == epoch.last {
            break;
        }
    }
    let council = Fixture::of(&chain).ask().council(&genesis).unwrap();
    let ledger: CouncilRecord = chain.state.read(&()).unwrap();
    assert_eq!(council.validators, ledger.set);
    assert_eq!(council.validators.version, 1);
    let appointed = council.appointed.iter().find(|appointed| appointed.validator.member == member).unwrap();
    assert_eq!((appointed.in_force, appointed.ready_epoch), (true, Some(record.epoch)));
}
