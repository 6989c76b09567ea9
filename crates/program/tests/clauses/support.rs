//! What the tests agree on.

use utilidor_program::Fault;
use utilidor_program::clauses::{Sheet, text::parse};
use utilidor_program::host::{Host, Sheets};
use utilidor_types::agreement::*;
use utilidor_types::program::*;
use utilidor_types::time::{DAY_MS, Date};
use utilidor_types::*;

/// A kilowatt-hour in joules.
pub const KWH: u64 = 3_600_000;
/// The index that sheets of the tests follow.
pub const INDEX: PriceIndexId = PriceIndexId([0xab; 16]);
/// Its id as sources write it.
pub const INDEX_ID: &str = "abababababababababababababababab";

/// Local midnight in Beijing.
pub fn day(month: u8, day: u8) -> Timestamp {
    Date { year: 2025, month, day }.midnight(480).unwrap()
}

/// Three months of 2025 with one meter of electricity and an index, settled six hours after their end; with what follows.
pub fn source(rest: &str) -> String {
    format!(
        "clauses 1; title \"Test\" \"试\"; periods month from 2025-01-01 at +08:00, 3 times, settled after 6 hours;
         reserve owner 0 money, user 10 money;
         meter taken electricity \"power taken\" \"用电量\"; index spot {INDEX_ID} money/kWh \"spot price\" \"现货价\";
         {rest}"
    )
}

pub fn sheet(rest: &str) -> Sheet {
    parse(&source(rest)).unwrap_or_else(|error| panic!("{error}"))
}

/// Terms of a sheet: each side can reserve 10 and be taken `allowance`; the meters are the user's.
pub fn terms(sheet: &Sheet, allowance: Money) -> AgreementTerms {
    let party = |party| Grant { party, reserve: Money::units(10), allowance, renews: true };
    let grants = vec![party(Party::OWNER), party(Party::USER)].try_into().unwrap();
    let window = Window { from: sheet.periods.begin, to: sheet.periods.end().unwrap() };
    let meter = |(number, used): (u8, &utilidor_program::clauses::MeterUse)| CodedMeter {
        meter: MeterId([number; 16]),
        carrier: used.carrier,
        party: Party::USER,
        window,
        metered: Metered::Rest,
    };
    let meters: Vec<CodedMeter> = (1u8..).zip(&sheet.meters).map(meter).collect();
    let coded = sheet.terms(grants, meters.try_into().unwrap()).unwrap();
    let terms = AgreementTerms::between(AccountId([1; 32]), AccountId([2; 32]), Program::Coded(coded));
    let hard_end = HardEnd { at: Timestamp(window.to.0 + 60 * DAY_MS), fallback: Fallback::GiveBack };
    AgreementTerms { hard_end: Some(hard_end), ..terms }
}

/// A signed agreement on a sheet, whose meter was read at the begin.
pub fn signed(sheet: &Sheet) -> Host<Sheets> {
    let terms = terms(sheet, Money::units(1_000));
    utilidor_program::check(&terms, sheet.periods.begin).unwrap();
    let mut host = Host::new(Sheets, terms, Money::units(10_000), sheet.periods.begin);
    host.sign().unwrap();
    host.reading(0, sheet.periods.begin, Quantity(0)).unwrap();
    host
}

/// A month of 2025.
pub fn month(number: u8) -> Window {
    Window { from: day(number, 1), to: day(number + 1, 1) }
}

/// Reads the meter: so many kilowatt-hours since the begin.
pub fn read(host: &mut Host<Sheets>, time: Timestamp, kwh: u64) -> Result<(), Fault> {
    host.reading(0, time, Quantity(kwh * KWH))
}
