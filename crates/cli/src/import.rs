//! Files of readings: lines METER,TIME,REGISTER.
//!
//! Fields stand between commas, semicolons or tabs, quoted or not; decimals have a point, or a comma where that is no
//! separator. An empty line and one that begins with `#` say nothing. The first line may be a header, which may name the unit
//! of all registers and the zone of all times, and give the columns another order: `meter,time[Asia/Shanghai],register_kWh`. Every mistake is told with its line, and
//! what can be read in two ways is one.

mod habits;
mod order;

use crate::said;
use crate::sentence::Said;
use crate::units::{self, Amount, Unit};
use crate::zone::{self, Zone};
use habits::{Doubt, after, is_header};
use jiff::civil::DateTime;
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

/// What holds where a file does not say it itself.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The unit of registers that name none.
    pub unit: Option<Unit>,
    /// The zone of times without offset.
    pub zone: Option<Zone>,
}

/// A line with its number, or what is wrong with it.
pub type Told = (u64, Result<Line, Said>);

const FORM: &str = "METER,TIME,REGISTER";
/// A line as it should be.
const EXAMPLE: &str = "9a40,2025-01-01T01:00:00+08:00,17.5kWh";
/// Longest line. What is longer is none of three fields.
const MAX_LINE_BYTES: usize = 1_000;
/// Digits of the least number that is taken for a time in Unix milliseconds: of 1973. Seconds have fewer.
const MILLISECOND_DIGITS: usize = 12;
/// What may stand around a unit or a zone in a header.
const AROUND: [char; 9] = [' ', '_', '(', ')', '[', ']', '（', '）', ':'];

/// Reads a file that must be right as a whole.
pub fn read(bytes: &[u8], defaults: &Defaults) -> Result<Vec<Line>, Said> {
    let told = lines(bytes, defaults)?.into_iter();
    told.map(|(number, line)| line.map_err(|reason| on_line(number, &reason))).collect()
}

/// What is wrong, with its line.
pub fn on_line(number: u64, reason: &Said) -> Said {
    said!("line {number}: {reason}", "第 {number} 行：{reason}")
}

/// Reads a file, line by line. What is wrong with the whole of it is told with the first line that shows it.
pub fn lines(bytes: &[u8], defaults: &Defaults) -> Result<Vec<Told>, Said> {
    let text = text_of(bytes)?;
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let first = first.ok_or_else(|| {
        said!(
            "the file is empty: write a line for each reading, such as {EXAMPLE}",
            "文件是空的：每个读数写一行，如 {EXAMPLE}"
        )
    })?;
    let separator = [';', '\t'].into_iter().find(|separator| first.contains(*separator)).unwrap_or(',');
    let said = text.lines().next().and_then(habits::said_separator);
    let separator = said.unwrap_or(separator);
    let mut reader =
        Reader { separator, columns: [0, 1, 2], decimals: None, doubt: Doubt::default(), defaults: defaults.clone() };
    let mut read = Vec::new();
    let mut is_first = true;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') || (number == 1 && said.is_some()) {
            continue;
        }
        let record = fields(line, separator);
        if std::mem::take(&mut is_first)
            && let Ok(record) = &record
        {
            let fields: Vec<&str> = record.iter().collect();
            if is_header(&fields) {
                reader.header(&fields).map_err(|reason| on_line(number, &reason))?;
                continue;
            }
        }
        read.push((number, record.and_then(|record| reader.line(number, &record.iter().collect::<Vec<_>>()))));
    }
    if read.is_empty() {
        return Err(said!(
            "the file holds no readings: write a line for each below the header, such as {EXAMPLE}",
            "文件中没有读数：在表头之下每个读数写一行，如 {EXAMPLE}"
        ));
    }
    reader.doubt.settle(&mut read);
    Ok(order::resolved(read, reader.defaults.zone.as_ref()))
}

/// A file's text.
fn text_of(bytes: &[u8]) -> Result<&str, Said> {
    // Spreadsheets begin a file with it.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Err(said!(
            "the file is UTF-16, or no text: save it as UTF-8",
            "文件是 UTF-16，或不是文本：请存为 UTF-8"
        ));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        said!("line {line} is no UTF-8 text: save the file as UTF-8", "第 {line} 行不是 UTF-8 文本：请将文件存为 UTF-8")
    })
}

/// The fields of a line, without their quotes.
fn fields(line: &str, separator: char) -> Result<csv::StringRecord, Said> {
    if line.len() > MAX_LINE_BYTES {
        let bytes = line.len();
        return Err(said!(
            "the line has {bytes} bytes, at most {MAX_LINE_BYTES} are read: do lines end with LF or CR LF?",
            "该行有 {bytes} 字节，最多读 {MAX_LINE_BYTES} 字节：行尾是否为 LF 或 CR LF？"
        ));
    }
    if !line.matches('"').count().is_multiple_of(2) {
        return Err(said!(
            "a quote is not closed: {line:?} has an odd number of them; write for example {EXAMPLE}",
            "引号未闭合：{line:?} 中的引号为奇数个；例如写 {EXAMPLE}"
        ));
    }
    // The reader of fields would end a record at it, and what follows would be lost.
    if line.contains('\r') {
        return Err(said!(
            "a carriage return stands within the line: lines end with LF or CR LF",
            "行内有回车符：行应以 LF 或 CR LF 结尾"
        ));
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator as u8)
        .trim(csv::Trim::All)
        .from_reader(line.as_bytes());
    let record = reader.records().next().unwrap_or_else(|| Ok(csv::StringRecord::new()));
    record.map_err(|error| said!("{error}", "无法拆分此行：{error}"))
}

/// What a line says before its time is known for certain.
struct Raw {
    meter: String,
    time: When,
    register: Amount,
}

enum When {
    At(Timestamp),
    Shown(DateTime),
}

struct Reader {
    separator: char,
    /// Where a line has its meter, time and register.
    columns: [usize; 3],
    /// How decimals are written here, and the line that said so.
    decimals: Option<(char, u64)>,
    doubt: Doubt,
    defaults: Defaults,
}

impl Reader {
    /// Takes the unit and the zone that a header names.
    fn header(&mut self, fields: &[&str]) -> Result<(), Said> {
        let bad = || {
            said!(
                "the header is {fields:?}, not meter,time,register or, with the zone and the unit, \
                 meter,time[Asia/Shanghai],register_kWh",
                "表头是 {fields:?}，应为 meter,time,register，或带时区和单位：meter,time[Asia/Shanghai],register_kWh"
            )
        };
        let named = |names: &[&str]| {
            let mut found = (0..).zip(fields).filter_map(|(place, field)| Some((place, after(field, names)?)));
            found.next().filter(|_| found.next().is_none())
        };
        let columns =
            (named(&["meter", "表计"]), named(&["timestamp", "time", "时间"]), named(&["register", "表底", "示数"]));
        let (Some((meter, "")), Some((time, zone)), Some((register, unit))) = columns else { return Err(bad()) };
        if fields.len() != 3 {
            return Err(bad());
        }
        self.columns = [meter, time, register];
        let unit = unit.trim_start_matches('/');
        if !zone.is_empty() {
            self.defaults.zone = Some(zone.parse()?);
        }
        if !unit.is_empty() {
            self.defaults.unit = Some(habits::unit_name(unit).parse()?);
        }
        Ok(())
    }

    fn line(&mut self, number: u64, fields: &[&str]) -> Result<Raw, Said> {
        if fields.len() != 3 {
            return Err(count_is_wrong(fields, self.separator));
        }
        let [meter, time, register] = self.columns.map(|column| fields[column]);
        if meter.is_empty() {
            return Err(said!("the meter is not named: write for example {EXAMPLE}", "没有写明表计：例如写 {EXAMPLE}"));
        }
        let time = self.time(time)?;
        let register = Amount::read(&self.number(number, register)?, self.defaults.unit)?;
        Ok(Raw { meter: meter.into(), time, register })
    }

    fn time(&self, text: &str) -> Result<When, Said> {
        if text.is_empty() {
            return Err(said!("the time is empty: write for example {EXAMPLE}", "没有写时间：例如写 {EXAMPLE}"));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() < MILLISECOND_DIGITS {
            return Err(said!(
                "{text:?} is no time in milliseconds since 1970: seconds and days of spreadsheets are not taken, write \
                 2025-01-31T08:00:00+08:00",
                "{text:?} 不是自 1970 年起的毫秒数：不接受秒数或电子表格的天数，请写 2025-01-31T08:00:00+08:00"
            ));
        }
        if zone::has_month_in_doubt(text) {
            return Err(said!(
                "{text:?} is no time that is read in one way, the day or the month may stand first: write the year first, \
                 2025-01-31 08:00",
                "{text:?} 可有两种读法，日和月不知哪个在前：请先写年份，如 2025-01-31 08:00"
            ));
        }
        match zone::local(text) {
            None => units::time(text).map(When::At),
            Some(local) if self.defaults.zone.is_some() => Ok(When::Shown(local)),
            Some(local) => Err(said!(
                "{text:?} does not say at which offset from UTC: write {local}+08:00, or name the zone with --zone \
                 Asia/Shanghai or in the header, time[Asia/Shanghai]",
                "{text:?} 没有说明与 UTC 的偏移：请写 {local}+08:00，或用 --zone Asia/Shanghai 或表头 time[Asia/Shanghai] 写明时区"
            )),
        }
    }

    /// A register's number with its decimals behind a point, and its unit if it has one.
    fn number(&mut self, line: u64, register: &str) -> Result<String, Said> {
        if register.is_empty() {
            return Err(said!(
                "the register is empty: leave out the line of a reading that there is not",
                "没有写表底：没有的读数请不要写这一行"
            ));
        }
        if register.starts_with(['-', '−']) {
            return Err(said!(
                "{register:?} is negative: a register counts from zero up",
                "{register:?} 是负数：表底从零开始递增"
            ));
        }
        if register.contains(|character: char| character.is_numeric() && !character.is_ascii() && character != '³') {
            return Err(said!(
                "{register:?} has other figures than 0 to 9: write those",
                "{register:?} 含有 0 至 9 以外的数字：请改写"
            ));
        }
        let is_of_number = |character: char| {
            character.is_ascii_digit() || matches!(character, '.' | ',' | '\'' | '’' | '_') || character.is_whitespace()
        };
        let end = register.find(|character| !is_of_number(character)).unwrap_or(register.len());
        let (number, unit) = (register[..end].trim_end(), &register[end..]);
        let thousands = || {
            Err(said!(
                "{register:?} has separators of thousands: leave them out",
                "{register:?} 含有千位分隔符：请去掉"
            ))
        };
        let is_plain = |character: char| character.is_ascii_digit() || matches!(character, '.' | ',');
        let marks: Vec<char> = number.chars().filter(|character| matches!(character, '.' | ',')).collect();
        if !number.chars().all(is_plain) || marks.len() > 1 {
            return thousands();
        }
        if unit.starts_with(['e', 'E'])
            && unit[1..].starts_with(|character: char| character.is_ascii_digit() || matches!(character, '+' | '-'))
        {
            return Err(said!(
                "{register:?} has an exponent: write all digits",
                "{register:?} 含有指数：请写出全部数字"
            ));
        }
        let Some(mark) = marks.first().copied() else {
            self.doubt.look(line, number, None, self.separator);
            return Ok(format!("{number}{unit}"));
        };
        // Where a comma separates fields, one in quotes with three digits behind it may be of thousands.
        let behind = number.rsplit(mark).next().unwrap_or_default();
        if mark == ',' && self.separator == ',' && behind.len() == 3 {
            return Err(said!(
                "{register:?} can be read in two ways: write its decimals with a point, or leave the comma out",
                "{register:?} 有两种读法：小数请用点，或去掉逗号"
            ));
        }
        match self.decimals {
            Some((known, earlier)) if known != mark => {
                let [here, there] = [mark, known].map(name);
                return Err(said!(
                    "{register:?} has a {here}, line {earlier} a {there}: which one is before the decimals?",
                    "{register:?} 用{here}，第 {earlier} 行用{there}：哪一个是小数点？"
                ));
            }
            _ => self.decimals = Some((mark, line)),
        }
        self.doubt.look(line, number, Some(mark), self.separator);
        Ok(format!("{}{unit}", number.replace(',', ".")))
    }
}

fn name(mark: char) -> Said {
    if mark == ',' { said!("comma", "逗号") } else { said!("point", "点") }
}

fn count_is_wrong(fields: &[&str], separator: char) -> Said {
    let told = said!(
        "{} fields are not {FORM}: {fields:?}; write for example {EXAMPLE}",
        "有 {} 个字段，不是 {FORM}：{fields:?}；例如写 {EXAMPLE}",
        fields.len()
    );
    match separator {
        ',' if fields.len() > 3 => {
            said!("{told}, decimals with a point, or put ; between the fields", "{told}，小数请用点，或用 ; 分隔字段")
        }
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::{Carrier, Quantity};

    const TIME: &str = "2025-01-01T00:00:00Z";

    fn registers(text: &str) -> Result<Vec<(u64, u64)>, String> {
        let lines = read(text.as_bytes(), &Defaults::default()).map_err(|error| error.to_string())?;
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
        for header in
            ["meter,time,register_kWh", "Meter,Time,Register [kWh]", "METER,TIME,REGISTER kWh", "表计,时间,表底（kWh）"]
        {
            assert_eq!(registers(&format!("{header}\n77aa,{TIME},17\n")), Ok(vec![(2, 17)]), "{header}");
        }
        let turned = format!("Time,Register_kWh,Meter\n{TIME},17,77aa\n");
        assert_eq!(registers(&turned), Ok(vec![(2, 17)]));
        let plain = format!("meter,time,register\n77aa,{TIME},17\n");
        assert!(registers(&plain).unwrap_err().starts_with("line 2: \"17\" has no unit"));
        let defaults = Defaults { unit: Some("kWh".parse().unwrap()), zone: None };
        let lines = read(plain.as_bytes(), &defaults).unwrap();
        assert_eq!(lines[0].register.of(Carrier::Heating), Ok(Quantity(17 * 3_600_000)));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        for (text, told) in [
            (String::new(), "the file is empty"),
            ("# nothing\n\n".into(), "the file is empty"),
            ("meter,time,register_kWh\n".into(), "the file holds no readings"),
            ("id,when,what\n".into(), "line 1: the header is [\"id\", \"when\", \"what\"]"),
            ("meter,time,time,register_kWh\n".into(), "line 1: the header is"),
            ("meter_name,time,register_kWh\n".into(), "line 1: the header is"),
            ("meter,time,register_kWh,note\n".into(), "line 1: the header is"),
            ("meter,time,register_foo\n".into(), "line 1: \"foo\" is no unit"),
            ("meter,time[Mars],register_kWh\n".into(), "line 1: \"Mars\" is no time zone"),
            (format!("77aa,{TIME},17,5kWh"), "line 1: 4 fields are not METER,TIME,REGISTER"),
            (format!("77aa,{TIME},1kWh\n77aa,{TIME}"), "line 2: 2 fields"),
            (format!("77aa,{TIME},1kWh\n77aa,yesterday,2kWh"), "line 2: \"yesterday\" is no time"),
            (format!("77aa,{TIME},\"1kWh"), "line 1: a quote is not closed"),
            (
                format!("77aa,{TIME},1kWh{}", " ".repeat(1_000)),
                "line 1: the line has 1030 bytes, at most 1000 are read",
            ),
            (format!("77aa;{TIME};1kWh\n\n77aa;{TIME};1.234,5kWh"), "line 3: \"1.234,5kWh\" has separators"),
            (format!("77aa,{TIME},1kWh\r77aa,{TIME},2kWh"), "line 1: a carriage return"),
            (format!(",{TIME},1kWh"), "line 1: the meter is not named"),
            (format!("77aa,{TIME},1kWh\n77aa,,2kWh"), "line 2: the time is empty"),
            (format!("77aa,{TIME},1kWh\n77aa,{TIME},"), "line 2: the register is empty"),
            (format!("77aa,{TIME},1kWh\n77aa,{TIME},-2kWh"), "line 2: \"-2kWh\" is negative"),
            (format!("77aa,{TIME},1.5e3kWh"), "line 1: \"1.5e3kWh\" has an exponent"),
            (format!("77aa,{TIME},1E+05 kWh"), "line 1: \"1E+05 kWh\" has an exponent"),
            (format!("77aa;{TIME};1 234,5 kWh"), "line 1: \"1 234,5 kWh\" has separators"),
            (format!("77aa;{TIME};1\u{202f}234 kWh"), "line 1: \"1\\u{202f}234 kWh\" has separators"),
            (format!("77aa;{TIME};1'234 kWh"), "line 1: \"1'234 kWh\" has separators"),
            (format!("77aa;{TIME};1.234.567 kWh"), "line 1: \"1.234.567 kWh\" has separators"),
            (format!("77aa,{TIME},\"1,234 kWh\""), "line 1: \"1,234 kWh\" can be read in two ways"),
            (
                format!("77aa;{TIME};1,5 kWh\n77aa;{TIME};1.750 kWh"),
                "line 2: \"1.750 kWh\" has a point, line 1 a comma",
            ),
            (format!("77aa;{TIME};１２ kWh"), "line 1: \"１２ kWh\" has other figures than 0 to 9"),
            (format!("meter,time,register_mj\n77aa,{TIME},1"), "line 1: \"mj\" is no unit"),
            (format!("sep=;\n77aa;{TIME}"), "line 2: 2 fields"),
            ("sep=;\n".into(), "the file holds no readings"),
            (format!("77aa,{TIME},99999999999999999999kWh"), "line 1: \"99999999999999999999kWh\" is more than"),
            (format!("77aa,{TIME},0.0000001kWh"), "line 1: \"0.0000001kWh\" is no whole number of joules"),
            (format!("77aa,{TIME},NaN"), "line 1: \"NaN\" is no unit"),
            ("77aa,1735689600,1kWh".into(), "line 1: \"1735689600\" is no time in milliseconds"),
            ("77aa,45658.25,1kWh".into(), "line 1: \"45658.25\" is no time"),
            ("77aa,2025-01-01 00:15,1kWh".into(), "line 1: \"2025-01-01 00:15\" does not say at which offset"),
            ("77aa,01/02/2025 00:15,1kWh".into(), "line 1: \"01/02/2025 00:15\" is no time that is read in one way"),
            ("77aa,11-12-26 1:00,1kWh".into(), "line 1: \"11-12-26 1:00\" is no time that is read in one way"),
        ] {
            let found = registers(&text).unwrap_err();
            assert!(found.starts_with(told), "{text:?}: {found}");
        }
        let none = Defaults::default();
        assert!(read(b"77aa,\n77\xff", &none).unwrap_err().to_string().starts_with("line 2 is no UTF-8"));
        for utf_16 in [&b"\xff\xfe7\x007\x00"[..], b"\xfe\xff\x007\x007", b"7\x007\x00"] {
            assert!(read(utf_16, &none).unwrap_err().to_string().contains("UTF-16"));
        }
    }

    #[test]
    fn a_file_is_told_line_by_line_whatever_is_wrong_with_some() {
        let text = format!("77aa,{TIME},1kWh\n77aa,{TIME},none\n77aa,{TIME},3kWh\n");
        let told = lines(text.as_bytes(), &Defaults::default()).unwrap();
        let good: Vec<_> = told.iter().map(|(number, line)| (*number, line.is_ok())).collect();
        assert_eq!(good, [(1, true), (2, false), (3, true)]);
    }

    fn hours(header: &str, times: &[&str]) -> Result<Vec<String>, String> {
        let lines: String = times.iter().map(|time| format!("77aa;{time};1\n")).collect();
        let text = format!("meter;{header};register_kWh\n{lines}");
        let read = read(text.as_bytes(), &Defaults::default()).map_err(|error| error.to_string())?;
        let utc = |line: Line| {
            jiff::Timestamp::from_millisecond(line.time.0 as i64).unwrap().strftime("%d %H:%M").to_string()
        };
        Ok(read.into_iter().map(utc).collect())
    }

    #[test]
    fn local_times_are_those_of_the_zone_that_the_file_names_also_on_days_of_23_and_25_hours() {
        let berlin = "time[Europe/Berlin]";
        let forward = hours(berlin, &["30.03.2025 01:00", "30.03.2025 03:00", "30.03.2025 04:00"]);
        assert_eq!(forward.unwrap(), ["30 00:00", "30 01:00", "30 02:00"]);
        let missing = hours(berlin, &["2025-03-30 01:00", "2025-03-30 02:00"]).unwrap_err();
        assert!(missing.starts_with("line 3: 2025-03-30T02:00:00 is no time in Europe/Berlin"), "{missing}");
        let back = [
            "2025-10-26 01:30",
            "2025-10-26 02:00",
            "2025-10-26 02:30",
            "2025-10-26 02:00",
            "2025-10-26 02:30",
            "2025-10-26 03:00",
        ];
        let utc = ["25 23:30", "26 00:00", "26 00:30", "26 01:00", "26 01:30", "26 02:00"];
        assert_eq!(hours(berlin, &back).unwrap(), utc);
        assert_eq!(hours("time Asia/Shanghai", &["2025/1/1 8:00"]).unwrap(), ["01 00:00"]);
        assert_eq!(
            hours("time (+08:00)", &["2025-01-01 08:00", "2025-01-01T01:00:00Z"]).unwrap(),
            ["01 00:00", "01 01:00"]
        );
    }

    #[test]
    fn a_time_that_was_twice_is_refused_where_the_lines_around_it_do_not_say_which_it_was() {
        let found = hours("time[Europe/Berlin]", &["2025-10-26 01:00", "2025-10-26 02:00", "2025-10-26 03:00"]);
        let found = found.unwrap_err();
        assert!(found.starts_with("line 3: 2025-10-26T02:00:00 is twice in Europe/Berlin"), "{found}");
        assert!(found.ends_with("write 2025-10-26T02:00:00+02:00 or 2025-10-26T02:00:00+01:00"), "{found}");
        // Another meter's lines say nothing of this one.
        let text = "meter;time[Europe/Berlin];register_kWh\naa;2025-10-26 02:00;1\nbb;2025-10-26 02:00;1\nbb;2025-10-26 02:00;2\n";
        let found = read(text.as_bytes(), &Defaults::default()).unwrap_err().to_string();
        assert!(found.starts_with("line 2:"), "{found}");
    }
}
