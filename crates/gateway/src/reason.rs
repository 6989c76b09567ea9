//! What people are told, in English and Chinese, each sentence written once with both languages beside each other: what is wrong with
//! something that a person has written and what to do about it, and what an operator should see.

use serde::{Serialize, Serializer};
use std::cell::Cell;
use std::fmt;
use utilidor_types::Carrier;

thread_local! {
    /// Whether a sentence's Chinese is being made just now: a sentence that stands within it is shown in Chinese then.
    static IN_CHINESE: Cell<bool> = const { Cell::new(false) };
}

/// What `tell` says while sentences within it are shown in one of the languages.
fn told_in(is_chinese: bool, tell: impl FnOnce() -> String) -> String {
    let before = IN_CHINESE.replace(is_chinese);
    let told = tell();
    IN_CHINESE.set(before);
    told
}

/// A sentence in both languages. It shows itself in English, as logs have it, and in Chinese within the Chinese of another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sentence {
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

impl Sentence {
    /// For `sentence!`.
    pub fn of(english: impl FnOnce() -> String, chinese: impl FnOnce() -> String) -> Self {
        Self { en: told_in(false, english), zh: told_in(true, chinese) }
    }

    /// What is the same in both languages: a name, a number, or what another program says.
    pub fn alike(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { en: text.clone(), zh: text }
    }

    /// Whether its Chinese is: of what is alike in both languages it is not.
    pub fn is_in_both(&self) -> bool {
        self.zh.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character))
    }

    /// Several in a row.
    pub fn joined(sentences: &[Self]) -> Self {
        let all = |of: fn(&Self) -> &str, comma: &str| sentences.iter().map(of).collect::<Vec<_>>().join(comma);
        Self { en: all(|one| &one.en, ", "), zh: all(|one| &one.zh, "、") }
    }

    /// The same with what stands before it.
    #[must_use]
    pub fn after(&self, en: &str, zh: &str) -> Self {
        Self { en: format!("{en}{}", self.en), zh: format!("{zh}{}", self.zh) }
    }
}

/// Programs read it in English.
impl Serialize for Sentence {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.en)
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if IN_CHINESE.get() { &self.zh } else { &self.en })
    }
}

/// What a carrier is called.
pub fn carrier_word(carrier: Carrier) -> Sentence {
    let zh = match carrier {
        Carrier::Electricity => "电",
        Carrier::Heating => "供热",
        Carrier::Cooling => "供冷",
        Carrier::HotWater => "生活热水",
        Carrier::Gas => "燃气",
        Carrier::Water => "自来水",
    };
    Sentence { en: carrier.name().into(), zh: zh.into() }
}

/// What is wrong and why, and what to do where that sentence does not say it already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What is wrong.
    pub what: Sentence,
    /// What to do.
    pub next: Option<Sentence>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

/// A sentence in English and Chinese; what stands in braces is the caller's, or follows. A sentence in its place is told in each in its own.
macro_rules! sentence {
    ($english:literal, $chinese:literal $(, $value:expr)* $(,)?) => {
        $crate::reason::Sentence::of(|| format!($english $(, $value)*), || format!($chinese $(, $value)*))
    };
}

/// A reason: what is wrong, and after a semicolon what to do.
macro_rules! reason {
    ($english:literal, $chinese:literal $(, $value:expr)* $(,)?) => {
        $crate::reason::Reason { what: $crate::reason::sentence!($english, $chinese $(, $value)*), next: None }
    };
    ($english:literal, $chinese:literal $(, $value:expr)*; $next:literal, $chinese_next:literal $(,)?) => {
        $crate::reason::Reason {
            what: $crate::reason::sentence!($english, $chinese $(, $value)*),
            next: Some($crate::reason::sentence!($next, $chinese_next)),
        }
    };
}

pub(crate) use {reason, sentence};
