//! Times as the clock on a wall shows them, and the zones that say when that was. Zones end here: what goes to a node is a time.

use crate::said;
use crate::sentence::Said;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use utilidor_types::Timestamp;
use utilidor_types::time::MAX_TIMESTAMP;

/// A time zone: a name of the IANA data base such as `Asia/Shanghai`, or an offset from UTC such as `+08:00`.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl std::str::FromStr for Zone {
    type Err = Said;
    fn from_str(text: &str) -> Result<Self, Said> {
        let text = text.trim();
        let zone = match crate::units::offset(text) {
            Ok(minutes) => Offset::from_seconds(i32::from(minutes) * 60).map(Offset::to_time_zone),
            Err(_) => TimeZone::get(text),
        };
        // A machine without the data base has no zone at all.
        let zone = zone.map_err(|_| match TimeZone::get("Asia/Shanghai") {
            Ok(_) => said!(
                "{text:?} is no time zone: write a name such as Asia/Shanghai, or an offset such as +08:00",
                "{text:?} 不是时区：请写 Asia/Shanghai 之类的名称，或 +08:00 之类的偏移"
            ),
            Err(_) => said!(
                "this machine knows no time zones, so not {text:?}: install tzdata, or write +08:00",
                "本机没有时区数据，因此不认识 {text:?}：请安装 tzdata，或写 +08:00"
            ),
        })?;
        Ok(Self { name: text.into(), zone })
    }
}

/// When a clock on a wall showed a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Once.
    Once(Timestamp),
    /// Twice: it was put back in between.
    Twice(Timestamp, Timestamp),
}

impl Zone {
    /// When its clocks showed a time; refused where they never did.
    pub fn when(&self, local: DateTime) -> Result<Shown, Said> {
        let at = |offset: Offset| {
            let ms = offset.to_timestamp(local).ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
            ms.map(Timestamp)
                .filter(|time| *time <= MAX_TIMESTAMP)
                .ok_or_else(|| said!("{local} is no time", "{local} 不是时间"))
        };
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => at(offset).map(Shown::Once),
            AmbiguousOffset::Fold { before, after } => Ok(Shown::Twice(at(before)?, at(after)?)),
            AmbiguousOffset::Gap { before, after } => Err(said!(
                "{local} is no time in {}: its clocks go forward over it, from {before} to {after}",
                "{local} 在 {} 不存在：当地时钟从 {before} 拨快到 {after}，跳过了它",
                self.name
            )),
        }
    }

    /// What to say of a time that its clocks showed twice.
    pub fn twice(&self, local: DateTime) -> Said {
        let offsets = match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Fold { before, after } | AmbiguousOffset::Gap { before, after } => [before, after],
            AmbiguousOffset::Unambiguous { offset } => [offset, offset],
        };
        let [first, second] = offsets.map(|offset| format!("{local}{}", written(offset)));
        said!(
            "{local} is twice in {}, whose clocks go back over it: write {first} or {second}",
            "{local} 在 {} 出现两次，因为当地时钟拨慢：请写 {first} 或 {second}",
            self.name
        )
    }
}

fn written(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// A date and a time of day without offset, as tables have them: `2025-01-31 08:00`, `2025/1/31 8:00:00`, `31.1.2025 08:00`. 24:00
/// is the begin of the next day. Day and month where the year is last are only taken between dots: between slashes both orders are
/// in use.
pub fn local(text: &str) -> Option<DateTime> {
    let (date, time) = text.trim().split_once([' ', 'T', 't'])?;
    let separator = ['-', '/', '.'].into_iter().find(|separator| date.contains(*separator))?;
    let [year, month, day] = match numbers(date, separator)?[..] {
        [(4, year), (1..=2, month), (1..=2, day)] => [year, month, day],
        [(1..=2, day), (1..=2, month), (4, year)] if separator == '.' => [year, month, day],
        _ => return None,
    };
    let (hour, minute, second) = match numbers(time.trim(), ':')?[..] {
        [(1..=2, hour), (2, minute)] => (hour, minute, 0),
        [(1..=2, hour), (2, minute), (2, second)] => (hour, minute, second),
        _ => return None,
    };
    let is_end_of_day = (hour, minute, second) == (24, 0, 0);
    let hour = if is_end_of_day { 0 } else { hour };
    let small = |number: i16| i8::try_from(number).ok();
    let found =
        DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    if is_end_of_day { found.checked_add(jiff::Span::new().days(1)).ok() } else { Some(found) }
}

/// Whether a text is a date and a time of which nobody knows whether the day or the month stands first.
pub fn has_month_in_doubt(text: &str) -> bool {
    let date = text.trim().split([' ', 'T', 't']).next().unwrap_or_default();
    ['-', '/']
        .into_iter()
        .any(|separator| matches!(numbers(date, separator).as_deref(), Some([(1..=2, _), (1..=2, _), (2 | 4, _)])))
}

/// Numbers between separators, with how many digits each has.
fn numbers(text: &str, separator: char) -> Option<Vec<(usize, i16)>> {
    let number = |part: &str| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse().ok().map(|number| (part.len(), number)) } else { None }
    };
    text.split(separator).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_tables_are_read_where_their_order_is_certain() {
        let at = |text: &str| local(text).map(|time| time.to_string());
        for text in ["2025-01-31 08:05", "2025/1/31 8:05", "31.1.2025 08:05:00", "2025-01-31T08:05"] {
            assert_eq!(at(text).as_deref(), Some("2025-01-31T08:05:00"), "{text}");
        }
        assert_eq!(at("2025-12-31 24:00").as_deref(), Some("2026-01-01T00:00:00"));
        for text in [
            "",
            "2025-01-31",
            "31/1/2025 08:05",
            "1/31/2025 08:05",
            "2025-02-30 08:05",
            "2025-01-31 24:01",
            "25-01-31 08:05",
            "2025-01-31 8:5",
            "2025-01-31 08:05 pm",
            "2025-01-31T08:05:00+08:00",
            "2025-01-31T08:05:00Z",
            "45658.25",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn a_zone_says_when_its_clocks_showed_a_time_and_that_they_did_so_twice_or_never() {
        let ms = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond() as u64);
        let when = |zone: &str, text: &str| zone.parse::<Zone>().unwrap().when(local(text).unwrap());
        assert_eq!(when("+08:00", "2025-01-01 00:00"), Ok(Shown::Once(ms("2024-12-31T16:00:00Z"))));
        assert_eq!(when("Asia/Shanghai", "2025-01-01 00:00"), Ok(Shown::Once(ms("2024-12-31T16:00:00Z"))));
        assert_eq!(when("Europe/Berlin", "2025-07-01 00:00"), Ok(Shown::Once(ms("2025-06-30T22:00:00Z"))));
        let (first, second) = (ms("2025-10-26T00:30:00Z"), ms("2025-10-26T01:30:00Z"));
        assert_eq!(when("Europe/Berlin", "2025-10-26 02:30"), Ok(Shown::Twice(first, second)));
        assert!(when("Europe/Berlin", "2025-03-30 02:30").unwrap_err().to_string().contains("go forward"));
        let twice = "Europe/Berlin".parse::<Zone>().unwrap().twice(local("2025-10-26 02:30").unwrap());
        assert!(twice.to_string().contains("2025-10-26T02:30:00+02:00 or 2025-10-26T02:30:00+01:00"), "{twice}");
        assert!("Europe/Bonn".parse::<Zone>().unwrap_err().to_string().contains("Asia/Shanghai"));
    }
}
