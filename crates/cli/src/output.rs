//! How answers are shown: the same value as JSON for programs, or as text for people.

use crate::said;
use crate::sentence::Said;
use crate::text::{Lang, text};
use crate::units;
use crate::vocabulary::Spoken;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::io::Write as _;
use utilidor_types::program::Bilingual;
use utilidor_types::{Carrier, Quantity, Timestamp, Window};

/// A word of the catalogue. Commands write words in this form only, so that a test finds them all.
#[derive(Debug, Clone, Copy)]
pub struct Word(pub &'static str);

/// Names a word of the catalogue.
#[macro_export]
macro_rules! t {
    ($word:literal) => {
        $crate::output::Word($word)
    };
}

/// A sentence in an output's language; what stands in braces is the caller's, or follows.
#[macro_export]
macro_rules! say {
    ($out:expr, $english:literal, $chinese:literal $(, $value:expr)* $(,)?) => {
        $crate::said!($english, $chinese $(, $value)*).text($out.lang).to_owned()
    };
}

/// Where answers go.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// JSON instead of text.
    pub json: bool,
    /// Language of the text.
    pub lang: Lang,
    /// The offset from UTC in which people read times, in minutes, if they have said one.
    pub offset_minutes: Option<i16>,
}

impl Output {
    /// Shows `value`: as JSON, or as the text that `people` makes of it.
    pub fn show<T: Serialize + ?Sized>(&self, value: &T, people: impl FnOnce(&Self) -> String) {
        if self.json {
            print(&serde_json::to_string_pretty(value).expect("answers are plain data"));
        } else {
            print(&visible(&people(self)));
        }
    }

    /// The same, where times are read by a tariff's offset, unless people have said another one.
    #[must_use]
    pub fn at(self, tariff: Option<i16>) -> Self {
        Self { offset_minutes: self.offset_minutes.or(tariff), ..self }
    }

    /// A time for people, by the offset.
    pub fn time(&self, time: Timestamp) -> String {
        units::shown(time, self.offset_minutes.unwrap_or(0))
    }

    /// A stretch of time for people.
    pub fn window(&self, window: Window) -> String {
        format!("{} - {}", self.time(window.from), self.time(window.to))
    }

    /// Shows a document that is the same for programs and people.
    pub fn document<T: Serialize + ?Sized>(&self, value: &T) {
        print(&serde_json::to_string_pretty(value).expect("documents are plain data"));
    }

    /// A quantity in what a command has made: in base units for programs, with its unit for people.
    pub fn quantity(&self, quantity: Quantity, carrier: Carrier) -> Value {
        if self.json { json!(quantity) } else { units::quantity(quantity, carrier).into() }
    }

    /// A word in the output's language.
    pub fn word(&self, word: Word) -> &'static str {
        text(word.0, self.lang)
    }

    /// What something is called in the output's language.
    pub fn say(&self, spoken: impl Spoken) -> String {
        self.word(spoken.word()).into()
    }

    /// What several things are called, one after the other.
    pub fn say_all<T: Spoken>(&self, spoken: impl IntoIterator<Item = T>) -> String {
        spoken.into_iter().map(|one| self.word(one.word())).collect::<Vec<_>>().join(",")
    }

    /// A text of a document in the output's language.
    pub fn text<'a>(&self, text: &'a Bilingual) -> &'a str {
        match self.lang {
            Lang::En => &text.en,
            Lang::Zh => &text.zh,
        }
    }

    /// A table; where it has no rows, a sentence that says so.
    pub fn table<const N: usize>(&self, headings: [Word; N], rows: Vec<[String; N]>) -> String {
        if rows.is_empty() {
            return self.word(t!("nothing")).into();
        }
        let mut table = table();
        table.set_header(headings.map(|heading| self.word(heading)));
        for row in rows {
            table.add_row(row);
        }
        table.to_string()
    }

    /// A table under a title; where it has no rows, a sentence that says of what there are none.
    pub fn section<const N: usize>(&self, title: Word, headings: [Word; N], rows: Vec<[String; N]>) -> String {
        let between = if rows.is_empty() { ": " } else { "\n" };
        format!("{}{between}{}", self.word(title), self.table(headings, rows))
    }

    /// What is known of one thing: a line each.
    pub fn facts(&self, facts: Vec<(Word, String)>) -> String {
        let mut table = table();
        for (word, value) in facts {
            table.add_row([self.word(word), &value]);
        }
        table.to_string()
    }
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// How far a long work has come, on standard error, where a person looks on.
pub struct Progress(ProgressBar);

impl Progress {
    /// Begins a work of so many bytes.
    pub fn of_bytes(out: Output, what: Word, bytes: u64) -> Self {
        Self::begin(out, what, bytes, "{msg} [{bar:30}] {bytes} / {total_bytes}")
    }

    /// Begins a work of so many steps.
    pub fn of_steps(out: Output, what: Word, steps: u64) -> Self {
        Self::begin(out, what, steps, "{msg} [{bar:30}] {pos} / {len}")
    }

    fn begin(out: Output, what: Word, length: u64, template: &str) -> Self {
        let bar = if out.json { ProgressBar::hidden() } else { ProgressBar::new(length) };
        let style = ProgressStyle::with_template(template).expect("a template");
        Self(bar.with_style(style).with_message(out.word(what)))
    }

    /// So much more is done.
    pub fn more(&self, done: u64) {
        self.0.inc(done);
    }

    /// So much is done in all.
    pub fn at(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Writes a text and a line break to standard output.
pub fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // A reader that has gone, such as `head`, ends the command as it should: there is nobody to tell.
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Tells people how things stand, on standard error.
pub fn note(text: &Said) {
    // Nothing can be done where even standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}", visible(&text.to_string()));
}

/// A text in which nothing moves the cursor, rings, or turns the direction of writing: reasons, notices and references are
/// others' words, and could show a reader what is not there.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let acts = |char: char| {
        (char.is_control() && char != '\n')
            || matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(acts) {
        return text.into();
    }
    let shown = |char: char| if acts(char) { char.escape_unicode().to_string() } else { char.to_string() };
    text.chars().map(shown).collect::<String>().into()
}

/// Tells people something beside the answer, on standard error.
pub fn warn(text: &Said) {
    note(&said!("warning: {text}", "注意：{text}"));
}

/// Something that may be missing, for tables.
pub fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_moves_no_cursor_and_turns_no_direction() {
        assert_eq!(visible("a\u{1b}[2Jb\r\u{202e}c\u{7}"), "a\\u{1b}[2Jb\\u{d}\\u{202e}c\\u{7}");
        assert_eq!(visible("两行\nzwei Zeilen"), "两行\nzwei Zeilen");
    }
}
