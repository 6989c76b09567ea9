//! What one partner of a trade has tried on the other. Each test stands for its kind.

mod world;

use utilidor_ledger::record::SoldDay;
use utilidor_program_sdk as wire;
use utilidor_program_sdk::{Effect, Meter};
use utilidor_types::agreement::*;
use utilidor_types::event::BondMovement;
use utilidor_types::program::Metered;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;
use world::puppet::{Puppet, command, publish, terms, wire_time};
use world::*;

#[test]
fn a_quote_on_its_way_is_none_on_another_offer_under_the_same_label() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let on_its_way = world.quote("o", "alice", &world.content("alice", 10, 600_000), true);
    world.done("station", Action::WithdrawOffer { offer: offer_id("o") });
    let mut dear = world.offer("o");
    dear.terms.bond = Money::units(4_000);
    let published = dear.digest();
    world.done("station", Action::publish_offer(dear));
    let before = world.balance("alice");
    let quoted = world.offer("o").digest();
    assert_eq!(world.refused("alice", on_its_way), Refusal::OtherOffer { quoted, published });
    assert_eq!(world.balance("alice"), before);
    let knowing = world.quote("o", "alice", &world.content("alice", 10, 600_000), true);
    world.done("alice", knowing);
}

/// What becomes of alice's bond when her binding quote is awarded.
fn bond_of(world: &mut World, content: &Opening, awards: Action) -> Vec<BondMovement> {
    let quote = world.quote("o", "alice", content, true);
    world.done("alice", quote);
    world.now = at(1, 5, 0);
    let events = world.done("station", awards);
    let bond = |event: &Event| match event {
        Event::Bond { movement, .. } => Some(*movement),
        _ => None,
    };
    events.iter().filter_map(bond).collect()
}

#[test]
fn a_bidder_answers_with_its_bond_for_a_meter_that_is_none_or_not_its_own() {
    for meter in ["nobody/electricity", "bob/electricity", "alice/heating"] {
        let mut world = World::new();
        world.done("station", Action::publish_offer(world.offer("o")));
        let mut content = world.content("alice", 10, 600_000);
        content.lines.as_mut_slice()[0].user_meter = meter_id(meter);
        let award = world.award("o", "alice", &content);
        assert_eq!(bond_of(&mut world, &content, award), [BondMovement::Forfeited], "{meter}");
        world.check_money();
    }
}

#[test]
fn a_bidder_answers_for_more_than_the_lot_has_but_not_for_what_others_were_awarded() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let much = world.content("alice", 1_001, 600_000);
    let award = world.award("o", "alice", &much);
    assert_eq!(bond_of(&mut world, &much, award), [BondMovement::Forfeited]);

    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let (first, second) = (world.content("bob", 600, 600_000), world.content("alice", 600, 600_000));
    world.done("bob", world.quote("o", "bob", &first, true));
    let awards = vec![world.awarded("o", "bob", "bob", &first), world.awarded("o", "alice", "alice", &second)];
    let movements = bond_of(&mut world, &second, Action::Award { awards: awards.try_into().unwrap() });
    assert!(!movements.contains(&BondMovement::Forfeited), "{movements:?}");
}

#[test]
fn a_bidder_answers_with_its_bond_for_a_quote_of_nothing() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let nothing = world.content("alice", 0, 600_000);
    let award = world.award("o", "alice", &nothing);
    assert_eq!(bond_of(&mut world, &nothing, award), [BondMovement::Forfeited]);
}

#[test]
fn what_the_owner_lacks_does_not_cost_the_bidder_its_bond() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let per_hour = Quantity(1);
    let (owner, carrier) = (account("station"), Carrier::Electricity);
    world.done("station", Action::decide(Decision::DeclareCapacity { owner, carrier, per_hour }));
    let content = world.content("alice", 10, 600_000);
    let award = world.award("o", "alice", &content);
    assert_eq!(bond_of(&mut world, &content, award), []);
}

#[test]
fn an_id_names_one_agreement_for_ever() {
    let mut world = World::new();
    let electricity = |world: &World| vec![world.service("alice", Carrier::Electricity, 0)];
    world.done("station", Action::PublishPackage(world.package(1)));
    let subscription = world.subscription(electricity(&world));
    world.done("alice", subscription);
    world.now = at(1, 10, 0);
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    let reading = world.readings("alice/electricity", &[(at(1, 10, 0), 0)]);
    world.done("gateway", reading);
    world.pass_to(at(1, 10, 6));
    world.pass_to(Timestamp(world.now.0 + 40 * DAY_MS));
    assert!(!world.has_agreement(subscription_id()), "it has left the state");
    let again = world.subscription(electricity(&world));
    assert_eq!(world.refused("alice", again), Refusal::IdTaken);
}

#[test]
fn a_published_program_fills_only_what_its_owner_can_supply() {
    let window = Window { from: at(1, 2, 0), to: at(1, 12, 0) };
    let can_supply = 240 * 1_000_000 * KWH;
    for (volume, fits) in [(can_supply, true), (can_supply + 240, false)] {
        let mut world = World::new();
        let publication = Puppet::answering(vec![Effect::Bind(Meter(0))], vec![]).publication();
        world.done("station", publish(&publication));
        let mut terms = terms(&world, publication.id());
        let Program::Coded(coded) = &mut terms.program else { panic!("a program of the parties' own") };
        let meter = &mut coded.meters.as_mut_slice()[0];
        (meter.metered, meter.window) = (Metered::Fill(Quantity(volume)), window);
        terms.hard_end = Some(HardEnd { at: at(1, 20, 0), fallback: Fallback::GiveBack });
        let digest = terms.digest();
        world.done("station", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 });
        let sign = Action::SignAgreement { agreement: agreement_id("a"), terms: digest };
        if fits {
            world.done("alice", sign);
            let day = u32::try_from(window.from.0 / DAY_MS + 1).unwrap();
            let sold: SoldDay = world.state.read(&(account("station"), Carrier::Electricity, day)).unwrap();
            assert_eq!(sold.hours[5], 1_000_000 * KWH, "each hour has its part");
        } else {
            assert_eq!(world.refused("alice", sign).code(), "capacity/exceeded");
        }
    }
}

#[test]
fn what_a_program_fills_it_sells_by_whole_hours() {
    let mut world = World::new();
    let publication = Puppet::answering(vec![Effect::Bind(Meter(0))], vec![]).publication();
    world.done("station", publish(&publication));
    for (hours, code) in [(746, "terms/window-too-long"), (0, "program/bad-reach")] {
        let mut terms = terms(&world, publication.id());
        let Program::Coded(coded) = &mut terms.program else { panic!("a program of the parties' own") };
        let meter = &mut coded.meters.as_mut_slice()[0];
        let from = at(1, 2, 0);
        meter.window = Window { from, to: Timestamp(from.0 + hours * 3_600_000) };
        meter.metered = Metered::Fill(Quantity(KWH));
        let propose = Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 };
        assert_eq!(world.refused("station", propose).code(), code, "{hours} hours");
    }
}

/// A puppet's agreement that fills 60 of the 100 kWh that the station can supply in an hour, for ten hours of tomorrow.
fn filling() -> (World, AgreementId, Window) {
    let mut world = World::new();
    let (owner, carrier, per_hour) = (account("station"), Carrier::Electricity, Quantity(100 * KWH));
    world.done("station", Action::decide(Decision::DeclareCapacity { owner, carrier, per_hour }));
    let publication = Puppet::answering(vec![Effect::Bind(Meter(0))], vec![]).publication();
    world.done("station", publish(&publication));
    let window = Window { from: at(1, 2, 0), to: at(1, 2, 10) };
    let mut terms = terms(&world, publication.id());
    let Program::Coded(coded) = &mut terms.program else { panic!("a program of the parties' own") };
    let meter = &mut coded.meters.as_mut_slice()[0];
    (meter.metered, meter.window) = (Metered::Fill(Quantity(600 * KWH)), window);
    let digest = terms.digest();
    world.done("station", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 });
    world.done("alice", Action::SignAgreement { agreement: agreement_id("a"), terms: digest });
    (world, agreement_id("a"), window)
}

/// What the station has sold for the first hour of a window, in kWh.
fn sold_at(world: &World, window: Window) -> u64 {
    let day = u32::try_from(window.from.0 / DAY_MS).unwrap();
    let sold: Option<SoldDay> = world.state.read(&(account("station"), Carrier::Electricity, day));
    sold.map_or(0, |sold| sold.hours[(window.from.0 % DAY_MS / HOUR_MS) as usize] / KWH)
}

fn settle(absorb: u64) -> Effect {
    Effect::Settle { meter: Meter(0), keep: wire::Quantity(0), absorb: wire::Quantity(absorb) }
}

#[test]
fn what_a_program_lets_go_of_before_its_window_begins_is_not_sold_any_more_and_can_be_bound_anew() {
    let (mut world, agreement, window) = filling();
    assert_eq!(sold_at(&world, window), 60);
    world.done("alice", command(agreement, vec![settle(0), Effect::Bind(Meter(0))]));
    assert_eq!(sold_at(&world, window), 60, "bound anew, it is sold once");
    let end = || Effect::EndBinding(Meter(0), wire_time(window.from));
    world.done("alice", command(agreement, vec![end(), end()]));
    assert_eq!(sold_at(&world, window), 0);
    world.done("alice", command(agreement, vec![end(), settle(0)]));
    assert_eq!(sold_at(&world, window), 0, "nothing comes back twice");
}

#[test]
fn what_a_program_has_had_a_part_of_or_still_takes_stays_sold() {
    let two_hours_on = |window: Window| Effect::EndBinding(Meter(0), wire_time(Timestamp(window.from.0 + 2 * HOUR_MS)));
    let (mut world, agreement, window) = filling();
    world.done("alice", command(agreement, vec![two_hours_on(window), settle(0)]));
    assert_eq!(sold_at(&world, window), 60, "it was to fill for two hours");

    let (mut world, agreement, window) = filling();
    world.done("alice", command(agreement, vec![settle(KWH)]));
    assert_eq!(sold_at(&world, window), 60, "what comes in its window is nobody's");

    let (mut world, agreement, window) = filling();
    world.now = window.from;
    world.done("alice", command(agreement, vec![settle(0)]));
    assert_eq!(sold_at(&world, window), 60, "its time has come");
}
