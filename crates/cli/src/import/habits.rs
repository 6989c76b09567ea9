//! How spreadsheets, databases and people write: what of it is understood, and what stays in doubt.

use crate::said;
use crate::sentence::Said;

/// The separator that a spreadsheet says in a line of its own before all others.
pub fn said_separator(line: &str) -> Option<char> {
    let (head, said) = line.split_at_checked(4)?;
    let known = [',', ';', '\t'].into_iter().find(|separator| said.strip_prefix(*separator) == Some(""));
    known.filter(|_| head.eq_ignore_ascii_case("sep="))
}

/// A unit's name as a heading has it. Databases make all letters small or large; between milli and mega that would be a
/// difference.
pub fn unit_name(heading: &str) -> &str {
    let caseless = ["J", "kJ", "GJ", "Wh", "kWh", "L"];
    caseless.into_iter().find(|name| name.eq_ignore_ascii_case(heading)).unwrap_or(heading)
}

/// A header has words where readings have figures.
pub fn is_header(fields: &[&str]) -> bool {
    fields.first().is_some_and(|first| first.eq_ignore_ascii_case("meter"))
        || !fields.iter().skip(1).any(|field| field.starts_with(|character: char| character.is_ascii_digit()))
}

/// What follows in a header's field after one of its names; none if it begins with none of them.
pub fn after<'a>(field: &'a str, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| {
        let (head, rest) = field.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name).then(|| rest.trim_matches(super::AROUND))
    })
}

/// Whether a number of thousands may stand with this mark in a file whose fields stand between these separators: spreadsheets that
/// write commas between fields have points before decimals, those that write semicolons commas; tabs say nothing.
fn may_be_of_thousands(mark: char, separator: char) -> bool {
    !matches!((mark, separator), ('.', ',') | (',', ';'))
}

/// What is not known of a file's numbers before all of them were seen: three digits behind the only mark are decimals, or the
/// rest of thousands.
#[derive(Default)]
pub struct Doubt {
    /// Whether some number shows that marks are before decimals, or that thousands have none.
    is_plain: bool,
    /// What is wrong with lines unless that is so.
    lines: Vec<(u64, Said)>,
}

impl Doubt {
    /// Looks at a line's number, and at the only mark in it.
    pub fn look(&mut self, line: u64, number: &str, mark: Option<char>, separator: char) {
        let Some((before, behind)) = mark.and_then(|mark| number.split_once(mark)) else {
            self.is_plain |= number.len() > 3;
            return;
        };
        let is_thousands = mark.is_some_and(|mark| may_be_of_thousands(mark, separator));
        if !is_thousands || behind.len() != 3 || !(1..=3).contains(&before.len()) || before.starts_with('0') {
            self.is_plain = true;
            return;
        }
        let reason = said!(
            "{number:?} can be read in two ways, and no other line says which: write {number}0 for a number with decimals, \
             {before}{behind} for one of thousands",
            "{number:?} 有两种读法，其他行也看不出：小数请写 {number}0，千分位请写 {before}{behind}"
        );
        self.lines.push((line, reason));
    }

    /// Refuses the lines that are in doubt, if no other has dispelled it.
    pub fn settle<T>(self, read: &mut [(u64, Result<T, Said>)]) {
        let mut lines = self.lines.into_iter().filter(|_| !self.is_plain).peekable();
        for (number, told) in read {
            if let Some((_, reason)) = lines.next_if(|(line, _)| line == number) {
                *told = Err(reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::import::{Defaults, Line, read};
    use utilidor_types::Carrier;

    #[test]
    fn three_digits_behind_a_mark_are_decimals_only_where_another_line_shows_it() {
        let watt_hours = |registers: &[&str]| {
            let lines = (1..).zip(registers).map(|(day, it)| format!("77aa;2025-01-0{day}T00:00:00Z;{it}\n"));
            let text = format!("meter;time;register_kWh\n{}", lines.collect::<String>());
            let joules = |line: &Line| line.register.of(Carrier::Electricity).unwrap().0;
            read(text.as_bytes(), &Defaults::default())
                .map(|lines| lines.iter().map(|line| joules(line) / 3_600).collect::<Vec<_>>())
        };
        assert_eq!(
            watt_hours(&["1.234", "2.345"]).unwrap_err().to_string(),
            "line 2: \"1.234\" can be read in two ways, and no other line says which: write 1.2340 for a number with \
             decimals, 1234 for one of thousands"
        );
        for registers in [["999", "1.000"], ["100.000", "0"]] {
            assert!(watt_hours(&registers).unwrap_err().to_string().contains("two ways"), "{registers:?}");
        }
        for (registers, expected) in [
            (["1.2340", "2.345"], [1_234, 2_345]),
            (["1,234", "2,345"], [1_234, 2_345]),
            (["999.500", "1000.500"], [999_500, 1_000_500]),
            (["1.234", "2.5"], [1_234, 2_500]),
            (["1234", "1234.567"], [1_234_000, 1_234_567]),
            (["123", "124"], [123_000, 124_000]),
        ] {
            assert_eq!(watt_hours(&registers).unwrap(), expected, "{registers:?}");
        }
    }

    #[test]
    fn spreadsheets_and_databases_write_headings_in_their_own_ways() {
        for text in [
            "sep=;\r\nmeter;time;register_kwh\r\n77aa;2025-01-01T00:00:00Z;17\r\n",
            "\u{feff}SEP=,\nMETER,TIME,REGISTER_KWH\n77aa,2025-01-01T00:00:00Z,17\n",
            "sep=\t\nmeter\ttime\tregister_Kwh\n77aa\t2025-01-01T00:00:00Z\t17\n",
        ] {
            let lines = read(text.as_bytes(), &Defaults::default()).unwrap();
            assert_eq!((lines.len(), lines[0].number), (1, 3), "{text}");
            assert_eq!(lines[0].register.of(Carrier::Heating).unwrap().0, 17 * 3_600_000, "{text}");
        }
    }
}
