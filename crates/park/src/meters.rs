//! The park's meters: which there are, what their registers show, who signs their readings, and what befalls them.
//!
//! *device* what hangs on the wall; an exchange puts another in its place under the same meter id. *register* the running sum
//! of the device's hours from what it showed at first, starting again at its modulus. Electricity and generation meters
//! sign their own readings; the others are wired to the gateway, which answers for them.

use crate::cast::{Cast, GATEWAY, METER_OPERATOR, ROOFS, meter_id, secret};
use crate::data::{HOURS, Year, hour_begin, midnight, year_begin};
use crate::solar::generation_wh;
use std::ops::Range;
use utilidor_types::{
    Action, Carrier, ChainId, Label, Meter, MeterAuthority, MeterId, PrivateKey, Quantity, Reading, Signature,
    meter::{MeterRun, MeterSignature, READING_NAMESPACE, run_message},
    quantity::{JOULES_PER_KILOWATT_HOUR, JOULES_PER_WATT_HOUR},
};

/// The tenant whose electricity meter has a P-256 key and a register that rolls over in January.
pub const ROLLS_OVER: &str = "computer-room";
/// The tenant whose electricity meter misses readings.
pub const HAS_GAP: &str = "shops";
/// The tenant whose electricity meter is exchanged.
pub const IS_EXCHANGED: &str = "office-5";

/// The meter whose last reading of April comes a day late: after April's statement.
pub const COMES_LATE: (&str, Carrier) = ("hotel", Carrier::HotWater);
/// The meter whose readings of a day come a day late: after a purchase of that day is settled.
pub const IS_SILENT: (&str, Carrier) = ("office-2", Carrier::Heating);
/// The meter that shows too much in an hour of April.
pub const MISREADS: (&str, Carrier) = ("hotel", Carrier::Gas);

/// What is known of a meter beforehand.
#[derive(Debug, Clone)]
pub struct ParkMeter {
    /// Its label, such as `office-1/electricity`.
    pub label: String,
    /// Its id.
    pub id: MeterId,
    /// What it measures.
    pub carrier: Carrier,
    /// Label of the party whose consumption or generation it measures.
    pub holder: String,
    /// The tenant whose supply it measures; none for generation and for what a contract of its own is about.
    pub tenant: Option<usize>,
    /// What passes in each hour, in base units.
    pub hours: Vec<u64>,
    /// Width of the register.
    pub modulus: u64,
    /// Register at the begin of the year.
    pub first_register: u64,
    /// Hours whose end is not read.
    pub missing: Range<usize>,
    /// The hour at whose begin another device is put in place, with its register at 0.
    pub exchanged: Option<usize>,
    /// Hours of a day whose ends are read with the next day's readings.
    pub delayed: Range<usize>,
    /// An hour in which the register goes on too far, and how far.
    pub misread: Option<(usize, u64)>,
    sums: Vec<u64>,
}

/// All meters, generation and those of contracts first: what is made available must be known before what is taken of it.
pub fn park_meters(year: &Year) -> Vec<ParkMeter> {
    let mut meters: Vec<ParkMeter> = ROOFS
        .iter()
        .map(|(roof, peak_watts)| {
            let hours = generation_wh(year, *peak_watts).iter().map(|wh| wh * JOULES_PER_WATT_HOUR).collect();
            ParkMeter::new(roof_meter(roof), Carrier::Electricity, roof, None, hours)
        })
        .collect();
    for carrier in Carrier::ALL {
        for (tenant, record) in year.tenants().iter().enumerate() {
            let Some(load) = year.load_of(carrier, tenant) else { continue };
            let label = tenant_meter(&record.name, carrier);
            meters.push(ParkMeter::new(label, carrier, &record.name, Some(tenant), load.to_vec()));
        }
    }
    meters.extend(crate::contracts::meters(year));
    let mut electricity = |tenant: &str| {
        let label = tenant_meter(tenant, Carrier::Electricity);
        let place = meters.iter().position(|meter| meter.label == label).expect("the tenant has electricity");
        std::mem::replace(&mut meters[place], ParkMeter::new(String::new(), Carrier::Electricity, "", None, Vec::new()))
    };
    let mut rolls_over = electricity(ROLLS_OVER);
    rolls_over.modulus = 10_000_000 * JOULES_PER_KILOWATT_HOUR;
    rolls_over.first_register = 9_900_000 * JOULES_PER_KILOWATT_HOUR;
    let mut has_gap = electricity(HAS_GAP);
    // 20 January: the readings of 10, 11, 12 and 13 o'clock are lost; that of 14 o'clock covers five hours in two bands.
    let first = crate::data::hour_at(midnight(1, 20)) + 9;
    has_gap.missing = first..first + 4;
    let mut is_exchanged = electricity(IS_EXCHANGED);
    is_exchanged.exchanged = Some(crate::data::hour_at(midnight(3, 15)));
    for meter in [rolls_over, has_gap, is_exchanged] {
        let place = meters.iter().position(|place| place.label.is_empty()).expect("as many are put back as were taken");
        meters[place] = meter;
    }
    let other = |(tenant, carrier): (&str, Carrier)| {
        let label = tenant_meter(tenant, carrier);
        meters.iter().position(|meter| meter.label == label).expect("the tenant has the carrier")
    };
    let (late, silent, misreads) = (other(COMES_LATE), other(IS_SILENT), other(MISREADS));
    let april_ends = crate::data::hour_at(midnight(5, 1));
    meters[late].delayed = april_ends - 1..april_ends;
    let silent_from = crate::data::hour_at(midnight(12, 29));
    meters[silent].delayed = silent_from..silent_from + 24;
    let busiest = meters[misreads].hours.iter().max().copied().unwrap_or_default();
    meters[misreads].misread = Some((crate::data::hour_at(midnight(4, 20)) + 9, busiest / 8));
    meters.sort_by_key(|meter| (meter.tenant.is_some(), meter.carrier, meter.tenant, meter.label.clone()));
    meters
}

/// The label of a roof's meter.
pub fn roof_meter(roof: &str) -> String {
    format!("{roof}/generation")
}

/// The label of a tenant's meter.
pub fn tenant_meter(tenant: &str, carrier: Carrier) -> String {
    format!("{tenant}/{carrier}")
}

impl ParkMeter {
    pub(crate) fn new(label: String, carrier: Carrier, holder: &str, tenant: Option<usize>, hours: Vec<u64>) -> Self {
        let mut sums = Vec::with_capacity(hours.len() + 1);
        sums.push(0);
        for hour in &hours {
            sums.push(sums.last().expect("there is a first sum") + hour);
        }
        Self {
            id: meter_id(&label),
            label,
            carrier,
            holder: holder.into(),
            tenant,
            hours,
            modulus: 1_000_000_000_000_000,
            first_register: 0,
            missing: 0..0,
            exchanged: None,
            delayed: 0..0,
            misread: None,
            sums,
        }
    }

    /// Whether its device signs its readings.
    pub fn signs(&self) -> bool {
        self.carrier == Carrier::Electricity
    }

    /// The document that registers it, in service from the begin of the year.
    pub fn document(&self, cast: &Cast) -> Meter {
        Meter {
            label: Label::of_text(&self.label),
            carrier: self.carrier,
            holder: cast.account(&self.holder),
            authority: self.authority(cast, 0),
            register_modulus: Quantity(self.modulus),
            capacity_per_hour: Quantity(self.capacity_per_hour()),
            register: Quantity(self.first_register),
            since: year_begin(),
        }
    }

    /// The action that puts the second device in place, if there is one.
    pub fn exchange(&self, cast: &Cast) -> Option<Action> {
        let hour = self.exchanged?;
        Some(Action::ExchangeMeter {
            meter: self.id,
            last: Reading { time: hour_begin(hour), register: Quantity(self.register_of_device(0, hour)) },
            authority: self.authority(cast, 1),
            register_modulus: Quantity(self.modulus),
            register: Quantity::ZERO,
        })
    }

    /// The readings at the ends of `hours`, signed as they have to be; `None` if none is left. The last reading of a
    /// device that is exchanged travels with its exchange.
    pub fn run(&self, chain: ChainId, hours: Range<usize>) -> Option<MeterRun> {
        self.run_showing(chain, hours, |_| None)
    }

    /// The same with the registers that were read at the end of an hour, where one was; those of the data otherwise.
    pub fn run_showing(
        &self,
        chain: ChainId,
        hours: Range<usize>,
        shown: impl Fn(usize) -> Option<u64>,
    ) -> Option<MeterRun> {
        let device = usize::from(self.exchanged.is_some_and(|exchanged| hours.start >= exchanged));
        let read = |hour: &usize| !self.missing.contains(hour) && self.exchanged != Some(hour + 1);
        let is_late = self.delayed.end == hours.start;
        let late = self.delayed.clone().filter(|_| is_late);
        let readings: Vec<Reading> = late
            .chain(hours.filter(|hour| !self.delayed.contains(hour)))
            .filter(read)
            .map(|hour| Reading {
                time: hour_begin(hour + 1),
                register: Quantity(shown(hour).unwrap_or_else(|| self.register_of_device(device, hour + 1))),
            })
            .collect();
        if readings.is_empty() {
            return None;
        }
        let readings = readings.try_into().expect("a run has at most four days");
        let signature = self.signs().then(|| {
            let key = self.key(device);
            let signature: Signature = key.sign(READING_NAMESPACE, &run_message(chain, self.id, &readings));
            MeterSignature::Run { key: key.public_key(), signature }
        });
        Some(MeterRun { meter: self.id, readings, signature })
    }

    /// How often the register starts again in the first `hours` of the year.
    pub fn rollovers(&self, hours: usize) -> u64 {
        match self.exchanged {
            Some(_) => 0,
            None => (self.first_register + self.sums[hours]) / self.modulus,
        }
    }

    /// What the last reading shows that is known after the first `hours` of the year, on the device that hangs there then.
    pub fn register_after(&self, hours: usize) -> u64 {
        let hours = if self.delayed.end == hours { self.delayed.start } else { hours };
        self.register_of_device(usize::from(self.exchanged.is_some_and(|exchanged| hours >= exchanged)), hours)
    }

    /// What the device that hangs there in an hour shows at its end.
    pub fn register_at_end(&self, hour: usize) -> u64 {
        self.register_of_device(usize::from(self.exchanged.is_some_and(|exchanged| hour >= exchanged)), hour + 1)
    }

    /// The most that can pass in an hour.
    pub fn capacity_per_hour(&self) -> u64 {
        self.hours.iter().max().expect("a meter has hours") * 5 / 4 + 1
    }

    /// What passes in the first `hours` of the year.
    pub fn total(&self, hours: usize) -> u64 {
        self.sums[hours.min(HOURS)]
    }

    /// Label of the account that registers and exchanges meters.
    pub const OPERATOR: &'static str = METER_OPERATOR;

    fn register_of_device(&self, device: usize, hour: usize) -> u64 {
        let (first, since) = match device {
            0 => (self.first_register, 0),
            _ => (0, self.exchanged.expect("only an exchanged meter has a second device")),
        };
        let misread = self.misread.filter(|(misread, _)| *misread < hour).map_or(0, |(_, extra)| extra);
        (first + self.sums[hour] - self.sums[since] + misread) % self.modulus
    }

    fn authority(&self, cast: &Cast, device: usize) -> MeterAuthority {
        match self.signs() {
            true => MeterAuthority::Meter(self.key(device).public_key()),
            false => MeterAuthority::Gateway(cast.account(GATEWAY)),
        }
    }

    fn key(&self, device: usize) -> PrivateKey {
        let secret = secret("meter", &format!("{} device {}", self.label, device + 1));
        match self.holder == ROLLS_OVER {
            true => PrivateKey::p256(secret).expect("this hash is a scalar of the curve"),
            false => PrivateKey::ed25519(secret),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_six_tenant_meters_follow_two_of_generation_and_five_of_contracts() {
        let meters = park_meters(&Year::load());
        assert_eq!(meters.len(), 73);
        assert!(meters[..7].iter().all(|meter| meter.tenant.is_none()));
        assert!(meters[7..].iter().all(|meter| meter.tenant.is_some()));
    }

    #[test]
    fn the_year_has_a_rollover_a_gap_and_an_exchange() {
        let meters = park_meters(&Year::load());
        let chain = crate::cast::chain();
        let readings = |meter: &ParkMeter, day: usize| {
            meter.run(chain, day * 24..day * 24 + 24).map_or(0, |run| run.readings.len())
        };
        assert_eq!(meters.iter().filter(|meter| meter.rollovers(31 * 24) == 1).count(), 1);
        let gap = meters.iter().find(|meter| !meter.missing.is_empty()).unwrap();
        assert_eq!(readings(gap, 19), 20);
        let exchanged = meters.iter().find(|meter| meter.exchanged.is_some()).unwrap();
        let day = exchanged.exchanged.unwrap() / 24;
        assert_eq!([readings(exchanged, day - 1), readings(exchanged, day)], [23, 24]);
        assert_eq!(
            exchanged.run(chain, day * 24..day * 24 + 1).unwrap().readings[0].register.0,
            exchanged.hours[day * 24]
        );
    }
}
