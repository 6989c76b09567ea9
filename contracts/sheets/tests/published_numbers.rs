//! The sheets on published numbers.
//!
//! * Monthly market value of solar power in Germany, 2024, in cents for a kilowatt-hour: January 7.535, February 5.875 (pv magazine
//!   Deutschland, March 2024, "Marktwert Solar sinkt auf 5,875 Cent"), May 3.161 (photon.info, "Marktwert Solar sinkt im Mai auf 2,0
//!   Cent je Kilowattstunde", which names the year before).
//! * Metered heat in Xi'an: 44 for a gigajoule, of which households with a meter pay 70 %, 30.8 (Xi'an Evening News, 7 November 2012).

use contract_sheets::{EXPORT_CREDIT, INDEXED_HEAT};
use utilidor_program::clauses::text::{Language, parse, prose, source};
use utilidor_program::clauses::{MeterUse, Sheet};
use utilidor_program::host::{Host, Said, Sheets};
use utilidor_types::agreement::*;
use utilidor_types::program::*;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;

const MWH: u64 = 3_600_000_000;
const GJ: u64 = 1_000_000_000;
/// The sheets' place for an index: parties put that of their publisher there.
const INDEX: PriceIndexId = PriceIndexId([0; 16]);

fn read(source: &str) -> Sheet {
    parse(source).unwrap_or_else(|error| panic!("{error}"))
}

/// A signed agreement on a sheet, whose meter is `party`'s and was read at the begin; a party can be taken 1,000 in 30 days.
fn signed(sheet: &Sheet, party: Party, free: Money) -> Host<Sheets> {
    let window = Window { from: sheet.periods.begin, to: sheet.periods.end().unwrap() };
    let grant = |party| Grant { party, reserve: Money::units(500), allowance: Money::units(1_000), renews: true };
    let meter = |used: &MeterUse| CodedMeter {
        meter: MeterId([1; 16]),
        carrier: used.carrier,
        party,
        window,
        metered: Metered::Rest,
    };
    let meters: Vec<CodedMeter> = sheet.meters.iter().map(meter).collect();
    let grants = vec![grant(Party::OWNER), grant(Party::USER)].try_into().unwrap();
    let coded = sheet.terms(grants, meters.try_into().unwrap()).unwrap();
    let terms = AgreementTerms::between(AccountId([1; 32]), AccountId([2; 32]), Program::Coded(coded));
    let hard_end = HardEnd { at: Timestamp(window.to.0 + 90 * DAY_MS), fallback: Fallback::GiveBack };
    let terms = AgreementTerms { hard_end: Some(hard_end), ..terms };
    utilidor_program::check(&terms, window.from).unwrap();
    let mut host = Host::new(Sheets, terms, free, window.from);
    host.sign().unwrap();
    host.reading(0, window.from, Quantity(0)).unwrap();
    host
}

fn settle(sheet: &Sheet, host: &mut Host<Sheets>, period: u32) -> Vec<Said> {
    host.pass_to(sheet.periods.settles(period).unwrap());
    host.said().pop().unwrap_or_default()
}

/// Power fed in: one megawatt-hour a month, and the credit of each of these months.
fn credits(micro: &[(u32, i64)], upto: u32) -> Vec<(u32, Money, Party)> {
    let sheet = read(EXPORT_CREDIT);
    let mut host = signed(&sheet, Party::USER, Money::units(10_000));
    let mut credits = Vec::new();
    for period in 0..upto {
        let window = sheet.periods.window(period).unwrap();
        host.reading(0, window.to, Quantity(u64::from(period + 1) * MWH)).unwrap();
        let value = micro.iter().find(|(of, _)| *of == period).map_or(50_000, |(_, micro)| *micro);
        host.publish(INDEX, window, value);
        let lines = settle(&sheet, &mut host, period);
        credits.push((period, lines[0].amount, lines[0].from));
    }
    credits.retain(|(period, ..)| micro.iter().any(|(of, _)| of == period));
    credits
}

#[test]
fn the_credit_is_the_market_value_between_floor_and_cap() {
    let found = credits(&[(0, 75_350), (1, 58_750), (4, 31_610)], 5);
    let owner = Party::OWNER;
    // A megawatt-hour at 7, 5.875 and 4 cents a kilowatt-hour.
    let expected = [(0, Money(70_000_000), owner), (1, Money(58_750_000), owner), (4, Money(40_000_000), owner)];
    assert_eq!(found, expected);
}

#[test]
fn the_credit_waits_for_the_market_value() {
    let sheet = read(EXPORT_CREDIT);
    let mut host = signed(&sheet, Party::USER, Money::units(10_000));
    let window = sheet.periods.window(0).unwrap();
    host.reading(0, window.to, Quantity(MWH)).unwrap();
    assert_eq!(settle(&sheet, &mut host, 0), []);
    host.publish(INDEX, window, 75_350);
    host.pass_to(Timestamp(host.now().0 + DAY_MS));
    assert_eq!(host.said()[0][0].amount, Money(70_000_000));
}

#[test]
fn it_is_settled_by_calendar_months_so_long_after_their_end() {
    let sheet = read(EXPORT_CREDIT);
    assert_eq!(sheet.periods.begin_of(0).unwrap().to_rfc3339(), "2023-12-31T23:00:00.000Z");
    assert_eq!(sheet.periods.end().unwrap().to_rfc3339(), "2024-12-31T23:00:00.000Z");
    let february = sheet.periods.window(1).unwrap();
    assert_eq!(february.ms(), 29 * DAY_MS);
    assert_eq!(sheet.periods.settles(1).unwrap().0 - february.to.0, 240 * HOUR_MS);
    let heat = read(INDEXED_HEAT);
    assert_eq!(heat.periods.end().unwrap().to_rfc3339(), "2025-03-31T16:00:00.000Z");
}

/// Ten gigajoules a month, with what is published `days` before November begins.
fn heat_in_november(micro: i64, days: u64) -> u64 {
    let sheet = read(INDEXED_HEAT);
    let mut host = signed(&sheet, Party::USER, Money::units(10_000));
    let [october, november] = [0, 1].map(|period| sheet.periods.window(period).unwrap());
    host.pass_to(Timestamp(november.from.0 - days * DAY_MS));
    host.publish(INDEX, november, micro);
    host.reading(0, october.to, Quantity(10 * GJ)).unwrap();
    assert_eq!(settle(&sheet, &mut host, 0)[0].amount, Money::units(440), "without a factor it is the whole price");
    host.reading(0, november.to, Quantity(20 * GJ)).unwrap();
    settle(&sheet, &mut host, 1)[0].amount.0
}

#[test]
fn the_price_of_heat_follows_its_factor() {
    assert_eq!(heat_in_november(700_000, 31), 308_000_000, "30.8 for a gigajoule");
    assert_eq!(heat_in_november(850_000, 31), 374_000_000);
    assert_eq!(heat_in_november(500_000, 31), 308_000_000, "never below 70 %");
    assert_eq!(heat_in_november(1_300_000, 31), 440_000_000, "never above the price");
}

#[test]
fn the_factor_changes_with_thirty_days_notice_alone() {
    assert_eq!(heat_in_november(700_000, 30), 308_000_000);
    assert_eq!(heat_in_november(700_000, 29), 440_000_000, "a day too late, the factor before stays in force");
}

#[test]
fn the_user_reserves_and_has_it_back_at_the_end() {
    let sheet = read(INDEXED_HEAT);
    let mut host = signed(&sheet, Party::USER, Money::units(10_000));
    assert_eq!((host.reserved(Party::USER), host.reserved(Party::OWNER)), (Money::units(500), Money::ZERO));
    for period in 0..6 {
        host.reading(0, sheet.periods.window(period).unwrap().to, Quantity(0)).unwrap();
        settle(&sheet, &mut host, period);
    }
    assert_eq!((host.ended(), host.free(Party::USER)), (Some(Status::Settled), Money::units(10_000)));
}

#[test]
fn what_comes_late_counts_in_the_next_month() {
    let sheet = read(INDEXED_HEAT);
    let mut host = signed(&sheet, Party::USER, Money::units(10_000));
    assert_eq!(settle(&sheet, &mut host, 0)[0].amount, Money::ZERO);
    let november = sheet.periods.window(1).unwrap();
    host.reading(0, november.to, Quantity(20 * GJ)).unwrap();
    assert_eq!(settle(&sheet, &mut host, 1)[0].amount, Money::units(880));
}

#[test]
fn what_comes_after_the_last_statement_is_settled_by_a_supplement() {
    let sheet = read(INDEXED_HEAT);
    let mut host = signed(&sheet, Party::USER, Money::units(10_000));
    for period in 0..6 {
        if period < 5 {
            host.reading(0, sheet.periods.window(period).unwrap().to, Quantity(0)).unwrap();
        }
        settle(&sheet, &mut host, period);
    }
    let before = host.statements().len();
    host.reading(0, sheet.periods.end().unwrap(), Quantity(10 * GJ)).unwrap();
    host.pass_to(Timestamp(host.now().0 + 3 * DAY_MS));
    assert_eq!(host.statements().len(), before + 1);
    assert_eq!(host.said().pop().unwrap()[0].amount, Money::units(440));
    host.pass_to(Timestamp(host.now().0 + 32 * DAY_MS));
    assert_eq!(host.statements().len(), before + 1, "nothing more comes, nothing more is said");
}

#[test]
fn what_cannot_be_paid_stands_on_the_next_statement() {
    let sheet = read(INDEXED_HEAT);
    let mut host = signed(&sheet, Party::USER, Money::units(800));
    let october = sheet.periods.window(0).unwrap();
    host.reading(0, october.to, Quantity(10 * GJ)).unwrap();
    let lines = settle(&sheet, &mut host, 0);
    assert_eq!((lines[0].amount, lines[1].clause), (Money::units(440), sheet.carried_clause()));
    assert_eq!((lines[1].from, lines[1].amount), (Party::OWNER, Money::units(140)), "300 were free");
}

/// Which test holds which sentence of the reading.
const HELD: [(&str, &str); 16] = [
    ("It is settled for each calendar month", "it_is_settled_by_calendar_months_so_long_after_their_end"),
    ("When both sign", "the_user_reserves_and_has_it_back_at_the_end"),
    ("Measured is the power fed in", "the_credit_is_the_market_value_between_floor_and_cap"),
    ("Measured is the heat taken", "the_price_of_heat_follows_its_factor"),
    ("The value that is called the monthly market value", "the_credit_waits_for_the_market_value"),
    ("The value that is called the price factor", "the_factor_changes_with_thirty_days_notice_alone"),
    ("What is called the price of the month", "the_credit_is_the_market_value_between_floor_and_cap"),
    ("What is called the factor in force", "the_factor_changes_with_thirty_days_notice_alone"),
    ("What is called the price of heat", "the_price_of_heat_follows_its_factor"),
    ("For power fed in", "the_credit_is_the_market_value_between_floor_and_cap"),
    ("For heat the user pays", "the_price_of_heat_follows_its_factor"),
    ("A period waits", "the_credit_waits_for_the_market_value"),
    ("What is measured late", "what_comes_late_counts_in_the_next_month"),
    ("What comes after the last statement", "what_comes_after_the_last_statement_is_settled_by_a_supplement"),
    ("What cannot be paid", "what_cannot_be_paid_stands_on_the_next_statement"),
    ("Products are rounded", "the_credit_is_the_market_value_between_floor_and_cap"),
];

#[test]
fn every_sentence_of_both_readings_is_held_by_a_test() {
    let tests = include_str!("published_numbers.rs");
    for (sentence, test) in HELD {
        assert!(tests.contains(&format!("#[test]\nfn {test}()")), "{sentence}: there is no test {test}");
    }
    for text in [EXPORT_CREDIT, INDEXED_HEAT] {
        let sheet = read(text);
        let english = prose(&sheet, Language::En);
        // The title says what the sentences say.
        for line in english.lines().skip(1) {
            assert!(HELD.iter().any(|(begin, _)| line.starts_with(begin)), "no test holds: {line}");
        }
        assert_eq!(prose(&sheet, Language::Zh).lines().count(), english.lines().count());
        assert_eq!(parse(&source(&sheet)), Ok(sheet), "what is signed is what is read");
    }
}
