//! What hostile members have tried. Each test stands for its kind. Blocks that cost too much, chains and backlogs are in
//! `strain.rs`; which meter reports first is in `trade.rs`.

mod world;

use utilidor_types::action::{NewAccount, Prepayment};
use utilidor_types::agreement::*;
use utilidor_types::event::BondMovement;
use utilidor_types::genesis::Limits;
use utilidor_types::package::*;
use utilidor_types::*;
use world::*;

const ELECTRICITY: Carrier = Carrier::Electricity;
const HEATING: Carrier = Carrier::Heating;
const METER: &str = "alice/electricity";
const LAST: Timestamp = Timestamp::LARGEST;
const ALL: Quantity = Quantity(u64::MAX);
const ALL_MONEY: Money = Money(u64::MAX);

/// A purchase agreed without an offer.
fn bilateral(world: &World) -> AgreementTerms {
    let program = Program::Purchase(world.offer("o").purchase_terms(&world.content("alice", 100, 700_000)));
    AgreementTerms::between(account("station"), account("alice"), program)
}

#[test]
fn no_number_of_a_package_stops_the_ledger() {
    let check = |code: &str, change: &dyn Fn(&mut Package)| {
        let mut world = World::new();
        let mut package = world.package(1);
        change(&mut package);
        assert_eq!(world.refused("station", Action::PublishPackage(package)).code(), code);
    };
    for offset in [i16::MIN, -841, 841, i16::MAX] {
        check("package/bad-offset", &|package| package.terms.offset_minutes = offset);
    }
    fn metered(package: &mut Package) -> &mut MeteredTariff {
        let Tariff::Metered(tariff) = &mut package.options.as_mut_slice()[0].tariff else { unreachable!() };
        tariff
    }
    check("package/version-order", &|package| package.version = u32::MAX);
    check("package/version-order", &|package| package.version = 0);
    check("terms/price-too-high", &|package| metered(package).price.money = ALL_MONEY);
    check("terms/price-too-high", &|package| metered(package).levy = ALL_MONEY);
    check("terms/rate-too-high", &|package| package.options.as_mut_slice()[0].vat_permille = u16::MAX);
    check("package/bad-time-of-use", &|package| metered(package).time_of_use.factors_permille[4] = u16::MAX);
}

#[test]
fn no_number_of_a_trade_stops_the_ledger() {
    let mut world = World::new();
    let offers: [&dyn Fn(&mut Offer); 10] = [
        &|offer| offer.window = Window { from: LAST, to: LAST },
        &|offer| offer.window.to = LAST,
        &|offer| offer.window = Window { from: Timestamp(0), to: Timestamp(time::HOUR_MS) },
        &|offer| offer.gate_closes = LAST,
        &|offer| offer.lapses = LAST,
        &|offer| offer.terms.grace_ms = u32::MAX,
        &|offer| offer.terms.signing_ms = u32::MAX,
        &|offer| offer.terms.bond = ALL_MONEY,
        &|offer| offer.lots.as_mut_slice()[0].quantity = ALL,
        &|offer| offer.lots.as_mut_slice()[0].asking_price.money = ALL_MONEY,
    ];
    for (number, change) in offers.into_iter().enumerate() {
        let mut offer = world.offer(&number.to_string());
        change(&mut offer);
        world.try_do("station", Action::publish_offer(offer));
    }
    world.done("station", Action::publish_offer(world.offer("o")));
    for (bidder, kwh, price) in [("alice", u64::MAX / KWH, u64::MAX), ("bob", 0, 0), ("carol", 1_000, u64::MAX)] {
        let content = world.content(bidder, kwh, price);
        world.done(bidder, world.quote("o", bidder, &content, true));
    }
    world.now = at(1, 5, 0);
    for (bidder, kwh, price) in [("alice", u64::MAX / KWH, u64::MAX), ("bob", 0, 0), ("carol", 1_000, u64::MAX)] {
        let content = world.content(bidder, kwh, price);
        world.award_refused("station", world.award("o", bidder, &content));
    }
    for at in [Timestamp(0), Timestamp(time::MAX_TIMESTAMP.0 + 1), LAST] {
        let terms =
            AgreementTerms { hard_end: Some(HardEnd { at, fallback: Fallback::GiveBack }), ..bilateral(&world) };
        let propose = Action::ProposeAgreement { label: label("a"), terms, signing_ms: u32::MAX };
        assert_eq!(world.refused("station", propose).code(), "terms/bad-hard-end");
    }
    let shares = vec![u16::MAX; MAX_PARTIES].try_into().unwrap();
    let end = HardEnd { at: at(6, 1, 0), fallback: Fallback::Split(shares) };
    let terms = AgreementTerms { hard_end: Some(end), ..bilateral(&world) };
    let propose = Action::ProposeAgreement { label: label("a"), terms, signing_ms: u32::MAX };
    assert_eq!(world.refused("station", propose).code(), "terms/bad-hard-end");
    for parties in [0, 1, 3, MAX_PARTIES] {
        let parties = (0..parties).map(|number| account(&number.to_string())).collect::<Vec<_>>();
        let parties = [vec![account("station")], parties[..parties.len().saturating_sub(1)].to_vec()].concat();
        let terms = AgreementTerms { parties: parties.try_into().unwrap(), ..bilateral(&world) };
        if terms.parties.len() == 2 {
            continue;
        }
        let propose = Action::ProposeAgreement { label: label("a"), terms, signing_ms: 0 };
        assert_eq!(world.refused("station", propose).code(), "terms/bad-parties");
    }
}

#[test]
fn no_number_of_a_subscription_stops_the_ledger() {
    let mut world = World::new();
    let service = Service { low_balance: ALL, floor_area: Area(u32::MAX), ..world.service("alice", ELECTRICITY, 0) };
    let heating = Service { meter: None, floor_area: Area(u32::MAX), ..world.service("alice", HEATING, 1) };
    world.done("station", Action::PublishPackage(world.package(1)));
    let services = vec![service.clone(), heating];
    let terms = SubscriptionTerms { allowance: ALL_MONEY, ..world.subscription_terms(services) };
    world.done("alice", Action::Subscribe { label: label("s"), terms });
    let option = Service { option: u8::MAX, ..service };
    let other = Action::Subscribe { label: label("t"), terms: world.subscription_terms(vec![option]) };
    assert_eq!(world.refused("alice", other).code(), "package/no-such-option");
    for (carrier, payment) in [
        (ELECTRICITY, Prepayment::Amount(ALL_MONEY)),
        (ELECTRICITY, Prepayment::AmountForPeriod { amount: ALL_MONEY, period: Period::Year }),
        (HEATING, Prepayment::Period { period: Period::Year, at_most: ALL_MONEY }),
    ] {
        let subscription = subscription_id();
        world.refused("alice", Action::Prepay { subscription, carrier, payment });
    }
    let pay = Action::PayDebt { agreement: subscription_id(), amount: ALL_MONEY };
    assert_eq!(world.refused("alice", pay).code(), "debt/above");
    let program = Program::Subscription(world.subscription_terms(vec![world.service("alice", ELECTRICITY, 0)]));
    let agreement = subscription_id();
    for from in [LAST, Timestamp(time::MAX_TIMESTAMP.0 + 1)] {
        let amend = Action::ProposeAmendment { agreement, program: program.clone(), from };
        assert_eq!(world.refused("station", amend).code(), "agreement/bad-amendment-time");
    }
    // A month's area of a million hectares is more than anyone has: the rest is a debt.
    for month in 2..5 {
        world.pass_to(at(month, 1, 6));
    }
    assert!(world.agreement(agreement).debt > Money::ZERO);
    assert_eq!(world.agreement(agreement).status, Status::Active);
}

#[test]
fn what_nobody_signed_leaves_nothing_behind() {
    let mut world = World::with_limits(Limits { proposals: 64, ..Limits::DEFAULT });
    let before = world.state.cells().clone();
    for round in 0..3 {
        let proposals = (0..64).map(|number| {
            let label = label(&format!("{round} {number}"));
            let terms = bilateral(&world);
            (label, Action::ProposeAgreement { label, terms, signing_ms: 60_000 * (number + 1) })
        });
        let proposals: Vec<_> = proposals.collect();
        let labels: Vec<Label> = proposals.iter().map(|(label, _)| *label).collect();
        let transactions = proposals.into_iter().map(|(_, action)| world.sign("station", action)).collect();
        let outcome = world.block(transactions);
        assert!(outcome.receipts.iter().all(|receipt| receipt.refusal().is_none()));
        let more = Action::ProposeAgreement { label: label("more"), terms: bilateral(&world), signing_ms: 1 };
        assert_eq!(world.refused("station", more).code(), "member/limit-reached");
        for label in labels.iter().step_by(2) {
            let agreement = AgreementId::of(account("station"), *label);
            world.done("alice", Action::DeclineAgreement { agreement });
        }
        world.pass_to(Timestamp(world.now.0 + 65 * 60_000));
        world.pass_to(Timestamp(world.now.0 + 1_000));
    }
    let keys = |cells: &std::collections::BTreeMap<Key, Cell>| cells.keys().copied().collect::<Vec<_>>();
    assert_eq!(keys(world.state.cells()), keys(&before), "not a cell more than before");
}

#[test]
fn a_silent_user_cannot_keep_a_meter_its_operator_ends_it_with_notice() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 10, 0);
    let terminate = Action::Terminate { agreement: subscription_id() };
    assert_eq!(world.refused("gateway", terminate.clone()).code(), "agreement/not-party", "another operator");
    assert_eq!(world.refused("bob", terminate.clone()).code(), "agreement/not-party");
    world.done("operator", terminate);
    let (meter, holder) = (meter_id(METER), account("bob"));
    assert_eq!(world.refused("operator", Action::BindMeter { meter, holder }).code(), "meter/in-use");
    world.now = at(1, 17, 0);
    world.done("operator", Action::BindMeter { meter, holder });
    let service = Service { meter: Some(meter), ..world.service("bob", ELECTRICITY, 0) };
    let terms = world.subscription_terms(vec![service]);
    world.done("bob", Action::Subscribe { label: label("s"), terms });
    // No reading has come since the beginning: half of it is alice's by its share of time, half bob's.
    world.now = at(2, 2, 0);
    world.done("gateway", world.readings(METER, &[(at(2, 2, 0), 32_000 * KWH)]));
    world.pass_to(at(2, 2, 6));
    let (alice, bob) = (world.agreement(subscription_id()), world.agreement(agreement_of("bob", "s")));
    assert_eq!((alice.status, bob.status), (Status::Terminated, Status::Active));
    assert!(alice.statements >= 2, "a final statement, and a supplement for what came late");
}

#[test]
fn ending_just_before_the_reading_saves_nobody_the_bill() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 10, 12);
    world.done("gateway", world.readings(METER, &[(at(1, 10, 11), 0)]));
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    world.now = Timestamp(at(1, 10, 12).0 + 600_000);
    world.done("gateway", world.readings(METER, &[(at(1, 10, 12), 100 * KWH)]));
    let receipts = world.pass_to(at(1, 10, 18));
    assert_eq!(statement(receipts[0].events()).paid, Money::units(80));
    assert_eq!(world.agreement(subscription_id()).status, Status::Terminated);
}

#[test]
fn paying_for_a_year_buys_none_of_what_is_past() {
    let mut world = World::new();
    world.subscribe(vec![Service { meter: None, ..world.service("alice", HEATING, 1) }]);
    world.now = at(3, 10, 0);
    let payment = Prepayment::Period { period: Period::Year, at_most: Money::units(1_000_000) };
    let events = world.done("alice", world.prepay(HEATING, payment));
    let period = events.iter().find_map(|event| match event {
        Event::Prepaid { period, .. } => *period,
        _ => None,
    });
    assert_eq!(period.unwrap().from, at(3, 10, 0));
}

#[test]
fn nobody_can_take_anothers_id() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let content = world.content("alice", 1_000, 600_000);
    world.done("alice", world.quote("o", "alice", &content, true));
    world.now = at(1, 5, 0);
    // Alice has seen the label of the award to come.
    world
        .done("alice", Action::ProposeAgreement { label: label("alice"), terms: bilateral(&world), signing_ms: 1_000 });
    world.done("station", world.award("o", "alice", &content));
    assert_eq!(world.status("alice"), Status::Active);
}

#[test]
fn an_account_needs_the_signature_of_its_own_key() {
    let mut world = World::new();
    let chain = world.state.genesis().chain();
    let mut stolen = NewAccount::sign(chain, member("bob"), &key("bob's"));
    stolen.key = key("new").public_key();
    let transaction = world.sign("bob", Action::OpenAccount { account: stolen });
    let mut rng: rand::rngs::StdRng = rand::SeedableRng::seed_from_u64(1);
    let verdict = transaction::verify_batch(chain, vec![transaction], &mut rng, &commonware_parallel::Sequential);
    assert!(matches!(verdict[0], Err(transaction::VerifyError::BadAccountSignature { .. })));
}

#[test]
fn a_binding_quote_that_cannot_be_funded_costs_its_bidder_the_bond_and_no_other_award_falls() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let (alice, bob) = (world.content("alice", 500, 600_000), world.content("bob", 500, 600_000));
    world.done("alice", world.quote("o", "alice", &alice, true));
    world.done("bob", world.quote("o", "bob", &bob, true));
    let all = world.balance("alice").0;
    world.transfer("alice", "carol", all);
    world.now = at(1, 5, 0);
    let awards = vec![world.awarded("o", "alice", "alice", &alice), world.awarded("o", "bob", "bob", &bob)];
    let events = world.done("station", Action::Award { awards: awards.try_into().unwrap() });
    let (offer, bidder, amount) = (offer_id("o"), account("alice"), Money::units(10));
    let forfeited = Event::Bond { offer, bidder, movement: BondMovement::Forfeited, amount };
    assert_eq!(events[0], forfeited);
    assert!(matches!(
        &events[1],
        Event::AwardRefused { bidder: of, refusal: Refusal::InsufficientFunds { .. }, .. } if *of == bidder
    ));
    assert_eq!(world.status("bob"), Status::Active);
    assert_eq!(world.balance("alice"), (Money::ZERO, Money::ZERO));
    let again = world.award_refused("station", world.award("o", "alice", &alice));
    assert_eq!(again.code(), "quote/awarded", "nobody pays twice for one quote");
}

#[test]
fn an_award_that_fails_for_another_reason_costs_nobody_anything() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let content = world.content("alice", 1_000, 600_000);
    world.done("alice", world.quote("o", "alice", &content, true));
    world.done("operator", Action::RetireMeter { meter: meter_id(METER) });
    let station = world.balance("station").0;
    world.transfer("station", "carol", station);
    world.now = at(1, 5, 0);
    let refused = world.award_refused("station", world.award("o", "alice", &content));
    assert_eq!(refused.code(), "meter/retired");
    assert_eq!(world.balance("alice"), (Money::units(999_990), Money::units(10)));
    world.pass_to(at(1, 10, 0));
    assert_eq!(world.balance("alice"), (Money::units(1_000_000), Money::ZERO));
}

#[test]
fn who_is_no_owner_any_more_sells_nothing() {
    let mut world = World::new();
    world.done("station", Action::PublishPackage(world.package(1)));
    world.done("roof", Action::publish_offer(world.offer("o")));
    let terms = AgreementTerms::between(account("roof"), account("alice"), bilateral(&world).program);
    world.done("roof", Action::ProposeAgreement { label: label("a"), terms: terms.clone(), signing_ms: 1_000 });
    let user = Roles::of(&[Role::User]);
    world.done("station", Action::decide(Decision::ChangeRoles { member: member("roof"), roles: user }));
    let sign = Action::SignAgreement { agreement: agreement_of("roof", "a"), terms: terms.digest() };
    assert_eq!(world.refused("alice", sign), Refusal::MissingRole { role: Role::Owner });
    let validator = Roles::of(&[Role::Validator]);
    world.done("station", Action::decide(Decision::ChangeRoles { member: member("station"), roles: validator }));
    let subscription = world.subscription(vec![world.service("alice", ELECTRICITY, 0)]);
    assert_eq!(world.refused("alice", subscription), Refusal::MissingRole { role: Role::Owner });
}

#[test]
fn nobody_sells_by_anothers_package() {
    let mut world = World::new();
    world.done("station", Action::PublishPackage(world.package(1)));
    let program = Program::Subscription(world.subscription_terms(vec![world.service("alice", ELECTRICITY, 0)]));
    let terms = AgreementTerms::between(account("roof"), account("alice"), program);
    world.done("roof", Action::ProposeAgreement { label: label("a"), terms: terms.clone(), signing_ms: 1_000 });
    let sign = Action::SignAgreement { agreement: agreement_of("roof", "a"), terms: terms.digest() };
    assert_eq!(world.refused("alice", sign), Refusal::NotPackageOwner { package: package_id("p") });
}
