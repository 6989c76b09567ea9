//! A day on which tenants follow each other: it is paid once, by whoever is there at its end.

use crate::capabilities::charge;
use crate::world::*;
use utilidor_types::agreement::Service;
use utilidor_types::package::{Charge, ChargeRule};
use utilidor_types::{Money, Party, Timestamp};

/// 1,000 m2 at 1,000 a day, a rent of 31 a month, and a meter.
fn world() -> World {
    let mut package = package();
    package.terms.charges =
        some(vec![Charge { vat_permille: 0, ..charge("rent", ChargeRule::Fixed { per_month: money("31") }) }]);
    let mut world = World::new(on(1, 1, 0), &package);
    world.meter(1, on(1, 1, 0));
    world
}

fn services(m2: u32) -> Vec<Service> {
    vec![electricity(0, 1), area(m2)]
}

/// Tenants that follow each other on the meter, from when until when each; what each pays.
fn pay(tenants: &[(Timestamp, Timestamp, Vec<Service>)]) -> Vec<Money> {
    let mut world = world();
    for (number, (from, to, services)) in tenants.iter().enumerate() {
        world.until(*from);
        assert_eq!(world.subscribe(services.clone(), "100000", "100000"), Ok(number));
        world.until(*to);
        world.end(number, Some(Party::USER)).unwrap();
    }
    world.until(on(1, 31, 0));
    world.agreements.iter().map(|agreement| agreement.charged()).collect()
}

#[test]
fn of_tenants_that_share_a_day_the_one_who_is_there_at_its_end_pays_it() {
    let (begin, eight, noon, evening) = (at(2026, 1, 10, 0, 1), on(1, 10, 8), on(1, 10, 12), on(1, 10, 20));
    let days = |number: u32| money(&(1_001 * number).to_string());
    let whole = || services(1_000);
    let tenants = [(begin, eight, whole()), (eight, on(1, 12, 9), whole())];
    assert_eq!(pay(&tenants), [days(0), days(3)], "at once");
    let tenants = [(begin, eight, whole()), (noon, on(1, 12, 9), whole())];
    assert_eq!(pay(&tenants), [days(0), days(3)], "some hours later");
    let tenants = [(on(1, 3, 0), eight, whole()), (eight, on(1, 12, 9), whole())];
    assert_eq!(pay(&tenants), [days(7), days(3)], "who was there before");
    let tenants = [(begin, eight, whole()), (eight, evening, whole()), (evening, on(1, 11, 9), whole())];
    assert_eq!(pay(&tenants), [days(0), days(0), days(2)], "three of them");
    let tenants = [(on(1, 3, 0), eight, whole()), (eight, evening, whole())];
    assert_eq!(pay(&tenants), [days(7), days(1)], "nobody is there at its end");
    let tenants = [(begin, eight, whole()), (on(1, 11, 0), on(1, 12, 9), whole())];
    assert_eq!(pay(&tenants), [days(1), days(2)], "the next one comes on another day");
    let tenants = [(begin, on(1, 10, 23), whole())];
    assert_eq!(pay(&tenants), [days(1)], "nobody follows");
}

#[test]
fn a_day_passes_on_to_nobody_who_does_not_pay_as_much_for_it() {
    let (begin, eight) = (at(2026, 1, 10, 0, 1), on(1, 10, 8));
    let tenants = [(begin, eight, services(1_000)), (eight, on(1, 12, 9), services(500))];
    assert_eq!(pay(&tenants), [money("1001"), money("1503")], "a smaller floor area");
    let tenants = [(begin, eight, services(1_000)), (eight, on(1, 12, 9), vec![electricity(0, 1)])];
    assert_eq!(pay(&tenants), [money("1001"), money("3")], "none");
}

#[test]
fn who_ends_in_the_moment_of_the_begin_has_had_no_day() {
    assert_eq!(pay(&[(on(1, 10, 0), on(1, 10, 0), vec![area(1_000)])]), [Money::ZERO]);
}
