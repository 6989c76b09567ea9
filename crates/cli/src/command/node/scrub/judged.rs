//! What a scrub has judged, and how people read it.

use crate::output::{Output, Word};
use crate::sentence::Said;
use crate::t;
use serde::Serialize;

/// Where the stores' files are.
const STORES: &str = "chain/storage";
/// What the stores hold, beside their files.
pub const BLOCKS: &str = "blocks and state";

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Good,
    Unknown,
    Damaged,
}

/// What is known of a file, or of what a folder means.
#[derive(Debug, Serialize)]
pub struct Judged {
    /// Which.
    pub what: String,
    /// Whether it is whole.
    pub verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Said>,
}

impl Judged {
    pub fn good(what: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Good, found: None, next: None }
    }

    pub fn other(what: impl Into<String>, verdict: Verdict, found: Said, next: Said) -> Self {
        Self { what: what.into(), verdict, found: Some(found), next: Some(next) }
    }
}

/// All that was judged and repaired, a line each.
pub fn text(out: &Output, judged: &[Judged], repaired: &[Said]) -> String {
    let word = |verdict| -> Word {
        match verdict {
            Verdict::Good => t!("check_good"),
            Verdict::Unknown => t!("check_unknown"),
            Verdict::Damaged => t!("check_damaged"),
        }
    };
    let mut lines = Vec::new();
    // Good files of stores are many, and their names tell nobody anything.
    let is_plain =
        |part: &&Judged| part.verdict == Verdict::Good && part.found.is_none() && part.what.starts_with(STORES);
    let plain = judged.iter().filter(is_plain).count();
    if plain > 0 {
        lines.push(format!("{}  {STORES}: {plain} {}", out.word(t!("check_good")), out.word(t!("files"))));
    }
    for part in judged.iter().filter(|part| !is_plain(part)) {
        let found = part.found.as_ref().map(|found| format!(": {found}")).unwrap_or_default();
        let what = if part.what == BLOCKS { out.word(t!("blocks_and_state")) } else { &part.what };
        lines.push(format!("{}  {what}{found}", out.word(word(part.verdict))));
        lines.extend(part.next.as_ref().map(|next| format!("      {}: {next}", out.word(t!("next")))));
    }
    lines.extend(repaired.iter().map(|done| format!("{}  {done}", out.word(t!("done")))));
    if judged.iter().all(|part| part.verdict != Verdict::Damaged) {
        lines.push(format!("{}: {}", out.word(t!("whole")), judged.len()));
    }
    lines.join("\n")
}
