//! The council: motions and votes, who belongs, and who the validators of an epoch are.

mod world;

use utilidor_ledger::Outcome;
use utilidor_ledger::record::{CouncilRecord, EpochRecord, MemberRecord, MeterRecord, MotionRecord, PresenceRecord};
use utilidor_types::action::NewAccount;
use utilidor_types::council::{DEFAULT_OPEN_MS, MAX_OPEN_MS, MotionEnd, Threshold};
use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
use utilidor_types::meter::MeterAuthority;
use utilidor_types::refusal::Limited;
use utilidor_types::validator::ENDLESS_EPOCH;
use utilidor_types::*;
use world::*;

const ORGANISATIONS: [&str; 4] = ["north", "east", "south", "west"];
/// Blocks of an epoch.
const EPOCH: u64 = 10;

fn node_key(organisation: &str) -> PublicKey {
    key(&format!("{organisation}'s node")).public_key()
}

fn address(organisation: &str) -> Option<NodeAddress> {
    format!("{organisation}.example:4700").parse().ok()
}

fn validator(organisation: &str) -> Validator {
    Validator { key: node_key(organisation), member: member(organisation), address: address(organisation) }
}

/// A consortium of four organisations, each with a node, and a fifth member.
fn consortium(epoch_length: u64) -> World {
    use Role::*;
    let seats = ORGANISATIONS.map(|label| (label, &[Validator][..]));
    let others = [("operator", &[MeterOperator][..]), ("second operator", &[MeterOperator]), ("alice", &[User])];
    let first = |(label, roles): (&str, &[Role])| GenesisMember { account: account(label), roles: Roles::of(roles) };
    let genesis = Genesis {
        kind: ChainKind::Development,
        time: at(1, 1, 0),
        validators: ORGANISATIONS.map(validator).to_vec().try_into().unwrap(),
        epoch_length,
        threshold: Threshold::TWO_THIRDS,
        members: seats.into_iter().chain(others).map(first).collect::<Vec<_>>().try_into().unwrap(),
        limits: Limits { motions: 2, ..Limits::DEFAULT },
    };
    assert_eq!(genesis.check(), Ok(()));
    let mut world = World::bare(genesis);
    world.block(vec![]);
    world
}

fn roles(label: &str, roles: &[Role]) -> Decision {
    Decision::ChangeRoles { member: member(label), roles: Roles::of(roles) }
}

fn motion(decision: &Decision, by: &str) -> (MotionId, Digest) {
    let motion = Motion::of(decision.clone());
    (MotionId::of(account(by), motion.label), motion.digest())
}

fn vote(decision: &Decision, by: &str, in_favour: bool) -> Action {
    let (motion, digest) = motion(decision, by);
    Action::VoteOnMotion { motion, digest, in_favour }
}

fn roles_of(world: &World, label: &str) -> Roles {
    world.state.read::<MemberRecord>(&member(label)).unwrap().roles
}

/// North moves for a decision, east and south vote for it.
fn decided(world: &mut World, decision: Decision) -> Vec<Event> {
    world.done("north", Action::decide(decision.clone()));
    world.done("east", vote(&decision, "north", true));
    world.done("south", vote(&decision, "north", true))
}

#[test]
fn no_validator_alone_makes_itself_issuer() {
    let mut world = consortium(ENDLESS_EPOCH);
    let decision = roles("west", &[Role::Validator, Role::Issuer]);
    let (id, digest) = motion(&decision, "west");
    let issue = || Action::Issue { to: account("west"), amount: Money(1), reference: Text::default() };

    let closes = Timestamp(world.now.0 + DEFAULT_OPEN_MS);
    let voted = |label, in_favour| Event::Voted { motion: id, member: member(label), in_favour };
    let opened = world.done("west", Action::decide(decision.clone()));
    assert_eq!(opened, [Event::MotionOpened { motion: id, digest, closes }, voted("west", true)]);
    assert_eq!(world.done("west", Action::decide(decision.clone())), [], "said twice is said once");
    assert_eq!(world.done("west", vote(&decision, "west", true)), [voted("west", true)], "one member, one vote");
    assert_eq!(world.refused("west", issue()).code(), "member/missing-role");

    world.done("east", vote(&decision, "west", true));
    assert_eq!(world.refused("west", issue()).code(), "member/missing-role", "two of four are not two thirds");
    let carried = world.done("south", vote(&decision, "west", true));
    assert_eq!(carried, [voted("south", true), Event::Decided { motion: id, decision: decision.clone() }]);
    world.done("west", issue());
    assert_eq!(world.refused("north", vote(&decision, "west", false)), Refusal::UnknownMotion { motion: id });
}

#[test]
fn refuses_a_motion_in_this_order() {
    let mut world = consortium(ENDLESS_EPOCH);
    let bad = roles("nobody here", &[Role::User]);
    let action =
        |open_ms, decision: &Decision| Action::ProposeMotion(Motion { open_ms, ..Motion::of(decision.clone()) });
    assert_eq!(world.refused("alice", action(0, &bad)), Refusal::MissingRole { role: Role::Validator });
    for open_ms in [0, MAX_OPEN_MS + 1, u64::MAX] {
        assert_eq!(
            world.refused("north", action(open_ms, &bad)),
            Refusal::BadMotionTime { open_ms, max_ms: MAX_OPEN_MS }
        );
    }
    let good = roles("alice", &[Role::User, Role::Owner]);
    world.done("north", action(1_000, &good));
    let label = Motion::of(good).label;
    let other = Action::ProposeMotion(Motion { label, ..Motion::of(bad.clone()) });
    assert_eq!(world.refused("north", other), Refusal::IdTaken);
    assert_eq!(world.refused("north", Action::decide(bad)).code(), "member/unknown", "it could not be carried out");
    world.done("north", Action::decide(roles("alice", &[])));
    let third = world.refused("north", Action::decide(roles("alice", &[Role::Owner])));
    assert_eq!(third, Refusal::LimitReached { what: Limited::Motions, max: 2 });
    world.done("east", Action::decide(roles("alice", &[Role::Owner])));
}

#[test]
fn refuses_a_vote_in_this_order() {
    let mut world = consortium(ENDLESS_EPOCH);
    let decision = roles("alice", &[Role::Owner]);
    let (id, digest) = motion(&decision, "north");
    assert_eq!(world.refused("alice", vote(&decision, "north", true)).code(), "member/missing-role");
    assert_eq!(world.refused("east", vote(&decision, "north", true)), Refusal::UnknownMotion { motion: id });
    world.done("north", Action::decide(decision));
    let other = Action::VoteOnMotion { motion: id, digest: Digest::default(), in_favour: true };
    assert_eq!(world.refused("east", other), Refusal::MotionDiffers { motion: id, digest });
}

#[test]
fn a_motion_is_rejected_when_its_threshold_is_out_of_reach_and_a_vote_can_be_changed_until_then() {
    let mut world = consortium(ENDLESS_EPOCH);
    let decision = roles("alice", &[Role::Owner]);
    let (id, _) = motion(&decision, "north");
    world.done("north", Action::decide(decision.clone()));
    world.done("east", vote(&decision, "north", false));
    world.done("east", vote(&decision, "north", true));
    world.done("south", vote(&decision, "north", false));
    let events = world.done("east", vote(&decision, "north", false));
    assert_eq!(events.last(), Some(&Event::MotionEnded { motion: id, end: MotionEnd::Rejected }));
    assert_eq!(world.state.read::<MotionRecord>(&id), None);
    assert_eq!(roles_of(&world, "alice"), Roles::of(&[Role::User]));
    assert_eq!(world.state.read::<MemberRecord>(&member("north")).unwrap().kept.motions, 0);
}

#[test]
fn a_motion_lapses_when_its_time_is_up_and_the_same_can_be_moved_again() {
    let mut world = consortium(ENDLESS_EPOCH);
    let decision = roles("alice", &[Role::Owner]);
    let (id, _) = motion(&decision, "north");
    world.done("north", Action::decide(decision.clone()));
    world.now = Timestamp(world.now.0 + DEFAULT_OPEN_MS);
    let outcome = world.block(vec![]);
    assert_eq!(outcome.receipts[0].cause, Cause::Due { item: DueItem::Motion(id), at: world.now });
    assert_eq!(outcome.receipts[0].events(), [Event::MotionEnded { motion: id, end: MotionEnd::Lapsed }]);
    assert_eq!(world.refused("east", vote(&decision, "north", true)).code(), "motion/unknown");
    assert_eq!(world.state.read::<MemberRecord>(&member("north")).unwrap().kept.motions, 0);
    assert!(decided(&mut world, decision).iter().any(|event| matches!(event, Event::Decided { .. })));
}

#[test]
fn only_votes_of_those_who_have_a_seat_count() {
    let mut world = consortium(ENDLESS_EPOCH);
    let decision = roles("alice", &[Role::Owner]);
    world.done("north", Action::decide(decision.clone()));
    world.done("west", vote(&decision, "north", true));
    for label in ["west", "north"] {
        let leave = roles(label, &[Role::User]);
        world.done("east", Action::decide(leave.clone()));
        world.done("south", vote(&leave, "east", true));
        // Two of three are enough for the second.
        if roles_of(&world, label).has(Role::Validator) {
            world.done("north", vote(&leave, "east", true));
        }
    }
    world.done("east", vote(&decision, "north", true));
    assert_eq!(roles_of(&world, "alice"), Roles::of(&[Role::User]), "east is one of the two that are left");
    world.done("south", vote(&decision, "north", true));
    assert_eq!(roles_of(&world, "alice"), Roles::of(&[Role::Owner]));
}

#[test]
fn what_a_rule_forbids_by_the_time_it_is_carried_has_no_effect_and_says_so() {
    let mut world = consortium(ENDLESS_EPOCH);
    let admit = |roles: &[Role]| Decision::AdmitMember {
        account: NewAccount::first(consortium(ENDLESS_EPOCH).state.genesis().chain(), &key("new")),
        roles: Roles::of(roles),
    };
    let (one, other) = (admit(&[Role::User]), admit(&[Role::Owner]));
    world.done("west", Action::decide(other.clone()));
    decided(&mut world, one);
    world.done("east", vote(&other, "west", true));
    let events = world.done("south", vote(&other, "west", true));
    let (id, _) = motion(&other, "west");
    assert_eq!(events.last(), Some(&Event::MotionEnded { motion: id, end: MotionEnd::Failed(Refusal::IdTaken) }));
    assert_eq!(roles_of(&world, "new"), Roles::of(&[Role::User]));
}

#[test]
fn a_removed_member_keeps_its_money_and_nothing_else_and_can_be_admitted_again() {
    let mut world = consortium(EPOCH);
    decided(&mut world, roles("east", &[Role::Validator, Role::Issuer]));
    world.done("east", Action::Issue { to: account("west"), amount: Money(5), reference: Text::default() });
    decided(&mut world, Decision::RemoveMember { member: member("west") });
    let council = world.state.read::<CouncilRecord>(&()).unwrap();
    assert_eq!(council.seats.len(), 3);
    assert!(council.appointed.iter().all(|appointed| appointed.validator.member != member("west")));
    assert_eq!(world.refused("west", Action::decide(roles("west", &[Role::Validator]))).code(), "member/missing-role");
    let open = Action::OpenAccount { account: world.new_account("new", "west") };
    assert_eq!(world.refused("west", open), Refusal::MemberRemoved { member: member("west") });
    world.transfer("west", "alice", Money(2));
    let again = Decision::RemoveMember { member: member("west") };
    assert_eq!(world.refused("north", Action::decide(again)), Refusal::MemberRemoved { member: member("west") });

    let account = NewAccount::first(world.state.genesis().chain(), &key("west"));
    let admit = Decision::AdmitMember { account, roles: Roles::of(&[Role::User]) };
    world.done("north", Action::decide(admit.clone()));
    world.done("east", vote(&admit, "north", true));
    assert_eq!(roles_of(&world, "west"), Roles::of(&[Role::User]));
    assert_eq!(world.balance("west").0, Money(3));
}

#[test]
fn the_council_is_never_empty_and_has_no_more_members_than_seats() {
    let mut world = World::new();
    let leave = Action::decide(roles("station", &[Role::Owner]));
    assert_eq!(world.refused("station", leave), Refusal::CouncilEmpty);
    let removed = Action::decide(Decision::RemoveMember { member: member("station") });
    assert_eq!(world.refused("station", removed), Refusal::CouncilEmpty);
}

#[test]
fn quotas_are_granted_to_one_member_by_the_council() {
    let mut world = consortium(ENDLESS_EPOCH);
    let limits = Limits { accounts: 1, ..Limits::DEFAULT };
    decided(&mut world, Decision::ChangeLimits { member: member("alice"), limits: Some(limits) });
    let open = Action::OpenAccount { account: world.new_account("new", "alice") };
    assert_eq!(world.refused("alice", open).code(), "member/limit-reached");
    decided(&mut world, Decision::ChangeLimits { member: member("alice"), limits: None });
    let open = Action::OpenAccount { account: world.new_account("new", "alice") };
    world.done("alice", open);
}

#[test]
fn the_members_hand_the_meters_of_an_operator_that_is_gone_to_another() {
    let mut world = consortium(ENDLESS_EPOCH);
    let meters: Vec<Meter> = (0..3)
        .map(|number| Meter { label: label(&format!("meter {number}")), ..world.meter("alice", Carrier::Electricity) })
        .collect();
    let ids: Vec<MeterId> = meters.iter().map(|meter| meter.id(account("operator"))).collect();
    for meter in meters {
        world.done("operator", Action::RegisterMeter(meter));
    }
    world.done("operator", Action::RetireMeter { meter: ids[2] });
    let take = |ids: &[MeterId]| Action::TakeOverMeters { meters: ids.to_vec().try_into().unwrap() };
    let (successor, kept) = ("second operator", |world: &World, label: &str| {
        world.state.read::<MemberRecord>(&member(label)).unwrap().kept.meters
    });

    let hand = |to: &str| Decision::HandOverMeters { from: account("operator"), to: account(to) };
    assert_eq!(world.refused("north", Action::decide(hand("operator"))), Refusal::SameOperator);
    assert_eq!(world.refused("north", Action::decide(hand("alice"))).code(), "member/missing-role");
    assert_eq!(world.refused("alice", take(&ids)).code(), "member/missing-role");
    assert_eq!(world.refused(successor, take(&[])), Refusal::NothingAsked);
    assert_eq!(world.refused(successor, take(&[MeterId([1; 16])])).code(), "meter/unknown");
    assert_eq!(world.refused(successor, take(&ids)), Refusal::NotHandedOver { meter: ids[0] });
    decided(&mut world, hand(successor));
    world.done(successor, take(&ids));
    world.done(successor, take(&ids));

    assert_eq!((kept(&world, "operator"), kept(&world, successor)), (0, 2));
    for id in &ids {
        assert_eq!(world.state.read::<MeterRecord>(id).unwrap().operator, account(successor));
    }
    let authority = MeterAuthority::Gateway(account(successor));
    let rotate = || Action::RotateMeterKey { meter: ids[0], authority };
    assert_eq!(world.refused("operator", rotate()), Refusal::NotMeterOperator { meter: ids[0] });
    world.done(successor, rotate());
}

// ---- validators -------------------------------------------------------------------------------------------

/// Builds blocks up to the last one of the present epoch, proposed in turn by `there`, and gives what that one did.
fn to_end_of_epoch(world: &mut World, there: &[&str]) -> Outcome {
    for organisation in there.iter().cycle() {
        world.state.set_proposer(node_key(organisation));
        let outcome = world.block(vec![]);
        if let Some(set) = &outcome.next_validators {
            assert!(world.state.genesis().epochs().is_last(world.state.height()));
            assert_eq!(*set, world.state.read::<CouncilRecord>(&()).unwrap().set);
            return outcome;
        }
    }
    unreachable!("every epoch ends")
}

fn members_of(outcome: &Outcome) -> Vec<MemberId> {
    outcome.next_validators.as_ref().unwrap().validators.iter().map(|validator| validator.member).collect()
}

/// The word of a node that it is ready in the present epoch, whose first block has been built.
fn ready(world: &World, node: &str) -> Action {
    let genesis = world.state.genesis();
    let record = world.state.read::<EpochRecord>(&()).unwrap();
    assert_eq!(record.epoch, genesis.epochs().of(world.state.height()));
    Action::ProveReady(Readiness::sign(genesis.chain(), record.epoch, record.after, &key(node)))
}

/// The organisation `new` is admitted and its node appointed.
fn with_newcomer() -> World {
    let mut world = consortium(EPOCH);
    let account = NewAccount::first(world.state.genesis().chain(), &key("new"));
    decided(&mut world, Decision::AdmitMember { account, roles: Roles::of(&[Role::Validator]) });
    let (member, key, address) = (member("new"), node_key("new"), address("new"));
    let appoint = Decision::AppointValidator { member, key, address };
    world.done("north", Action::decide(appoint.clone()));
    for label in ["east", "south", "west"] {
        world.done(label, vote(&appoint, "north", true));
    }
    to_end_of_epoch(&mut world, &ORGANISATIONS);
    world
}

#[test]
fn an_appointed_validator_counts_from_the_epoch_after_the_one_in_which_its_node_was_ready() {
    let mut world = with_newcomer();
    let unchanged = to_end_of_epoch(&mut world, &ORGANISATIONS);
    assert!(!members_of(&unchanged).contains(&member("new")), "its node has not shown that it is ready");
    assert_eq!((unchanged.next_validators.unwrap().version, unchanged.receipts), (0, vec![]));

    world.block(vec![]);
    let word = ready(&world, "new's node");
    world.done("new", word);
    let changed = to_end_of_epoch(&mut world, &ORGANISATIONS);
    let set = changed.next_validators.clone().unwrap();
    assert_eq!((members_of(&changed).len(), set.version), (5, 1));
    let epoch = world.state.genesis().epochs().of(world.state.height());
    assert_eq!(changed.receipts[0].cause, Cause::Due { item: DueItem::Epoch(epoch), at: world.now });
    assert_eq!(changed.receipts[0].events(), [Event::ValidatorsChanged { epoch: epoch + 1, set }]);
    let next = to_end_of_epoch(&mut world, &["north", "east", "south", "west", "new"]);
    assert_eq!((next.next_validators.unwrap().version, next.receipts), (1, vec![]), "from then on it is there");
}

#[test]
fn refuses_a_node_s_word_in_this_order() {
    let mut fixed = consortium(ENDLESS_EPOCH);
    let chain = fixed.state.genesis().chain();
    let word = Action::ProveReady(Readiness::sign(chain, 0, Digest::default(), &key("north's node")));
    assert_eq!(fixed.refused("north", word), Refusal::ValidatorsFixed);

    let mut world = with_newcomer();
    world.block(vec![]);
    let chain = world.state.genesis().chain();
    let EpochRecord { epoch, after } = world.state.read(&()).unwrap();
    let word = |epoch, after| Action::ProveReady(Readiness::sign(chain, epoch, after, &key("stranger")));
    for (epoch_named, after_named) in [(epoch + 1, after), (epoch, Digest::default())] {
        let refused = world.refused("new", word(epoch_named, after_named));
        assert_eq!(refused, Refusal::NotOfThisEpoch { epoch: epoch_named, now: epoch });
    }
    let refused = world.refused("new", word(epoch, after));
    assert_eq!(refused, Refusal::UnknownValidator { key: key("stranger").public_key() });
    let old = ready(&world, "new's node");
    to_end_of_epoch(&mut world, &ORGANISATIONS);
    world.block(vec![]);
    assert_eq!(world.refused("new", old).code(), "validator/not-of-this-epoch", "a word counts for one epoch");
}

#[test]
fn a_new_key_takes_its_member_s_place_only_when_its_node_is_ready() {
    let mut world = consortium(EPOCH);
    let (member, new) = (member("west"), key("west's second node").public_key());
    decided(&mut world, Decision::AppointValidator { member, key: new, address: address("west2") });
    let keys = |outcome: &Outcome| outcome.next_validators.as_ref().unwrap().keys().copied().collect::<Vec<_>>();
    let kept = to_end_of_epoch(&mut world, &ORGANISATIONS);
    assert!(keys(&kept).contains(&node_key("west")) && !keys(&kept).contains(&new));
    world.block(vec![]);
    let word = ready(&world, "west's second node");
    world.done("alice", word);
    let rotated = to_end_of_epoch(&mut world, &ORGANISATIONS);
    assert!(keys(&rotated).contains(&new) && !keys(&rotated).contains(&node_key("west")));
    assert_eq!(keys(&rotated).len(), 4);
}

#[test]
fn another_address_counts_from_the_next_epoch() {
    let mut world = consortium(EPOCH);
    let moved = Decision::AppointValidator { member: member("west"), key: node_key("west"), address: address("moved") };
    decided(&mut world, moved);
    let outcome = to_end_of_epoch(&mut world, &["north"]);
    let set = outcome.next_validators.unwrap();
    let west = set.validators.iter().find(|validator| validator.member == member("west")).unwrap();
    assert_eq!((west.address.clone(), set.version), (address("moved"), 1));
}

#[test]
fn a_set_of_which_no_quorum_is_known_to_be_there_is_not_taken_on() {
    let mut world = consortium(EPOCH);
    let dismiss = Decision::DismissValidator { member: member("north") };
    decided(&mut world, dismiss);
    // Of east, south and west, who would all be needed, west is away.
    let kept = to_end_of_epoch(&mut world, &["north", "east", "south"]);
    let epoch = world.state.genesis().epochs().of(world.state.height());
    assert_eq!(kept.receipts[0].events(), [Event::ValidatorsKept { epoch: epoch + 1, live: 2, needed: 3 }]);
    assert!(members_of(&kept).contains(&member("north")));
    let changed = to_end_of_epoch(&mut world, &ORGANISATIONS);
    assert!(!members_of(&changed).contains(&member("north")), "tried again when west is back");
}

#[test]
fn the_validators_are_never_nobody() {
    let mut world = with_newcomer();
    for organisation in ORGANISATIONS {
        let dismiss = Decision::DismissValidator { member: member(organisation) };
        world.done("north", Action::decide(dismiss.clone()));
        for label in ["east", "south", "west"] {
            world.done(label, vote(&dismiss, "north", true));
        }
    }
    // Who is left of those appointed has not shown that its node is ready.
    let kept = to_end_of_epoch(&mut world, &ORGANISATIONS);
    let epoch = world.state.genesis().epochs().of(world.state.height());
    assert_eq!(kept.receipts[0].events(), [Event::ValidatorsKept { epoch: epoch + 1, live: 0, needed: 1 }]);
    assert_eq!((members_of(&kept).len(), kept.next_validators.unwrap().version), (4, 0));

    world.block(vec![]);
    let word = ready(&world, "new's node");
    world.done("new", word);
    assert_eq!(members_of(&to_end_of_epoch(&mut world, &ORGANISATIONS)), [member("new")]);
}

#[test]
fn who_is_away_can_be_dismissed() {
    let mut world = consortium(EPOCH);
    decided(&mut world, Decision::RemoveMember { member: member("west") });
    let changed = to_end_of_epoch(&mut world, &["north", "east", "south"]);
    assert_eq!(members_of(&changed).len(), 3);
}

#[test]
fn of_a_key_that_has_left_nothing_is_kept() {
    let mut world = consortium(EPOCH);
    to_end_of_epoch(&mut world, &ORGANISATIONS);
    let kept = |world: &World, of: &str| world.state.read::<PresenceRecord>(&node_key(of)).is_some();
    assert!(ORGANISATIONS.iter().all(|of| kept(&world, of)));

    decided(&mut world, Decision::DismissValidator { member: member("west") });
    // It proposes the last block as well, in which its leaving is decided.
    let changed = to_end_of_epoch(&mut world, &["north", "south", "west", "east"]);
    assert_eq!(members_of(&changed).len(), 3);
    assert_eq!(ORGANISATIONS.map(|of| kept(&world, of)), [true, true, true, false]);
}

#[test]
fn there_are_no_more_validators_than_can_show_in_an_epoch_that_they_are_there() {
    const SHORT: u64 = 8;
    let seats: Vec<String> = (0..7).map(|number| format!("seat-{number}")).collect();
    let genesis = |validators: usize| Genesis {
        epoch_length: SHORT,
        validators: seats[..validators].iter().map(|of| validator(of)).collect::<Vec<_>>().try_into().unwrap(),
        members: seats
            .iter()
            .map(|label| GenesisMember { account: account(label), roles: Roles::of(&[Role::Validator]) })
            .collect::<Vec<_>>()
            .try_into()
            .unwrap(),
        ..consortium(EPOCH).state.genesis().clone()
    };
    let many = utilidor_types::genesis::GenesisRefused::ManyForEpoch { length: SHORT, validators: 7, most: 6 };
    assert_eq!((genesis(6).check(), genesis(7).check()), (Ok(()), Err(many)));

    let mut world = World::bare(genesis(6));
    world.block(vec![]);
    let (member, key) = (member(&seats[6]), node_key(&seats[6]));
    let appoint = Decision::AppointValidator { member, key, address: address("seventh") };
    assert_eq!(world.refused(&seats[0], Action::decide(appoint)), Refusal::ManyForEpoch { most: 6 });

    // All six are there, and an epoch is long enough to know it: a change is taken on.
    let swap = Decision::DismissValidator { member: utilidor_types::MemberId::of(account(&seats[5])) };
    world.done(&seats[0], Action::decide(swap.clone()));
    for voter in &seats[1..5] {
        world.done(voter, vote(&swap, &seats[0], true));
    }
    let there: Vec<&str> = seats[..6].iter().map(String::as_str).collect();
    assert_eq!(members_of(&to_end_of_epoch(&mut world, &there)).len(), 5);
}

#[test]
fn refuses_validators_in_this_order() {
    let appoint = |of: &str, key: PublicKey, address: Option<NodeAddress>| {
        Action::decide(Decision::AppointValidator { member: member(of), key, address })
    };
    let mut fixed = consortium(ENDLESS_EPOCH);
    let p256 = PublicKey::P256([2; 33]);
    assert_eq!(fixed.refused("north", appoint("alice", p256, None)), Refusal::ValidatorsFixed);

    let mut world = consortium(EPOCH);
    let no_seat = Refusal::NotInCouncil { member: member("alice") };
    assert_eq!(world.refused("north", appoint("alice", p256, None)), no_seat);
    assert_eq!(world.refused("north", appoint("west", p256, None)), Refusal::ValidatorKeyKind);
    let taken = node_key("east");
    assert_eq!(world.refused("north", appoint("west", taken, None)), Refusal::ValidatorNeedsAddress);
    let refused = world.refused("north", appoint("west", taken, address("west")));
    assert_eq!(refused, Refusal::ValidatorKeyTaken { key: taken });
    let none = Decision::DismissValidator { member: member("alice") };
    assert_eq!(world.refused("north", Action::decide(none)), Refusal::NoValidator { member: member("alice") });
    for label in ["east", "south", "west"] {
        let dismiss = Decision::DismissValidator { member: member(label) };
        world.done("north", Action::decide(dismiss.clone()));
        for voter in ["east", "south"] {
            world.done(voter, vote(&dismiss, "north", true));
        }
    }
    let last = Decision::DismissValidator { member: member("north") };
    assert_eq!(world.refused("north", Action::decide(last)), Refusal::LastValidator);
}

#[test]
fn a_genesis_document_is_checked_before_a_chain_begins() {
    use utilidor_types::genesis::GenesisRefused as Refused;
    let good = || consortium(EPOCH).state.genesis().clone();
    let check = |change: &dyn Fn(&mut Genesis)| {
        let mut genesis = good();
        change(&mut genesis);
        genesis.check().unwrap_err()
    };
    let with = |index: usize, change: &dyn Fn(&mut Validator)| {
        check(&|genesis| change(&mut genesis.validators.as_mut_slice()[index]))
    };
    let north = validator("north");
    assert_eq!(check(&|genesis| genesis.validators = Bounded::empty()), Refused::NoValidator);
    assert_eq!(with(1, &|one| one.key = north.key), Refused::KeyTwice(north.key));
    assert_eq!(with(1, &|one| one.key = PublicKey::P256([2; 33])), Refused::KeyKind(PublicKey::P256([2; 33])));
    assert_eq!(with(1, &|one| one.member = north.member), Refused::ValidatorTwice(north.member));
    let (key, alice) = (north.key, member("alice"));
    assert_eq!(with(0, &|one| one.member = alice), Refused::NotInCouncil { key, member: alice });
    assert_eq!(with(0, &|one| one.address = None), Refused::NoAddress(key));
    let unsound = Threshold { votes: 1, of: 2 };
    assert_eq!(check(&|genesis| genesis.threshold = unsound), Refused::Threshold(unsound));
    assert_eq!(check(&|genesis| genesis.epoch_length = 1), Refused::EpochLength { length: 1 });
    let twice = check(&|genesis| {
        let first = genesis.members[0].clone();
        genesis.members.push(first).unwrap();
    });
    assert_eq!(twice, Refused::MemberTwice(account("north")));
}
