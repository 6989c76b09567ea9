//! The records of a meter: what it is, how far it is, and what it serves.
//!
//! How far it is changes with every reading, and fits one cell; what it serves changes at its marks only.

use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_types::cell::LENGTH_BYTES;
use utilidor_types::meter::MAX_METER_AGREEMENTS;
use utilidor_types::package::TariffId;
use utilidor_types::{
    AccountId, AgreementId, Bands, Bounded, Carrier, Cell, Digest, Label, Meter, MeterAuthority, Quantity, Reading,
    Timestamp, Window,
};

/// Most supplies that a purchase's window can see, and parts that what it took of them is kept in.
pub const MAX_TAKES: usize = 8;
/// Most supplies that a meter remembers after they have ended, for corrections.
pub const MAX_PAST_SUPPLIES: usize = 24;
/// Most settled purchases that a meter tells apart, for corrections.
pub const MAX_SETTLED: usize = 16;
/// Stands for no mark: a time that no reading reaches.
pub const NO_MARK: Timestamp = Timestamp::LARGEST;
/// Stands for no level: a quantity that no meter reaches.
pub const NO_LEVEL: Quantity = Quantity(u64::MAX);

/// A meter as registered, with its present device.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MeterRecord {
    /// Who registered it.
    pub operator: AccountId,
    /// Digest of the document as registered, by which a repeated registration is recognised.
    pub registered: Digest,
    /// The document. Holder and capacity are the present ones; what tells of the device is the first one's.
    pub meter: Meter,
    /// The present device.
    pub device: Device,
}

impl MeterRecord {
    /// What the meter measures, from the first cell of its record alone: it never changes, and nothing before it has more than one
    /// length.
    pub fn carrier_in(first: &Cell) -> Option<Carrier> {
        let begin = <(AccountId, Digest, Label, Carrier)>::deserialize(&mut &first.0[LENGTH_BYTES..]);
        begin.ok().map(|(.., carrier)| carrier)
    }
}

/// What stands in a meter's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Device {
    /// Who signs its readings.
    pub authority: MeterAuthority,
    /// Width of its register in base units.
    pub register_modulus: Quantity,
    /// When it was put there.
    pub since: Timestamp,
}

/// How far a meter is. It fits one cell, and is all that a steady reading changes.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MeterState {
    /// Its last reading. While a reading's marks are passed, its time is that of the last of them.
    pub last: Reading,
    /// The cumulative registers: what has passed since it was registered, by band, through rollover, exchange of the device
    /// and corrections.
    pub registers: Bands,
    /// The first reading of this time or a later one takes the slow way; [`NO_MARK`]: none does.
    pub next_mark: Timestamp,
    /// The same for all registers together; [`NO_LEVEL`]: none does.
    pub next_level: Quantity,
    /// The highest mean power since the last mark between two certified readings at most an hour apart: quantity and
    /// milliseconds.
    pub peak: (Quantity, u32),
    /// Whether it is out of service.
    pub retired: bool,
    /// The tariff of its present supply, if it has bands: their calendar says which register counts.
    pub tariff: Option<TariffId>,
    /// Offset from UTC of that calendar, in minutes.
    pub offset_minutes: i16,
}

/// What a meter serves, and how far it was at its last mark.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MeterBindings {
    /// The last mark: where the open segment begins.
    pub base: Timestamp,
    /// The cumulative registers at that time.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub registers: Bands,
    /// How often programs have been told that the meter is where it is already.
    pub told_at_base: u8,
    /// Since when no supply has been open, as far as its segments are worked out.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub unsupplied_since: Timestamp,
    /// What has been on nobody's bill since then.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub unsupplied: Quantity,
    /// The bindings, in the order in which they were signed.
    pub bindings: Bounded<MeterBinding, MAX_METER_AGREEMENTS>,
    /// Supplies that the meter has passed the end of, the last one last.
    pub past: Bounded<PastSupply, MAX_PAST_SUPPLIES>,
    /// Purchases that are settled, as far as the meter had passed their windows, in order of time.
    pub settled: Bounded<(Window, Settled), MAX_SETTLED>,
}

/// A binding of an agreement to a meter.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MeterBinding {
    /// The agreement.
    pub agreement: AgreementId,
    /// The binding's number within it.
    pub number: u8,
    /// From when until when.
    pub window: Window,
    /// How it is summed.
    pub sum: Summed,
}

/// A supply by its agreement and the binding's number.
pub type SupplyId = (AgreementId, u8);

/// How a binding is summed, and what it has come to.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Summed {
    /// What a statement has counted already without a reading: a settled purchase whose window the meter has not passed.
    Absorb(Settled),
    /// A purchase.
    Fill(Filling),
    /// A supply.
    Rest(Supply),
}

/// What a purchase has taken of a meter.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Filling {
    /// Up to this volume.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub volume: Quantity,
    /// What it took, in order of time.
    pub takes: Bounded<Take, MAX_TAKES>,
    /// What passed in its window and was left for the supply, or for nobody.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub left_over: Quantity,
    /// Whether it was ended without being settled: it goes when the meter has passed its window.
    pub ended: bool,
}

/// A purchase that is settled: it stays what it is, whatever is corrected (see `settled`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Settled {
    /// What it took and keeps.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub kept: Quantity,
    /// What passed in its window and was the supply's, or nobody's, in the end.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub left: Quantity,
    /// What it has counted and has not passed the meter.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub missing: Quantity,
}

/// What a purchase took within a period of a supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Take {
    /// Whose it would be otherwise; none: nobody's.
    pub supply: Option<SupplyId>,
    /// When it flowed.
    pub interval: Window,
    /// How much, by band.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub bands: Bands,
    /// Whether it ends with a mark of the supply itself: what follows is of another period.
    pub closed: bool,
}

/// A supply's own boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Supply {
    /// The tariff whose calendar cuts its bands, if it has bands.
    pub tariff: Option<TariffId>,
    /// Offset from UTC of that calendar, in minutes.
    pub offset_minutes: i16,
    /// The time that its program waits for.
    pub mark: Option<Timestamp>,
    /// The quantity since the last segment that its program waits for.
    pub level: Option<Quantity>,
    /// What has passed in its time, as far as it is worked out: corrections cannot take back more.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub passed: Quantity,
    /// What of it was left for the supply: corrections cannot have it credit more.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub charged: Quantity,
}

/// A supply that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PastSupply {
    /// Which.
    pub supply: SupplyId,
    /// When it was.
    pub window: Window,
    /// The tariff whose calendar cut its bands, if it had bands.
    pub tariff: Option<TariffId>,
    /// Offset from UTC of that calendar, in minutes.
    pub offset_minutes: i16,
    /// What has passed in its time.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub passed: Quantity,
    /// What of it was left for the supply.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub charged: Quantity,
}

impl MeterState {
    /// All registers together.
    pub fn total(&self) -> Quantity {
        total(&self.registers)
    }
}

/// All bands together. What passes a meter in the whole of the ledger's calendar is within a quantity: see
/// [`utilidor_types::meter::MAX_CAPACITY_PER_HOUR`].
pub(crate) fn total(bands: &Bands) -> Quantity {
    bands.total().unwrap_or(Quantity(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::cell::{CELL_BYTES, cells_for, to_cells};
    use utilidor_types::{PackageId, PrivateKey, encode};

    #[test]
    fn how_far_a_meter_is_fits_one_cell() {
        let tariff = TariffId { package: PackageId([1; 16]), version: 1, carrier: Carrier::Electricity, option: 0 };
        let most = Quantity(u64::MAX);
        let state = MeterState {
            last: Reading { time: NO_MARK, register: most },
            registers: Bands([most; 5]),
            next_mark: NO_MARK,
            next_level: NO_LEVEL,
            peak: (most, u32::MAX),
            retired: true,
            tariff: Some(tariff),
            offset_minutes: 840,
        };
        assert_eq!(cells_for(encode(&state).len()), 1);
    }

    #[test]
    fn what_a_meter_measures_stands_in_its_records_first_cell() {
        let key = PrivateKey::p256([7; 32]).unwrap().public_key();
        for (carrier, authority) in Carrier::ALL
            .into_iter()
            .zip([MeterAuthority::Meter(key), MeterAuthority::Gateway(AccountId([9; 32]))].into_iter().cycle())
        {
            let device = Device { authority, register_modulus: NO_LEVEL, since: NO_MARK };
            let meter = Meter {
                label: Label([255; 16]),
                carrier,
                holder: AccountId([3; 32]),
                authority,
                register_modulus: NO_LEVEL,
                capacity_per_hour: NO_LEVEL,
                register: NO_LEVEL,
                since: NO_MARK,
            };
            let record = MeterRecord { operator: AccountId([1; 32]), registered: Digest([2; 32]), meter, device };
            let first = to_cells(&encode(&record)).next().unwrap();
            assert_eq!(MeterRecord::carrier_in(&first), Some(carrier));
        }
        assert_eq!(MeterRecord::carrier_in(&Cell([255; CELL_BYTES])), None);
    }

    #[test]
    fn a_meter_that_serves_one_purchase_or_one_supply_fits_one_cell() {
        // What passes is less than a quarter of a million kWh in one band.
        let passed = Quantity(900_000_000_000);
        let bands = Bands([passed, Quantity::ZERO, Quantity::ZERO, Quantity::ZERO, Quantity::ZERO]);
        let window = Window { from: NO_MARK, to: NO_MARK };
        let take = Take { supply: None, interval: window, bands, closed: false };
        let takes = vec![take].try_into().unwrap();
        let fill = Summed::Fill(Filling { volume: passed, takes, left_over: passed, ended: false });
        let supply = Supply {
            tariff: None,
            offset_minutes: 840,
            mark: Some(NO_MARK),
            level: Some(passed),
            passed,
            charged: passed,
        };
        for sum in [fill, Summed::Rest(supply)] {
            let binding = MeterBinding { agreement: AgreementId([1; 16]), number: 1, window, sum };
            let bindings = MeterBindings {
                base: NO_MARK,
                registers: bands,
                told_at_base: 1,
                unsupplied_since: NO_MARK,
                unsupplied: Quantity::ZERO,
                bindings: vec![binding].try_into().unwrap(),
                past: Bounded::empty(),
                settled: Bounded::empty(),
            };
            assert_eq!(cells_for(encode(&bindings).len()), 1, "{bindings:?}");
        }
    }

    #[test]
    fn what_a_meter_serves_at_most_fits_a_record() {
        let most = Quantity(u64::MAX);
        let tariff = TariffId { package: PackageId([1; 16]), version: 1, carrier: Carrier::Electricity, option: 0 };
        let supply = (AgreementId([1; 16]), 1);
        let window = Window { from: NO_MARK, to: NO_MARK };
        let take = Take { supply: Some(supply), interval: window, bands: Bands([most; 5]), closed: true };
        let takes = vec![take; MAX_TAKES].try_into().unwrap();
        let fill = Summed::Fill(Filling { volume: most, takes, left_over: most, ended: true });
        let binding = MeterBinding { agreement: supply.0, number: 1, window, sum: fill };
        let past =
            PastSupply { supply, window, tariff: Some(tariff), offset_minutes: 840, passed: most, charged: most };
        let settled = Settled { kept: most, left: most, missing: most };
        let bindings = MeterBindings {
            base: NO_MARK,
            registers: Bands([most; 5]),
            told_at_base: u8::MAX,
            unsupplied_since: NO_MARK,
            unsupplied: most,
            bindings: vec![binding; MAX_METER_AGREEMENTS].try_into().unwrap(),
            past: vec![past; MAX_PAST_SUPPLIES].try_into().unwrap(),
            settled: vec![(window, settled); MAX_SETTLED].try_into().unwrap(),
        };
        assert!(encode(&bindings).len() <= crate::store::MAX_RECORD_BYTES);
    }
}
