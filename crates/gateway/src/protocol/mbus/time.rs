//! Dates and times as records hold them: the types F, G, I and J of EN 13757-3.

use super::{Content, LocalTime, date, time_of_day};
use crate::reason::sentence;

/// Set in the byte of the minutes where the device's clock is not set.
const IS_INVALID: u8 = 0x80;

/// Date in 16 bits; none in another length.
pub(super) fn date_content(bytes: &[u8]) -> Option<Content> {
    let &[low, high] = bytes else { return None };
    if let Some(absent) = absent(bytes) {
        return Some(absent);
    }
    Some(match date_parts(low, high, 0) {
        Some(date) => Content::Time(LocalTime { date: Some(date), time: None }),
        None => Content::Invalid(sentence!("{} is no date", "{} 不是日期", hex::encode(bytes))),
    })
}

/// Time with its date in 32 or 48 bits, or without it in 24; none in another length.
pub(super) fn date_time_content(bytes: &[u8]) -> Option<Content> {
    let (is_set, time, day) = match *bytes {
        [minute, hour, low, high] => {
            (minute & IS_INVALID == 0, (hour & 0x1f, minute & 0x3f, 0), Some(date_parts(low, high, hour >> 5 & 3)))
        }
        [second, minute, hour, low, high, _] => {
            (minute & IS_INVALID == 0, (hour & 0x1f, minute & 0x3f, second & 0x3f), Some(date_parts(low, high, 0)))
        }
        [second, minute, hour] => (true, (hour & 0x1f, minute & 0x3f, second & 0x3f), None),
        _ => return None,
    };
    // Midnight is a time where there is no date that would be none.
    if day.is_some()
        && let Some(absent) = absent(bytes)
    {
        return Some(absent);
    }
    let time = time_of_day(time.0, time.1, time.2);
    let is_one = is_set && time.is_some() && !matches!(day, Some(None));
    Some(if is_one {
        Content::Time(LocalTime { date: day.flatten(), time })
    } else {
        Content::Invalid(sentence!(
            "{} is no time, or the device says that its clock is not set",
            "{} 不是时间，或设备表示其时钟未校准",
            hex::encode(bytes)
        ))
    })
}

fn absent(bytes: &[u8]) -> Option<Content> {
    let is_all = |all: u8| bytes.iter().all(|byte| *byte == all);
    (is_all(0) || is_all(0xff)).then_some(Content::Absent)
}

/// Day, month and year in 16 bits.
fn date_parts(low: u8, high: u8, century: u8) -> Option<(u16, u8, u8)> {
    let year = u16::from(low >> 5 | high >> 4 << 3);
    // Without a century, 0 to 80 are of this one.
    let year = match century {
        0 if year <= 80 => 2_000 + year,
        century => 1_900 + 100 * u16::from(century) + year,
    };
    date(year, high & 0x0f, low & 0x1f)
}
