//! The year's tenders: what the roof-PV owners and the station put up each month, and who quotes what.
//!
//! Each month, on its first day, both roofs offer the PV electricity of the days 4 to 24, and the station a block of heating
//! or cooling. Gates close at the begin of day 3; the owner opens the quotes and awards from the highest price down while
//! the lot lasts. In April and October, when nobody heats or cools, the station sells ahead into the coming season.

use crate::cast::{Cast, ROOFS, STATION, agreement_id, offer_id, secret};
use crate::data::{Year, hours_of, midnight};
use crate::meters::{ParkMeter, roof_meter, tenant_meter};
use crate::tariff::kilowatt_hours;
use serde::{Deserialize, Serialize};
use utilidor_sdk::{SealKey, core::seal::seal_quote};
use utilidor_types::{
    Action, AgreementId, Carrier, Label, Money, Offer, OfferId, OfferTerms, Opening, Price, Quantity, Timestamp,
    Window,
    agreement::Substitute,
    offer::{AwardRule, Lot},
    quote::QuoteLine,
    time::HOUR_MS,
};

/// Time after a delivery window in which late readings count.
pub const GRACE_MS: u64 = HOUR_MS;
/// Time to sign an award that is not binding.
const SIGNING_MS: u64 = 12 * HOUR_MS;
/// Quantities are offered and quoted in whole hundreds of kilowatt-hours.
const LUMP: u64 = 100 * 3_600_000;

/// A quote as its bidder means it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bid {
    /// The tenant's name.
    pub bidder: String,
    /// What it wants over the window.
    pub quantity: Quantity,
    /// Its price, per kWh.
    pub price: Money,
    /// Whether an award alone concludes the agreement.
    pub binding: bool,
    /// Whether it signs an award of a quote that is not binding.
    pub signs: bool,
}

/// A tender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tender {
    /// Its label, such as `2025-01/roof-east`.
    pub label: String,
    /// Label of the owner.
    pub owner: String,
    /// The carrier.
    pub carrier: Carrier,
    /// When it is delivered.
    pub window: Window,
    /// When the gate closes.
    pub gate: Timestamp,
    /// What is offered.
    pub quantity: Quantity,
    /// The asking price per kWh.
    pub ask: Money,
    /// The label of the meter that proves what is made available, if any.
    pub delivery_meter: Option<String>,
    /// The quotes. They are their bidders' secret: no file of the demonstration holds them.
    #[serde(skip)]
    pub bids: Vec<Bid>,
    /// A bidder that comes when the gate has closed.
    pub late: Option<String>,
}

/// The tenders that are put up in a month (1 to 12). The same each time.
pub fn tenders_of_month(year: &Year, meters: &[ParkMeter], month: u8) -> Vec<Tender> {
    let mut tenders: Vec<Tender> = (0..ROOFS.len()).map(|roof| solar_tender(year, meters, month, roof)).collect();
    tenders.push(station_tender(year, month));
    tenders
}

fn solar_tender(year: &Year, meters: &[ParkMeter], month: u8, roof: usize) -> Tender {
    let owner = ROOFS[roof].0;
    let label = format!("2025-{month:02}/{owner}");
    let window = Window { from: midnight(month, 4), to: midnight(month, 25) };
    let plant = roof_meter(owner);
    let meter = meters.iter().find(|meter| meter.label == plant).expect("every roof has its meter");
    let generation: u64 = meter.hours[hours_of(window)].iter().sum();
    let over_promises = (month, roof) == (6, 0);
    // Nine tenths of the forecast; once, the forecast was far too good.
    let permille = if over_promises { 1_400 } else { 900 };
    let quantity = generation / 1_000 * permille / LUMP * LUMP;
    let tenants = year.tenants();
    let first = usize::from(month) * 4 + roof * 7;
    let bidders: Vec<usize> = match over_promises {
        true => ["hotel", "computer-room", "shops", "office-1"].map(|name| year.tenant(name)).to_vec(),
        false => (first..first + 4).map(|index| index % tenants.len()).collect(),
    };
    let bids = bidders
        .into_iter()
        .enumerate()
        .map(|(place, tenant)| {
            let own = year.total_in(Carrier::Electricity, tenant, window) / 4;
            let most = quantity / 100 * 45;
            // In January the highest bidder at the western roof neither binds itself nor signs.
            let sleeps = (month, roof, place) == (1, 1, 0);
            let mut bid = bid(&label, &tenants[tenant].name, own.min(most), 550_000);
            if sleeps {
                bid = Bid { price: Money(700_000), binding: false, signs: false, ..bid };
            }
            bid
        })
        .collect();
    Tender {
        label,
        owner: owner.into(),
        carrier: Carrier::Electricity,
        window,
        gate: midnight(month, 3),
        quantity: Quantity(quantity),
        ask: Money(550_000),
        delivery_meter: Some(meter.label.clone()),
        bids,
        late: None,
    }
}

fn station_tender(year: &Year, month: u8) -> Tender {
    let label = format!("2025-{month:02}/{STATION}");
    let (carrier, from, to) = match month {
        1 | 2 | 12 => (Carrier::Heating, (month, 4), (month, 25)),
        3 => (Carrier::Heating, (3, 4), (3, 16)),
        4 => (Carrier::Cooling, (5, 16), (6, 1)),
        5 => (Carrier::Cooling, (5, 18), (5, 29)),
        10 => (Carrier::Heating, (11, 16), (12, 1)),
        11 => (Carrier::Heating, (11, 18), (11, 29)),
        _ => (Carrier::Cooling, (month, 4), (month, 25)),
    };
    let window = Window { from: midnight(from.0, from.1), to: midnight(to.0, to.1) };
    let ask = if carrier == Carrier::Heating { 300_000 } else { 400_000 };
    let offices: Vec<usize> =
        (0..year.tenants().len()).filter(|tenant| year.tenants()[*tenant].category == "office").collect();
    let bids: Vec<Bid> = (0..4)
        .map(|place| {
            let tenant = offices[(usize::from(month) * 2 + place) % offices.len()];
            let own = year.total_in(carrier, tenant, window);
            // In February one bidder wants more than it can use, and outbids the others.
            let wants_too_much = (month, place) == (2, 0);
            let permille = if wants_too_much { 1_300 } else { 500 };
            let mut bid = bid(&label, &year.tenants()[tenant].name, own / 1_000 * permille, ask);
            if wants_too_much {
                bid.price = Money(ask * 6 / 5);
            }
            bid
        })
        .collect();
    let wanted: u64 = bids.iter().map(|bid| bid.quantity.0).sum();
    Tender {
        label,
        owner: STATION.into(),
        carrier,
        window,
        gate: midnight(month, 3),
        quantity: Quantity(wanted / 4 * 3 / LUMP * LUMP),
        ask: Money(ask),
        delivery_meter: None,
        bids,
        late: (month == 1).then(|| "common-services".to_owned()),
    }
}

/// A bid of about `quantity`, at 96 % to 110 % of the asking price, as a hash decides; it also decides whether it binds.
fn bid(tender: &str, bidder: &str, quantity: u64, ask: u64) -> Bid {
    let dice = secret("bid", &format!("{tender}/{bidder}"));
    let permille = 960 + u64::from(u16::from_le_bytes([dice[0], dice[1]])) % 140;
    Bid {
        bidder: bidder.into(),
        quantity: Quantity((quantity / LUMP).max(1) * LUMP),
        price: Money(ask * permille / 1_000),
        binding: dice[2].is_multiple_of(2),
        signs: true,
    }
}

impl Tender {
    /// The key that opens its quotes.
    pub fn seal_key(&self) -> SealKey {
        SealKey::from_secret(&secret("seal", &self.label))
    }

    /// When it settles.
    pub fn settles_at(&self) -> Timestamp {
        Timestamp(self.window.to.0 + GRACE_MS)
    }

    /// The offer.
    pub fn offer(&self) -> Offer {
        let lot = Lot {
            carrier: self.carrier,
            quantity: self.quantity,
            asking_price: Price::micro_per_kwh(self.ask.0),
            delivery_meter: self.delivery_meter.as_deref().map(crate::cast::meter_id),
            user_metered: true,
        };
        Offer {
            label: Label::of_text(&self.label),
            lots: vec![lot].try_into().expect("one lot is within the bound"),
            window: self.window,
            gate_closes: self.gate,
            lapses: self.window.from,
            seal: self.seal_key().seal(),
            terms: OfferTerms {
                deposit_permille: 100,
                guarantee_permille: 500,
                tolerance_permille: 50,
                grace_ms: GRACE_MS as u32,
                substitute: Substitute::Nothing,
                signing_ms: SIGNING_MS as u32,
                bond: Money::units(100),
                award_rule: AwardRule::Free,
            },
            notice: self.label.parse().expect("a label is within the bound"),
        }
    }

    /// What a bid's quote says.
    pub fn opening(&self, bid: &Bid) -> Opening {
        let line = QuoteLine {
            quantity: bid.quantity,
            price: bid.price,
            user_meter: crate::cast::meter_id(&tenant_meter(&bid.bidder, self.carrier)),
        };
        Opening {
            salt: secret("salt", &format!("{}/{}", self.label, bid.bidder)),
            lines: vec![line].try_into().expect("one line is within the bound"),
        }
    }

    /// The id of the offer.
    pub fn id(&self) -> OfferId {
        offer_id(&self.owner, &self.label)
    }

    /// What the owner calls the agreement with a bidder.
    pub fn agreement_label(&self, bidder: &str) -> Label {
        Label::of_text(&format!("{}/{bidder}", self.label))
    }

    /// The id of the agreement with a bidder.
    pub fn agreement(&self, bidder: &str) -> AgreementId {
        agreement_id(&self.owner, &format!("{}/{bidder}", self.label))
    }

    /// The action that quotes a bid.
    pub fn quote(&self, cast: &Cast, chain: utilidor_types::ChainId, bid: &Bid) -> Action {
        let (offer, bidder) = (self.offer(), cast.account(&bid.bidder));
        let sealed = seal_quote(&self.opening(bid), (cast.account(&self.owner), &offer), chain, bidder, bid.binding);
        Action::submit_quote(sealed.expect("the offer's seal key is a key"))
    }
}

/// Chooses from opened quotes: the highest price first, of equals the first; each only if what is left of the lot holds it.
pub fn choose<T>(lot: Quantity, mut quotes: Vec<(T, Opening)>) -> Vec<(T, Opening)> {
    quotes.sort_by_key(|(_, opening)| std::cmp::Reverse(opening.lines[0].price));
    let mut left = lot;
    let mut fits = |opening: &Opening| match left.checked_sub(opening.lines[0].quantity) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    quotes.into_iter().filter(|(_, opening)| fits(opening)).collect()
}

/// The most that an owner can supply in an hour, as the council declares it [Table II].
pub fn capacities() -> Vec<(&'static str, Carrier, Quantity)> {
    let mut capacities = vec![
        (STATION, Carrier::Electricity, kilowatt_hours(6_698)),
        (STATION, Carrier::Cooling, kilowatt_hours(16_360)),
        (STATION, Carrier::Heating, kilowatt_hours(11_704)),
        // 3.5 MW at 46.5 kWh a cubic metre.
        (STATION, Carrier::HotWater, Quantity(3_500 * 10 * 1_000_000 / 465)),
    ];
    let watt_hours = |watts: u64| Quantity(watts * 3_600);
    capacities.extend(ROOFS.map(|(roof, watts)| (roof, Carrier::Electricity, watt_hours(watts))));
    capacities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meters::park_meters;

    fn all() -> Vec<Tender> {
        let year = Year::load();
        let meters = park_meters(&year);
        (1..=12).flat_map(|month| tenders_of_month(&year, &meters, month)).collect()
    }

    #[test]
    fn each_tender_has_three_quotes_or_more_and_gates_before_its_delivery() {
        for tender in all() {
            assert!(tender.bids.len() >= 3, "{}", tender.label);
            assert!(tender.gate < tender.window.from, "{}", tender.label);
            assert!(tender.quantity > Quantity::ZERO, "{}", tender.label);
            let bidders: std::collections::BTreeSet<_> = tender.bids.iter().map(|bid| &bid.bidder).collect();
            assert_eq!(bidders.len(), tender.bids.len(), "{}", tender.label);
        }
    }

    #[test]
    fn the_winners_of_a_tender_fit_in_its_lot_and_somebody_loses() {
        let mut losers = 0;
        for tender in all() {
            let quotes = tender.bids.iter().map(|bid| (bid, tender.opening(bid))).collect();
            let winners = choose(tender.quantity, quotes);
            assert!(!winners.is_empty(), "{}", tender.label);
            let sum: u64 = winners.iter().map(|(bid, _)| bid.quantity.0).sum();
            assert!(sum <= tender.quantity.0, "{}", tender.label);
            losers += tender.bids.len() - winners.len();
        }
        assert!(losers >= 12, "{losers} quotes are never awarded");
    }
}
