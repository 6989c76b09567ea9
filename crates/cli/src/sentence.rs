//! Sentences that people read, each written once with both languages beside each other, where it is told. Whoever writes one
//! language alone does not get it past the types: failures, what to do next, notes and checks take nothing else.

use crate::text::Lang;
use serde::{Serialize, Serializer};
use std::cell::Cell;
use std::fmt;
use std::sync::OnceLock;

/// The language of this process, once it is known.
static SPOKEN: OnceLock<Lang> = OnceLock::new();

thread_local! {
    /// The language in which a sentence is being made just now.
    static MADE_IN: Cell<Option<Lang>> = const { Cell::new(None) };
}

/// The language that is spoken: of the sentence that is being made, else of this process.
pub fn lang() -> Lang {
    MADE_IN.get().or(SPOKEN.get().copied()).unwrap_or(Lang::En)
}

/// What `tell` says in a language.
fn told_in(lang: Lang, tell: impl FnOnce() -> String) -> String {
    let before = MADE_IN.replace(Some(lang));
    let told = tell();
    MADE_IN.set(before);
    told
}

/// A sentence in both languages. Only [`said!`](crate::said!) makes one. It shows itself in the language that is spoken, so that
/// one may stand within another; programs read it in English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    en: String,
    zh: String,
}

impl Said {
    /// For [`said!`](crate::said!).
    pub fn of(english: impl FnOnce() -> String, chinese: impl FnOnce() -> String) -> Self {
        Self { en: told_in(Lang::En, english), zh: told_in(Lang::Zh, chinese) }
    }

    /// The sentence in a language.
    pub fn text(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(lang()))
    }
}

impl std::error::Error for Said {}

impl Serialize for Said {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.en)
    }
}

/// A sentence in English and Chinese; what stands in braces is the caller's, or follows. What is itself in both languages, such
/// as another sentence, is told in each in its own.
#[macro_export]
macro_rules! said {
    ($english:literal, $chinese:literal $(, $value:expr)* $(,)?) => {
        $crate::sentence::Said::of(|| format!($english $(, $value)*), || format!($chinese $(, $value)*))
    };
}

/// Says the language of this process, once.
pub fn speak(lang: Lang) {
    // The first word counts: it is the command line's.
    let _ = SPOKEN.set(lang);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    /// Rust files below a folder, without their tests.
    fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("\n#[cfg(test)]").next().unwrap_or_default();
                found.push((path, text.split("\n#[cfg(all(test").next().unwrap_or_default().into()));
            }
        }
    }

    /// What is printed is a text, and no type holds it: two plain words in a row tell a sentence. Commands are no sentences, and
    /// measuring is the business of those who write the platform.
    #[test]
    fn no_sentence_is_put_together_in_english_alone() {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        assert!(files.len() > 40, "{}", files.len());
        let is_plain = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase());
        for (path, text) in files.iter().filter(|(path, _)| !path.ends_with("bench.rs")) {
            let calls = text.split("format!(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            for sentence in calls.filter_map(|rest| rest.split('"').next()).filter(|text| !text.contains("utilidor ")) {
                let words: Vec<bool> = sentence.split(' ').map(is_plain).collect();
                let is_sentence = words.windows(2).any(|two| two == [true, true]);
                assert!(!is_sentence, "{}: {sentence:?} is English alone: say it with said!", path.display());
            }
        }
    }

    #[test]
    fn a_sentence_within_another_is_told_in_the_language_of_that() {
        let (place, inner) = ("line 3", said!("it is {}", "它是{}", 5));
        let outer = said!("{place}: {inner}", "{place}：{inner}");
        assert_eq!((outer.text(Lang::En), outer.text(Lang::Zh)), ("line 3: it is 5", "line 3：它是5"));
        assert_eq!(
            (outer.to_string().as_str(), serde_json::json!(outer)),
            ("line 3: it is 5", "line 3: it is 5".into())
        );
    }
}
