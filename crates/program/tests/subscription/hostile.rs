//! Every number over its edges, in any order: a program answers, refuses, or says that a number leaves its range.

use crate::world::*;
use proptest::prelude::*;
use utilidor_program::{Event, Segment};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::{Service, Status};
use utilidor_types::package::{
    Charge, ChargeRule, FloorAreaTariff, MAX_FACTOR_PERMILLE, MAX_PRICE, MAX_VAT_PERMILLE, MeteredByPeriodTariff,
    Package, Period, PeriodDiscounts, TimeOfUse,
};
use utilidor_types::time::HOUR_MS;
use utilidor_types::{Area, Bands, Carrier, Money, Party, Price, Quantity, Tariff, Text, Timestamp, Window};

/// Every price at its edge.
fn dear(version: u32, price: Money, least: Money) -> Package {
    let mut package = package();
    let discounts = PeriodDiscounts { month_permille: 999, quarter_permille: 0, year_permille: 500 };
    let price = Price { money: price, ..Price::micro_per_kwh(0) };
    let mut one = metered(1, TimeOfUse { factors_permille: [MAX_FACTOR_PERMILLE; 5], ..night() });
    (one.price, one.levy, one.grace) = (price, MAX_PRICE, Quantity(u64::MAX));
    let mut two = metered(1, night());
    (two.price.money, two.grace) = (Money(1), Quantity(0));
    let by_period = MeteredByPeriodTariff { price, discounts, grace: Quantity(1), levy: MAX_PRICE };
    let by_area = FloorAreaTariff { per_m2: price.money, season: WINTER, discounts };
    package.options = some(vec![
        option(Carrier::Electricity, Tariff::Metered(one)),
        option(Carrier::Electricity, Tariff::Metered(two)),
        option(Carrier::Heating, Tariff::MeteredByPeriod(by_period)),
        option(Carrier::Cooling, Tariff::FloorArea(by_area)),
    ]);
    package.options.as_mut_slice().iter_mut().for_each(|option| option.vat_permille = MAX_VAT_PERMILLE);
    let charge = |rule| Charge { name: Text::new("charge").unwrap(), rule, vat_permille: 1 };
    let demand = |carrier, per_kw| charge(ChargeRule::Demand { carrier, per_kw });
    let minimum = charge(ChargeRule::Minimum { per_month: least });
    let fixed = charge(ChargeRule::Fixed { per_month: Money(1) });
    let demands = [demand(Carrier::Electricity, MAX_PRICE), demand(Carrier::Cooling, price.money)];
    package.terms.charges = some([fixed].into_iter().chain(demands).chain([minimum]).collect());
    package.version = version;
    package
}

#[derive(Debug, Clone)]
enum Deed {
    Wait(u64),
    Read(usize, u64),
    Pay(u64),
    PayHeat(u64, u8),
    PayArea(u64, u8),
    Amend { option: u8, version: u32, area: u32, meter: u8, later: u64 },
    End(u8),
    Withdraw(u8),
    Correct { binding: u8, from: u64, hours: u64, more: [u64; 5], less: [u64; 5] },
    Return { binding: u8, from: u64, hours: u64, more: [u64; 5] },
    Level { binding: u8, brought: [u64; 5] },
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0u64), Just(1), 0u64..1 << 20, 0u64..1 << 40, Just(1 << 53), Just(u64::MAX - 1), Just(u64::MAX)]
}

fn deed() -> impl Strategy<Value = Deed> {
    let bands = || proptest::array::uniform5(number());
    let interval = || (0u64..2_000, 0u64..1_500);
    prop_oneof![
        6 => (0u64..1_000).prop_map(Deed::Wait),
        6 => (0usize..4, number()).prop_map(|(meter, quantity)| Deed::Read(meter, quantity)),
        3 => number().prop_map(Deed::Pay),
        2 => (number(), 0u8..3).prop_map(|(amount, period)| Deed::PayHeat(amount, period)),
        2 => (number(), 0u8..3).prop_map(|(amount, period)| Deed::PayArea(amount, period)),
        2 => (0u8..3, 1u32..4, any::<u32>(), 1u8..4, number()).prop_map(|(option, version, area, meter, later)| {
            Deed::Amend { option, version, area, meter, later }
        }),
        1 => (0u8..4).prop_map(Deed::End),
        1 => (0u8..3).prop_map(Deed::Withdraw),
        2 => (0u8..18, interval(), bands(), bands()).prop_map(|(binding, (from, hours), more, less)| {
            Deed::Correct { binding, from, hours, more, less }
        }),
        1 => (0u8..18, interval(), bands())
            .prop_map(|(binding, (from, hours), more)| Deed::Return { binding, from, hours, more }),
        1 => (0u8..18, bands()).prop_map(|(binding, brought)| Deed::Level { binding, brought }),
    ]
}

/// Electricity and heat beside a floor area, or the floor area alone.
fn services(has_prices: bool, option: u8, area: u32, meter: u8) -> Vec<Service> {
    let mut power = electricity(option, meter);
    power.low_balance = Quantity(u64::from(area) << 32);
    let cooling = Service { carrier: Carrier::Cooling, option: 0, floor_area: Area(area), ..electricity(0, 5) };
    if has_prices { vec![power, heating(4), cooling] } else { vec![cooling] }
}

const PERIODS: [Period; 3] = [Period::Month, Period::Quarter, Period::Year];

struct Stage {
    world: World,
    /// The largest quantity or amount that is asked for.
    most: u64,
    has_prices: bool,
    registers: [u64; 4],
    last: [Timestamp; 4],
    began: Timestamp,
}

impl Stage {
    fn interval(&self, from: u64, hours: u64) -> Window {
        let from = Timestamp(self.began.0 + from * HOUR_MS).min(self.world.now);
        Window { from, to: Timestamp(from.0 + hours * HOUR_MS).min(self.world.now) }
    }

    fn play(&mut self, a: usize, deed: &Deed) {
        let (most, has_prices) = (self.most, self.has_prices);
        let to_bands = |numbers: [u64; 5]| Bands(numbers.map(|of| Quantity((of >> 12).min(most))));
        let world = &mut self.world;
        match deed.clone() {
            Deed::Wait(hours) => world.until(Timestamp(world.now.0 + hours * HOUR_MS + 1)),
            Deed::Read(meter, quantity) => {
                // No meter passes more than 10 TJ an hour.
                let hours = (world.now.0 - self.last[meter].0) / HOUR_MS;
                let passes = hours.saturating_mul(10_000_000_000_000);
                let register = self.registers[meter].saturating_add(quantity.min(passes).min(most));
                if world.now > self.last[meter] {
                    (self.registers[meter], self.last[meter]) = (register, world.now);
                    world.read([1, 2, 4, 5][meter], world.now, Quantity(register));
                }
            }
            Deed::Pay(amount) => {
                drop(world.prepay(a, Carrier::Electricity, Prepayment::Amount(Money(amount.min(most)))))
            }
            Deed::PayHeat(amount, period) => {
                let (amount, period) = (Money(amount.min(most)), PERIODS[usize::from(period)]);
                drop(world.prepay(a, Carrier::Heating, Prepayment::AmountForPeriod { amount, period }));
            }
            Deed::PayArea(at_most, period) => {
                let (at_most, period) = (Money(at_most), PERIODS[usize::from(period)]);
                drop(world.prepay(a, Carrier::Cooling, Prepayment::Period { period, at_most }));
            }
            Deed::Amend { option, version, area, meter, later } => {
                let mut terms = world.terms(services(has_prices, option, area, meter), "1000000000");
                terms.version = version;
                let from = Timestamp(world.now.0.saturating_add(later % (1 << 33)));
                let from = if later == u64::MAX { utilidor_types::time::MAX_TIMESTAMP } else { from };
                drop(world.amend(a, terms, from));
            }
            Deed::End(by) => drop(world.end(a, (by < 2).then_some(Party(by)))),
            Deed::Withdraw(by) => drop(world.ask(a, Event::EndingWithdrawn { by: Party(by) })),
            Deed::Correct { binding, from, hours, more, less } => {
                let (interval, bands) = (self.interval(from, hours), to_bands(more));
                let (more, less) = (Segment { interval, bands, peak: (bands.0[0], 0) }, to_bands(less));
                self.world.tell(a, Event::Corrected { binding, more, less });
            }
            Deed::Return { binding, from, hours, more } => {
                let (interval, bands) = (self.interval(from, hours), to_bands(more));
                let segment = Segment { interval, bands, peak: (Quantity(most), u32::MAX) };
                self.world.tell(a, Event::Returned { binding, segment });
            }
            Deed::Level { binding, brought } => {
                let bands = to_bands(brought);
                self.world.tell(a, Event::Level { binding, bands });
            }
        }
    }
}

fn play(packages: [Package; 2], most: u64, (has_prices, area): (bool, u32), deeds: &[Deed]) -> World {
    let began = on(1, 1, 0);
    let [first, second] = packages;
    let mut world = World::new(began, &first);
    world.publish(&second);
    (1..=5).for_each(|meter| world.meter(meter, began));
    world.may_overflow = most == u64::MAX;
    let a = world.subscribe(services(has_prices, 0, area, 1), "9000000000000", "1000000000").unwrap();
    let mut stage = Stage { world, most, has_prices, registers: [0; 4], last: [began; 4], began };
    for deed in deeds {
        stage.play(a, deed);
        if stage.world.overflown {
            return stage.world;
        }
    }
    let _ = stage.world.end(a, Some(Party::USER));
    let now = stage.world.now;
    stage.world.until(Timestamp(now.0 + 100 * 24 * HOUR_MS));
    stage.world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_number_makes_a_program_stumble(
        price in 1u64..=MAX_PRICE.0, least in 1u64..=MAX_PRICE.0, has_prices: bool, area in 1u32..,
        deeds in proptest::collection::vec(deed(), 1..40),
    ) {
        let packages = [dear(1, Money(price), Money(least)), dear(2, MAX_PRICE, MAX_PRICE)];
        let world = play(packages, u64::MAX, (has_prices, area), &deeds);
        prop_assert!(world.overflown || world.agreements[0].status != Status::Active);
    }

    #[test]
    fn what_is_honest_in_its_numbers_always_ends(
        has_prices: bool, area in 1u32..1 << 20, least in 1u64..=MAX_PRICE.0,
        deeds in proptest::collection::vec(deed(), 1..60),
    ) {
        let packages = [dear(1, money("0.8"), Money(least)), dear(2, money("0.9"), Money(least / 2 + 1))];
        let world = play(packages, 1 << 40, (has_prices, area), &deeds);
        prop_assert!(world.agreements[0].status != Status::Active);
    }
}
