//! JSON as it stands in a signed record: every number keeps its digits, every name stands once.
//!
//! Its own reader because two nodes that read a record differently would not agree on a block: nothing is rounded, nothing is
//! overwritten by a later field of the same name, and nothing is taken that the grammar does not have.

/// How deep objects and lists may stand in each other.
const MAX_DEPTH: u32 = 8;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, digit by digit as it is written.
    Number(&'a str),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json<'a>>),
    /// An object's fields in their order; no name stands twice.
    Object(Vec<(String, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads the only value of `text`.
    pub fn read(text: &'a str) -> Result<Self, NotJson> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.skip_space();
        if reader.at < text.len() { Err(reader.wrong("more text after the value")) } else { Ok(value) }
    }

    /// A field of an object; none if this is no object or has no such field.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }
}

/// The text is no JSON, or not one that a record may hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct NotJson {
    /// Where.
    pub at: usize,
    /// What stands there.
    pub what: &'static str,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    const fn wrong(&self, what: &'static str) -> NotJson {
        NotJson { at: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes past `byte` if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn word(&mut self, word: &'static str, value: Json<'a>) -> Result<Json<'a>, NotJson> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.wrong("no value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn value(&mut self, depth: u32) -> Result<Json<'a>, NotJson> {
        self.skip_space();
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(self.wrong("too many lists and objects in each other")),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.wrong("no value")),
        }
    }

    fn object(&mut self, depth: u32) -> Result<Json<'a>, NotJson> {
        self.at += 1;
        let mut fields: Vec<(String, Json<'a>)> = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Json::Object(fields));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("no name of a field"));
            }
            let begin = self.at;
            let name = self.string()?;
            if fields.iter().any(|(field, _)| *field == name) {
                return Err(NotJson { at: begin, what: "a field that stood before" });
            }
            self.skip_space();
            if !self.take(b':') {
                return Err(self.wrong("no colon"));
            }
            fields.push((name, self.value(depth)?));
            self.skip_space();
            if self.take(b'}') {
                return Ok(Json::Object(fields));
            }
            if !self.take(b',') {
                return Err(self.wrong("an object that does not go on"));
            }
        }
    }

    fn list(&mut self, depth: u32) -> Result<Json<'a>, NotJson> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Json::List(items));
            }
            if !self.take(b',') {
                return Err(self.wrong("a list that does not go on"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - begin
    }

    fn number(&mut self) -> Result<Json<'a>, NotJson> {
        let begin = self.at;
        self.take(b'-');
        let whole = self.at;
        let digits = self.digits();
        if digits == 0 || (digits > 1 && self.text.as_bytes()[whole] == b'0') {
            return Err(self.wrong("no number"));
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(self.wrong("no number"));
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            let _ = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(self.wrong("no number"));
            }
        }
        Ok(Json::Number(&self.text[begin..self.at]))
    }

    fn string(&mut self) -> Result<String, NotJson> {
        self.at += 1;
        let mut text = String::new();
        loop {
            // Whole characters stand between two of these bytes, which are none's part.
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.wrong("a control character in a text")),
                None => return Err(self.wrong("a text that does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, NotJson> {
        self.at += 1;
        let escaped = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.wrong("no escape")),
        };
        self.at += 1;
        Ok(escaped)
    }

    /// A character by its number, or by two halves of it.
    fn unicode(&mut self) -> Result<char, NotJson> {
        let first = self.four_digits()?;
        let number = if (0xd800..0xdc00).contains(&first) {
            if self.peek() != Some(b'\\') {
                return Err(self.wrong("half a character"));
            }
            self.at += 1;
            if self.peek() != Some(b'u') {
                return Err(self.wrong("half a character"));
            }
            let second = self.four_digits()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.wrong("half a character"));
            }
            0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(number).ok_or_else(|| self.wrong("half a character"))
    }

    /// The number after a `u`.
    fn four_digits(&mut self) -> Result<u32, NotJson> {
        self.at += 1;
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or_else(|| self.wrong("no escape"))?;
        let mut number = 0;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16).ok_or_else(|| self.wrong("no escape"))?;
            number = number * 16 + digit;
        }
        self.at += 4;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_every_digit_as_it_stands() {
        let text = " {\"a\": [0, -1.50, 2E+3, true, false, null], \"b\\u00e9\\ud83d\\ude00\\n\": \"x|é\"} ";
        let value = Json::read(text).unwrap();
        let numbers = ["0", "-1.50", "2E+3"].map(Json::Number);
        let mut items = numbers.to_vec();
        items.extend([Json::Bool(true), Json::Bool(false), Json::Null]);
        assert_eq!(value.get("a"), Some(&Json::List(items)));
        assert_eq!(value.get("bé😀\n"), Some(&Json::Text("x|é".into())));
        assert_eq!(value.get("c"), None);
    }

    #[test]
    fn what_the_grammar_does_not_have_is_refused_with_its_place() {
        let deep = format!("{}{}", "[".repeat(9), "]".repeat(9));
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("{\"a\":1,}", 7),
            ("{\"a\":1,\"a\":2}", 7),
            ("{\"a\" 1}", 5),
            ("[1 2]", 3),
            ("01", 2),
            ("1.", 2),
            ("-", 1),
            ("1e", 2),
            ("+1", 0),
            ("NaN", 0),
            ("tru", 0),
            ("\"a", 2),
            ("\"\n\"", 1),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 3),
            ("\"\\ud83d\"", 7),
            ("\"\\udc00\"", 7),
            ("{} {}", 3),
            (deep.as_str(), 8),
        ] {
            assert_eq!(Json::read(text).map_err(|error| error.at), Err(at), "{text}");
        }
    }
}
