//! Files of readings: lines METER,TIME,REGISTER.
//!
//! Fields stand between commas, semicolons or tabs, quoted or not; decimals have a point, or a comma where that is no
//! separator. An empty line and one that begins with `#` say nothing. The first line may be a header, which may name the unit
//! of all registers: `meter,time,register_kWh`. Every mistake is told with its line.

use crate::units::{self, Amount, Unit};
use utilidor_types::Timestamp;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// The meter, as it is written.
    pub meter: String,
    /// When it was read.
    pub time: Timestamp,
    /// What it showed.
    pub register: Amount,
}

const FORM: &str = "METER,TIME,REGISTER";

/// Reads a file. A register that names no unit is in the header's, else in `unit`.
pub fn read(bytes: &[u8], unit: Option<Unit>) -> Result<Vec<Line>, String> {
    // Spreadsheets begin a file with it.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        format!("line {line} is no UTF-8 text: save the file as UTF-8")
    })?;
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let first = first.ok_or("the file is empty")?;
    let separator = [';', '\t'].into_iter().find(|separator| first.contains(*separator)).unwrap_or(',');
    let mut unit = unit;
    let mut lines = Vec::new();
    let mut is_first = true;
    for (number, line) in (1..).zip(text.lines()) {
        let in_line = |reason: String| format!("line {number}: {reason}");
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let record = fields(line, separator).map_err(in_line)?;
        let fields: Vec<&str> = record.iter().collect();
        if std::mem::take(&mut is_first) && is_header(&fields) {
            unit = header_unit(&fields).map_err(in_line)?.or(unit);
            continue;
        }
        let [meter, time, register] = fields[..] else {
            return Err(in_line(count_is_wrong(&fields, separator)));
        };
        lines.push(Line {
            number,
            meter: meter.into(),
            time: units::time(time).map_err(in_line)?,
            register: Amount::read(&with_point(register).map_err(in_line)?, unit).map_err(in_line)?,
        });
    }
    if lines.is_empty() {
        return Err("the file holds no readings".into());
    }
    Ok(lines)
}

/// The fields of a line, without their quotes.
fn fields(line: &str, separator: char) -> Result<csv::StringRecord, String> {
    if !line.matches('"').count().is_multiple_of(2) {
        return Err("a quote is not closed".into());
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator as u8)
        .trim(csv::Trim::All)
        .from_reader(line.as_bytes());
    let record = reader.records().next().unwrap_or_else(|| Ok(csv::StringRecord::new()));
    record.map_err(|error| error.to_string())
}

/// A header has words where readings have figures.
fn is_header(fields: &[&str]) -> bool {
    fields.first().is_some_and(|first| first.eq_ignore_ascii_case("meter"))
        || !fields.iter().skip(1).any(|field| field.starts_with(|character: char| character.is_ascii_digit()))
}

/// The unit that a header names.
fn header_unit(fields: &[&str]) -> Result<Option<Unit>, String> {
    let bad =
        || format!("the header is {fields:?}, not meter,time,register or, with the unit, meter,time,register_kWh");
    let [meter, time, register] = fields else { return Err(bad()) };
    let (Some(head), Some(rest)) = (register.get(..8), register.get(8..)) else { return Err(bad()) };
    let is = |field: &str, name: &str| field.eq_ignore_ascii_case(name);
    if !is(meter, "meter") || !is(time, "time") || !is(head, "register") {
        return Err(bad());
    }
    let unit = rest.trim_matches([' ', '_', '(', ')', '[', ']', '/']);
    if unit.is_empty() { Ok(None) } else { unit.parse().map(Some) }
}

fn count_is_wrong(fields: &[&str], separator: char) -> String {
    let told = format!("{} fields are not {FORM}: {fields:?}", fields.len());
    match separator {
        ',' if fields.len() > 3 => format!("{told}; write decimals with a point, or put ; between the fields"),
        _ => told,
    }
}

/// A number with a decimal comma, with a point.
fn with_point(register: &str) -> Result<String, String> {
    match register.matches(',').count() {
        0 => Ok(register.into()),
        1 if !register.contains('.') => Ok(register.replace(',', ".")),
        _ => Err(format!("{register:?} has separators of thousands: leave them out")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::{Carrier, Quantity};

    const TIME: &str = "2025-01-01T00:00:00Z";

    fn registers(text: &str) -> Result<Vec<(u64, u64)>, String> {
        let lines = read(text.as_bytes(), None)?;
        let joules = |line: &Line| line.register.of(Carrier::Electricity).unwrap();
        Ok(lines.iter().map(|line| (line.number, joules(line).0 / 3_600_000)).collect())
    }

    #[test]
    fn files_of_spreadsheets_are_read_as_they_are() {
        for text in [
            format!("77aa,{TIME},17kWh\n\n# said nothing\n77aa,{TIME},18kWh\n"),
            format!("\u{feff}77aa;{TIME};17,0 kWh\r\n\r\n#\r\n77aa;{TIME};18 kWh"),
            format!("\"77aa\",\"{TIME}\",\"17,0 kWh\"\n\n#\n77aa,{TIME},\"18 kWh\""),
            format!("77aa\t{TIME}\t17 kWh\n\n\n77aa\t{TIME}\t18000 Wh"),
        ] {
            assert_eq!(registers(&text), Ok(vec![(1, 17), (4, 18)]), "{text}");
        }
    }

    #[test]
    fn a_file_says_its_unit_once_or_every_time_but_never_not_at_all() {
        for header in ["meter,time,register_kWh", "Meter,Time,Register [kWh]", "METER,TIME,REGISTER kWh"] {
            assert_eq!(registers(&format!("{header}\n77aa,{TIME},17\n")), Ok(vec![(2, 17)]), "{header}");
        }
        let plain = format!("meter,time,register\n77aa,{TIME},17\n");
        assert!(registers(&plain).unwrap_err().starts_with("line 2: \"17\" has no unit"));
        let unit = Some("kWh".parse().unwrap());
        let lines = read(plain.as_bytes(), unit).unwrap();
        assert_eq!(lines[0].register.of(Carrier::Heating), Ok(Quantity(17 * 3_600_000)));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        for (text, told) in [
            (String::new(), "the file is empty"),
            ("# nothing\n\n".into(), "the file is empty"),
            ("meter,time,register_kWh\n".into(), "the file holds no readings"),
            ("id,when,what\n".into(), "line 1: the header is [\"id\", \"when\", \"what\"]"),
            ("meter,time,register_foo\n".into(), "line 1: \"foo\" is no unit"),
            (format!("77aa,{TIME},17,5kWh"), "line 1: 4 fields are not METER,TIME,REGISTER"),
            (format!("77aa,{TIME},1kWh\n77aa,{TIME}"), "line 2: 2 fields"),
            (format!("77aa,{TIME},1kWh\n77aa,yesterday,2kWh"), "line 2: \"yesterday\" is no time"),
            (format!("77aa,{TIME},\"1kWh"), "line 1: a quote is not closed"),
            (format!("77aa;{TIME};1kWh\n\n77aa;{TIME};1.234,5kWh"), "line 3: \"1.234,5kWh\" has separators"),
        ] {
            let found = registers(&text).unwrap_err();
            assert!(found.starts_with(told), "{text:?}: {found}");
        }
        assert!(read(b"77aa,\n77\xff", None).unwrap_err().starts_with("line 2 is no UTF-8"));
    }
}
