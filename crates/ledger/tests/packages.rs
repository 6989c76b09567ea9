//! Energy Packages through the ledger: publishing, closing, subscribing, paying ahead, ending, and debts. What a subscription
//! comes to is its program's, and tested there.

mod world;

use utilidor_ledger::CONSENT_MS;
use utilidor_ledger::record::{DebtRecord, MemberRecord};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::*;
use utilidor_types::genesis::Limits;
use utilidor_types::package::*;
use utilidor_types::refusal::Limited;
use utilidor_types::statement::Closing;
use utilidor_types::*;
use world::*;

const ELECTRICITY: Carrier = Carrier::Electricity;
const HEATING: Carrier = Carrier::Heating;
const METER: &str = "alice/electricity";

#[test]
fn refuses_packages_in_this_order() {
    let mut world = World::new();
    let publish = |world: &World, version| Action::PublishPackage(world.package(version));
    assert_eq!(world.refused("alice", publish(&world, 1)).code(), "member/missing-role");
    assert_eq!(world.refused("station", publish(&world, 2)).code(), "package/version-order");
    let mut empty = world.package(1);
    empty.options = Bounded::empty();
    assert_eq!(world.refused("station", Action::PublishPackage(empty)).code(), "package/no-options");
    world.done("station", publish(&world, 1));
    assert_eq!(world.done("station", publish(&world, 1)), [], "a retry gives the first result");
    let mut changed = world.package(1);
    changed.terms.offset_minutes = 0;
    assert_eq!(world.refused("station", Action::PublishPackage(changed)).code(), "package/version-order");
    world.done("station", publish(&world, 2));
    world.done("roof", publish(&world, 1));
}

#[test]
fn a_member_publishes_no_more_versions_than_its_limit() {
    let mut world = World::with_limits(Limits { packages: 1, ..Limits::DEFAULT });
    world.done("station", Action::PublishPackage(world.package(1)));
    let limit = Refusal::LimitReached { what: Limited::Packages, max: 1 };
    assert_eq!(world.refused("station", Action::PublishPackage(world.package(2))), limit);
}

#[test]
fn an_owner_closes_a_version_to_new_subscriptions_and_those_that_run_keep_it() {
    let mut world = World::new();
    let close = |version| Action::ClosePackage { package: package_id("p"), version };
    assert_eq!(world.refused("station", close(1)).code(), "package/unknown");
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    assert_eq!(world.refused("station", close(2)).code(), "package/unknown");
    assert_eq!(world.refused("roof", close(1)).code(), "package/not-owner");
    world.done("station", close(1));
    world.done("station", close(1));
    let service = world.service("bob", ELECTRICITY, 0);
    let subscribe = world.subscription(vec![service]);
    assert_eq!(world.refused("bob", subscribe).code(), "package/closed");
    let again = world.subscription(vec![world.service("alice", ELECTRICITY, 0)]);
    assert_eq!(world.done("alice", again), [], "what runs is kept, and a retry gives the first result");
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(10))));
}

#[test]
fn refuses_subscriptions_in_this_order() {
    let mut world = World::new();
    let good = world.service("alice", ELECTRICITY, 0);
    let subscription = |world: &World, service: &Service| world.subscription(vec![service.clone()]);
    assert_eq!(world.refused("station", subscription(&world, &good)).code(), "member/missing-role");
    assert_eq!(world.refused("alice", subscription(&world, &good)).code(), "package/unknown");
    world.done("station", Action::PublishPackage(world.package(1)));
    let none = world.subscription(vec![]);
    assert_eq!(world.refused("alice", none).code(), "subscription/no-services");
    let twice = world.subscription(vec![good.clone(), good.clone()]);
    assert_eq!(world.refused("alice", twice).code(), "terms/duplicate-carrier");
    let cases = [
        ("package/no-such-option", Service { option: 1, ..good.clone() }),
        ("subscription/needs-meter", Service { meter: None, ..good.clone() }),
        ("meter/unknown", Service { meter: Some(meter_id("x")), ..good.clone() }),
        ("meter/carrier", Service { meter: Some(meter_id("alice/heating")), ..good.clone() }),
        ("meter/holder", Service { meter: Some(meter_id("bob/electricity")), ..good.clone() }),
        ("subscription/needs-area", Service { floor_area: Area(0), ..world.service("alice", HEATING, 1) }),
    ];
    for (code, service) in cases {
        assert_eq!(world.refused("alice", subscription(&world, &service)).code(), code);
    }
    world.done("alice", subscription(&world, &good));
    assert_eq!(world.done("alice", subscription(&world, &good)), [], "a retry gives the first result");
    let other = Service { low_balance: Quantity(1), ..good.clone() };
    assert_eq!(world.refused("alice", subscription(&world, &other)), Refusal::IdTaken);
    let Action::Subscribe { terms, .. } = subscription(&world, &good) else { unreachable!() };
    let again = Action::Subscribe { label: label("t"), terms };
    assert_eq!(world.refused("alice", again).code(), "meter/subscribed");
}

#[test]
fn a_member_has_no_more_subscriptions_than_its_limit_until_one_has_ended() {
    let mut world = World::with_limits(Limits { subscriptions: 1, ..Limits::DEFAULT });
    let heating = |world: &World| vec![Service { meter: None, ..world.service("alice", HEATING, 1) }];
    world.subscribe(heating(&world));
    let second = Action::Subscribe { label: label("t"), terms: world.subscription_terms(heating(&world)) };
    let limit = Refusal::LimitReached { what: Limited::Subscriptions, max: 1 };
    assert_eq!(world.refused("alice", second.clone()), limit);
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    assert_eq!(world.refused("alice", second.clone()), limit, "its final statement follows");
    world.pass_to(at(1, 1, 6));
    assert_eq!(world.agreement(subscription_id()).status, Status::Terminated);
    assert_eq!(world.state.read::<MemberRecord>(&member("alice")).unwrap().kept.subscriptions, 0);
    world.done("alice", second);
}

#[test]
fn refuses_prepayments_in_this_order() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let amount = |units| Prepayment::Amount(Money::units(units));
    let prepay = |world: &World, payment| world.prepay(ELECTRICITY, payment);
    let unknown = Action::Prepay { subscription: agreement_id("x"), carrier: ELECTRICITY, payment: amount(1) };
    assert_eq!(world.refused("alice", unknown).code(), "agreement/unknown");
    assert_eq!(world.refused("bob", prepay(&world, amount(1))).code(), "agreement/not-party");
    assert_eq!(world.refused("station", prepay(&world, amount(1))).code(), "agreement/not-party");
    let gas = world.prepay(Carrier::Gas, amount(1));
    assert_eq!(world.refused("alice", gas).code(), "subscription/no-such-service");
    let period = Prepayment::Period { period: Period::Month, at_most: Money::units(1) };
    assert_eq!(world.refused("alice", prepay(&world, period)).code(), "prepayment/kind");
    assert_eq!(world.refused("alice", prepay(&world, amount(0))).code(), "money/zero-amount");
    assert_eq!(world.refused("alice", prepay(&world, amount(1_000_001))).code(), "money/insufficient-funds");
    world.done("alice", prepay(&world, amount(1)));
    world.trade("bob");
    let purchase = Action::Prepay { subscription: agreement_id("bob"), carrier: ELECTRICITY, payment: amount(1) };
    assert_eq!(world.refused("bob", purchase), Refusal::WrongProgram);
}

/// Reads alice's meter at noon and at one o'clock of a day: `kwh` flow in that hour.
fn flows(world: &mut World, month: u8, day: u8, so_far: u64, kwh: u64) {
    world.now = at(month, day, 13);
    let readings = [(at(month, day, 12), so_far * KWH), (at(month, day, 13), (so_far + kwh) * KWH)];
    world.done("gateway", world.readings(METER, &readings));
}

#[test]
fn top_ups_that_are_used_up_hold_no_places() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    for number in 0..20 {
        let day = 2 + number as u8;
        world.now = at(1, day, 11);
        world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(8))));
        flows(&mut world, 1, day, 10 * number, 10);
    }
    world.now = at(2, 1, 5);
    world.done("gateway", world.readings(METER, &[(at(2, 1, 0), 200 * KWH)]));
    let receipts = world.pass_to(at(2, 1, 6));
    let statement = statement(receipts[0].events());
    assert_eq!((statement.paid, statement.unpaid), (Money::units(160), Money::ZERO));
    assert_eq!(world.balance("alice"), (Money::units(999_840), Money::ZERO));
}

/// A subscription of alice's that owes 150 kWh since 10 January, which are 120 at list price.
fn owing(world: &mut World) {
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    flows(world, 1, 10, 0, 150);
    world.now = at(1, 20, 0);
}

/// The statement that ends alice's subscription, made six hours after `ends`.
fn ended(world: &mut World, ends: Timestamp) -> Statement {
    world.now = ends;
    world.done("gateway", world.readings(METER, &[(ends, 150 * KWH)]));
    let receipts = world.pass_to(Timestamp(ends.0 + statement::STATEMENT_GRACE_MS));
    statement(receipts[0].events()).clone()
}

#[test]
fn an_owner_ends_a_silent_users_subscription_with_notice_and_is_paid_out_of_the_allowance() {
    let mut world = World::new();
    owing(&mut world);
    let terminate = Action::Terminate { agreement: subscription_id() };
    let ends = at(1, 27, 0);
    let events = world.done("station", terminate.clone());
    assert!(events.contains(&Event::Ending { agreement: subscription_id(), at: ends }), "{events:?}");
    assert_eq!(world.refused("station", terminate), Refusal::AlreadyEnding { at: ends });
    let statement = ended(&mut world, ends);
    assert_eq!((statement.closing, statement.paid, statement.unpaid), (Closing::End, Money::units(120), Money::ZERO));
    assert_eq!(world.agreement(subscription_id()).status, Status::Terminated);
    assert_eq!(world.balance("station").0, Money::units(1_000_120));
}

#[test]
fn what_a_silent_user_cannot_pay_is_a_debt_that_it_can_pay_later() {
    let mut world = World::new();
    owing(&mut world);
    let all = world.balance("alice").0;
    world.transfer("alice", "bob", all);
    world.done("station", Action::Terminate { agreement: subscription_id() });
    let statement = ended(&mut world, at(1, 27, 0));
    let owed = Money::units(120);
    assert_eq!((statement.paid, statement.unpaid, statement.debt), (Money::ZERO, owed, owed));
    assert_eq!(world.agreement(subscription_id()).status, Status::Defaulted);
    let debt: DebtRecord = world.state.read(&(account("station"), member("alice"))).unwrap();
    assert_eq!(debt.owed, owed);
    world.transfer("bob", "alice", owed);
    world.done("alice", Action::PayDebt { agreement: subscription_id(), amount: owed });
    assert_eq!(world.balance("station").0, Money::units(1_000_120));
    assert!(world.state.read::<DebtRecord>(&(account("station"), member("alice"))).is_none());
}

#[test]
fn an_owner_can_take_its_notice_back_before_it_has_an_effect() {
    let mut world = World::new();
    owing(&mut world);
    let withdraw = Action::WithdrawTermination { agreement: subscription_id() };
    assert_eq!(world.refused("station", withdraw.clone()).code(), "agreement/not-ending");
    world.done("station", Action::Terminate { agreement: subscription_id() });
    assert_eq!(world.refused("alice", withdraw.clone()).code(), "agreement/not-ending", "it was not her wish");
    world.done("station", withdraw);
    world.pass_to(at(1, 27, 6));
    assert_eq!(world.agreement(subscription_id()).status, Status::Active);
    let events = world.done("alice", Action::Terminate { agreement: subscription_id() });
    assert!(events.contains(&Event::Ending { agreement: subscription_id(), at: world.now }));
    let withdraw = Action::WithdrawTermination { agreement: subscription_id() };
    assert_eq!(world.refused("alice", withdraw).code(), "agreement/not-ending", "a user's word has its effect at once");
}

#[test]
fn a_debt_shows_on_every_statement_until_a_prepayment_or_its_user_pays_it() {
    let mut world = World::new();
    owing(&mut world);
    let all = world.balance("alice").0;
    world.transfer("alice", "bob", all);
    for (month, day) in [(2, 1), (3, 1)] {
        world.now = at(month, day, 5);
        world.done("gateway", world.readings(METER, &[(at(month, day, 0), 150 * KWH)]));
        let receipts = world.pass_to(at(month, day, 6));
        let statement = statement(receipts[0].events());
        let unpaid = if month == 2 { Money::units(120) } else { Money::ZERO };
        assert_eq!((statement.unpaid, statement.debt), (unpaid, Money::units(120)), "month {month}");
    }
    world.transfer("bob", "alice", Money::units(200));
    let events = world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(200))));
    let debt = Event::Debt { agreement: subscription_id(), party: Party::USER, owes: Money::ZERO };
    assert!(events.contains(&debt), "{events:?}");
    assert_eq!(world.balance("station").0, Money::units(1_000_120));
    assert_eq!(world.balance("alice"), (Money::ZERO, Money::units(80)));
}

#[test]
fn who_owes_an_owner_something_needs_its_signature_to_subscribe_again() {
    let mut world = World::new();
    owing(&mut world);
    let all = world.balance("alice").0;
    world.transfer("alice", "bob", all);
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    world.pass_to(at(1, 20, 6));
    assert_eq!(world.agreement(subscription_id()).status, Status::Defaulted);

    // Nor does another account of the same member help.
    world.done("alice", Action::OpenAccount { account: world.new_account("new", "alice") });
    for (user, text) in [("alice", "t"), ("new", "t"), ("alice", "u")] {
        let services = vec![Service { meter: None, ..world.service("alice", HEATING, 1) }];
        let terms = world.subscription_terms(services);
        let id = agreement_of(user, text);
        world.done(user, Action::Subscribe { label: label(text), terms: terms.clone() });
        assert_eq!(world.agreement(id).status, Status::Proposed);
        let terms = AgreementTerms::between(account("station"), account(user), Program::Subscription(terms));
        let sign = Action::SignAgreement { agreement: id, terms: terms.digest() };
        assert_eq!(world.refused(user, sign.clone()).code(), "agreement/already-signed");
        match (user, text) {
            ("alice", "t") => {
                world.done("station", sign);
                assert_eq!(world.agreement(id).status, Status::Active);
            }
            ("new", _) => {
                world.done("station", Action::DeclineAgreement { agreement: id });
                assert!(!world.has_agreement(id));
            }
            _ => {
                world.pass_to(Timestamp(world.now.0 + CONSENT_MS));
                assert!(!world.has_agreement(id));
            }
        }
    }
    assert_eq!(world.state.read::<MemberRecord>(&member("alice")).unwrap().kept.proposals, 0);
    let roofs = Package { label: label("p"), ..world.package(1) };
    world.done("roof", Action::PublishPackage(roofs));
    let services = vec![Service { meter: None, ..world.service("alice", HEATING, 1) }].try_into().unwrap();
    let package = PackageId::of(account("roof"), label("p"));
    let terms = SubscriptionTerms { package, version: 1, services, allowance: Money::ZERO };
    world.done("alice", Action::Subscribe { label: label("v"), terms });
    assert_eq!(world.agreement(agreement_of("alice", "v")).status, Status::Active, "of another owner it can");
}

#[test]
fn a_tariff_changes_for_a_subscription_only_when_both_agree() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let mut dearer = world.package(2);
    let Tariff::Metered(tariff) = &mut dearer.options.as_mut_slice()[0].tariff else { unreachable!() };
    tariff.price = Price::micro_per_kwh(900_000);
    world.done("station", Action::PublishPackage(dearer));
    world.now = at(1, 15, 0);
    let agreement = subscription_id();
    let present = world.subscription_terms(vec![world.service("alice", ELECTRICITY, 0)]);
    let program = Program::Subscription(SubscriptionTerms { version: 2, ..present });
    let terms = AgreementTerms::between(account("station"), account("alice"), program.clone());
    let from = at(1, 20, 0);
    world.done("station", Action::ProposeAmendment { agreement, program, from });
    let events = world.done("alice", Action::SignAmendment { agreement, terms: terms.amendment_digest(from) });
    assert!(events.contains(&Event::AgreementAmended { agreement, terms: terms.digest() }));
    // 100 kWh before the 20th at 0.80, 100 kWh after it at 0.90.
    flows(&mut world, 1, 19, 0, 100);
    flows(&mut world, 1, 21, 100, 100);
    world.now = at(2, 1, 5);
    world.done("gateway", world.readings(METER, &[(at(2, 1, 0), 200 * KWH)]));
    let receipts = world.pass_to(at(2, 1, 6));
    assert_eq!(statement(receipts[0].events()).paid, Money::units(170));

    let others = Program::Subscription(SubscriptionTerms {
        package: PackageId::of(account("roof"), label("p")),
        ..world.subscription_terms(vec![world.service("alice", ELECTRICITY, 0)])
    });
    world.done("roof", Action::PublishPackage(world.package(1)));
    let terms = AgreementTerms { program: others.clone(), ..terms };
    let from = world.now;
    world.done("alice", Action::ProposeAmendment { agreement, program: others, from });
    let sign = Action::SignAmendment { agreement, terms: terms.amendment_digest(from) };
    assert_eq!(world.refused("station", sign).code(), "package/not-owner");
}

#[test]
fn months_that_pass_at_once_each_get_their_statement() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let mut periods = Vec::new();
    world.now = at(4, 15, 0);
    for _ in 0..4 {
        let receipts = world.pass_to(Timestamp(world.now.0 + 1_000));
        periods.extend(receipts.iter().map(|receipt| statement(receipt.events()).period));
    }
    let month = |month| Window { from: at(month, 1, 0), to: at(month + 1, 1, 0) };
    assert_eq!(periods, [month(1), month(2), month(3)]);
}

#[test]
fn a_purchase_is_filled_before_the_package() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.trade("alice");
    flows(&mut world, 1, 10, 0, 1_500);
    world.now = at(1, 11, 0);
    world.done("gateway", world.readings(METER, &[(at(1, 11, 0), 1_500 * KWH)]));
    world.pass_to(at(1, 11, 1));
    assert_eq!(world.balance("alice").0, Money::units(1_000_000 - 600), "the purchase");
    world.now = at(2, 1, 5);
    world.done("gateway", world.readings(METER, &[(at(2, 1, 0), 1_500 * KWH)]));
    let receipts = world.pass_to(at(2, 1, 6));
    assert_eq!(statement(receipts[0].events()).paid, Money::units(400), "500 kWh are left for the package");
}

/// Alice comes and goes within a day, and bob has taken her meter over; 1,000 m2 cost 43,000 in 121 days.
#[test]
fn a_day_on_which_a_meter_is_handed_over_is_paid_once() {
    for (area, is_once) in [(1_000, true), (999, false)] {
        let mut world = World::new();
        let heating = |square_metres| Service {
            meter: None,
            floor_area: Area::square_metres(square_metres).unwrap(),
            ..Service { carrier: HEATING, option: 1, ..world.service("alice", ELECTRICITY, 0) }
        };
        let service = world.service("alice", ELECTRICITY, 0);
        let (hers, his) = (vec![service.clone(), heating(1_000)], vec![service, heating(area)]);
        world.subscribe(hers);
        world.pass_to(at(1, 1, 8));
        world.done("alice", Action::Terminate { agreement: subscription_id() });
        world.pass_to(at(1, 1, 9));
        world.done("operator", Action::BindMeter { meter: meter_id(METER), holder: account("bob") });
        let his = world.subscription(his);
        world.done("bob", his);
        let events: Vec<Event> =
            world.pass_to(at(1, 1, 14)).iter().flat_map(|receipt| receipt.events().to_vec()).collect();
        let passed_on = Event::DayPassedOn { subscription: subscription_id(), to: agreement_of("bob", "s") };
        assert_eq!(events.contains(&passed_on), is_once);
        let paid = statement(&events).paid;
        assert_eq!(paid, if is_once { Money::ZERO } else { "355.371901".parse().unwrap() });
        world.pass_to(at(2, 1, 6));
        let agreement = agreement_of("bob", "s");
        assert_eq!(world.agreement(agreement).statements, 1, "his month has its days");
    }
}

/// Alice has come and gone by 8:00; bob takes her meter over at 9:00 and signs other terms for later.
#[test]
fn a_day_is_passed_on_by_the_terms_in_force_on_it() {
    let area = |square_metres| Area::square_metres(square_metres).unwrap();
    for (from_m2, to_m2, alice_pays) in [(1_000, 10, 0), (10, 1_000, 355_371_901)] {
        let mut world = World::new();
        let electricity = world.service("alice", Carrier::Electricity, 0);
        let services = |square_metres| {
            let heating = Service { carrier: Carrier::Heating, option: 1, meter: None, ..electricity.clone() };
            vec![electricity.clone(), Service { floor_area: area(square_metres), ..heating }]
        };
        world.subscribe(services(1_000));
        world.pass_to(at(1, 1, 8));
        world.done("alice", Action::Terminate { agreement: subscription_id() });
        world.pass_to(at(1, 1, 9));
        world.done("operator", Action::BindMeter { meter: meter_id("alice/electricity"), holder: account("bob") });
        let his = world.subscription(services(from_m2));
        world.done("bob", his);
        let agreement = agreement_of("bob", "s");
        world.amend(agreement, "bob", Program::Subscription(world.subscription_terms(services(to_m2))), at(2, 1, 0));
        world.pass_to(at(1, 1, 14));
        assert_eq!(Money::units(1_000_000).0 - world.balance("alice").0.0, alice_pays, "{from_m2}, later {to_m2}");
    }
}

/// A minimum of 10,000 a month, and a floor area of 1,000 m2 that costs more.
#[test]
fn a_floor_area_counts_for_the_minimum_of_its_days_whatever_the_hour_at_which_they_begin() {
    for (begins, amended) in [(0, None), (8, None), (0, Some(0)), (0, Some(12))] {
        let mut world = World::new();
        for version in [1, 2] {
            let mut package = world.package(version);
            let rule = ChargeRule::Minimum { per_month: Money::units(10_000) };
            let charge = Charge { name: Text::new("minimum").unwrap(), rule, vat_permille: 0 };
            package.terms.charges = vec![charge].try_into().unwrap();
            world.done("station", Action::PublishPackage(package));
        }
        world.pass_to(at(1, 1, begins));
        let electricity = world.service("alice", Carrier::Electricity, 0);
        let floor_area = Area::square_metres(1_000).unwrap();
        let heating = Service { carrier: Carrier::Heating, option: 1, meter: None, floor_area, ..electricity };
        let subscribe = world.subscription(vec![heating.clone()]);
        world.done("alice", subscribe);
        if let Some(hour) = amended {
            let terms = SubscriptionTerms { version: 2, ..world.subscription_terms(vec![heating]) };
            world.amend(subscription_id(), "alice", Program::Subscription(terms), at(1, 10, hour));
        }
        let receipts = world.pass_to(at(2, 1, 7));
        let events: Vec<Event> = receipts.iter().flat_map(|receipt| receipt.events().to_vec()).collect();
        let january = statement(&events);
        // 31 of the season's 121 days at 43: 11,016.53.
        assert_eq!(january.paid.0 / 10_000, 1_101_652, "{begins}:00, amended at {amended:?}: {january:?}");
    }
}
