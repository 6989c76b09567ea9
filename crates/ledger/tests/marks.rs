//! Marks and segments: energy is billed by when it flowed, whichever meter reports first (docs/adr/0012).

mod world;

use proptest::prelude::*;
use utilidor_ledger::record::{AgreementState, MeterBindings};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::*;
use utilidor_types::event::MeterSegment;
use utilidor_types::meter::MAX_METER_AGREEMENTS;
use utilidor_types::package::Band;
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::time::HOUR_MS;
use utilidor_types::*;
use world::*;

const ELECTRICITY: Carrier = Carrier::Electricity;
const ALICE: &str = "alice/electricity";
const ROOF: &str = "roof/electricity";

/// A purchase between an owner and alice.
#[derive(Clone)]
struct Purchase {
    owner: &'static str,
    kwh: u64,
    micro_per_kwh: u64,
    window: Window,
    deposit_permille: u16,
    substitute: Substitute,
    grace_hours: u64,
    /// Besides alice's.
    delivery_meter: Option<&'static str>,
}

impl Purchase {
    /// Of 10 January: roof sells 1,000 kWh at 0.60, measured on both sides.
    fn of_roof() -> Self {
        Self {
            owner: "roof",
            kwh: 1_000,
            micro_per_kwh: 600_000,
            window: day(10),
            deposit_permille: 200,
            substitute: Substitute::Nothing,
            grace_hours: 1,
            delivery_meter: Some(ROOF),
        }
    }

    fn terms(&self) -> AgreementTerms {
        let lot = PurchaseLot {
            carrier: ELECTRICITY,
            quantity: Quantity(self.kwh * KWH),
            price: Price::micro_per_kwh(self.micro_per_kwh),
            metering: Metering { delivery: self.delivery_meter.map(meter_id), take: Some(meter_id(ALICE)) },
        };
        let program = Program::Purchase(PurchaseTerms {
            lots: vec![lot].try_into().unwrap(),
            window: self.window,
            deposit_permille: self.deposit_permille,
            guarantee_permille: 500,
            tolerance_permille: 50,
            grace_ms: (self.grace_hours * HOUR_MS) as u32,
            substitute: self.substitute,
        });
        AgreementTerms::between(account(self.owner), account("alice"), program)
    }

    fn sign(&self, world: &mut World, called: &str) -> AgreementId {
        let terms = self.terms();
        let id = agreement_of(self.owner, called);
        let proposal = Action::ProposeAgreement { label: label(called), terms: terms.clone(), signing_ms: 3_600_000 };
        world.done(self.owner, proposal);
        world.done("alice", Action::SignAgreement { agreement: id, terms: terms.digest() });
        id
    }
}

/// A day of January.
fn day(day: u8) -> Window {
    Window { from: at(1, day, 0), to: at(1, day + 1, 0) }
}

/// An instant between two hours of January.
fn at_minute(day: u8, hour: u64, minute: u64) -> Timestamp {
    Timestamp(at(1, day, hour).0 + minute * 60_000)
}

fn segments(events: &[Event]) -> Vec<MeterSegment> {
    let segment = |event: &Event| match event {
        Event::Segment(segment) => Some(segment.clone()),
        _ => None,
    };
    events.iter().filter_map(segment).collect()
}

fn kwh(bands: &Bands) -> u64 {
    bands.total().unwrap().0 / KWH
}

fn read(world: &mut World, meter: &str, readings: &[(Timestamp, u64)]) -> Vec<Event> {
    let readings: Vec<(Timestamp, u64)> = readings.iter().map(|(time, kwh)| (*time, kwh * KWH)).collect();
    let events = world.done("gateway", world.readings(meter, &readings));
    assert!(matches!(&events[0], Event::Certified { refused, .. } if refused.is_empty()), "{events:?}");
    events
}

fn terminate() -> Action {
    Action::Terminate { agreement: subscription_id() }
}

fn statements(receipts: &[Receipt]) -> Vec<Statement> {
    let statement = |event: &Event| match event {
        Event::StatementIssued(statement) => Some(statement.clone()),
        _ => None,
    };
    receipts.iter().flat_map(Receipt::events).filter_map(statement).collect()
}

fn usage_kwh(statement: &Statement) -> u64 {
    let usage = |line: &StatementLine| match line {
        StatementLine::Usage { quantity, .. } => quantity.0,
        _ => 0,
    };
    statement.lines.iter().map(usage).sum::<u64>() / KWH
}

/// What an account has paid since it had `before`.
fn spent(world: &World, who: &str, before: u64) -> u64 {
    let (free, reserved) = world.balance(who);
    before - free.0 - reserved.0
}

const MILLION: u64 = 1_000_000_000_000;

#[test]
fn a_handover_without_a_reading_shares_the_interval_by_time() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 10, 12);
    read(&mut world, ALICE, &[(at(1, 10, 12), 0)]);
    world.pass_to(at(1, 15, 12));
    world.done("alice", terminate());
    world.done("operator", Action::BindMeter { meter: meter_id(ALICE), holder: account("bob") });
    world.done("bob", world.subscription(vec![world.service("alice", ELECTRICITY, 0)]));
    world.pass_to(at(1, 20, 12));

    let told = segments(&read(&mut world, ALICE, &[(at(1, 20, 12), 1_000)]));
    let alice = told.iter().find(|segment| segment.supply.is_some_and(|(id, _)| id == subscription_id())).unwrap();
    assert_eq!((kwh(&alice.rest().unwrap()), alice.interval.to), (500, at(1, 15, 12)));
    let bob = agreement_of("bob", "s");
    world.done("bob", Action::Terminate { agreement: bob });
    let receipts = world.pass_to(at(1, 20, 18));
    let supplements = statements(&receipts);
    let of = |id| supplements.iter().filter(|statement| statement.agreement == id).map(usage_kwh).sum::<u64>();
    assert_eq!(of(bob), 500);
    // 120 hours, 35 of them at night at 40 %: 354.1667 x 0.80 + 145.8333 x 0.32.
    assert_eq!(spent(&world, "bob", MILLION), 330_000_000);
    world.pass_to(at(2, 16, 0));
    assert_eq!(spent(&world, "alice", MILLION), 330_000_000, "by a supplementary statement");
}

/// The supply has ended at 12:00, 100 kWh of 11:00 have been certified after the final statement of 18:00, and nothing since.
fn silent_since_the_end() -> World {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 10, 7);
    read(&mut world, ALICE, &[(at(1, 10, 7), 0)]);
    world.pass_to(at(1, 10, 12));
    world.done("alice", terminate());
    world.pass_to(at(1, 10, 20));
    read(&mut world, ALICE, &[(at(1, 10, 11), 100)]);
    world
}

/// The final statement of 18:00 has nothing; 100 kWh of before the end are certified at 20:00, and then the meter is silent, or taken
/// out of service.
#[test]
fn what_a_silent_meter_had_brought_before_the_end_is_billed_once_the_time_for_supplements_is_over() {
    for is_retired in [false, true] {
        let mut world = silent_since_the_end();
        assert_eq!(spent(&world, "alice", MILLION), 0);
        if is_retired {
            world.done("operator", Action::RetireMeter { meter: meter_id(ALICE) });
        }
        world.pass_to(at(2, 10, 13));
        assert_eq!(spent(&world, "alice", MILLION), 80_000_000, "by the last supplement");
        if !is_retired {
            read(&mut world, ALICE, &[(at(2, 10, 13), 900)]);
        }
        world.pass_to(at(3, 20, 0));
        assert_eq!(spent(&world, "alice", MILLION), 80_000_000);
        assert!(world.state.read::<AgreementState>(&subscription_id()).is_none(), "it is forgotten after that");
    }
}

#[test]
fn the_last_supplement_comes_also_where_no_block_was_made_for_a_while() {
    let mut world = silent_since_the_end();
    world.now = at(3, 20, 0);
    world.block(vec![]);
    world.pass_to(at(3, 21, 0));
    assert_eq!(spent(&world, "alice", MILLION), 80_000_000);
    assert!(world.state.read::<AgreementState>(&subscription_id()).is_none(), "it is forgotten after that");
}

#[test]
fn the_end_waits_for_the_last_reading() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 5, 12);
    read(&mut world, ALICE, &[(at(1, 5, 11), 0)]);
    world.done("alice", terminate());
    world.now = at_minute(5, 12, 10);
    let told = segments(&read(&mut world, ALICE, &[(at(1, 5, 12), 100)]));
    assert_eq!(
        told.last().map(|segment| (kwh(&segment.rest().unwrap()), segment.interval.to)),
        Some((100, at(1, 5, 12)))
    );
    let receipts = world.pass_to(at(1, 5, 18));
    let last = statements(&receipts).pop().unwrap();
    assert_eq!((last.closing, usage_kwh(&last), last.paid), (Closing::End, 100, Money::units(80)));
    assert_eq!(spent(&world, "alice", MILLION), 80_000_000);
}

#[test]
fn ending_just_before_the_reading_saves_nothing() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 9, 10);
    read(&mut world, ALICE, &[(at(1, 9, 10), 0)]);
    world.now = at(1, 10, 9);
    world.done("alice", terminate());
    world.now = at_minute(10, 9, 1);
    read(&mut world, ALICE, &[(at(1, 9, 20), 10_000)]);
    world.pass_to(at(1, 10, 15));
    assert_eq!(spent(&world, "alice", MILLION), 8_000_000_000);
}

#[test]
fn what_was_substituted_is_not_billed_again_when_its_reading_comes() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let purchase = Purchase { substitute: Substitute::ProRata, delivery_meter: None, ..Purchase::of_roof() };
    purchase.sign(&mut world, "p");
    world.now = at(1, 10, 0);
    read(&mut world, ALICE, &[(at(1, 10, 0), 0)]);
    world.pass_to(at(1, 11, 1));
    assert_eq!(spent(&world, "alice", MILLION), 600_000_000, "the purchase, without a reading");
    world.now = at(1, 11, 2);
    let told = segments(&read(&mut world, ALICE, &[(at(1, 11, 0), 1_000)]));
    assert_eq!(told.iter().map(|segment| kwh(&segment.rest().unwrap())).sum::<u64>(), 0);
    world.done("alice", terminate());
    world.pass_to(at(1, 11, 8));
    assert_eq!(spent(&world, "alice", MILLION), 600_000_000);
    let serves: MeterBindings = world.state.read(&meter_id(ALICE)).unwrap();
    assert_eq!(serves.bindings.len(), 1, "the substitute is gone with its window; the supply waits for its end");
}

#[test]
fn more_than_was_substituted_is_the_supplys() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let purchase = Purchase { substitute: Substitute::ProRata, delivery_meter: None, ..Purchase::of_roof() };
    purchase.sign(&mut world, "p");
    world.now = at(1, 10, 0);
    read(&mut world, ALICE, &[(at(1, 10, 0), 0)]);
    world.pass_to(at(1, 11, 1));
    let told = segments(&read(&mut world, ALICE, &[(at(1, 11, 0), 1_200)]));
    assert_eq!(told.iter().map(|segment| kwh(&segment.rest().unwrap())).sum::<u64>(), 200);
}

/// What alice has paid in the end, if her purchase counts by `ProRata` what `before` does not show, and `after` comes later.
fn substituted(before: &[(Timestamp, u64)], after: &[(Timestamp, u64)]) -> u64 {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let substitute = Substitute::ProRata;
    Purchase { substitute, delivery_meter: None, deposit_permille: 0, ..Purchase::of_roof() }.sign(&mut world, "p");
    world.now = at(1, 10, 13);
    read(&mut world, ALICE, before);
    world.pass_to(at(1, 11, 1));
    world.now = at(1, 12, 0);
    read(&mut world, ALICE, after);
    world.done("alice", terminate());
    world.pass_to(at(1, 12, 6));
    spent(&world, "alice", MILLION)
}

#[test]
fn a_substitute_comes_off_what_its_window_brings_later_however_that_comes() {
    let begin = (at(1, 10, 0), 0);
    let end = |kwh| [(at(1, 11, 0), kwh), (at(1, 12, 0), kwh)];
    // Over its window's end: of 36 hours 24 are its own, and of the other twelve seven are night.
    assert_eq!(substituted(&[begin], &[(at(1, 11, 12), 1_500), (at(1, 12, 0), 1_500)]), 600_000_000 + 260_000_000);
    assert_eq!(substituted(&[begin], &end(600)), 600_000_000, "nothing goes back");
    // The first half was read: 400, and 500 for the second, which brings 600.
    assert_eq!(substituted(&[begin, (at(1, 10, 12), 400)], &end(1_000)), 540_000_000 + 80_000_000);
    // 100 too many, of 408.33 by night and 691.67 by day.
    let parts = [(at(1, 10, 12), 700), (at(1, 11, 0), 1_100), (at(1, 12, 0), 1_100)];
    assert_eq!(substituted(&[begin], &parts), 600_000_000 + 62_181_818);
}

#[test]
fn of_two_purchases_in_one_window_only_what_was_not_delivered_goes_back() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let window = Window { from: at(1, 10, 6), to: at(1, 10, 8) };
    let purchase = Purchase { kwh: 60, window, deposit_permille: 0, ..Purchase::of_roof() };
    purchase.sign(&mut world, "p");
    Purchase { kwh: 30, delivery_meter: None, ..purchase }.sign(&mut world, "q");
    world.now = at(1, 10, 8);
    read(&mut world, ALICE, &[(at(1, 10, 6), 0), (at(1, 10, 8), 200)]);
    read(&mut world, ROOF, &[(at(1, 10, 6), 0), (at(1, 10, 8), 40)]);
    world.pass_to(at(1, 10, 9));
    assert_eq!(spent(&world, "alice", MILLION), 42_000_000, "40 and 30 kWh");
    read(&mut world, ALICE, &[(at(1, 10, 9), 200)]);
    world.done("alice", terminate());
    world.pass_to(at(1, 10, 15));
    assert_eq!(spent(&world, "alice", MILLION), 42_000_000 + 65 * 320_000 + 65 * 800_000);
}

#[test]
fn a_month_is_charged_what_flowed_in_it() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.pass_to(Timestamp(at(2, 1, 5).0 + 10 * 60_000));
    let readings = [(at(1, 31, 23), 90), (at(2, 1, 0), 100), (at(2, 1, 3), 130), (at(2, 1, 5), 150)];
    read(&mut world, ALICE, &readings);
    let receipts = world.pass_to(at(2, 1, 6));
    let january = statements(&receipts).pop().unwrap();
    assert_eq!((january.period.to, usage_kwh(&january)), (at(2, 1, 0), 100));
    let receipts = world.pass_to(at(3, 1, 6));
    let february = statements(&receipts).pop().unwrap();
    assert_eq!((february.period.from, usage_kwh(&february)), (at(2, 1, 0), 50));
}

/// Both read 0 at midnight and 1,000 kWh at the end, in this order.
fn play_both(first: &str, second: &str) -> [u64; 2] {
    let mut world = World::new();
    Purchase::of_roof().sign(&mut world, "p");
    world.now = at(1, 10, 0);
    for meter in [first, second] {
        read(&mut world, meter, &[(at(1, 10, 0), 0)]);
    }
    world.now = at(1, 11, 0);
    for meter in [first, second] {
        read(&mut world, meter, &[(at(1, 11, 0), 1_000)]);
    }
    world.pass_to(at(1, 11, 1));
    let (free, reserved) = world.balance("roof");
    assert_eq!(reserved, Money::ZERO);
    [spent(&world, "alice", MILLION), free.0 - MILLION]
}

#[test]
fn which_meter_is_read_first_makes_no_difference() {
    assert_eq!(play_both(ROOF, ALICE), [600_000_000; 2]);
    assert_eq!(play_both(ALICE, ROOF), [600_000_000; 2]);
}

#[test]
fn hour_by_hour_with_the_users_meter_first_all_of_it_is_delivered() {
    let mut world = World::new();
    Purchase::of_roof().sign(&mut world, "p");
    for hour in 7..=17 {
        world.pass_to(at(1, 10, hour));
        for meter in [ALICE, ROOF] {
            read(&mut world, meter, &[(at(1, 10, hour), 100 * (hour - 7))]);
        }
    }
    world.pass_to(at(1, 11, 0));
    for meter in [ALICE, ROOF] {
        read(&mut world, meter, &[(at(1, 11, 0), 1_000)]);
    }
    world.pass_to(at(1, 11, 1));
    assert_eq!(spent(&world, "alice", MILLION), 600_000_000);
}

#[test]
fn an_owner_gains_nothing_by_holding_its_readings_back() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let station_meter = Meter { label: label("station"), ..world.meter("station", ELECTRICITY) };
    world.done("operator", Action::RegisterMeter(station_meter));
    let purchase = Purchase {
        owner: "station",
        kwh: 2_400,
        micro_per_kwh: 500_000,
        deposit_permille: 500,
        delivery_meter: Some("station"),
        ..Purchase::of_roof()
    };
    purchase.sign(&mut world, "p");
    world.now = at(1, 11, 0);
    read(&mut world, ALICE, &[(at(1, 10, 0), 0), (at(1, 11, 0), 2_400)]);
    world.now = at_minute(11, 0, 59);
    read(&mut world, "station", &[(at(1, 10, 0), 0), (at(1, 11, 0), 2_400)]);
    world.pass_to(at(1, 11, 1));
    world.done("alice", terminate());
    world.pass_to(at(1, 11, 8));
    assert_eq!(spent(&world, "alice", MILLION), 1_200_000_000, "1,200 for the purchase, nothing for the supply");
}

#[test]
fn what_was_not_delivered_goes_back_to_the_supply_in_proportion_by_band() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    Purchase::of_roof().sign(&mut world, "p");
    world.now = at(1, 11, 0);
    // Alice takes 400 at night and 600 later; the roof makes 700 available.
    read(&mut world, ALICE, &[(at(1, 10, 0), 0), (at(1, 10, 7), 400), (at(1, 11, 0), 1_000)]);
    read(&mut world, ROOF, &[(at(1, 10, 0), 0), (at(1, 11, 0), 700)]);
    let receipts = world.pass_to(at(1, 11, 1));
    let returned = receipts.iter().flat_map(Receipt::events).find_map(|event| match event {
        Event::Returned { agreement, interval, bands, .. } => Some((*agreement, *interval, *bands)),
        _ => None,
    });
    let (supply, interval, bands) = returned.unwrap();
    assert_eq!((supply, interval), (subscription_id(), day(10)));
    assert_eq!([bands.of(Band::Valley), bands.of(Band::Flat)], [Quantity(120 * KWH), Quantity(180 * KWH)]);
    assert_eq!(bands.total(), Some(Quantity(300 * KWH)));
}

#[test]
fn purchases_on_one_meter_and_window_fill_in_the_order_of_their_signing() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let purchase = Purchase { kwh: 300, delivery_meter: None, ..Purchase::of_roof() };
    let [first, second] = ["1", "2"].map(|called| purchase.sign(&mut world, called));
    world.now = at(1, 11, 0);
    let told = segments(&read(&mut world, ALICE, &[(at(1, 10, 0), 0), (at(1, 11, 0), 500)]));
    let last = told.last().unwrap();
    let fills: Vec<(AgreementId, u64)> = last.fills.iter().map(|fill| (fill.agreement, kwh(&fill.bands))).collect();
    assert_eq!(fills, [(first, 300), (second, 200)]);
    assert!(last.rest().unwrap().is_zero());
}

#[test]
fn a_segment_of_several_bands_is_taken_in_proportion_by_band() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    Purchase { kwh: 500, delivery_meter: None, ..Purchase::of_roof() }.sign(&mut world, "p");
    world.now = at(1, 11, 0);
    let told = segments(&read(&mut world, ALICE, &[(at(1, 10, 0), 0), (at(1, 10, 7), 600), (at(1, 11, 0), 1_000)]));
    let taken = told.last().unwrap().fills[0].bands;
    assert_eq!([taken.of(Band::Valley), taken.of(Band::Flat)], [Quantity(300 * KWH), Quantity(200 * KWH)]);
}

#[test]
fn an_interval_over_a_windows_edge_counts_by_its_share_of_the_time() {
    let mut world = World::new();
    world.trade("alice");
    world.now = at(1, 10, 1);
    let told = segments(&read(&mut world, ALICE, &[(at(1, 9, 21), 0), (at(1, 10, 1), 100)]));
    assert_eq!(told.last().map(|segment| segment.interval.to), Some(at(1, 10, 0)), "the window has begun");
    assert_eq!(kwh(&told.last().unwrap().passed().unwrap()), 75);
    world.now = at(1, 11, 0);
    let told = segments(&read(&mut world, ALICE, &[(at(1, 11, 0), 100)]));
    assert_eq!(kwh(&told.last().unwrap().fills[0].bands), 25);
}

#[test]
fn what_flows_between_two_supplies_is_on_nobodys_bill_and_is_told() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 10, 12);
    read(&mut world, ALICE, &[(at(1, 10, 12), 0)]);
    world.done("alice", terminate());
    world.now = at(1, 10, 14);
    world.done("operator", Action::BindMeter { meter: meter_id(ALICE), holder: account("bob") });
    world.done("bob", world.subscription(vec![world.service("alice", ELECTRICITY, 0)]));
    world.now = at(1, 10, 16);
    let events = read(&mut world, ALICE, &[(at(1, 10, 16), 40)]);
    let told = events.iter().find(|event| matches!(event, Event::Unsupplied { .. }));
    let interval = Window { from: at(1, 10, 12), to: at(1, 10, 14) };
    let expected = Event::Unsupplied { meter: meter_id(ALICE), interval, quantity: Quantity(20 * KWH) };
    assert_eq!(told, Some(&expected));
    world.done("bob", Action::Terminate { agreement: agreement_of("bob", "s") });
    world.pass_to(at(1, 10, 22));
    assert_eq!(spent(&world, "bob", MILLION), 16_000_000, "20 kWh of his own time at 0.80");
    assert_eq!(spent(&world, "alice", MILLION), 0);
}

#[test]
fn a_meter_serves_one_supply_at_a_time() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let Action::Subscribe { terms, .. } = world.subscription(vec![world.service("alice", ELECTRICITY, 0)]) else {
        unreachable!()
    };
    let again = Action::Subscribe { label: label("t"), terms };
    assert_eq!(world.refused("alice", again).code(), "meter/subscribed");
}

#[test]
fn a_meter_serves_a_bounded_number_of_agreements() {
    let mut world = World::new();
    let purchase = Purchase { kwh: 10, delivery_meter: None, ..Purchase::of_roof() };
    for called in 0..MAX_METER_AGREEMENTS {
        purchase.sign(&mut world, &called.to_string());
    }
    let terms = purchase.terms();
    let proposal = Action::ProposeAgreement { label: label("one more"), terms: terms.clone(), signing_ms: 3_600_000 };
    world.done("roof", proposal);
    let sign = Action::SignAgreement { agreement: agreement_of("roof", "one more"), terms: terms.digest() };
    assert_eq!(world.refused("alice", sign).code(), "meter/busy");
}

#[test]
fn a_low_balance_is_noticed_by_the_reading_that_reaches_it() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 5, 12);
    read(&mut world, ALICE, &[(at(1, 5, 12), 0)]);
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(80))));
    let told = |events: &[Event]| -> Vec<bool> {
        let low = |event: &Event| match event {
            Event::LowBalance { .. } => Some(false),
            Event::Exhausted { .. } => Some(true),
            _ => None,
        };
        events.iter().filter_map(low).collect()
    };
    // 100 kWh are paid for; below 10 is low; beyond 100 more is the end of patience.
    for (hour, register, expected) in
        [(13, 80, vec![]), (14, 95, vec![false]), (15, 195, vec![]), (16, 205, vec![true])]
    {
        world.now = at(1, 5, hour);
        assert_eq!(told(&read(&mut world, ALICE, &[(at(1, 5, hour), register)])), expected, "at {hour}:00");
    }
}

#[test]
fn a_prepayment_at_the_moment_of_the_last_reading_opens_its_tranche_at_once() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    for _ in 0..3 {
        let events = world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(8))));
        assert!(events.iter().any(|event| matches!(event, Event::TrancheOpened { .. })), "{events:?}");
        assert!(segments(&events).iter().all(|segment| segment.interval.is_empty()));
    }
    world.now = at(1, 5, 12);
    let prepayment = world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(8)));
    let events = world.done("alice", prepayment);
    assert!(segments(&events).is_empty(), "the meter has not come there yet");
}

#[test]
fn a_segments_peak_is_the_highest_mean_power_between_readings_at_most_an_hour_apart() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 5, 20);
    let readings = [
        (at(1, 5, 10), 0),
        (at_minute(5, 10, 30), 30),
        (at(1, 5, 12), 300),
        (at(1, 5, 13), 350),
        (at_minute(5, 13, 15), 364),
        (at(1, 5, 14), 370),
    ];
    read(&mut world, ALICE, &readings);
    world.done("alice", terminate());
    let told = segments(&read(&mut world, ALICE, &[(at_minute(5, 20, 0), 370)]));
    // 30 in half an hour is more than 50 in an hour, and as much as 14 in a quarter is less; 180 an hour for 90 minutes is none.
    assert_eq!(told.last().unwrap().peak, (Quantity(30 * KWH), 30 * 60_000));
}

#[test]
fn tenants_that_came_and_went_between_two_readings_share_them_by_time() {
    let mut world = World::new();
    world.done("station", Action::PublishPackage(world.package(1)));
    let tenants = ["alice", "bob", "carol", "alice"];
    for (day, tenant) in (2..).zip(tenants) {
        world.pass_to(at(1, day, 0));
        if day > 2 {
            let before = tenants[day as usize - 3];
            let agreement = agreement_of(before, &format!("s{}", day - 1));
            world.done(before, Action::Terminate { agreement });
            world.done("operator", Action::BindMeter { meter: meter_id(ALICE), holder: account(tenant) });
        }
        let Action::Subscribe { terms, .. } = world.subscription(vec![world.service("alice", ELECTRICITY, 0)]) else {
            unreachable!()
        };
        world.done(tenant, Action::Subscribe { label: label(&format!("s{day}")), terms });
    }
    world.pass_to(at(1, 6, 0));
    let told = segments(&read(&mut world, ALICE, &[(at(1, 2, 0), 0), (at(1, 6, 0), 400)]));
    let shares: Vec<(Option<AgreementId>, u64)> = told
        .iter()
        .filter(|segment| segment.supply.is_some())
        .map(|segment| (segment.supply.map(|(id, _)| id), kwh(&segment.rest().unwrap())))
        .collect();
    let first: Vec<(Option<AgreementId>, u64)> =
        (2..5).map(|day| (Some(agreement_of(tenants[day - 2], &format!("s{day}"))), 100)).collect();
    assert_eq!(shares, first, "the fourth is still there");
    world.done("alice", Action::Terminate { agreement: agreement_of("alice", "s5") });
    world.pass_to(at(1, 6, 6));
    // A day's 100 kWh: 7 hours of 24 at 40 %.
    assert_eq!(
        [("alice", 132), ("bob", 66), ("carol", 66)].map(|(who, _)| spent(&world, who, MILLION)),
        [132_000_000, 66_000_000, 66_000_000]
    );
}

#[test]
fn a_tenant_that_comes_and_goes_as_often_as_it_can_does_not_stop_its_meter() {
    let mut world = World::new();
    world.done("station", Action::PublishPackage(world.package(1)));
    let Action::Subscribe { terms, .. } = world.subscription(vec![world.service("alice", ELECTRICITY, 0)]) else {
        unreachable!()
    };
    let mut count = 0;
    loop {
        world.pass_to(at_minute(2, 0, count));
        let called = format!("s{count}");
        match world.try_do("alice", Action::Subscribe { label: label(&called), terms: terms.clone() }) {
            Verdict::Applied(_) => {}
            Verdict::Refused(refusal) => break assert_eq!(refusal.code(), "meter/busy"),
        }
        world.pass_to(Timestamp(at_minute(2, 0, count).0 + 30_000));
        world.done("alice", Action::Terminate { agreement: agreement_of("alice", &called) });
        count += 1;
    }
    assert_eq!(count, MAX_METER_AGREEMENTS as u64);
    world.now = at(1, 3, 0);
    let told = segments(&read(&mut world, ALICE, &[(at(1, 3, 0), 240)]));
    assert_eq!(told.iter().filter(|segment| segment.supply.is_some()).count(), MAX_METER_AGREEMENTS);
}

#[test]
fn a_purchase_of_all_carriers_settles_though_each_meter_has_another_supplier() {
    let mut world = World::new();
    let mut lots = Vec::new();
    for carrier in Carrier::ALL {
        let [delivery, take] = ["roof", "alice"].map(|holder| {
            let template = world.meter(holder, carrier);
            Meter { label: label(&format!("{holder}/{carrier}/2")), ..template }
        });
        let metering =
            Metering { delivery: Some(delivery.id(account("operator"))), take: Some(take.id(account("operator"))) };
        for meter in [delivery, take] {
            world.done("operator", Action::RegisterMeter(meter));
        }
        let price = match carrier.base_unit() {
            carrier::BaseUnit::Joule => Price::micro_per_kwh(600_000),
            carrier::BaseUnit::Millilitre => Price::micro_per_m3(600_000),
        };
        let mut package = world.package(1);
        let mut option = package.options[0].clone();
        let package::Tariff::Metered(tariff) = &mut option.tariff else { unreachable!() };
        (option.carrier, tariff.price) = (carrier, price);
        (package.label, package.options) = (label(carrier.name()), vec![option].try_into().unwrap());
        world.done("station", Action::PublishPackage(package));
        let service = Service { meter: metering.take, ..world.service("alice", carrier, 0) };
        let mut terms = world.subscription_terms(vec![service]);
        terms.package = package_id(carrier.name());
        world.done("alice", Action::Subscribe { label: label(carrier.name()), terms });
        lots.push(PurchaseLot { carrier, quantity: Quantity(KWH), price, metering });
    }
    let Program::Purchase(terms) = Purchase::of_roof().terms().program else { unreachable!() };
    let program = Program::Purchase(PurchaseTerms { lots: lots.try_into().unwrap(), ..terms });
    let terms = AgreementTerms::between(account("roof"), account("alice"), program);
    let agreement = agreement_of("roof", "all");
    let proposal = Action::ProposeAgreement { label: label("all"), terms: terms.clone(), signing_ms: 3_600_000 };
    world.done("roof", proposal);
    world.done("alice", Action::SignAgreement { agreement, terms: terms.digest() });
    world.now = at(1, 10, 12);
    for carrier in Carrier::ALL {
        for (holder, register) in [("alice", KWH), ("roof", KWH / 2)] {
            let meter = format!("{holder}/{carrier}/2");
            world.done("gateway", world.readings(&meter, &[(at(1, 10, 0), 0), (at(1, 10, 12), register)]));
        }
    }
    let mut events = Vec::new();
    for minute in [30, 60] {
        let time = Timestamp(at(1, 11, 0).0 + minute * 60_000);
        events.extend(world.pass_to(time).iter().flat_map(Receipt::events).cloned());
    }
    assert_eq!(world.agreement(agreement).status, Status::Settled, "{events:?}");
    let returned = events.iter().filter(|event| matches!(event, Event::Returned { .. })).count();
    assert_eq!(returned, Carrier::COUNT);
    assert!(world.state.passes() <= 12, "what settling needs is asked for together: {} passes", world.state.passes());
}

/// Readings of a meter: hours since 10 January 0:00 and the register. Between two of them an hour is two fifths of a joule
/// or the like off the line, so that rounding shows.
fn schedule(quantities: &[u64]) -> Vec<(Timestamp, u64)> {
    let mut readings = vec![(at(1, 9, 22), 0)];
    for quantity in quantities {
        let (time, register) = readings[readings.len() - 1];
        readings.push((Timestamp(time.0 + 14 * HOUR_MS), register + quantity * 7));
    }
    readings
}

/// The same with those further readings that lie exactly on the line, every two hours, that `chosen` says.
fn with_more(readings: &[(Timestamp, u64)], chosen: &[bool]) -> Vec<(Timestamp, u64)> {
    let mut chosen = chosen.iter().copied().cycle();
    let mut all = vec![readings[0]];
    for pair in readings.windows(2) {
        let ((from, before), (to, after)) = (pair[0], pair[1]);
        for part in 1..7 {
            if chosen.next() == Some(true) {
                let time = Timestamp(from.0 + part * 2 * HOUR_MS);
                all.push((time, before + (after - before) / 7 * part));
            }
        }
        all.push((to, after));
    }
    all
}

/// Plays a week in which alice is supplied, pays ahead twice and has two purchases, one of them over part of a day.
/// Readings come in this order: `true` says that alice's next one comes. Gives the segments by meter and what all have.
fn play(readings: [&[(Timestamp, u64)]; 2], order: &[bool], batch: usize) -> ([Vec<MeterSegment>; 2], [Money; 3]) {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let grace_hours = 240;
    Purchase { grace_hours, kwh: 40, ..Purchase::of_roof() }.sign(&mut world, "1");
    let window = Window { from: at(1, 10, 9), to: at(1, 12, 17) };
    Purchase { grace_hours, kwh: 30, window, ..Purchase::of_roof() }.sign(&mut world, "2");
    for (day, hour, minute) in [(10, 13, 21), (11, 20, 47)] {
        world.pass_to(at_minute(day, hour, minute));
        world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(10))));
    }
    world.pass_to(at(1, 16, 0));
    let mut next = [0, 0];
    let mut told = [Vec::new(), Vec::new()];
    let mut order = order.iter().copied().cycle();
    while next[0] < readings[0].len() || next[1] < readings[1].len() {
        let wanted = usize::from(order.next() == Some(true));
        let which = if next[wanted] < readings[wanted].len() { wanted } else { 1 - wanted };
        let end = readings[which].len().min(next[which] + batch);
        let meter = [ROOF, ALICE][which];
        let events = world.done("gateway", world.readings(meter, &readings[which][next[which]..end]));
        assert!(matches!(&events[0], Event::Certified { refused, .. } if refused.is_empty()), "{events:?}");
        told[which].extend(segments(&events));
        next[which] = end;
    }
    world.pass_to(at(1, 23, 0));
    world.done("alice", terminate());
    world.pass_to(at(1, 23, 6));
    let balances = ["alice", "roof", "station"].map(|who| {
        let (free, reserved) = world.balance(who);
        Money(free.0 + reserved.0)
    });
    (told, balances)
}

/// What supplies and purchases have of January and of February, by band.
fn by_month(events: &[Event]) -> std::collections::BTreeMap<(AgreementId, bool), Bands> {
    let mut sums = std::collections::BTreeMap::new();
    let mut add = |id: AgreementId, february: bool, bands: &Bands| {
        let sum = sums.entry((id, february)).or_insert(Bands::ZERO);
        *sum = sum.checked_add(bands).unwrap();
    };
    for event in events {
        match event {
            Event::Segment(segment) => {
                let february = segment.interval.to > at(2, 1, 0);
                segment.fills.iter().for_each(|fill| add(fill.agreement, february, &fill.bands));
                if let Some((supply, _)) = segment.supply {
                    add(supply, february, &segment.rest().unwrap());
                }
            }
            Event::Returned { agreement, interval, bands, .. } => add(*agreement, interval.to > at(2, 1, 0), bands),
            _ => {}
        }
    }
    sums
}

/// Plays the turn of a month over which alice has a purchase. The readings from number `late` on come days after January's
/// statement.
fn play_turn_of_month(
    readings: &[(Timestamp, u64)],
    late: usize,
) -> std::collections::BTreeMap<(AgreementId, bool), Bands> {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    // It is night until 7: where a segment were cut would change what the purchase has of each band.
    let window = Window { from: at(1, 31, 3), to: at(2, 1, 15) };
    Purchase { grace_hours: 240, kwh: 10, window, ..Purchase::of_roof() }.sign(&mut world, "p");
    let mut events = Vec::new();
    for (number, (time, register)) in readings.iter().enumerate() {
        if number == late {
            events.extend(world.pass_to(at(2, 5, 0)).iter().flat_map(Receipt::events).cloned());
        } else if *time > world.now {
            events.extend(world.pass_to(*time).iter().flat_map(Receipt::events).cloned());
        }
        events.extend(world.done("gateway", world.readings(ALICE, &[(*time, *register)])));
    }
    for (hour, minute) in [(14, 30), (15, 0)] {
        let settles = Timestamp(at(2, 11, hour).0 + minute * 60_000);
        events.extend(world.pass_to(settles).iter().flat_map(Receipt::events).cloned());
    }
    world.done("alice", terminate());
    events.extend(world.pass_to(at(2, 14, 0)).iter().flat_map(Receipt::events).cloned());
    by_month(&events)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn neither_the_order_of_readings_nor_further_ones_on_the_line_change_a_sum(
        roof in prop::collection::vec(0..20_000_000u64, 10),
        alice in prop::collection::vec(0..20_000_000u64, 10),
        order in prop::collection::vec(any::<bool>(), 24),
        chosen in prop::collection::vec(any::<bool>(), 41),
        batch in 1..5usize,
    ) {
        let [roof, alice] = [schedule(&roof), schedule(&alice)];
        let plain = play([&roof, &alice], &[true, false], 1);
        let other = play([&with_more(&roof, &chosen), &with_more(&alice, &chosen)], &order, batch);
        for told in &plain.0 {
            for pair in told.windows(2) {
                prop_assert_eq!((pair[0].interval.to, pair[0].after), (pair[1].interval.from, pair[1].before));
            }
        }
        prop_assert_eq!(plain, other);
    }

    #[test]
    fn what_comes_after_its_statement_counts_for_the_same_periods_and_bands(
        quantities in prop::collection::vec(0..20_000_000u64, 6),
        late in 1..7usize,
    ) {
        let mut readings = schedule(&quantities);
        let days = 21 * 24 * HOUR_MS;
        readings.iter_mut().for_each(|(time, _)| time.0 += days);
        prop_assert_eq!(play_turn_of_month(&readings, usize::MAX), play_turn_of_month(&readings, late));
    }
}
