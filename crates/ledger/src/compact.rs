//! Numbers in as few bytes as they need, so that what changes about an agreement and a meter mostly fits one cell: a byte that says
//! how many follow, and those, the lowest first. A number has one encoding.

use borsh::BorshDeserialize as _;
use std::io::{Error, ErrorKind, Read, Result, Write};
use utilidor_types::{Bands, Money, Quantity, Timestamp};

/// What consists of numbers.
pub(crate) trait Compact: Sized {
    fn write_to(&self, writer: &mut impl Write) -> Result<()>;
    fn read_from(reader: &mut impl Read) -> Result<Self>;
}

pub(crate) fn write<W: Write>(value: &impl Compact, writer: &mut W) -> Result<()> {
    value.write_to(writer)
}

pub(crate) fn read<R: Read, T: Compact>(reader: &mut R) -> Result<T> {
    T::read_from(reader)
}

impl Compact for u64 {
    fn write_to(&self, writer: &mut impl Write) -> Result<()> {
        let len = 8 - self.leading_zeros() as usize / 8;
        let mut bytes = [0; 9];
        bytes[0] = len as u8;
        bytes[1..].copy_from_slice(&self.to_le_bytes());
        writer.write_all(&bytes[..=len])
    }

    fn read_from(reader: &mut impl Read) -> Result<Self> {
        let len = usize::from(u8::deserialize_reader(reader)?);
        let mut bytes = [0; 8];
        let of_number = bytes.get_mut(..len).ok_or(ErrorKind::InvalidData)?;
        reader.read_exact(of_number)?;
        match of_number.last() {
            Some(0) => Err(Error::new(ErrorKind::InvalidData, "a number begins with a zero")),
            _ => Ok(Self::from_le_bytes(bytes)),
        }
    }
}

impl Compact for u32 {
    fn write_to(&self, writer: &mut impl Write) -> Result<()> {
        u64::from(*self).write_to(writer)
    }

    fn read_from(reader: &mut impl Read) -> Result<Self> {
        u64::read_from(reader)?.try_into().map_err(|_| ErrorKind::InvalidData.into())
    }
}

macro_rules! compact_like_its_number {
    ($($name:ident)*) => {
        $(impl Compact for $name {
            fn write_to(&self, writer: &mut impl Write) -> Result<()> {
                self.0.write_to(writer)
            }

            fn read_from(reader: &mut impl Read) -> Result<Self> {
                u64::read_from(reader).map(Self)
            }
        })*
    };
}

compact_like_its_number! { Money Quantity Timestamp }

/// None is a byte of its own, which no number begins with.
impl Compact for Option<Timestamp> {
    fn write_to(&self, writer: &mut impl Write) -> Result<()> {
        match self {
            Some(time) => time.write_to(writer),
            None => writer.write_all(&[NONE]),
        }
    }

    fn read_from(reader: &mut impl Read) -> Result<Self> {
        match u8::deserialize_reader(reader)? {
            NONE => Ok(None),
            len => Timestamp::read_from(&mut [len].chain(reader)).map(Some),
        }
    }
}

const NONE: u8 = u8::MAX;

impl Compact for Bands {
    fn write_to(&self, writer: &mut impl Write) -> Result<()> {
        self.0.iter().try_for_each(|quantity| quantity.write_to(writer))
    }

    fn read_from(reader: &mut impl Read) -> Result<Self> {
        let mut bands = Self::ZERO;
        for quantity in &mut bands.0 {
            *quantity = Quantity::read_from(reader)?;
        }
        Ok(bands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: &impl Compact) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_number_takes_the_bytes_that_it_needs_and_comes_back() {
        for (number, len) in [(0, 1), (1, 2), (255, 2), (256, 3), (u64::from(u32::MAX), 5), (u64::MAX, 9)] {
            let bytes = bytes(&number);
            assert_eq!(bytes.len(), len, "{number}");
            assert_eq!(read::<_, u64>(&mut &bytes[..]).unwrap(), number);
        }
        for time in [None, Some(Timestamp(0)), Some(Timestamp::LARGEST), Some(Timestamp(u64::MAX))] {
            assert_eq!(read::<_, Option<Timestamp>>(&mut &bytes(&time)[..]).unwrap(), time);
        }
        let bands = Bands([0, 1, 256, u64::MAX, 0].map(Quantity));
        assert_eq!(read::<_, Bands>(&mut &bytes(&bands)[..]).unwrap(), bands);
    }

    #[test]
    fn bytes_that_no_number_is_written_as_are_refused() {
        for refused in [&[][..], &[1], &[1, 0], &[2, 1, 0], &[9, 1, 1, 1, 1, 1, 1, 1, 1, 1]] {
            assert!(read::<_, u64>(&mut &refused[..]).is_err(), "{refused:?}");
        }
        assert!(read::<_, u32>(&mut &bytes(&(1_u64 << 32))[..]).is_err());
    }
}
