//! What a sheet must be before anybody can sign it.

use super::tree::{Unit, unit_of};
use super::{Cadence, MAX_GRACE_HOURS, MAX_PERIODS, Named, Periods, Sheet};
use crate::contract::Fault;
use utilidor_types::agreement::{CodedTerms, Party};
use utilidor_types::program::Metered;
use utilidor_types::{AgreementTerms, Text};

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
    /// The terms do not fit.
    #[error(
        "the terms do not fit the sheet: two parties, its meters with all that they bring from the first period's begin \
         to the last one's end, what it reserves within the grants, a hard end after the last settlement"
    )]
    Terms,
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
    let mut labels = named.iter().map(|one| &one.label).chain(titles).flat_map(|label| [&label.en, &label.zh]);
    if labels.all(is_text) { Ok(()) } else { Err(BadSheet::Text) }
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

/// Checks that terms fit their sheet.
pub(super) fn check_terms(sheet: &Sheet, coded: &CodedTerms, terms: &AgreementTerms) -> Result<(), BadSheet> {
    let (begin, end) = (sheet.periods.begin, sheet.periods.end()?);
    let settled = sheet.periods.settles(u32::from(sheet.periods.count).saturating_sub(1))?;
    let fits = |(meter, used): (&utilidor_types::program::CodedMeter, &super::MeterUse)| {
        let Metered::Rest = meter.metered else { return false };
        meter.carrier == used.carrier && meter.window.from <= begin && meter.window.to >= end
    };
    let is_granted = |(party, reserve): (Party, utilidor_types::Money)| {
        reserve <= coded.grant(party).map_or(utilidor_types::Money::ZERO, |grant| grant.reserve)
    };
    let is_whole = terms.parties.len() == 2
        && coded.meters.len() == sheet.meters.len()
        && coded.meters.iter().zip(&sheet.meters).all(fits)
        && [Party::OWNER, Party::USER].into_iter().zip(sheet.reserves).all(is_granted)
        && terms.hard_end.as_ref().is_some_and(|hard_end| hard_end.at > settled);
    if is_whole { Ok(()) } else { Err(BadSheet::Terms) }
}
