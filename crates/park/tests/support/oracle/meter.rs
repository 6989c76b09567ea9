//! What the tenants' meters showed, out of the CSV files.

use super::sheet::{Bands, HOUR, YEAR_BEGIN, band};
use std::collections::BTreeMap;
use utilidor_types::Carrier;

/// The hours from 9 to 14 o'clock on 20 January.
const LOST: std::ops::Range<usize> = 19 * 24 + 9..19 * 24 + 14;

/// The last hour of April, and 29 December: their readings come a day later.
const DELAYED: [(Carrier, &str, std::ops::Range<usize>); 2] =
    [(Carrier::HotWater, "hotel", 120 * 24 - 1..120 * 24), (Carrier::Heating, "office-2", 362 * 24..363 * 24)];

/// A tenant's meter.
#[derive(Debug, Clone)]
pub struct Meter {
    pub carrier: Carrier,
    pub tenant: String,
    /// What has passed at the begin of each hour.
    hours: Vec<i128>,
    /// Hours that one reading covers: the ones at their ends are lost.
    lost: std::ops::Range<usize>,
    /// Up to where what passed has been shared out.
    pub base: i128,
    /// The last reading.
    pub read: i128,
}

impl Meter {
    /// What has passed at a time: a straight line between two readings, rounded down.
    fn passed(&self, time: i128) -> i128 {
        let hour = usize::try_from((time - YEAR_BEGIN) / HOUR).expect("the time is in the year");
        let (from, to) = if self.lost.contains(&hour) { (self.lost.start, self.lost.end) } else { (hour, hour + 1) };
        let since = time - YEAR_BEGIN - from as i128 * HOUR;
        match since {
            0 => self.hours[from],
            _ => self.hours[from] + (self.hours[to] - self.hours[from]) * since / ((to - from) as i128 * HOUR),
        }
    }

    /// A register that goes on too far in an hour; what has passed is too much from then on.
    pub fn misread(&mut self, hour: usize, extra: i128) {
        self.hours[hour + 1..].iter_mut().for_each(|passed| *passed += extra);
    }

    /// The last reading that is known after a number of hours.
    pub fn last_reading(&self, hours: usize) -> i128 {
        let delayed = DELAYED.iter().find(|(carrier, tenant, delayed)| {
            (*carrier, *tenant, delayed.end) == (self.carrier, self.tenant.as_str(), hours)
        });
        YEAR_BEGIN + delayed.map_or(hours, |(_, _, delayed)| delayed.start) as i128 * HOUR
    }

    /// What passes from one time to another, by band.
    pub fn between(&self, from: i128, to: i128) -> Bands {
        let (mut bands, mut at) = ([0; 5], from);
        while at < to {
            let hour = ((at - YEAR_BEGIN) / HOUR) as usize;
            let end = to.min(YEAR_BEGIN + (hour as i128 + 1) * HOUR);
            bands[band(self.carrier, hour)] += self.passed(end) - self.passed(at);
            at = end;
        }
        bands
    }
}

/// All meters of tenants, by carrier and tenant.
pub fn meters() -> Vec<Meter> {
    let files = [
        (Carrier::Electricity, include_str!("../../../data/electricity.csv"), 3_600),
        (Carrier::Heating, include_str!("../../../data/heating.csv"), 3_600),
        (Carrier::Cooling, include_str!("../../../data/cooling.csv"), 3_600),
        (Carrier::HotWater, include_str!("../../../data/hot_water.csv"), 1_000),
        (Carrier::Gas, include_str!("../../../data/gas.csv"), 1_000),
        (Carrier::Water, include_str!("../../../data/water.csv"), 1_000),
    ];
    let mut meters = Vec::new();
    for (carrier, text, factor) in files {
        let mut lines = text.lines();
        let names = lines.next().unwrap().split(',').skip(1);
        let mut hours: BTreeMap<String, Vec<i128>> = names.clone().map(|name| (name.to_owned(), vec![0])).collect();
        for line in lines {
            for (name, cell) in names.clone().zip(line.split(',').skip(1)) {
                let hours = hours.get_mut(name).unwrap();
                hours.push(hours[hours.len() - 1] + cell.parse::<i128>().unwrap() * factor);
            }
        }
        meters.extend(hours.into_iter().map(|(tenant, hours)| {
            let loses = carrier == Carrier::Electricity && tenant == "shops";
            Meter { carrier, tenant, hours, lost: if loses { LOST } else { 0..0 }, base: YEAR_BEGIN, read: YEAR_BEGIN }
        }));
    }
    meters
}
