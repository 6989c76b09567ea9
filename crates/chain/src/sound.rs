//! Whether the files of a stopped node are as they were written, told by the checksums that the engine keeps in them.
//!
//! The engine opens a store to write: it cuts it back to what it can read, and so would destroy what it is asked to judge. So
//! the files are read here before it opens them, and nothing is written. Every file is a *blob*: a header of one page, then
//!
//! ```text
//! pages   4,096 bytes and a record of two checksums each; all but the last are full (commonware_runtime::buffer::paged)
//! record  all of it under one checksum, in two copies, "left" and "right" (commonware_storage::metadata)
//! values  blocks and certificates, one after the other, each under a checksum; where they begin stands in another store
//! ```
//!
//! Values are not judged here, nor what anything means: that shows when the store is opened and asked for all of it.

use commonware_cryptography::Crc32;
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

/// What the checksums of a file say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Soundness {
    /// Every byte is as it was written.
    Good,
    /// Something is not.
    Damaged {
        /// Where it begins, in bytes from the file's first.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The header is as it was written; the rest has no checksums that can be told from the file alone.
    Values,
}

const HEADER_BYTES: usize = 4_096;
/// Magic, layout, version and checksum of a header; the rest of it is zeros.
const PRELUDE_BYTES: usize = 12;
const MAGIC: [u8; 4] = *b"CWIK";
const PAGE_BYTES: usize = 4_096;
/// A page's record: twice a length of two bytes and a checksum of four.
const SLOT_BYTES: usize = 6;
const PHYSICAL_BYTES: usize = PAGE_BYTES + 2 * SLOT_BYTES;
/// Names of a record's copies, which are file names in hexadecimal digits: "left" and "right".
const COPIES: [&str; 2] = ["6c656674", "7269676874"];
/// Endings of the stores of values.
const VALUES: [&str; 2] = ["-values", "-value"];

const WRITE_CUT_OFF: &str = "the last write is not whole: power was lost, or the disk has changed it";

/// The files of the engine's stores in a data directory, in the order of their names.
pub fn store_files(data_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![data_dir.join("storage")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Reads all of a store's file, and says whether it is as it was written.
pub fn check_file(path: &Path) -> io::Result<Soundness> {
    check(path, &mut File::open(path)?)
}

/// Judges what is read of a file by its name and that of its store, which is the folder that it is in.
fn check(path: &Path, file: &mut impl Read) -> io::Result<Soundness> {
    let name = last_name(path);
    let store = path.parent().map(last_name).unwrap_or_default();
    if name.starts_with('.') {
        // The engine's own lock: it is empty.
        return Ok(Soundness::Good);
    }
    let mut header = [0; HEADER_BYTES];
    let read = read_up_to(file, &mut header)?;
    if let Some(damaged) = judge_header(&header[..read]) {
        return Ok(damaged);
    }
    if COPIES.contains(&name) {
        return judge_record(file);
    }
    if VALUES.iter().any(|ending| store.ends_with(ending)) {
        // Read to the end all the same: a part that the disk cannot give is told now.
        io::copy(file, &mut io::sink())?;
        return Ok(Soundness::Values);
    }
    judge_pages(file)
}

fn last_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn damaged(at: usize, what: &'static str) -> Soundness {
    Soundness::Damaged { at: at as u64, what }
}

/// What is wrong with a header, if something is.
fn judge_header(header: &[u8]) -> Option<Soundness> {
    if header.len() < HEADER_BYTES {
        return Some(damaged(0, "it ends within its header"));
    }
    let (covered, sum) = header[..PRELUDE_BYTES].split_at(PRELUDE_BYTES - 4);
    if covered[..4] != MAGIC || Crc32::checksum(covered).to_be_bytes() != sum {
        return Some(damaged(0, "its header is not as it was written"));
    }
    let foreign = header[PRELUDE_BYTES..].iter().position(|byte| *byte != 0)?;
    Some(damaged(PRELUDE_BYTES + foreign, "its header is not as it was written"))
}

fn judge_record(file: &mut impl Read) -> io::Result<Soundness> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        // This copy was never written.
        return Ok(Soundness::Good);
    }
    let sound = bytes.split_last_chunk::<4>().is_some_and(|(covered, sum)| {
        covered.len() >= size_of::<u64>() && Crc32::checksum(covered).to_be_bytes() == *sum
    });
    Ok(if sound { Soundness::Good } else { damaged(HEADER_BYTES, "this copy of a record is not as it was written") })
}

fn judge_pages(file: &mut impl Read) -> io::Result<Soundness> {
    let mut page = [0; PHYSICAL_BYTES];
    let mut at = HEADER_BYTES;
    let mut is_over = false;
    loop {
        match read_up_to(file, &mut page)? {
            0 => return Ok(Soundness::Good),
            _ if is_over => return Ok(damaged(at - PHYSICAL_BYTES, "a page ends before it is full")),
            PHYSICAL_BYTES => {}
            _ => return Ok(damaged(at, WRITE_CUT_OFF)),
        }
        match written(&page) {
            None if read_up_to(file, &mut [0])? == 0 => return Ok(damaged(at, WRITE_CUT_OFF)),
            None => return Ok(damaged(at, "a page is not as it was written")),
            Some(length) => is_over = length < PAGE_BYTES,
        }
        at += PHYSICAL_BYTES;
    }
}

/// How much of a page was written, if both checksums cover what they name. The longer part is the last write; the other one, if
/// there is one, what was there before. That one alone can be read would be a loss: a length has no checksum of its own.
fn written(page: &[u8; PHYSICAL_BYTES]) -> Option<usize> {
    let (bytes, record) = page.split_at(PAGE_BYTES);
    let mut longest = None;
    for slot in record.chunks(SLOT_BYTES).filter(|slot| slot.iter().any(|byte| *byte != 0)) {
        let (length, sum) = slot.split_at(2);
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let covered = bytes.get(..length).filter(|covered| !covered.is_empty())?;
        if Crc32::checksum(covered).to_be_bytes() != sum {
            return None;
        }
        longest = longest.max(Some(length));
    }
    longest
}

/// Fills a buffer, or as much of it as there is.
fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0, 1, 0, 0]);
        bytes.extend(Crc32::checksum(&bytes).to_be_bytes());
        bytes.resize(HEADER_BYTES, 0);
        bytes
    }

    fn slot(covered: &[u8]) -> Vec<u8> {
        let length = u16::try_from(covered.len()).unwrap().to_be_bytes();
        [&length[..], &Crc32::checksum(covered).to_be_bytes()].concat()
    }

    /// A page of which `bytes` are written, the first `before` of them by an earlier write.
    fn page(bytes: &[u8], before: usize) -> Vec<u8> {
        let mut page = bytes.to_vec();
        page.resize(PAGE_BYTES, 0);
        let earlier = if before > 0 { slot(&bytes[..before]) } else { vec![0; SLOT_BYTES] };
        page.extend([earlier, slot(bytes)].concat());
        page
    }

    fn judged(name: &str, parts: &[Vec<u8>]) -> Soundness {
        check(Path::new(name), &mut parts.concat().as_slice()).unwrap()
    }

    const PAGES: &str = "chain-state-operations-blobs/0000000000000000";
    const RECORD: &str = "chain-handovers/6c656674";

    #[test]
    fn whole_files_are_good_and_so_is_a_file_that_was_never_written_to() {
        let full = page(&[7; PAGE_BYTES], 0);
        for pages in [&[][..], &[full.clone()], &[full.clone(), page(&[1, 2, 3], 2)]] {
            assert_eq!(judged(PAGES, &[&[header()][..], pages].concat()), Soundness::Good);
        }
        let record = [2u64.to_be_bytes().to_vec(), vec![9; 30]].concat();
        let sum = Crc32::checksum(&record).to_be_bytes().to_vec();
        assert_eq!(judged(RECORD, &[header(), record, sum]), Soundness::Good);
        assert_eq!(judged(RECORD, &[header()]), Soundness::Good);
        assert_eq!(judged("chain-blocks-values/0000000000000000", &[header(), vec![5; 9]]), Soundness::Values);
        assert_eq!(judged("storage/.hold", &[]), Soundness::Good);
    }

    #[test]
    fn a_changed_bit_of_what_was_written_is_found_and_its_page_is_named() {
        let bytes: Vec<u8> = (0..PAGE_BYTES).map(|byte| (byte % 251) as u8 + 1).collect();
        let file = [header(), page(&bytes, 0), page(&bytes[..300], 200)].concat();
        let second = HEADER_BYTES + PHYSICAL_BYTES;
        let records = [second - 2 * SLOT_BYTES..second, file.len() - 2 * SLOT_BYTES..file.len()];
        let everywhere = (0..file.len()).step_by(5).map(|at| (at, at % 8));
        let in_records = records.into_iter().flatten().flat_map(|at| (0..8).map(move |bit| (at, bit)));
        for (at, bit) in everywhere.chain(in_records) {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            let expected = match judged(PAGES, &[changed]) {
                // Behind what was written of the last page: nobody reads that.
                Soundness::Good => (second + 300..second + PAGE_BYTES).contains(&at),
                Soundness::Damaged { at: place, .. } if at >= HEADER_BYTES => {
                    place as usize == if at < second { HEADER_BYTES } else { second }
                }
                Soundness::Damaged { .. } => true,
                Soundness::Values => false,
            };
            assert!(expected, "bit {bit} of byte {at}");
        }
        let record = [header(), 2u64.to_be_bytes().to_vec(), vec![9; 34]].concat();
        assert!(matches!(judged(RECORD, &[record]), Soundness::Damaged { at: 4_096, .. }));
    }

    #[test]
    fn a_file_that_was_cut_off_is_damaged() {
        let file = [header(), page(&[7; PAGE_BYTES], 0), page(&[1, 2, 3], 0)].concat();
        for length in [0, 100, HEADER_BYTES + 1, file.len() - 1] {
            assert!(matches!(judged(PAGES, &[file[..length].to_vec()]), Soundness::Damaged { .. }), "{length} bytes");
        }
        let early = [header(), page(&[1, 2, 3], 0), page(&[7; PAGE_BYTES], 0)];
        assert!(
            matches!(judged(PAGES, &early), Soundness::Damaged { at: 4_096, .. }),
            "a page in the middle is not full"
        );
    }
}
