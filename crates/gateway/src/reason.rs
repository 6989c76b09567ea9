//! What is wrong with something that a person has written, and what to do about it, in English and Chinese.

use std::fmt;

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

impl Sentence {
    /// The same with what stands before it.
    #[must_use]
    pub fn after(&self, en: &str, zh: &str) -> Self {
        Self { en: format!("{en}{}", self.en), zh: format!("{zh}{}", self.zh) }
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
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

/// A sentence in English and Chinese; what stands in braces is the caller's, or follows.
macro_rules! sentence {
    ($english:literal, $chinese:literal $(, $value:expr)* $(,)?) => {
        $crate::reason::Sentence { en: format!($english $(, $value)*), zh: format!($chinese $(, $value)*) }
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
