//! What is told of lines that cannot be read. A secret may stand on any of them, under whatever name, so only what is known to be
//! none is: which line it is, what its field is called, and why it cannot be read, without a value.

use crate::reason::Sentence;
use std::fmt;

/// The fields that a configuration has and whose values are no secrets.
const FIELDS: [&str; 58] = [
    "absent",
    "address",
    "bus",
    "bytes",
    "carrier",
    "count",
    "ct",
    "device",
    "echo",
    "en",
    "energy",
    "function",
    "id",
    "identifier",
    "interval",
    "journal",
    "json",
    "keep",
    "key",
    "mbus",
    "meter",
    "meters",
    "metrics",
    "minus",
    "modulus",
    "name",
    "node",
    "nth",
    "pause",
    "plus",
    "profile",
    "protocol",
    "pt",
    "ratio",
    "record",
    "register",
    "retries",
    "serial",
    "serial_identifier",
    "side",
    "signed",
    "site",
    "source",
    "step",
    "storage",
    "sunspec",
    "tariff",
    "time",
    "timeout",
    "tokens",
    "type",
    "unit",
    "units",
    "user",
    "value",
    "virtual",
    "words",
    "zh",
];

/// Lines that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The first, counted from one.
    line: usize,
    /// What stands there before `=`.
    field: Option<String>,
    /// Why, in the parser's words.
    reason: Option<String>,
}

impl Unread {
    /// Of the lines from the `number`th on, which the parser refused with this message.
    pub(super) fn of(number: usize, lines: &str, message: &str) -> Self {
        let field = lines.lines().next().and_then(field);
        Self { line: number, field: field.map(Into::into), reason: without_values(message, lines) }
    }
}

/// Whether lines can be shown as they are: each field on them is one whose value is no secret, and neither an address with a login
/// nor a remark stands there.
pub(super) fn can_be_shown(lines: &str) -> bool {
    let is_known = |line: &str| {
        let mut parts: Vec<&str> = line.split('=').collect();
        // What stands behind the last one is a value.
        parts.pop();
        let are_known = parts.iter().enumerate().all(|(place, part)| {
            let part = part.trim();
            let name = part.trim_end_matches(|char: char| char.is_alphanumeric() || "_-".contains(char)).len();
            let (before, name) = part.split_at(name);
            let begins = if place == 0 { before.is_empty() } else { before.trim_end().ends_with(['{', ',']) };
            begins && FIELDS.contains(&name)
        });
        !parts.is_empty() && are_known
    };
    !lines.contains(['@', '#']) && lines.lines().all(is_known)
}

/// What a line's field is called, if it is a field: what is written into several lines may have `=` in it too.
fn field(line: &str) -> Option<&str> {
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || "_-.".contains(char));
    (is_name && !value.is_empty() && !value.starts_with('=')).then_some(name)
}

/// A parser's message without the values that it repeats.
fn without_values(message: &str, lines: &str) -> Option<String> {
    const OF_NAMES: [&str; 2] = ["unknown field `", "missing field `"];
    const OF_VALUES: [&str; 4] = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "];
    if OF_NAMES.iter().any(|kind| message.starts_with(kind)) {
        return Some(message.into());
    }
    if OF_VALUES.iter().any(|kind| message.starts_with(kind)) {
        let (found, expected) = message.split_at(message.rfind(", expected").unwrap_or(message.len()));
        let found = found.split(['"', '`']).next().unwrap_or_default().trim_end();
        return Some(format!("{found}{expected}"));
    }
    let words = |text| str::split(text, |char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut values = lines.lines().flat_map(|line| words(line.split_once('=').map_or(line, |(_, value)| value)));
    let repeats = values.any(|value| words(message).any(|word| word == value));
    (!repeats).then(|| message.into())
}

/// The parser's commonest reasons in Chinese.
fn in_chinese(reason: &str) -> Option<String> {
    let (found, expected) = reason.split_once(", expected ").unwrap_or((reason, ""));
    let expected = expected.trim_start_matches("one of ").replace("`, `", "`、`").replace("` or `", "`、`");
    if let Some(name) = found.strip_prefix("unknown field ") {
        return Some(format!("没有名为 {name} 的字段；可用 {expected}"));
    }
    if let Some(name) = found.strip_prefix("missing field ") {
        return Some(format!("缺少字段 {name}"));
    }
    let kind = match found.strip_prefix("invalid type: ")? {
        "string" => "文本",
        "integer" => "整数",
        "floating point" => "小数",
        "boolean" => "真假值",
        "sequence" => "列表",
        "map" => "表",
        other => other,
    };
    let expected = match expected.as_str() {
        "a string" | "path string" => "带引号的文本",
        "a boolean" => "true 或 false",
        "a sequence" => "列表",
        number if number.starts_with(['u', 'i']) && number[1..].bytes().all(|byte| byte.is_ascii_digit()) => "整数",
        other => other,
    };
    Some(format!("此处是{kind}，应为{expected}"))
}

impl Unread {
    /// In both languages.
    pub(super) fn sentence(&self) -> Sentence {
        let line = self.line;
        let reason = self.reason.as_deref().unwrap_or("it cannot be read");
        let field = self.field.as_deref().filter(|field| !reason.contains(&format!("`{field}`")));
        let chinese = self
            .reason
            .as_deref()
            .map_or_else(|| "无法读取".into(), |reason| in_chinese(reason).unwrap_or_else(|| reason.into()));
        let [en, zh] = [": ", "："].map(|colon| field.map(|field| format!("{field}{colon}")).unwrap_or_default());
        Sentence { en: format!("line {line}: {en}{reason}"), zh: format!("第 {line} 行：{zh}{chinese}") }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence().en)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::{FIELDS, can_be_shown};
    use std::path::Path;

    /// The fields of a table, as the parser lists them where it knows one not.
    fn fields_of(text: &str) -> Vec<String> {
        let error = Config::read(text, Path::new("")).unwrap_err().to_string();
        let (_, listed) = error.split_once("expected ").unwrap_or_else(|| panic!("{text}: {error}"));
        listed.split('`').skip(1).step_by(2).map(Into::into).collect()
    }

    #[test]
    fn every_field_that_a_configuration_has_is_known_and_no_other() {
        let mut fields = vec!["profile".to_owned(), "protocol".into(), "en".into(), "zh".into()];
        for text in [
            "x = 1",
            "[site]\nx = 1",
            "[[bus]]\nx = 1",
            "[[meter]]\nx = 1",
            "[[meter]]\nratio = { x = 1 }",
            "[[virtual]]\nx = 1",
            "[[profile]]\nx = 1",
            "[[profile]]\nregister = { x = 1 }",
            "[[profile]]\nserial = { x = 1 }",
            "[[profile]]\njson = { x = 1 }",
            "[[profile]]\nmbus = { x = 1 }",
            "[[profile]]\nsunspec = { x = 1 }",
        ] {
            fields.extend(fields_of(text));
        }
        fields.retain(|field| field != "password_file");
        fields.sort();
        fields.dedup();
        assert_eq!(fields, FIELDS);
    }

    #[test]
    fn a_line_is_shown_where_no_secret_can_stand_on_it() {
        for line in ["name = 5", "  ratio = { ct = \"x\", pt = 1 }", "address=\"h:1\""] {
            assert!(can_be_shown(line), "{line}");
        }
        for line in [
            "S3CRET",
            "[[S3CRET]]",
            "password_file = S3CRET",
            "pwd = \"S3CRET\"",
            "login.name = \"S3CRET\"",
            "S3CRET name = 5",
            "name = \"a\" # S3CRET",
            "name = \"secretariat\" token = \"S3CRET\"",
            "ratio = { ct = 1, \"to ken\" = \"S3CRET\" }",
            "address = \"u:S3CRET@h\"",
            "name = 5\nS3CRET",
        ] {
            assert!(!can_be_shown(line), "{line}");
        }
    }
}
