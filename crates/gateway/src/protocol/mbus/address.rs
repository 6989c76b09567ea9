//! Which device is meant, by what is printed on it: identification, maker, version, medium.
//!
//! Written as eight digits, or as sixteen with maker, version and medium in the order of the line, as libmbus writes them:
//! `12345678` or `12345678244001 07` without the blank. FF in one of the last three means any. A selection may leave digits open
//! too, which means all devices that have the others: so the devices of a bus are found.

use super::{Parsed, VARIABLE_HEAD, decimal_digits, parse};
use std::fmt;
use std::str::FromStr;

/// Any version, any medium, each byte of any maker.
const ANY: u8 = 0xff;
/// Any digit.
const ANY_DIGIT: u8 = 0x0f;
/// Digits of an identification.
pub const DIGITS: usize = 8;

/// A device by what is printed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Secondary {
    /// Its eight digits, the highest first.
    identification: [u8; 4],
    /// Its maker, as on the line.
    maker: [u8; 2],
    version: u8,
    medium: u8,
}

impl Secondary {
    /// The device whose identification is `number`, of whatever kind; the digits that do not fit are cut.
    pub fn numbered(number: u64) -> Self {
        let mut identification = [0; 4];
        identification.copy_from_slice(&super::super::to_decimal_digits(number, 4));
        identification.reverse();
        Self { identification, maker: [ANY; 2], version: ANY, medium: ANY }
    }

    /// All devices whose identification begins with these digits.
    pub fn beginning(digits: &[u8]) -> Self {
        let digit = |place: usize| digits.get(place).map_or(ANY_DIGIT, |digit| digit & 0x0f);
        let identification = std::array::from_fn(|byte| digit(2 * byte) << 4 | digit(2 * byte + 1));
        Self { identification, maker: [ANY; 2], version: ANY, medium: ANY }
    }

    /// The device that says in an answer who it is, whether its values can be read or not.
    pub fn answering(bytes: &[u8]) -> Option<Self> {
        match parse(bytes) {
            Ok(Parsed::Long { control, information, data, .. }) if control & 0xcf == 0x08 => {
                Self::of_answer(information, data)
            }
            _ => None,
        }
    }

    /// Maker, version and medium, where they are said; `others` where not.
    pub(super) fn kind_or(self, others: [u8; 4]) -> [u8; 4] {
        let said = [self.maker[0], self.maker[1], self.version, self.medium];
        std::array::from_fn(|place| if said[place] == ANY { others[place] } else { said[place] })
    }

    /// Its identification as a number.
    pub fn number(self) -> u32 {
        // Eight digits are below 32 bits; whoever sends others is not one of the devices that are played.
        decimal_digits(&self.identification).ok().and_then(|digits| u32::try_from(digits).ok()).unwrap_or_default()
    }

    /// As it stands on the line.
    pub fn to_bytes(self) -> [u8; 8] {
        let [a, b, c, d] = self.identification;
        [d, c, b, a, self.maker[0], self.maker[1], self.version, self.medium]
    }

    /// Reads it from the line; none if it has another length.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let [d, c, b, a, low, high, version, medium] = *bytes else { return None };
        Some(Self { identification: [a, b, c, d], maker: [low, high], version, medium })
    }

    /// Who answers with `data`; none where nobody says who he is. The fixed structure says the identification alone.
    pub(super) fn of_answer(information: u8, data: &[u8]) -> Option<Self> {
        match (information, data) {
            (0x72, data) if data.len() >= VARIABLE_HEAD => Self::of_bytes(&data[..8]),
            (0x73, [d, c, b, a, ..]) => {
                Some(Self { identification: [*a, *b, *c, *d], maker: [ANY; 2], version: ANY, medium: ANY })
            }
            _ => None,
        }
    }

    /// Whether `found` is meant. What either leaves open fits anything.
    pub fn means(self, found: Self) -> bool {
        let fits = |(meant, found): (u8, u8)| meant == found || meant == ANY || found == ANY;
        let fits_digit = |meant: u8, found: u8| meant == ANY_DIGIT || meant == found;
        let mut digits = self.identification.into_iter().zip(found.identification);
        digits.all(|(meant, found)| fits_digit(meant >> 4, found >> 4) && fits_digit(meant & 0x0f, found & 0x0f))
            && [
                (self.maker[0], found.maker[0]),
                (self.maker[1], found.maker[1]),
                (self.version, found.version),
                (self.medium, found.medium),
            ]
            .into_iter()
            .all(fits)
    }
}

impl FromStr for Secondary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "{text:?} is no secondary address: write the eight digits of the identification, or sixteen with maker, \
                 version and medium"
            )
        };
        let whole = if text.len() == 8 { format!("{text}ffffffff") } else { text.to_string() };
        let bytes: [u8; 8] = hex::decode(whole).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(bad)?;
        let [a, b, c, d, low, high, version, medium] = bytes;
        // A digit left open would mean several devices.
        decimal_digits(&[a, b, c, d]).map_err(|_| bad())?;
        Ok(Self { identification: [a, b, c, d], maker: [low, high], version, medium })
    }
}

impl fmt::Display for Secondary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.identification))?;
        if (self.maker, self.version, self.medium) == ([ANY; 2], ANY, ANY) {
            return Ok(());
        }
        f.write_str(&hex::encode([self.maker[0], self.maker[1], self.version, self.medium]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::mbus::{parse, select_request, selection};

    #[test]
    fn an_address_is_read_as_it_is_printed_and_stands_lowest_byte_first_on_the_line() {
        let short: Secondary = "12345678".parse().unwrap();
        assert_eq!((short.to_string().as_str(), short.number()), ("12345678", 12_345_678));
        // The selection of EN 13757-3's example: any maker, version and medium.
        assert_eq!(hex::encode(select_request(short)), "680b0b6853fd5278563412ffffffffb216");
        let whole: Secondary = "1234567824400107".parse().unwrap();
        assert_eq!(whole.to_string(), "1234567824400107");
        let frame = select_request(whole);
        assert_eq!(selection(&parse(&frame).unwrap()), Some(whole));
        assert_eq!(Secondary::numbered(12_345_678), short);
        for text in ["1234567", "123456789", "1234567f", "12345678zz400107", "", "1234567824400"] {
            assert!(text.parse::<Secondary>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn digits_that_are_left_open_mean_all_devices_that_have_the_others() {
        let meant = Secondary::beginning(&[1, 2, 3]);
        assert_eq!(hex::encode(select_request(meant)), "680b0b6853fd52ffff3f12ffffffffed16");
        for (found, is_meant) in [("12345678", true), ("1239999924400107", true), ("13345678", false)] {
            assert_eq!(meant.means(found.parse().unwrap()), is_meant, "{found}");
        }
        assert!(Secondary::beginning(&[]).means("00000000".parse().unwrap()));
        assert!("123fffff".parse::<Secondary>().is_err(), "a meter is one device");
    }

    #[test]
    fn who_was_not_meant_is_known_by_any_part_of_the_address() {
        let meant: Secondary = "1234567824400107".parse().unwrap();
        for (found, is_meant) in [
            ("1234567824400107", true),
            ("12345678", true),
            ("12345679", false),
            ("1234567824410107", false),
            ("1234567824400207", false),
            ("1234567824400104", false),
        ] {
            assert_eq!(meant.means(found.parse().unwrap()), is_meant, "{found}");
        }
    }
}
