//! Reading a sheet's source, outside consensus. Tokens are `winnow`'s; what stands where is written here once, beside what
//! [`super::source`] prints.

use super::super::check::{BadSheet, WORDS, is_label};
use super::super::tree::{Expression, Node, Unit};
use super::super::{
    BandHours, Cadence, Definition, IndexUse, Label, MeterUse, Named, Payment, Periods, Sheet, check_sheet,
};
use super::{UNITS, unit_word};
use utilidor_types::agreement::Party;
use utilidor_types::time::Date;
use utilidor_types::{Bounded, Carrier, Money, PriceIndexId, Text};
use winnow::ascii::multispace1;
use winnow::combinator::{alt, opt, preceded, repeat};
use winnow::error::ContextError;
use winnow::prelude::*;
use winnow::token::{literal, take_till, take_while};

/// Longest source that is read, in bytes.
pub const MAX_SOURCE_BYTES: usize = 64 * 1024;
/// Deepest brackets.
const MAX_BRACKETS: usize = 32;

/// Why a text is no sheet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotASheet {
    /// It is longer than any sheet.
    #[error("the text has more than {MAX_SOURCE_BYTES} bytes")]
    TooLong,
    /// Something else should stand at a place.
    #[error("line {line}, column {column}: expected {expected}")]
    At {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// What should stand there.
        expected: String,
    },
    /// What it says at a place cannot be signed.
    #[error("line {line}, column {column}: {bad}")]
    Bad {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// Why.
        bad: BadSheet,
    },
}

/// How much of the text was left where something else should stand, and what.
struct Wrong(usize, Why);

enum Why {
    Expected(String),
    Bad(BadSheet),
}

type Read<T> = Result<T, Wrong>;

/// Reads a sheet. What it gives can be signed as far as it alone tells.
pub fn parse(text: &str) -> Result<Sheet, NotASheet> {
    if text.len() > MAX_SOURCE_BYTES {
        return Err(NotASheet::TooLong);
    }
    let mut reader = Reader { left: text };
    reader.sheet().map_err(|Wrong(left, why)| {
        let before = text.get(..text.len().saturating_sub(left)).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        match why {
            Why::Expected(expected) => NotASheet::At { line, column, expected },
            Why::Bad(bad) => NotASheet::Bad { line, column, bad },
        }
    })
}

fn wrong_at(left: usize, expected: impl Into<String>) -> Wrong {
    Wrong(left, Why::Expected(expected.into()))
}

/// A sheet that is read so far: what is wrong with it stands in what was read last. That nothing is paid yet is not wrong yet.
fn check_so_far(sheet: &Sheet, left: usize, is_whole: bool) -> Read<()> {
    match check_sheet(sheet) {
        Err(BadSheet::Payments) if sheet.payments.is_empty() && !is_whole => Ok(()),
        checked => checked.map_err(|bad| Wrong(left, Why::Bad(bad))),
    }
}

struct Reader<'a> {
    left: &'a str,
}

impl<'a> Reader<'a> {
    fn wrong<T>(&self, expected: impl Into<String>) -> Read<T> {
        Err(wrong_at(self.left.len(), expected))
    }

    fn space(&mut self) {
        let comment = preceded('#', take_till(0.., '\n'));
        let mut space = repeat::<_, _, (), ContextError, _>(0.., alt((multispace1, comment)));
        // Nothing is space as well.
        let _ = space.parse_next(&mut self.left);
    }

    /// How much is left from the next word or sign on.
    fn here(&mut self) -> usize {
        self.space();
        self.left.len()
    }

    /// A sign or word, if it stands here.
    fn has(&mut self, sign: &'static str) -> bool {
        self.space();
        let is_word = sign.bytes().all(|byte| byte.is_ascii_alphabetic());
        let goes_on = |text: &str| text.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_');
        if is_word && self.left.strip_prefix(sign).is_some_and(goes_on) {
            return false;
        }
        literal::<_, _, ContextError>(sign).parse_next(&mut self.left).is_ok()
    }

    fn need(&mut self, sign: &'static str) -> Read<()> {
        if self.has(sign) { Ok(()) } else { self.wrong(format!("`{sign}`")) }
    }

    fn word(&mut self, what: &str) -> Read<&'a str> {
        self.space();
        let word = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
        take_while::<_, _, ContextError>(1.., word).parse_next(&mut self.left).or_else(|_| self.wrong(what))
    }

    fn whole<T: std::str::FromStr>(&mut self, what: &str) -> Read<T> {
        let before = self.left.len();
        let word = self.word(what)?;
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        word.parse().ok().filter(|_| is_number).ok_or_else(|| wrong_at(before, what))
    }

    fn text(&mut self) -> Read<&'a str> {
        self.need("\"")?;
        let text = take_till::<_, _, ContextError>(0.., '"').parse_next(&mut self.left);
        let text = text.or_else(|_| self.wrong("a text"))?;
        self.need("\"")?;
        Ok(text)
    }

    fn label(&mut self) -> Read<Label> {
        let fits = |text: &str, left: usize| {
            Text::new(text).map_err(|long| wrong_at(left, format!("at most {} bytes", long.max)))
        };
        let en = self.text()?;
        let en = fits(en, self.left.len())?;
        let zh = self.text()?;
        Ok(Label { en, zh: fits(zh, self.left.len())? })
    }

    /// A new name with what stands between it and its label.
    fn named<T>(&mut self, between: impl FnOnce(&mut Self) -> Read<T>) -> Read<(Named, T)> {
        let word = self.word("a name")?;
        if WORDS.contains(&word) {
            return self.wrong(format!("another name: `{word}` is a word of the language"));
        }
        let name = Text::new(word).or_else(|long| self.wrong(format!("a name of at most {} bytes", long.max)))?;
        let between = between(self)?;
        Ok((Named { name, label: self.label()? }, between))
    }

    fn push<T, const MAX: usize>(&self, list: &mut Bounded<T, MAX>, item: T) -> Read<()> {
        list.push(item).or_else(|long| self.wrong(format!("at most {} of these", long.max)))
    }

    fn sheet(&mut self) -> Read<Sheet> {
        self.need("clauses")?;
        self.need("1")?;
        self.need(";")?;
        let title_at = self.here();
        self.need("title")?;
        let title = self.label()?;
        self.need(";")?;
        let periods_at = self.here();
        let periods = self.periods()?;
        self.need(";")?;
        let mut sheet = Sheet {
            title,
            periods,
            reserves: [Money::ZERO; 2],
            meters: Bounded::empty(),
            bands: Bounded::empty(),
            indices: Bounded::empty(),
            definitions: Bounded::empty(),
            payments: Bounded::empty(),
        };
        check_so_far(&sheet, if is_label(&sheet.title) { periods_at } else { title_at }, false)?;
        loop {
            let at = self.here();
            if self.left.is_empty() {
                check_so_far(&sheet, at, true)?;
                return Ok(sheet);
            }
            self.statement(&mut sheet)?;
            self.need(";")?;
            check_so_far(&sheet, at, false)?;
        }
    }

    fn statement(&mut self, sheet: &mut Sheet) -> Read<()> {
        if self.has("reserve") {
            self.need("owner")?;
            let owner = self.money()?;
            self.need(",")?;
            self.need("user")?;
            sheet.reserves = [owner, self.money()?];
            Ok(())
        } else if self.has("meter") {
            let (named, carrier) = self.named(Self::carrier)?;
            self.push(&mut sheet.meters, MeterUse { named, carrier })
        } else if self.has("band") {
            let (named, hours) = self.named(Self::hours)?;
            self.push(&mut sheet.bands, BandHours { named, hours })
        } else if self.has("index") {
            let (named, (index, unit)) = self.named(|reader| Ok((reader.index_id()?, reader.unit()?)))?;
            self.push(&mut sheet.indices, IndexUse { named, index, unit })
        } else if self.has("let") {
            let (named, unit) = self.named(Self::unit)?;
            self.need("=")?;
            // It can name itself, for what it was before.
            let definition = Definition { named, unit, value: Bounded::empty() };
            self.push(&mut sheet.definitions, definition)?;
            let value = self.expression(sheet)?;
            if let Some(definition) = sheet.definitions.as_mut_slice().last_mut() {
                definition.value = value;
            }
            Ok(())
        } else if self.has("pay") {
            let from = match () {
                () if self.has("owner") => Party::OWNER,
                () if self.has("user") => Party::USER,
                () => return self.wrong("`owner` or `user`"),
            };
            let label = self.label()?;
            let meter = if self.has("for") {
                let name = self.word("a meter")?;
                Some(place(sheet.meters.iter().map(|one| &one.named), name).map_or_else(|| self.wrong("a meter"), Ok)?)
            } else {
                None
            };
            self.need("=")?;
            let amount = self.expression(sheet)?;
            self.push(&mut sheet.payments, Payment { label, from, meter, amount })
        } else {
            self.wrong("`reserve`, `meter`, `band`, `index`, `let` or `pay`")
        }
    }

    fn periods(&mut self) -> Read<Periods> {
        self.need("periods")?;
        let cadence = match () {
            () if self.has("day") => Cadence::Day,
            () if self.has("month") => Cadence::Month,
            () => return self.wrong("`day` or `month`"),
        };
        self.need("from")?;
        let year = self.whole("a year")?;
        self.need("-")?;
        let month: u8 = self.whole("a month")?;
        self.need("-")?;
        let day: u8 = self.whole("a day")?;
        self.need("at")?;
        let sign = if self.has("-") { -1 } else { self.need("+").map(|()| 1)? };
        let hours: i16 = self.whole("hours")?;
        self.need(":")?;
        let minutes: i16 = self.whole("minutes")?;
        let offset_minutes = hours.checked_mul(60).and_then(|whole| whole.checked_add(minutes));
        let Some(offset_minutes) = offset_minutes.filter(|_| minutes < 60) else {
            return self.wrong("an offset from UTC");
        };
        let offset_minutes = sign * offset_minutes;
        let date = Date { year, month, day };
        let is_date = (1970..=2106).contains(&year) && Date::from_days(date.to_days()) == date;
        let Some(begin) = date.midnight(offset_minutes).filter(|_| is_date) else { return self.wrong("a date") };
        self.need(",")?;
        let count = self.whole("how many")?;
        self.need("times")?;
        self.need(",")?;
        self.need("settled")?;
        self.need("after")?;
        let grace_hours = self.whole("how many hours")?;
        self.need("hours")?;
        Ok(Periods { cadence, offset_minutes, begin, count, grace_hours })
    }

    fn money(&mut self) -> Read<Money> {
        let money = match self.number()? {
            Some((value, Unit::Money)) => u64::try_from(value).ok(),
            _ => None,
        };
        money.map_or_else(|| self.wrong("an amount such as `12.5 money`"), |money| Ok(Money(money)))
    }

    fn carrier(&mut self) -> Read<Carrier> {
        let word = self.word("a carrier")?;
        word.parse().or_else(|unknown: utilidor_types::carrier::UnknownCarrier| self.wrong(unknown.to_string()))
    }

    fn hours(&mut self) -> Read<u32> {
        let mut hours = 0u32;
        while self.left.trim_start().starts_with(|next: char| next.is_ascii_digit()) {
            let from: u32 = self.whole("an hour")?;
            self.need("-")?;
            let to: u32 = self.whole("an hour")?;
            if from >= to || to > 24 {
                return self.wrong("hours such as `7-11`, at most 24");
            }
            (from..to).for_each(|hour| hours |= 1 << hour);
        }
        if hours == 0 { self.wrong("hours such as `7-11`") } else { Ok(hours) }
    }

    fn index_id(&mut self) -> Read<PriceIndexId> {
        let word = self.word("the id of an index")?;
        word.parse().or_else(|_| self.wrong("the id of an index: 32 hex digits"))
    }

    fn unit(&mut self) -> Read<Unit> {
        UNITS
            .into_iter()
            .find(|unit| self.has(unit_word(*unit)))
            .map_or_else(|| self.wrong(format!("a unit: {}", UNITS.map(unit_word).join(", "))), Ok)
    }

    // ---- expressions ----

    fn expression(&mut self, sheet: &Sheet) -> Read<Expression> {
        let mut nodes = Vec::new();
        self.either(sheet, &mut nodes, 0)?;
        Bounded::new(nodes).or_else(|long| self.wrong(format!("at most {} parts: give some a name with let", long.max)))
    }

    fn either(&mut self, sheet: &Sheet, nodes: &mut Vec<Node>, depth: usize) -> Read<()> {
        if depth > MAX_BRACKETS {
            return self.wrong("fewer brackets inside each other");
        }
        self.sum(sheet, nodes, depth)?;
        while self.has("else") {
            self.sum(sheet, nodes, depth)?;
            nodes.push(Node::Else);
        }
        Ok(())
    }

    fn sum(&mut self, sheet: &Sheet, nodes: &mut Vec<Node>, depth: usize) -> Read<()> {
        self.product(sheet, nodes, depth)?;
        loop {
            let node = match () {
                () if self.has("+") => Node::Add,
                () if self.has("-") => Node::Subtract,
                () => return Ok(()),
            };
            self.product(sheet, nodes, depth)?;
            nodes.push(node);
        }
    }

    fn product(&mut self, sheet: &Sheet, nodes: &mut Vec<Node>, depth: usize) -> Read<()> {
        self.atom(sheet, nodes, depth)?;
        while self.has("*") {
            self.atom(sheet, nodes, depth)?;
            nodes.push(Node::Times);
        }
        Ok(())
    }

    fn operands(&mut self, sheet: &Sheet, nodes: &mut Vec<Node>, depth: usize, count: usize) -> Read<()> {
        self.need("(")?;
        for place in 0..count {
            if place > 0 {
                self.need(",")?;
            }
            self.either(sheet, nodes, depth + 1)?;
        }
        self.need(")")
    }

    fn atom(&mut self, sheet: &Sheet, nodes: &mut Vec<Node>, depth: usize) -> Read<()> {
        if let Some((value, unit)) = self.number()? {
            nodes.push(Node::Number(value, unit));
            return Ok(());
        }
        if self.has("(") {
            self.either(sheet, nodes, depth + 1)?;
            return self.need(")");
        }
        for (name, count, node) in [("min", 2, Node::Min), ("max", 2, Node::Max), ("share", 3, Node::Share)] {
            if self.has(name) {
                self.operands(sheet, nodes, depth, count)?;
                nodes.push(node);
                return Ok(());
            }
        }
        if self.has("table") {
            return self.table(sheet, nodes, depth);
        }
        let node = self.leaf(sheet)?;
        nodes.push(node);
        Ok(())
    }

    fn leaf(&mut self, sheet: &Sheet) -> Read<Node> {
        let definitions = || sheet.definitions.iter().map(|one| &one.named);
        if self.has("length") {
            return Ok(Node::Length);
        }
        if self.has("sum") {
            self.need("(")?;
            let meter = self.place_of(sheet.meters.iter().map(|one| &one.named), "a meter")?;
            let mut band = None;
            if self.has(",") {
                band = Some(if self.has("other") {
                    0
                } else {
                    self.place_of(sheet.bands.iter().map(|one| &one.named), "a band or `other`")?.saturating_add(1)
                });
            }
            self.need(")")?;
            return Ok(Node::Sum { meter, band });
        }
        if self.has("index") {
            self.need("(")?;
            let index = self.place_of(sheet.indices.iter().map(|one| &one.named), "an index")?;
            let mut notice_hours = 0;
            if self.has(",") {
                self.need("notice")?;
                notice_hours = self.whole("how many hours")?;
                self.need("hours")?;
            }
            self.need(")")?;
            return Ok(Node::Index { index, notice_hours });
        }
        if self.has("before") {
            self.need("(")?;
            let place = self.place_of(definitions(), "a definition")?;
            self.need(")")?;
            return Ok(Node::Before(place));
        }
        Ok(Node::Defined(self.place_of(definitions(), "a number with its unit, a name, or `(`")?))
    }

    fn table(&mut self, sheet: &Sheet, nodes: &mut Vec<Node>, depth: usize) -> Read<()> {
        self.need("(")?;
        self.either(sheet, nodes, depth + 1)?;
        let mut rows = Bounded::empty();
        let mut units: Option<(Unit, Unit)> = None;
        loop {
            self.need(",")?;
            let is_last = self.has("above");
            let limit = if is_last {
                None
            } else {
                self.need("up")?;
                self.need("to")?;
                Some(self.number_here()?)
            };
            self.need(":")?;
            let (value, unit) = self.number_here()?;
            let of = limit.map(|(_, of)| of).or(units.map(|(of, _)| of)).unwrap_or(Unit::Money);
            if units.is_some_and(|units| units != (of, unit)) {
                return self.wrong("the units of the rows before");
            }
            units = Some((of, unit));
            match limit {
                Some((limit, _)) => self.push(&mut rows, (limit, value))?,
                None => {
                    self.need(")")?;
                    nodes.push(Node::Table { of, rows, above: value, unit });
                    return Ok(());
                }
            }
        }
    }

    fn place_of<'n>(&mut self, mut named: impl Iterator<Item = &'n Named>, what: &str) -> Read<u8> {
        let before = self.left.len();
        let word = self.word(what)?;
        let found = named.position(|one| *one.name == *word).and_then(|place| u8::try_from(place).ok());
        found.ok_or_else(|| wrong_at(before, format!("{what}; there is no `{word}` before this")))
    }

    fn number_here(&mut self) -> Read<(i64, Unit)> {
        self.number()?.map_or_else(|| self.wrong("a number with its unit"), Ok)
    }

    /// A decimal with its unit, exactly, if one stands here.
    fn number(&mut self) -> Read<Option<(i64, Unit)>> {
        self.space();
        let begin = self.left;
        let digits = |from: &mut &'a str| take_while::<_, _, ContextError>(1.., '0'..='9').parse_next(from).ok();
        let sign = opt::<_, _, ContextError, _>('-').parse_next(&mut self.left).ok().flatten();
        let Some(whole) = digits(&mut self.left) else {
            self.left = begin;
            return Ok(None);
        };
        let decimals = if self.left.starts_with('.') {
            self.left = &self.left[1..];
            digits(&mut self.left).map_or_else(|| self.wrong("decimals"), Ok)?
        } else {
            ""
        };
        let (unit, one) = self.number_unit()?;
        let sign = if sign.is_some() { -1 } else { 1 };
        let value = exact(whole, decimals, one).and_then(|value| i64::try_from(sign * value).ok());
        value
            .map(|value| Some((value, unit)))
            .map_or_else(|| self.wrong("a number that is whole in the smallest unit"), Ok)
    }

    /// The unit after a number, and how many of its smallest parts one of it has.
    fn number_unit(&mut self) -> Read<(Unit, i128)> {
        const WORDS: [(&str, Unit, i128); 9] = [
            ("kWh", Unit::Energy, 3_600_000),
            ("MWh", Unit::Energy, 3_600_000_000),
            ("GJ", Unit::Energy, 1_000_000_000),
            ("J", Unit::Energy, 1),
            ("m3", Unit::Volume, 1_000_000),
            ("%", Unit::Share, 10_000),
            ("days", Unit::Time, 86_400_000),
            ("hours", Unit::Time, 3_600_000),
            ("ms", Unit::Time, 1),
        ];
        let prices = UNITS.into_iter().filter(|unit| matches!(unit, Unit::Price(_) | Unit::Money));
        for unit in prices {
            if self.has(unit_word(unit)) {
                return Ok((unit, 1_000_000));
            }
        }
        for (word, unit, one) in WORDS {
            if self.has(word) {
                return Ok((unit, one));
            }
        }
        self.wrong("a unit: money, money/kWh, money/GJ, money/m3, kWh, MWh, GJ, J, m3, %, days, hours or ms")
    }
}

fn place<'n>(mut named: impl Iterator<Item = &'n Named>, name: &str) -> Option<u8> {
    named.position(|one| *one.name == *name).and_then(|place| u8::try_from(place).ok())
}

/// A decimal times a whole number, if that is whole.
fn exact(whole: &str, decimals: &str, one: i128) -> Option<i128> {
    let digits: i128 = format!("{whole}{decimals}").parse().ok()?;
    let scale = 10i128.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let scaled = digits.checked_mul(one)?;
    (scaled % scale == 0).then_some(scaled / scale)
}
