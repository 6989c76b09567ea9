//! What a sheet must be before anybody can sign it.

use super::tree::{Unit, unit_of};
use super::{Cadence, Label, MAX_GRACE_HOURS, MAX_PERIODS, Named, Periods, Sheet};
use crate::contract::Fault;
use utilidor_types::agreement::{CodedTerms, Party};
use utilidor_types::program::Metered;
use utilidor_types::{AgreementTerms, Carrier, Money, Text, Timestamp};

/// Words of the source form that name nothing else.
pub const WORDS: [&str; 12] =
    ["above", "before", "else", "index", "length", "max", "min", "notice", "other", "share", "sum", "table"];
/// Farthest offset from UTC.
const MAX_OFFSET_MINUTES: u16 = 14 * 60;

/// Why a sheet cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSheet {
    /// It is longer than parameters may be.
    #[error("the sheet has more than 4,096 bytes; shorten its texts or say less in one sheet")]
    TooLong,
    /// A name is none, or names two things.
    #[error("a name is used twice, is a word of the language, or has other characters than a-z, 0-9 and _")]
    Name,
    /// A text is empty, or has quotation marks or line breaks in it.
    #[error("a text is empty, or has a quotation mark or a line break in it")]
    Text,
    /// The periods are impossible.
    #[error("the periods do not begin at local midnight, or of months on the first day; or are none or too many")]
    Periods,
    /// More is reserved than numbers of a sheet can be.
    #[error("more is reserved than 9,223,372,036,854 of money")]
    Reserve,
    /// Bands overlap, or one has no hours.
    #[error("an hour belongs to two bands, or a band has no hours")]
    Bands,
    /// An index of energy, volume or time.
    #[error("an index is a price, money or a share")]
    Index,
    /// An expression is not one value.
    #[error("an expression has too few or too many parts")]
    Shape,
    /// An expression is too deep.
    #[error("an expression is nested deeper than 16: give a part of it a name with let")]
    TooDeep,
    /// Something is named that is not there, or is defined later.
    #[error("something is named that is not defined before")]
    Unknown,
    /// Units do not go together.
    #[error("units do not go together, such as money and energy in a sum")]
    Units,
    /// The limits of a table do not rise.
    #[error("a table has no rows, or its limits do not rise")]
    Table,
    /// Nothing is paid, or not by the owner or the user.
    #[error("nothing is paid, or not between the owner and the user")]
    Payments,
    /// The terms are not between two.
    #[error("the terms name {0} parties: a clause sheet is between an owner and a user")]
    Parties(u8),
    /// The terms have more or fewer meters.
    #[error("the terms name {given} meters, the clause sheet {used}: the same ones, in its order")]
    Meters {
        /// In the terms.
        given: u8,
        /// In the sheet.
        used: u8,
    },
    /// A meter of the terms measures something else.
    #[error("meter {number} of the terms measures {given}, the clause sheet's {used}")]
    Carrier {
        /// Its place, from 0.
        number: u8,
        /// In the terms.
        given: Carrier,
        /// In the sheet.
        used: Carrier,
    },
    /// A meter of the terms fills up to a volume.
    #[error(
        "meter {0} of the terms fills up to a volume: a clause sheet takes all that it brings, \"metered\": \"rest\""
    )]
    Metered(u8),
    /// A meter of the terms does not serve all periods.
    #[error(
        "the window of meter {number} in the terms is not from {from} or earlier until {to} or later, as the periods are"
    )]
    Window {
        /// Its place, from 0.
        number: u8,
        /// The first period's begin.
        from: Timestamp,
        /// The last one's end.
        to: Timestamp,
    },
    /// More is reserved than a party grants.
    #[error("the clause sheet reserves {reserve} of party {}, whose grant lets it reserve {granted}", .party.0)]
    Granted {
        /// Whose: 0 the owner, 1 the user.
        party: Party,
        /// What the sheet reserves.
        reserve: Money,
        /// What the terms grant.
        granted: Money,
    },
    /// The hard end comes before the last settlement.
    #[error("the hard end of the terms is not after the last settlement, {settled}")]
    HardEnd {
        /// When that is.
        settled: Timestamp,
    },
}

impl From<Fault> for BadSheet {
    /// Only the calendar faults where a sheet is checked.
    fn from(_: Fault) -> Self {
        Self::Periods
    }
}

/// Checks a sheet by itself. Order: texts and names, periods, reserves, bands, indices, definitions, payments.
pub fn check_sheet(sheet: &Sheet) -> Result<(), BadSheet> {
    check_names(sheet)?;
    check_periods(&sheet.periods)?;
    if sheet.reserves.iter().any(|money| i64::try_from(money.0).is_err()) {
        return Err(BadSheet::Reserve);
    }
    let mut hours = 0u32;
    for band in &sheet.bands {
        if band.hours == 0 || band.hours >> 24 != 0 || hours & band.hours != 0 {
            return Err(BadSheet::Bands);
        }
        hours |= band.hours;
    }
    if sheet.indices.iter().any(|index| index.unit.of_index().is_none()) {
        return Err(BadSheet::Index);
    }
    for (place, definition) in sheet.definitions.iter().enumerate() {
        if unit_of(sheet, place, &definition.value)? != definition.unit {
            return Err(BadSheet::Units);
        }
    }
    for payment in &sheet.payments {
        if unit_of(sheet, sheet.definitions.len(), &payment.amount)? != Unit::Money {
            return Err(BadSheet::Units);
        }
        let is_metered = payment.meter.is_none_or(|meter| usize::from(meter) < sheet.meters.len());
        if !matches!(payment.from, Party::OWNER | Party::USER) || !is_metered {
            return Err(BadSheet::Payments);
        }
    }
    if sheet.payments.is_empty() { Err(BadSheet::Payments) } else { Ok(()) }
}

fn check_names(sheet: &Sheet) -> Result<(), BadSheet> {
    let meters = sheet.meters.iter().map(|one| &one.named);
    let bands = sheet.bands.iter().map(|one| &one.named);
    let indices = sheet.indices.iter().map(|one| &one.named);
    let definitions = sheet.definitions.iter().map(|one| &one.named);
    let named: Vec<&Named> = meters.chain(bands).chain(indices).chain(definitions).collect();
    for (place, one) in named.iter().enumerate() {
        let is_twice = named[..place].iter().any(|other| other.name == one.name);
        let is_name = one.name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            && one.name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if is_twice || !is_name || WORDS.contains(&&*one.name) {
            return Err(BadSheet::Name);
        }
    }
    let titles = std::iter::once(&sheet.title).chain(sheet.payments.iter().map(|payment| &payment.label));
    if named.iter().map(|one| &one.label).chain(titles).all(is_label) { Ok(()) } else { Err(BadSheet::Text) }
}

/// Whether a label can stand between quotation marks, in both languages.
pub fn is_label(label: &Label) -> bool {
    is_text(&label.en) && is_text(&label.zh)
}

fn is_text<const MAX: usize>(text: &Text<MAX>) -> bool {
    !text.trim().is_empty() && !text.chars().any(|character| character == '"' || character.is_control())
}

fn check_periods(periods: &Periods) -> Result<(), BadSheet> {
    let Periods { cadence, offset_minutes, begin, count, grace_hours } = *periods;
    let date = begin.date(offset_minutes);
    let is_first = cadence == Cadence::Day || date.day == 1;
    if offset_minutes.unsigned_abs() > MAX_OFFSET_MINUTES
        || !is_first
        || date.midnight(offset_minutes) != Some(begin)
        || !(1..=MAX_PERIODS).contains(&count)
        || grace_hours > MAX_GRACE_HOURS
    {
        return Err(BadSheet::Periods);
    }
    periods.settles(u32::from(count) - 1)?;
    Ok(())
}

/// Checks that terms fit their sheet. Order: parties, meters, what is reserved, hard end.
pub fn check_terms(sheet: &Sheet, coded: &CodedTerms, terms: &AgreementTerms) -> Result<(), BadSheet> {
    let (begin, end) = (sheet.periods.begin, sheet.periods.end()?);
    let settled = sheet.periods.settles(u32::from(sheet.periods.count).saturating_sub(1))?;
    if terms.parties.len() != 2 {
        return Err(BadSheet::Parties(terms.parties.len() as u8));
    }
    if coded.meters.len() != sheet.meters.len() {
        return Err(BadSheet::Meters { given: coded.meters.len() as u8, used: sheet.meters.len() as u8 });
    }
    for (number, (meter, used)) in (0u8..).zip(coded.meters.iter().zip(&sheet.meters)) {
        if meter.carrier != used.carrier {
            return Err(BadSheet::Carrier { number, given: meter.carrier, used: used.carrier });
        }
        if meter.metered != Metered::Rest {
            return Err(BadSheet::Metered(number));
        }
        if meter.window.from > begin || meter.window.to < end {
            return Err(BadSheet::Window { number, from: begin, to: end });
        }
    }
    for (party, reserve) in [Party::OWNER, Party::USER].into_iter().zip(sheet.reserves) {
        let granted = coded.grant(party).map_or(Money::ZERO, |grant| grant.reserve);
        if reserve > granted {
            return Err(BadSheet::Granted { party, reserve, granted });
        }
    }
    if terms.hard_end.as_ref().is_some_and(|hard_end| hard_end.at > settled) {
        Ok(())
    } else {
        Err(BadSheet::HardEnd { settled })
    }
}
