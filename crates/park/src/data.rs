//! The year's data: hourly loads of each tenant, the outdoor temperature, the tenants.
//!
//! *hour* the index of an hour since the year's begin, 0 to 8,759. *load* what passes a tenant's meter in an hour, in the
//! carrier's base unit. The files are compiled in; `data/README.md` says where they come from.

use std::collections::BTreeMap;
use utilidor_types::{
    Carrier, Timestamp, Window,
    quantity::{JOULES_PER_WATT_HOUR, MILLILITRES_PER_LITRE},
    time::{DAY_MS, Date, HOUR_MS},
};

/// The park's fixed offset from UTC, in minutes.
pub const OFFSET_MINUTES: i16 = 480;
/// The year of the data.
pub const YEAR: i32 = 2025;
/// Days in the year.
pub const DAYS: usize = 365;
/// Hours in the year.
pub const HOURS: usize = DAYS * 24;

const TENANTS: &str = include_str!("../data/tenants.csv");
const TEMPERATURE: &str = include_str!("../data/temperature.csv");
const LOADS: [(Carrier, &str, u64); Carrier::COUNT] = [
    (Carrier::Electricity, include_str!("../data/electricity.csv"), JOULES_PER_WATT_HOUR),
    (Carrier::Heating, include_str!("../data/heating.csv"), JOULES_PER_WATT_HOUR),
    (Carrier::Cooling, include_str!("../data/cooling.csv"), JOULES_PER_WATT_HOUR),
    (Carrier::HotWater, include_str!("../data/hot_water.csv"), MILLILITRES_PER_LITRE),
    (Carrier::Gas, include_str!("../data/gas.csv"), MILLILITRES_PER_LITRE),
    (Carrier::Water, include_str!("../data/water.csv"), MILLILITRES_PER_LITRE),
];

/// Local midnight at the beginning of a day of the data's calendar.
pub fn midnight(month: u8, day: u8) -> Timestamp {
    Date { year: YEAR, month, day }.midnight(OFFSET_MINUTES).expect("the data's year is in the ledger's calendar")
}

/// The begin of the year.
pub fn year_begin() -> Timestamp {
    midnight(1, 1)
}

/// The begin of day `day`, counted from 0; `DAYS` is the end of the year.
pub fn day_begin(day: usize) -> Timestamp {
    Timestamp(year_begin().0 + day as u64 * DAY_MS)
}

/// The begin of hour `hour`, counted from 0; `HOURS` is the end of the year.
pub fn hour_begin(hour: usize) -> Timestamp {
    Timestamp(year_begin().0 + hour as u64 * HOUR_MS)
}

/// The index of the hour that begins at `time`. `time` must not be before the year.
pub fn hour_at(time: Timestamp) -> usize {
    ((time.0 - year_begin().0) / HOUR_MS) as usize
}

/// The hours of a window, clipped to the year.
pub fn hours_of(window: Window) -> std::ops::Range<usize> {
    let clip = |time: Timestamp| hour_at(time.max(year_begin())).min(HOURS);
    clip(window.from)..clip(window.to)
}

/// A tenant of the park.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name, which is also the label of its keys and ids.
    pub name: String,
    /// Its category in Table I of the paper.
    pub category: String,
    /// Floor area in m2.
    pub floor_area_m2: u32,
}

/// The year.
#[derive(Debug, Clone)]
pub struct Year {
    tenants: Vec<Tenant>,
    loads: BTreeMap<(Carrier, usize), Vec<u64>>,
    temperature_tenths: Vec<i32>,
}

impl Year {
    /// Reads the compiled-in files. Panics if they are damaged, which a test rules out.
    pub fn load() -> Self {
        let tenants: Vec<Tenant> = rows(TENANTS).skip(1).map(|row| tenant(&row)).collect();
        let mut loads = BTreeMap::new();
        for (carrier, file, factor) in LOADS {
            let mut rows = rows(file);
            let header = rows.next().expect("a file begins with its header");
            let columns: Vec<usize> = header[1..]
                .iter()
                .map(|name| tenants.iter().position(|tenant| tenant.name == *name).expect("a column is a tenant's"))
                .collect();
            let mut values = vec![Vec::with_capacity(HOURS); columns.len()];
            for row in rows {
                for (column, cell) in values.iter_mut().zip(&row[1..]) {
                    column.push(cell.parse::<u64>().expect("a load is a whole number") * factor);
                }
            }
            for (tenant, column) in columns.into_iter().zip(values) {
                assert_eq!(column.len(), HOURS, "a file has every hour of the year");
                loads.insert((carrier, tenant), column);
            }
        }
        let temperature_tenths: Vec<i32> = rows(TEMPERATURE).skip(1).map(|row| tenths(row[1])).collect();
        assert_eq!(temperature_tenths.len(), HOURS, "the temperature has every hour of the year");
        Self { tenants, loads, temperature_tenths }
    }

    /// The tenants, in the file's order.
    pub fn tenants(&self) -> &[Tenant] {
        &self.tenants
    }

    /// The index of a tenant by its name. Panics if there is none.
    pub fn tenant(&self, name: &str) -> usize {
        self.tenants.iter().position(|tenant| tenant.name == name).expect("the scenario names tenants of the file")
    }

    /// A tenant's hourly load of a carrier in base units, if it has the carrier.
    pub fn load_of(&self, carrier: Carrier, tenant: usize) -> Option<&[u64]> {
        self.loads.get(&(carrier, tenant)).map(Vec::as_slice)
    }

    /// A tenant's load in a window, in base units; zero without the carrier.
    pub fn total_in(&self, carrier: Carrier, tenant: usize, window: Window) -> u64 {
        self.load_of(carrier, tenant).map_or(0, |load| load[hours_of(window)].iter().sum())
    }

    /// The carriers that a tenant has, in the carriers' order.
    pub fn carriers_of(&self, tenant: usize) -> impl Iterator<Item = Carrier> {
        Carrier::ALL.into_iter().filter(move |carrier| self.loads.contains_key(&(*carrier, tenant)))
    }

    /// Outdoor temperature of each hour, in tenths of a degree Celsius.
    pub fn temperature_tenths(&self) -> &[i32] {
        &self.temperature_tenths
    }
}

fn rows(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines().filter(|line| !line.is_empty()).map(|line| line.split(',').collect())
}

fn tenant(row: &[&str]) -> Tenant {
    Tenant {
        name: row[0].into(),
        category: row[1].into(),
        floor_area_m2: row[2].parse().expect("a floor area is a whole number"),
    }
}

/// "-5.4" as -54. The file has one decimal.
fn tenths(text: &str) -> i32 {
    let (whole, decimal) = text.split_once('.').unwrap_or((text, "0"));
    assert_eq!(decimal.len(), 1, "a temperature has one decimal");
    format!("{whole}{decimal}").parse().expect("a temperature is a decimal number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_hold_the_park_of_the_paper() {
        let year = Year::load();
        assert_eq!(year.tenants().len(), 14);
        assert_eq!(year.tenants().iter().map(|tenant| tenant.floor_area_m2).sum::<u32>(), 250_000);
        assert_eq!(year.loads.len(), 66);
        let kwh: u64 =
            (0..14).filter_map(|tenant| year.load_of(Carrier::Electricity, tenant)).flatten().sum::<u64>() / 3_600_000;
        assert_eq!(kwh / 10_000, 1_831, "18.31 GWh of electricity");
    }

    #[test]
    fn temperatures_below_zero_keep_their_sign() {
        assert_eq!([tenths("-5.4"), tenths("-0.4"), tenths("3.0"), tenths("12.5")], [-54, -4, 30, 125]);
    }

    #[test]
    fn the_year_begins_at_local_midnight() {
        assert_eq!(year_begin().to_rfc3339(), "2024-12-31T16:00:00.000Z");
        assert_eq!(day_begin(DAYS), hour_begin(HOURS));
        assert_eq!(hour_at(midnight(2, 1)), 31 * 24);
    }
}
