//! The one encoding of everything: Borsh, strict and bounded (docs/adr/0004).
//!
//! A value has exactly one encoding. Decoding refuses trailing bytes, unknown tags, lists and texts
//! over their named bound, and inputs over the caller's limit, before anything is allocated for them.

use borsh::{BorshDeserialize, BorshSerialize, io};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::ops::Deref;

/// Why bytes are not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input is longer than the limit for its kind.
    #[error("{bytes} bytes are more than the {limit} allowed")]
    Oversize {
        /// Length of the input in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The input ends early, continues after the value, or holds a value that its type refuses.
    #[error("malformed bytes: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
}

/// The canonical bytes of a value.
pub fn encode<T: BorshSerialize + ?Sized>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to memory cannot fail and every list is below its bound")
}

/// Decodes exactly one value from at most `limit` bytes.
pub fn decode<T: BorshDeserialize>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::Oversize { bytes: bytes.len(), limit });
    }
    T::try_from_slice(bytes).map_err(|error| DecodeError::Malformed { reason: error.to_string() })
}

/// A list of at most `MAX` items; a longer one can neither be made nor decoded.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bounded<T, const MAX: usize>(Vec<T>);

/// A list or text was longer than its named bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len} entries are more than the {max} allowed")]
pub struct TooLong {
    /// Entries (or bytes of a text) found.
    pub len: usize,
    /// Entries (or bytes of a text) allowed.
    pub max: usize,
}

impl<T, const MAX: usize> Bounded<T, MAX> {
    /// The largest number of items.
    pub const MAX: usize = MAX;

    /// A list without items.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Takes `items` if they are within the bound.
    pub fn new(items: Vec<T>) -> Result<Self, TooLong> {
        if items.len() > MAX {
            return Err(TooLong { len: items.len(), max: MAX });
        }
        Ok(Self(items))
    }

    /// Appends one item if there is room.
    pub fn push(&mut self, item: T) -> Result<(), TooLong> {
        if self.0.len() >= MAX {
            return Err(TooLong { len: self.0.len() + 1, max: MAX });
        }
        self.0.push(item);
        Ok(())
    }

    /// Keeps the items that `keep` accepts.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }

    /// The items, to change in place.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }

    /// The items.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for Bounded<T, MAX> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T, const MAX: usize> Deref for Bounded<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> AsRef<[T]> for Bounded<T, MAX> {
    fn as_ref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for Bounded<T, MAX> {
    type Error = TooLong;
    fn try_from(items: Vec<T>) -> Result<Self, TooLong> {
        Self::new(items)
    }
}

impl<T: fmt::Debug, const MAX: usize> fmt::Debug for Bounded<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a Bounded<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Room that is made at once for a list that is decoded: longer ones grow.
const ROOM_BYTES: usize = 4_096;

// A list of bytes is written and read in one go, by what Borsh's own lists do it with.
impl<T: BorshSerialize, const MAX: usize> BorshSerialize for Bounded<T, MAX> {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        let len = u16::try_from(self.0.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        BorshSerialize::serialize(&len, writer)?;
        match T::u8_slice(&self.0) {
            Some(bytes) => writer.write_all(bytes),
            None => self.0.iter().try_for_each(|item| item.serialize(writer)),
        }
    }
}

impl<T: BorshDeserialize, const MAX: usize> BorshDeserialize for Bounded<T, MAX> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let len = usize::from(u16::deserialize_reader(reader)?);
        if len > MAX {
            return Err(invalid(TooLong { len, max: MAX }));
        }
        if let Some(bytes) = T::vec_from_reader(len as u32, reader)? {
            return Ok(Self(bytes));
        }
        // Room is made for what is there, not for what is promised.
        let mut items = Vec::with_capacity(len.min(ROOM_BYTES / size_of::<T>().max(1)));
        for _ in 0..len {
            items.push(T::deserialize_reader(reader)?);
        }
        Ok(Self(items))
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(<Vec<T> as Deserialize>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A UTF-8 text of at most `MAX` bytes, for notices and references. Never holds personal data.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Takes `text` if it is within the bound.
    pub fn new(text: impl Into<String>) -> Result<Self, TooLong> {
        let text = text.into();
        if text.len() > MAX {
            return Err(TooLong { len: text.len(), max: MAX });
        }
        Ok(Self(text))
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: usize> std::str::FromStr for Text<MAX> {
    type Err = TooLong;
    fn from_str(text: &str) -> Result<Self, TooLong> {
        Self::new(text)
    }
}

impl<const MAX: usize> BorshSerialize for Text<MAX> {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        let len = u16::try_from(self.0.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        BorshSerialize::serialize(&len, writer)?;
        writer.write_all(self.0.as_bytes())
    }
}

impl<const MAX: usize> BorshDeserialize for Text<MAX> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let len = usize::from(u16::deserialize_reader(reader)?);
        if len > MAX {
            return Err(invalid(TooLong { len, max: MAX }));
        }
        let mut bytes = vec![0; len];
        reader.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map(Self).map_err(invalid)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(<String as Deserialize>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// An I/O error for a value that its type refuses, as Borsh wants it.
pub(crate) fn invalid(error: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// JSON form of fixed byte strings: lower-case hex.
pub mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes bytes as a hex string.
    pub fn serialize<S: Serializer, T: AsRef<[u8]>>(bytes: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    /// Reads a hex string of exactly the right length.
    pub fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<Vec<u8>>>(deserializer: D) -> Result<T, D::Error> {
        let bytes = hex::decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        let len = bytes.len();
        T::try_from(bytes).map_err(|_| D::Error::custom(format!("{len} bytes are not the length of this value")))
    }
}

/// JSON form of integers that may exceed what a JavaScript number holds: decimal strings.
pub mod decimal_string {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::fmt::Display;
    use std::str::FromStr;

    /// Writes an integer as a decimal string.
    pub fn serialize<S: Serializer, T: Display>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads an integer from a decimal string.
    pub fn deserialize<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_bytes_after_the_value() {
        let mut bytes = encode(&7u64);
        bytes.push(0);
        assert!(matches!(decode::<u64>(&bytes, 100), Err(DecodeError::Malformed { .. })));
    }

    #[test]
    fn refuses_an_oversize_input_before_reading_it() {
        assert_eq!(decode::<u64>(&[0; 101], 100), Err(DecodeError::Oversize { bytes: 101, limit: 100 }));
    }

    #[test]
    fn a_list_over_its_bound_can_neither_be_made_nor_decoded() {
        assert_eq!(Bounded::<u8, 2>::new(vec![1, 2, 3]), Err(TooLong { len: 3, max: 2 }));
        let three = encode(&Bounded::<u8, 3>::new(vec![1, 2, 3]).unwrap());
        assert!(decode::<Bounded<u8, 2>>(&three, 100).is_err());
    }

    #[test]
    fn a_text_must_be_utf8_and_within_its_bound() {
        assert!(decode::<Text<4>>(&[2, 0, 0xff, 0xff], 100).is_err());
        assert!(decode::<Text<4>>(&[5, 0, b'a', b'a', b'a', b'a', b'a'], 100).is_err());
        assert_eq!(&*decode::<Text<4>>(&[1, 0, b'a'], 100).unwrap(), "a");
    }
}
