//! The trade from offer to payment: what is refused, in which order, and what a settlement comes to.

mod world;

use utilidor_ledger::record::{OfferRecord, QuoteRecord};
use utilidor_types::agreement::*;
use utilidor_types::event::Source;
use utilidor_types::genesis::Limits;
use utilidor_types::refusal::Limited;
use utilidor_types::statement::StatementLine;
use utilidor_types::*;
use world::*;

/// Changes an offer and expects the refusal with this code.
fn check_offer(code: &str, change: impl FnOnce(&mut Offer)) {
    let mut world = World::new();
    let mut offer = world.offer("o");
    change(&mut offer);
    assert_eq!(world.refused("station", Action::publish_offer(offer)).code(), code);
}

#[test]
fn refuses_offers_that_could_not_be_traded_in_this_order() {
    let lot = |offer: &Offer| offer.lots[0].clone();
    check_offer("terms/no-lots", |offer| offer.lots = Bounded::empty());
    check_offer("terms/zero-quantity", |offer| offer.lots.as_mut_slice()[0].quantity = Quantity(0));
    check_offer("terms/duplicate-carrier", |offer| offer.lots.push(lot(offer)).unwrap());
    check_offer("terms/price-unit", |offer| offer.lots.as_mut_slice()[0].asking_price = Price::micro_per_m3(1));
    check_offer("terms/window-not-whole-hours", |offer| offer.window.to = offer.window.from);
    check_offer("terms/window-not-whole-hours", |offer| offer.window.to.0 += 1);
    check_offer("terms/window-too-long", |offer| offer.window.to = at(3, 1, 0));
    check_offer("terms/rate-too-high", |offer| offer.terms.deposit_permille = 1_001);
    check_offer("terms/rate-too-high", |offer| offer.terms.guarantee_permille = 1_001);
    check_offer("terms/rate-too-high", |offer| offer.terms.tolerance_permille = 1_001);
    check_offer("arithmetic/overflow", |offer| {
        let last_hour = time::MAX_TIMESTAMP.0 / time::HOUR_MS * time::HOUR_MS;
        offer.window = Window { from: Timestamp(last_hour - time::HOUR_MS), to: Timestamp(last_hour) };
        offer.terms.grace_ms = u32::MAX;
    });
    check_offer("terms/unmetered", |offer| offer.lots.as_mut_slice()[0].user_metered = false);
    check_offer("offer/gate-in-past", |offer| offer.gate_closes = at(1, 1, 0));
    check_offer("offer/gate-after-delivery", |offer| offer.gate_closes = offer.window.from);
    check_offer("offer/bad-lapse", |offer| offer.lapses = offer.gate_closes);
    check_offer("offer/bad-lapse", |offer| offer.lapses.0 = offer.window.from.0 + 1);

    let mut world = World::new();
    assert_eq!(world.refused("alice", Action::publish_offer(world.offer("o"))).code(), "member/missing-role");
    world.done("station", Action::publish_offer(world.offer("o")));
    assert_eq!(
        world.done("station", Action::publish_offer(world.offer("o"))),
        vec![],
        "a retry gives the first result"
    );
    let other = Offer { notice: Text::new("other").unwrap(), ..world.offer("o") };
    assert_eq!(world.refused("station", Action::publish_offer(other)), Refusal::IdTaken);
    world.done("roof", Action::publish_offer(world.offer("o")));

    let mut world = World::with_limits(Limits { offers: 1, ..Limits::DEFAULT });
    world.done("station", Action::publish_offer(world.offer("o")));
    let limit = Refusal::LimitReached { what: Limited::Offers, max: 1 };
    assert_eq!(world.refused("station", Action::publish_offer(world.offer("p"))), limit);
    world.done("station", Action::WithdrawOffer { offer: offer_id("o") });
    world.done("station", Action::publish_offer(world.offer("p")));
}

#[test]
fn an_offer_is_withdrawn_by_its_owner_while_its_gate_is_open() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let withdraw = || Action::WithdrawOffer { offer: offer_id("o") };
    assert_eq!(world.refused("station", Action::WithdrawOffer { offer: offer_id("x") }).code(), "offer/unknown");
    assert_eq!(world.refused("roof", withdraw()).code(), "offer/not-owner");
    let before = (world.state.clone(), world.now);
    world.now = at(1, 5, 0);
    assert_eq!(world.refused("station", withdraw()).code(), "offer/gate-closed");
    world.now = at(1, 10, 0);
    assert_eq!(world.refused("station", withdraw()).code(), "offer/unknown", "it has lapsed and is gone");
    (world.state, world.now) = before;
}

#[test]
fn an_offer_that_is_withdrawn_releases_all_bonds_and_leaves_nothing_behind() {
    let mut world = World::new();
    let before = world.state.cells().len();
    world.done("station", Action::publish_offer(world.offer("o")));
    for bidder in ["alice", "bob", "carol"] {
        let content = world.content("alice", 10, 1);
        world.done(bidder, world.quote("o", bidder, &content, true));
        assert_eq!(world.balance(bidder), (Money::units(999_990), Money::units(10)));
    }
    let events = world.done("station", Action::WithdrawOffer { offer: offer_id("o") });
    assert_eq!(events.len(), 3, "{events:?}");
    for bidder in ["alice", "bob", "carol"] {
        assert_eq!(world.balance(bidder), (Money::units(1_000_000), Money::ZERO));
    }
    assert_eq!(world.state.cells().len(), before);
    let content = world.content("alice", 10, 1);
    assert_eq!(world.refused("alice", world.quote("o", "alice", &content, true)).code(), "offer/unknown");
}

#[test]
fn quotes_are_taken_until_the_gate_closes_and_never_after() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let content = world.content("alice", 10, 600_000);
    let quote = |world: &World| world.quote("o", "alice", &content, true);
    assert_eq!(world.refused("nobody", quote(&world)).code(), "member/missing-role");
    assert_eq!(world.refused("alice", Action::SubmitQuotes { quotes: Bounded::empty() }), Refusal::NothingAsked);
    assert_eq!(world.refused("alice", world.quote("x", "alice", &content, true)).code(), "offer/unknown");
    let mut long = world.offer("o2");
    long.lots.push(Lot { carrier: Carrier::Heating, ..long.lots[0].clone() }).unwrap();
    world.done("station", Action::publish_offer(long));
    assert_eq!(world.refused("alice", world.quote("o2", "alice", &content, true)).code(), "quote/sealed-size");
    let withdraw = || Action::WithdrawQuote { offer: offer_id("o") };
    assert_eq!(world.refused("alice", withdraw()).code(), "quote/unknown");
    world.done("alice", quote(&world));
    assert_eq!(world.done("alice", quote(&world)), [], "a second one replaces the first, whose bond stays");
    world.done("alice", withdraw());
    assert_eq!(world.balance("alice"), (Money::units(1_000_000), Money::ZERO));
    world.done("alice", quote(&world));
    world.now = at(1, 5, 0);
    assert_eq!(world.refused("alice", quote(&world)).code(), "offer/gate-closed");
    assert_eq!(world.refused("alice", withdraw()).code(), "offer/gate-closed");
}

#[test]
fn a_quote_needs_room_for_it_and_the_money_for_its_bond() {
    let mut world = World::with_limits(Limits { quotes: 1, ..Limits::DEFAULT });
    for offer in ["o", "p"] {
        world.done("station", Action::publish_offer(world.offer(offer)));
    }
    let content = world.content("alice", 10, 600_000);
    world.transfer("alice", "bob", Money::units(999_995));
    let short = world.refused("alice", world.quote("o", "alice", &content, true));
    assert_eq!(short.code(), "money/insufficient-funds");
    world.transfer("bob", "alice", Money::units(500));
    world.done("alice", world.quote("o", "alice", &content, true));
    let limit = Refusal::LimitReached { what: Limited::Quotes, max: 1 };
    assert_eq!(world.refused("alice", world.quote("p", "alice", &content, true)), limit);
    world.done("alice", Action::WithdrawQuote { offer: offer_id("o") });
    world.done("alice", world.quote("p", "alice", &content, true));
}

/// Everybody who is listed as a bidder on offer `o`.
fn bidders(world: &World) -> Vec<AccountId> {
    let count = world.state.read::<OfferRecord>(&offer_id("o")).unwrap().bidders;
    let pages = (0..count.div_ceil(3)).filter_map(|page| world.state.read(&(offer_id("o"), page)));
    let pages: Vec<utilidor_ledger::record::BidderPage> = pages.collect();
    pages.iter().flat_map(|page| page.bidders.to_vec()).collect()
}

#[test]
fn an_offer_lists_its_live_bidders_without_a_gap_whoever_withdraws() {
    let names: Vec<String> = (0..7).map(|number| format!("bidder {number}")).collect();
    for leaves in [vec![0], vec![6], vec![3, 0, 5], vec![6, 5, 4, 3, 2, 1, 0], vec![0, 1, 2, 3, 4, 5, 6]] {
        let mut world = World::new();
        world.done(
            "station",
            Action::publish_offer(Offer {
                terms: utilidor_types::offer::OfferTerms { bond: Money::ZERO, ..world.offer("o").terms },
                ..world.offer("o")
            }),
        );
        for name in &names {
            world.done("alice", Action::OpenAccount { account: world.new_account(name, "alice") });
            let content = world.content("alice", 10, 600_000);
            world.done(name, world.quote("o", name, &content, true));
        }
        let mut left: Vec<AccountId> = names.iter().map(|name| account(name)).collect();
        for number in leaves {
            let name = &names[number];
            world.done(name, Action::WithdrawQuote { offer: offer_id("o") });
            left.retain(|bidder| *bidder != account(name));
            let listed = bidders(&world);
            let has_quote = |bidder: &AccountId| world.state.read::<QuoteRecord>(&(offer_id("o"), *bidder)).is_some();
            assert!(listed.iter().all(has_quote));
            let sorted = |list: &[AccountId]| std::collections::BTreeSet::from_iter(list.iter().copied());
            assert_eq!((listed.len(), sorted(&listed)), (left.len(), sorted(&left)));
        }
    }
}

#[test]
fn an_offer_has_a_bounded_number_of_bidders_and_lapses_with_all_of_them_in_few_passes() {
    let mut world = World::new();
    let mut offer = world.offer("o");
    offer.terms.bond = Money::ZERO;
    world.done("station", Action::publish_offer(offer));
    let names: Vec<String> = (0..=offer::MAX_BIDDERS).map(|number| format!("bidder {number}")).collect();
    let open = names.iter().map(|name| Action::OpenAccount { account: world.new_account(name, "alice") });
    let open: Vec<_> = open.collect();
    let open = open.into_iter().map(|action| world.sign("alice", action)).collect();
    world.block(open);
    let content = world.content("alice", 10, 600_000);
    let quotes = names.iter().map(|name| (name, world.quote("o", name, &content, true)));
    let quotes: Vec<_> = quotes.collect();
    let quotes: Vec<_> = quotes.into_iter().map(|(name, action)| world.sign(name, action)).collect();
    let outcome = world.block(quotes);
    let refusals: Vec<_> = outcome.receipts.iter().filter_map(Receipt::refusal).collect();
    assert_eq!(refusals, [&Refusal::TooManyBidders { max: offer::MAX_BIDDERS as u32 }]);
    assert!(world.state.passes() <= 6, "{} passes", world.state.passes());
    let before = world.state.clone();
    let withdraw = |name: &String| (name.clone(), Action::WithdrawQuote { offer: offer_id("o") });
    let withdrawals: Vec<_> = names[..offer::MAX_BIDDERS].iter().map(withdraw).collect();
    let withdrawals = withdrawals.into_iter().map(|(name, action)| world.sign(&name, action)).collect();
    world.block(withdrawals);
    assert!(world.state.passes() <= 6, "{} passes", world.state.passes());
    assert!(bidders(&world).is_empty());
    world.state = before;
    world.pass_to(at(1, 10, 0));
    assert!(world.state.passes() <= 8, "{} passes", world.state.passes());
    let kept = world.state.read::<utilidor_ledger::record::MemberRecord>(&member("alice")).unwrap().kept;
    assert_eq!(kept.quotes, 0);
}

#[test]
fn a_month_in_which_the_clocks_are_set_back_is_not_too_long() {
    let mut world = World::new();
    let hour = time::HOUR_MS;
    let october = Timestamp(at(10, 1, 0).0);
    let mut offer = world.offer("o");
    offer.window = Window { from: october, to: Timestamp(october.0 + 745 * hour) };
    world.done("station", Action::publish_offer(offer));
    let mut longer = world.offer("p");
    longer.window = Window { from: october, to: Timestamp(october.0 + 746 * hour) };
    let refusal = Refusal::WindowTooLong { hours: 746, max: 745 };
    assert_eq!(world.refused("station", Action::publish_offer(longer)), refusal);
}

#[test]
fn an_owner_cannot_quote_on_its_own_offer() {
    let mut world = World::new();
    let both = Roles::of(&[Role::Owner, Role::User, Role::Validator]);
    world.done("station", Action::decide(Decision::ChangeRoles { member: member("station"), roles: both }));
    world.done("station", Action::publish_offer(world.offer("o")));
    let content = world.content("alice", 10, 600_000);
    assert_eq!(world.refused("station", world.quote("o", "station", &content, true)), Refusal::OwnOffer);
}

#[test]
fn refuses_awards_in_this_order() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let alice = world.content("alice", 700, 600_000);
    let bob = world.content("bob", 400, 600_000);
    world.done("alice", world.quote("o", "alice", &alice, true));
    world.done("bob", world.quote("o", "bob", &bob, false));
    let award = |world: &World, bidder, content| world.award("o", bidder, content);

    assert_eq!(world.refused("alice", award(&world, "alice", &alice)).code(), "member/missing-role");
    assert_eq!(world.refused("station", Action::Award { awards: Bounded::empty() }), Refusal::NothingAsked);
    assert_eq!(world.award_refused("station", world.award("x", "alice", &alice)).code(), "offer/unknown");
    assert_eq!(world.award_refused("roof", award(&world, "alice", &alice)).code(), "offer/not-owner");
    assert_eq!(world.award_refused("station", award(&world, "alice", &alice)).code(), "offer/gate-open");
    world.now = at(1, 5, 0);
    assert_eq!(world.award_refused("station", award(&world, "carol", &alice)).code(), "quote/unknown");
    let cheaper = world.content("alice", 700, 500_000);
    assert_eq!(world.award_refused("station", award(&world, "alice", &cheaper)).code(), "quote/bad-opening");
    world.done("station", award(&world, "alice", &alice));
    assert_eq!(world.award_refused("station", award(&world, "alice", &alice)).code(), "quote/awarded");
    let above = world.award_refused("station", award(&world, "bob", &bob));
    let (wanted, left) = (Quantity(400 * KWH), Quantity(300 * KWH));
    assert_eq!(above, Refusal::AboveLot { carrier: Carrier::Electricity, wanted, left });
    world.now = at(1, 10, 0);
    assert_eq!(world.award_refused("station", award(&world, "bob", &bob)).code(), "offer/unknown", "it has lapsed");
}

#[test]
fn an_award_under_a_label_that_is_taken_is_refused() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let content = world.content("alice", 10, 600_000);
    world.done("alice", world.quote("o", "alice", &content, true));
    let (label, terms) = (label("alice"), bilateral(&world));
    world.done("station", Action::ProposeAgreement { label, terms, signing_ms: u32::MAX });
    world.now = at(1, 5, 0);
    assert_eq!(world.award_refused("station", world.award("o", "alice", &content)), Refusal::IdTaken);
}

#[test]
fn one_signature_covers_offers_and_quotes_all_or_none() {
    let mut world = World::new();
    let offers = |ids: &[&str], world: &World| {
        let offers = ids.iter().map(|id| world.offer(id)).collect::<Vec<_>>();
        Action::PublishOffers { offers: offers.try_into().unwrap() }
    };
    assert_eq!(world.refused("station", offers(&[], &world)), Refusal::NothingAsked);
    let mut late = world.offer("late");
    late.gate_closes = world.now;
    let both = vec![world.offer("o"), late].try_into().unwrap();
    assert_eq!(world.refused("station", Action::PublishOffers { offers: both }).code(), "offer/gate-in-past");
    world.done("station", offers(&["o", "p"], &world));

    let (first, second) = (world.content("alice", 300, 600_000), world.content("alice", 200, 600_000));
    let quotes = |quotes: [Action; 2]| {
        let quotes = quotes.into_iter().flat_map(|action| match action {
            Action::SubmitQuotes { quotes } => quotes.into_vec(),
            _ => unreachable!("these are quotes"),
        });
        Action::SubmitQuotes { quotes: quotes.collect::<Vec<_>>().try_into().unwrap() }
    };
    let unknown = [world.quote("o", "alice", &first, true), world.quote("x", "alice", &first, true)];
    assert_eq!(world.refused("alice", quotes(unknown)).code(), "offer/unknown");
    world.done("alice", quotes([world.quote("o", "alice", &first, true), world.quote("p", "alice", &second, true)]));
}

#[test]
fn each_of_several_awards_stands_or_falls_alone() {
    let mut world = World::new();
    for offer in ["o", "p"] {
        world.done("station", Action::publish_offer(world.offer(offer)));
    }
    let (first, second) = (world.content("alice", 300, 600_000), world.content("alice", 200, 600_000));
    world.done("alice", world.quote("o", "alice", &first, true));
    world.done("alice", world.quote("p", "alice", &second, true));
    world.now = at(1, 5, 0);
    let awards = |world: &World, second| {
        let awards = vec![world.awarded("o", "alice", "1", &first), world.awarded("p", "alice", "2", second)];
        Action::Award { awards: awards.try_into().unwrap() }
    };
    let events = world.done("station", awards(&world, &first));
    assert!(matches!(events.last(), Some(Event::AwardRefused { refusal: Refusal::BadOpening { .. }, .. })));
    assert_eq!(world.status("1"), Status::Active, "the other one stands");
    assert!(!world.has_agreement(agreement_id("2")));
    let events = world.done("station", awards(&world, &second));
    assert!(matches!(events.first(), Some(Event::AwardRefused { refusal: Refusal::QuoteAwarded { .. }, .. })));
    assert_eq!(world.status("2"), Status::Active);
}

#[test]
fn an_opening_must_have_a_line_for_each_lot() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let mut content = world.content("alice", 1, 1);
    content.lines.push(content.lines[0]).unwrap();
    let Action::SubmitQuotes { mut quotes } = world.quote("o", "alice", &content, true) else { unreachable!() };
    quotes.as_mut_slice()[0].sealed = vec![0; quote::sealed_bytes(1)];
    world.done("alice", Action::SubmitQuotes { quotes });
    world.now = at(1, 5, 0);
    assert_eq!(world.award_refused("station", world.award("o", "alice", &content)).code(), "quote/line-count");
}

#[test]
fn an_offer_that_lapses_releases_the_bonds_and_leaves_nothing_behind() {
    let mut world = World::new();
    let before = world.state.cells().len();
    world.done("station", Action::publish_offer(world.offer("o")));
    for bidder in ["alice", "bob"] {
        let content = world.content(bidder, 10, 600_000);
        world.done(bidder, world.quote("o", bidder, &content, true));
    }
    world.now = at(1, 5, 0);
    let refused = world.award_refused("station", world.award("o", "alice", &world.content("bob", 10, 600_000)));
    assert_eq!(refused.code(), "quote/bad-opening");
    let receipts = world.pass_to(at(1, 10, 0));
    assert_eq!(receipts[0].cause, Cause::Due { item: DueItem::Offer(offer_id("o")), at: at(1, 10, 0) });
    assert_eq!(receipts[0].events()[0], Event::OfferLapsed { offer: offer_id("o") });
    for bidder in ["alice", "bob"] {
        assert_eq!(world.balance(bidder), (Money::units(1_000_000), Money::ZERO));
    }
    assert_eq!(world.state.cells().len(), before);
}

#[test]
fn an_award_under_signature_keeps_its_offer_beyond_the_lapse() {
    let mut world = World::new();
    let before = world.state.cells().len();
    world.done("station", Action::publish_offer(Offer { lapses: at(1, 5, 1), ..world.offer("o") }));
    let content = world.content("bob", 1_000, 600_000);
    world.done("bob", world.quote("o", "bob", &content, false));
    world.now = at(1, 5, 0);
    world.done("station", world.award("o", "bob", &content));
    assert_eq!(world.balance("bob"), (Money::units(1_000_000), Money::ZERO), "the bond has done its service");
    world.pass_to(at(1, 5, 1));
    let again = Offer { gate_closes: at(1, 6, 0), ..world.offer("o") };
    assert_eq!(world.refused("station", Action::publish_offer(again)), Refusal::IdTaken);
    assert_eq!(world.award_refused("station", world.award("o", "bob", &content)).code(), "offer/lapsed");
    world.done("bob", Action::DeclineAgreement { agreement: agreement_id("bob") });
    world.pass_to(at(1, 11, 0));
    assert_eq!(world.state.cells().len(), before);
}

#[test]
fn a_binding_award_reserves_deposits_and_guarantee_at_once() {
    let mut world = World::new();
    world.trade("alice");
    // 1,000 kWh at 0.60 are 600; a fifth is the deposit of each side, half the user's guarantee.
    assert_eq!(world.balance("station"), (Money::units(999_880), Money::units(120)));
    assert_eq!(world.balance("alice"), (Money::units(999_580), Money::units(420)));
    assert_eq!(world.status("alice"), Status::Active);
}

#[test]
fn a_full_delivery_is_paid_by_itself_and_everything_else_is_released() {
    let mut world = World::new();
    world.trade("alice");
    world.now = at(1, 11, 0);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 10, 0), 0), (at(1, 11, 0), 1_500 * KWH)]));
    let receipts = world.pass_to(at(1, 11, 1));
    let statement = statement(receipts[0].events());
    assert_eq!(statement.paid, Money::units(600));
    assert_eq!(world.status("alice"), Status::Settled);
    assert_eq!(world.balance("alice"), (Money::units(999_400), Money::ZERO));
    assert_eq!(world.balance("station"), (Money::units(1_000_600), Money::ZERO));
}

#[test]
fn what_the_user_does_not_take_beyond_the_tolerance_forfeits_its_deposit_pro_rata() {
    for (taken, forfeited) in [(950, Money::ZERO), (949, Money(6_120_000)), (0, Money::units(120))] {
        let mut world = World::new();
        world.trade("alice");
        world.now = at(1, 11, 0);
        world.done("gateway", world.readings("alice/electricity", &[(at(1, 10, 0), 0), (at(1, 11, 0), taken * KWH)]));
        world.pass_to(at(1, 11, 1));
        let paid = Money(taken * 600_000);
        assert_eq!(world.balance("station").0, Money(Money::units(1_000_000).0 + paid.0 + forfeited.0), "{taken} kWh");
        assert_eq!(world.balance("alice"), (Money(Money::units(1_000_000).0 - paid.0 - forfeited.0), Money::ZERO));
    }
}

/// A sale of the roof's electricity to alice, with both meters, signed by both.
fn roof_trade(world: &mut World) {
    let mut terms = bilateral(world);
    terms.parties = vec![account("roof"), account("alice")].try_into().unwrap();
    let Program::Purchase(purchase) = &mut terms.program else { unreachable!() };
    let lot = &mut purchase.lots.as_mut_slice()[0];
    (lot.quantity, lot.price) = (Quantity(1_000 * KWH), Price::micro_per_kwh(600_000));
    lot.metering.delivery = Some(meter_id("roof/electricity"));
    world.done("roof", Action::ProposeAgreement { label: label("roof"), terms: terms.clone(), signing_ms: 1_000 });
    let sign = Action::SignAgreement { agreement: agreement_of("roof", "roof"), terms: terms.digest() };
    world.done("alice", sign);
    world.now = at(1, 11, 0);
    for meter in ["roof/electricity", "alice/electricity"] {
        world.done("gateway", world.readings(meter, &[(at(1, 10, 0), 0)]));
    }
}

#[test]
fn whichever_meter_reports_first_the_smaller_of_both_is_delivered_and_the_owner_answers_for_the_rest() {
    for first in ["roof/electricity", "alice/electricity"] {
        let mut world = World::new();
        roof_trade(&mut world);
        let mut meters = [("roof/electricity", 400), ("alice/electricity", 800)];
        meters.sort_by_key(|(meter, _)| *meter != first);
        for (meter, kwh) in meters {
            world.done("gateway", world.readings(meter, &[(at(1, 11, 0), kwh * KWH)]));
        }
        let receipts = world.pass_to(at(1, 11, 1));
        let lines = statement(receipts[0].events()).lines.to_vec();
        let expected = Quantity(400 * KWH);
        assert!(matches!(lines[0], StatementLine::Delivery { delivered, .. } if delivered == expected));
        let owners = (Party::OWNER, Money::units(72));
        assert!(matches!(lines[1], StatementLine::Forfeit { by, amount, .. } if (by, amount) == owners));
        assert_eq!(world.balance("alice").0, Money::units(1_000_000 - 240 + 72));
    }
}

#[test]
fn time_without_readings_counts_by_the_substitute_rule_and_is_flagged() {
    for (substitute, delivered) in [(Substitute::Nothing, 500), (Substitute::ProRata, 1_000)] {
        let mut world = World::new();
        let mut offer = world.offer("o");
        offer.terms.substitute = substitute;
        world.done("station", Action::publish_offer(offer));
        let content = world.content("alice", 1_000, 600_000);
        world.done("alice", world.quote("o", "alice", &content, true));
        world.now = at(1, 5, 0);
        world.done("station", world.award("o", "alice", &content));
        world.now = at(1, 11, 0);
        let half = [(at(1, 10, 0), 0), (at(1, 10, 12), 500 * KWH)];
        world.done("gateway", world.readings("alice/electricity", &half));
        let receipts = world.pass_to(at(1, 11, 1));
        let statement = statement(receipts[0].events());
        assert_eq!(statement.paid, Money(delivered * 600_000));
        assert_eq!(statement.substituted, substitute == Substitute::ProRata);
    }
}

#[test]
fn a_user_that_cannot_pay_loses_its_deposit_and_is_in_default() {
    let mut world = World::new();
    world.trade("alice");
    let all = world.balance("alice").0;
    world.done("alice", Action::Transfer { to: account("bob"), amount: all, reference: Text::default() });
    world.now = at(1, 11, 0);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 10, 0), 0), (at(1, 11, 0), 1_000 * KWH)]));
    let receipts = world.pass_to(at(1, 11, 1));
    let statement = statement(receipts[0].events());
    assert_eq!((statement.paid, statement.unpaid), (Money::units(300), Money::units(300)));
    assert_eq!(statement.debt, Money::units(300));
    assert_eq!(world.status("alice"), Status::Defaulted);
    assert_eq!(world.balance("alice"), (Money::ZERO, Money::ZERO));
    assert_eq!(world.balance("station"), (Money::units(1_000_420), Money::ZERO));
}

#[test]
fn a_debt_can_be_paid_in_parts_and_never_twice() {
    let mut world = World::new();
    world.trade("alice");
    let all = world.balance("alice").0;
    world.transfer("alice", "bob", all);
    world.now = at(1, 11, 0);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 10, 0), 0), (at(1, 11, 0), 1_000 * KWH)]));
    world.pass_to(at(1, 11, 1));
    let agreement = agreement_id("alice");
    let pay = |amount| Action::PayDebt { agreement, amount };
    let unknown = Action::PayDebt { agreement: agreement_id("x"), amount: Money(1) };
    assert_eq!(world.refused("alice", pay(Money::ZERO)), Refusal::ZeroAmount);
    assert_eq!(world.refused("alice", unknown).code(), "agreement/unknown");
    assert_eq!(world.refused("bob", pay(Money(1))).code(), "agreement/not-party");
    assert_eq!(world.refused("station", pay(Money(1))).code(), "debt/above", "the owner owes nothing");
    let (owed, amount) = (Money::units(300), Money::units(301));
    assert_eq!(world.refused("alice", pay(amount)), Refusal::AboveDebt { owed, amount });
    assert_eq!(world.refused("alice", pay(owed)).code(), "money/insufficient-funds");
    world.transfer("bob", "alice", Money::units(300));
    let events = world.done("alice", pay(Money::units(100)));
    let movement = event::Movement::Pay { from: Party::USER, source: Source::Debt, to: Party::OWNER };
    assert_eq!(
        events,
        [
            Event::Moved { agreement, movement, amount: Money::units(100) },
            Event::Debt { agreement, party: Party::USER, owes: Money::units(200) },
        ]
    );
    world.done("alice", pay(Money::units(200)));
    assert_eq!(world.balance("station").0, Money::units(1_000_720));
    assert_eq!(world.refused("alice", pay(Money(1))).code(), "debt/above");
}

/// An award that waits for bob's signature.
fn unsigned_award(world: &mut World) -> Digest {
    world.done("station", Action::publish_offer(world.offer("o")));
    let content = world.content("bob", 1_000, 600_000);
    world.done("bob", world.quote("o", "bob", &content, false));
    world.now = at(1, 5, 0);
    let events = world.done("station", world.award("o", "bob", &content));
    let proposed = events.iter().find_map(|event| match event {
        Event::AgreementProposed { terms, .. } => Some(*terms),
        _ => None,
    });
    proposed.expect("the award proposes an agreement")
}

#[test]
fn refuses_signatures_in_this_order() {
    let mut world = World::new();
    let terms = unsigned_award(&mut world);
    let sign = |terms| Action::SignAgreement { agreement: agreement_id("bob"), terms };
    let unknown = Action::SignAgreement { agreement: agreement_id("x"), terms };
    assert_eq!(world.refused("bob", unknown).code(), "agreement/unknown");
    assert_eq!(world.refused("carol", sign(terms)).code(), "agreement/not-party");
    assert_eq!(world.refused("station", sign(terms)).code(), "agreement/already-signed");
    assert_eq!(world.refused("bob", sign(Digest([0; 32]))).code(), "agreement/wrong-terms");
    world.done("bob", sign(terms));
    assert_eq!(world.refused("bob", sign(terms)).code(), "agreement/already-signed");
    assert_eq!(world.status("bob"), Status::Active);
}

#[test]
fn an_award_that_is_not_signed_in_time_expires_and_its_lots_can_be_awarded_again() {
    let mut world = World::new();
    let terms = unsigned_award(&mut world);
    let receipts = world.pass_to(at(1, 6, 0));
    let expired = Event::AgreementStatus { agreement: agreement_id("bob"), status: Status::Expired };
    assert_eq!((receipts.len(), receipts[0].events()), (1, &[expired][..]));
    let sign = Action::SignAgreement { agreement: agreement_id("bob"), terms };
    assert_eq!(world.refused("bob", sign).code(), "agreement/unknown", "nobody keeps what was not signed");
    assert_eq!(world.balance("bob"), (Money::units(1_000_000), Money::ZERO));
    let state: OfferRecord = world.state.read(&offer_id("o")).unwrap();
    assert_eq!(state.left[0], Quantity(1_000 * KWH));
}

#[test]
fn a_user_may_decline_an_award() {
    let mut world = World::new();
    unsigned_award(&mut world);
    let decline = || Action::DeclineAgreement { agreement: agreement_id("bob") };
    assert_eq!(world.refused("station", decline()).code(), "agreement/already-signed");
    let events = world.done("bob", decline());
    assert_eq!(events, [Event::AgreementStatus { agreement: agreement_id("bob"), status: Status::Declined }]);
    assert_eq!(world.refused("bob", decline()).code(), "agreement/unknown");
    assert!(world.pass_to(at(1, 7, 0)).is_empty(), "its due time has become idle");
}

/// A purchase agreed without an offer.
fn bilateral(world: &World) -> AgreementTerms {
    let offer = world.offer("o");
    let program = Program::Purchase(offer.purchase_terms(&world.content("alice", 100, 700_000)));
    AgreementTerms::between(account("station"), account("alice"), program)
}

#[test]
fn either_side_may_propose_an_agreement_and_the_other_signs() {
    for (proposer, signer) in [("station", "alice"), ("alice", "station")] {
        let mut world = World::new();
        let terms = bilateral(&world);
        let propose = || Action::ProposeAgreement { label: label("a"), terms: terms.clone(), signing_ms: 1_000 };
        let id = agreement_of(proposer, "a");
        assert_eq!(world.refused("bob", propose()).code(), "agreement/not-party");
        world.done(proposer, propose());
        world.done(proposer, propose());
        let sign = || Action::SignAgreement { agreement: id, terms: terms.digest() };
        assert_eq!(world.refused(proposer, sign()).code(), "agreement/already-signed");
        world.done(signer, sign());
        assert_eq!(world.agreement(id).status, Status::Active);
        world.done(proposer, propose());
        let mut other = terms.clone();
        other.hard_end = Some(HardEnd { at: at(5, 1, 0), fallback: Fallback::GiveBack });
        let other = Action::ProposeAgreement { label: label("a"), terms: other, signing_ms: 1_000 };
        assert_eq!(world.refused(proposer, other), Refusal::IdTaken);
    }
}

#[test]
fn a_member_has_no_more_unsigned_proposals_than_its_limit() {
    let mut world = World::with_limits(Limits { proposals: 1, ..Limits::DEFAULT });
    let terms = bilateral(&world);
    let propose = |text| Action::ProposeAgreement { label: label(text), terms: terms.clone(), signing_ms: 1_000 };
    world.done("station", propose("a"));
    let limit = Refusal::LimitReached { what: Limited::Proposals, max: 1 };
    assert_eq!(world.refused("station", propose("b")), limit);
    world.done("alice", Action::SignAgreement { agreement: agreement_id("a"), terms: terms.digest() });
    world.done("station", propose("b"));
    world.done("alice", Action::DeclineAgreement { agreement: agreement_id("b") });
    world.done("station", propose("c"));
    world.pass_to(Timestamp(world.now.0 + 1_000));
    world.done("station", propose("d"));
}

#[test]
fn refuses_terms_that_could_not_settle() {
    let check = |code: &str, change: &dyn Fn(&mut AgreementTerms)| {
        let mut world = World::new();
        let mut terms = bilateral(&world);
        change(&mut terms);
        let propose = Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 };
        assert_eq!(world.refused("station", propose).code(), code);
    };
    fn lots(terms: &mut AgreementTerms) -> &mut PurchaseLot {
        let Program::Purchase(terms) = &mut terms.program else { unreachable!() };
        &mut terms.lots.as_mut_slice()[0]
    }
    fn user(terms: &mut AgreementTerms, label: &str) {
        terms.parties = vec![account("station"), account(label)].try_into().unwrap();
    }
    check("terms/self-dealing", &|terms| user(terms, "station"));
    check("terms/bad-parties", &|terms| terms.parties.push(account("bob")).unwrap());
    check("account/unknown", &|terms| user(terms, "stranger"));
    check("member/missing-role", &|terms| user(terms, "issuer"));
    check("terms/bad-hard-end", &|terms| {
        terms.hard_end = Some(HardEnd { at: at(1, 1, 0), fallback: Fallback::GiveBack });
    });
    check("account/unknown", &|terms| {
        terms.hard_end = Some(HardEnd { at: at(5, 1, 0), fallback: Fallback::Arbiter(account("stranger")) });
    });
    check("terms/unmetered", &|terms| lots(terms).metering = Metering { delivery: None, take: None });
    check("arithmetic/overflow", &|terms| {
        lots(terms).quantity = Quantity(u64::MAX);
        lots(terms).price.money = Money(u64::MAX);
    });
    check("terms/zero-quantity", &|terms| lots(terms).quantity = Quantity(0));
}

#[test]
fn refuses_to_activate_without_meter_capacity_or_funds_in_this_order() {
    let check = |code: &str, change: &dyn Fn(&mut World, &mut AgreementTerms)| {
        let mut world = World::new();
        let mut terms = bilateral(&world);
        change(&mut world, &mut terms);
        let signing_ms = 20 * 24 * 3_600_000;
        world.done("station", Action::ProposeAgreement { label: label("a"), terms: terms.clone(), signing_ms });
        if code == "terms/delivery-begun" {
            world.now = at(1, 10, 0);
        }
        let sign = Action::SignAgreement { agreement: agreement_id("a"), terms: terms.digest() };
        assert_eq!(world.refused("alice", sign).code(), code);
    };
    fn lot(terms: &mut AgreementTerms) -> &mut PurchaseLot {
        let Program::Purchase(terms) = &mut terms.program else { unreachable!() };
        &mut terms.lots.as_mut_slice()[0]
    }
    check("terms/delivery-begun", &|_, _| {});
    check("meter/unknown", &|_, terms| lot(terms).metering.take = Some(meter_id("x")));
    check("meter/carrier", &|_, terms| lot(terms).metering.take = Some(meter_id("alice/heating")));
    check("meter/holder", &|_, terms| lot(terms).metering.take = Some(meter_id("bob/electricity")));
    check("capacity/exceeded", &|_, terms| lot(terms).quantity = Quantity(24 * 1_000_000 * KWH + 24));
    check("money/insufficient-funds", &|_, terms| lot(terms).price.money = Money::units(100_000));
}

#[test]
fn an_owner_sells_nothing_before_its_capacity_is_declared() {
    let mut world = World::new();
    world.done(
        "station",
        Action::decide(Decision::ChangeRoles { member: member("carol"), roles: Roles::of(&[Role::Owner]) }),
    );
    let terms = AgreementTerms::between(account("carol"), account("alice"), bilateral(&world).program);
    world.done("carol", Action::ProposeAgreement { label: label("a"), terms: terms.clone(), signing_ms: 1 });
    let sign = Action::SignAgreement { agreement: agreement_of("carol", "a"), terms: terms.digest() };
    assert_eq!(world.refused("alice", sign).code(), "capacity/none");
}

#[test]
fn no_meter_serves_more_agreements_than_it_can() {
    let mut world = World::new();
    let mut terms = bilateral(&world);
    let Program::Purchase(purchase) = &mut terms.program else { unreachable!() };
    purchase.deposit_permille = 0;
    purchase.guarantee_permille = 0;
    for number in 0..=meter::MAX_METER_AGREEMENTS {
        let number_text = number.to_string();
        let label = label(&number_text);
        world.done("station", Action::ProposeAgreement { label, terms: terms.clone(), signing_ms: 1_000 });
        let sign = Action::SignAgreement { agreement: agreement_id(&number_text), terms: terms.digest() };
        if number < meter::MAX_METER_AGREEMENTS {
            world.done("alice", sign);
        } else {
            assert_eq!(world.refused("alice", sign).code(), "meter/busy");
        }
    }
}

#[test]
fn reserved_money_cannot_be_spent_again() {
    let mut world = World::new();
    world.trade("alice");
    let amount = Money::units(1_000_000);
    let spend = Action::Transfer { to: account("bob"), amount, reference: Text::default() };
    assert_eq!(world.refused("alice", spend), Refusal::InsufficientFunds { account: account("alice"), needed: amount });
}

#[test]
fn an_amendment_replaces_the_terms_when_the_other_side_signs_it() {
    let mut world = World::new();
    world.trade("alice");
    let amended = Program::Purchase(world.offer("o").purchase_terms(&world.content("alice", 2_000, 600_000)));
    let id = agreement_id("alice");
    let terms = AgreementTerms::between(account("station"), account("alice"), amended.clone());
    let from = world.now;
    let sign = || Action::SignAmendment { agreement: id, terms: terms.amendment_digest(from) };
    assert_eq!(world.refused("bob", sign()).code(), "agreement/not-party");
    assert_eq!(world.refused("alice", sign()).code(), "agreement/no-amendment");
    let propose = |from| Action::ProposeAmendment { agreement: id, program: amended.clone(), from };
    assert_eq!(world.refused("bob", propose(from)).code(), "agreement/not-party");
    let never = Timestamp(time::MAX_TIMESTAMP.0 + 1);
    assert_eq!(world.refused("station", propose(never)).code(), "agreement/bad-amendment-time");
    world.done("station", propose(Timestamp(from.0 + 1)));
    assert_eq!(world.refused("station", sign()).code(), "agreement/already-signed");
    assert_eq!(world.refused("alice", sign()).code(), "agreement/wrong-terms", "the time is signed too");
    world.done("station", propose(from));
    world.done("alice", sign());
    assert_eq!(world.balance("station"), (Money::units(999_760), Money::units(240)));
    assert_eq!(world.balance("alice"), (Money::units(999_160), Money::units(840)));
    let package = Program::Subscription(world.subscription_terms(Vec::new()));
    let change_kind = Action::ProposeAmendment { agreement: id, program: package, from };
    assert_eq!(world.refused("alice", change_kind), Refusal::AmendmentKind);
}

#[test]
fn a_purchase_ends_early_when_both_sides_say_so() {
    let mut world = World::new();
    world.trade("alice");
    let terminate = || Action::Terminate { agreement: agreement_id("alice") };
    let withdraw = || Action::WithdrawTermination { agreement: agreement_id("alice") };
    assert_eq!(world.refused("bob", terminate()).code(), "agreement/not-party");
    assert_eq!(world.refused("station", withdraw()).code(), "agreement/not-ending");
    world.done("station", terminate());
    world.done("station", terminate());
    assert_eq!(world.status("alice"), Status::Active);
    assert_eq!(world.refused("alice", withdraw()).code(), "agreement/not-ending");
    world.done("station", withdraw());
    world.done("alice", terminate());
    assert_eq!(world.status("alice"), Status::Active, "a wish that was taken back counts no more");
    world.done("station", terminate());
    assert_eq!(world.status("alice"), Status::Terminated);
    assert_eq!(world.balance("station"), (Money::units(1_000_000), Money::ZERO));
    assert_eq!(world.balance("alice"), (Money::units(1_000_000), Money::ZERO));
    assert_eq!(world.refused("alice", terminate()).code(), "agreement/wrong-status");
    assert_eq!(world.refused("alice", withdraw()).code(), "agreement/wrong-status");
}

#[test]
fn agreements_on_one_meter_fill_in_the_order_of_their_signing() {
    let mut world = World::new();
    let mut terms = bilateral(&world);
    for label in ["first", "second"] {
        let Program::Purchase(purchase) = &mut terms.program else { unreachable!() };
        purchase.lots.as_mut_slice()[0].quantity = Quantity(100 * KWH);
        let (agreement, label) = (agreement_id(label), self::label(label));
        world.done("station", Action::ProposeAgreement { label, terms: terms.clone(), signing_ms: 1_000 });
        world.done("alice", Action::SignAgreement { agreement, terms: terms.digest() });
    }
    world.now = at(1, 11, 0);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 10, 0), 0), (at(1, 11, 0), 150 * KWH)]));
    let receipts = world.pass_to(at(1, 11, 1));
    let delivered: Vec<_> = receipts.iter().map(|receipt| &statement(receipt.events()).lines[0]).collect();
    let kwh = |line: &StatementLine| match line {
        StatementLine::Delivery { delivered, .. } => delivered.0 / KWH,
        other => panic!("{other:?}"),
    };
    assert_eq!(delivered.into_iter().map(kwh).collect::<Vec<_>>(), [100, 50]);
}

#[test]
fn many_agreements_that_fall_due_together_are_settled_in_bounded_blocks() {
    let mut world = World::with_limits(Limits { proposals: u32::MAX, ..Limits::DEFAULT });
    let terms = bilateral(&world);
    let count = utilidor_ledger::MAX_DUE_PER_BLOCK + 10;
    let mut proposals = Vec::new();
    for number in 0..count {
        let label = Label((number as u128).to_le_bytes());
        let action = Action::ProposeAgreement { label, terms: terms.clone(), signing_ms: 1_000 };
        proposals.push(world.sign("station", action));
    }
    world.block(proposals);
    let outcome = {
        world.now = Timestamp(world.now.0 + 1_000);
        world.block(vec![])
    };
    assert_eq!(outcome.receipts.len(), utilidor_ledger::MAX_DUE_PER_BLOCK);
    assert!(outcome.next_due.is_some_and(|due| due <= world.now));
    let rest = world.block(vec![]);
    assert_eq!((rest.receipts.len(), rest.next_due), (10, None));
}
