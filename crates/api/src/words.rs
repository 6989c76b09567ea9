//! Words that people write for other people to read: a supervisor's reason, a token's name.

/// Whether there is something to read: a letter, digit or character of a script, and nothing that moves a line or hides.
pub(crate) fn are_readable(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric) && !text.chars().any(|of| of.is_control() || is_invisible(of))
}

/// What has no width or turns the direction of what stands beside it (Unicode 16, general category Cf, as far as it does so in
/// any script).
const fn is_invisible(of: char) -> bool {
    matches!(of, '\u{ad}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_there_to_be_read() {
        for text in ["audit 2026", "年度审计", "7", "Prüfung: Zähler 4 (Frist)"] {
            assert!(are_readable(text), "{text:?}");
        }
        for text in ["", "  ", "\u{200b}", "...", "two\nlines", "audit\u{202e}tidua", "bell\u{7}", "\u{2060}a"] {
            assert!(!are_readable(text), "{text:?}");
        }
    }
}
