//! How bands are kept in state: a byte that says which are not empty, and those. Most services have one band.

use borsh::{BorshDeserialize, BorshSerialize, io};
use utilidor_types::package::BANDS;
use utilidor_types::{Bands, Quantity};

/// Writes bands.
pub(super) fn write<W: io::Write>(bands: &Bands, writer: &mut W) -> io::Result<()> {
    let filled = bands.0.iter().enumerate().filter(|(_, quantity)| quantity.0 > 0);
    let mask = filled.clone().fold(0u8, |mask, (band, _)| mask | 1 << band);
    mask.serialize(writer)?;
    filled.map(|(_, quantity)| quantity).try_for_each(|quantity| quantity.serialize(writer))
}

/// Reads bands as [`write()`] writes them, and in no other form.
pub(super) fn read<R: io::Read>(reader: &mut R) -> io::Result<Bands> {
    let mask = u8::deserialize_reader(reader)?;
    let mut bands = Bands::ZERO;
    for band in 0..BANDS {
        if mask >> band & 1 == 1 {
            bands.0[band] = Quantity::deserialize_reader(reader)?;
        }
    }
    let odd = mask >> BANDS != 0 || (0..BANDS).any(|band| (mask >> band & 1 == 1) != (bands.0[band].0 > 0));
    if odd { Err(io::ErrorKind::InvalidData.into()) } else { Ok(bands) }
}
