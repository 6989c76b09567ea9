//! Signed transactions that wait in a file, so that a large workload does not stand in the memory that is measured.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use utilidor_types::{SignedTransaction, encode};

const BUFFER_BYTES: usize = 1 << 20;

/// Encoded transactions in a temporary file, in order.
#[derive(Debug)]
pub struct Spool {
    file: BufWriter<File>,
    len: usize,
}

impl Spool {
    /// An empty one.
    pub fn new() -> io::Result<Self> {
        Ok(Self { file: BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile()?), len: 0 })
    }

    /// Appends a transaction.
    pub fn push(&mut self, signed: &SignedTransaction) -> io::Result<()> {
        let bytes = encode(signed);
        let len = u32::try_from(bytes.len()).expect("transactions are bounded far below 4 GiB");
        self.file.write_all(&len.to_le_bytes())?;
        self.file.write_all(&bytes)?;
        self.len += 1;
        Ok(())
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes what was appended readable.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Reads from the first on what was there at the last flush. One reader at a time: they share the file's position.
    ///
    /// # Panics
    ///
    /// Panics if the file cannot be read, here or later.
    pub fn read(&self) -> Transactions {
        let file = self.file.get_ref().try_clone().and_then(|mut file| file.rewind().map(|()| file));
        let file = BufReader::with_capacity(BUFFER_BYTES, file.expect("a file of this process can be read"));
        Transactions { file, left: self.len }
    }
}

/// Encoded transactions, one after another.
#[derive(Debug)]
pub struct Transactions {
    file: BufReader<File>,
    left: usize,
}

impl Iterator for Transactions {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.left = self.left.checked_sub(1)?;
        let mut len = [0; 4];
        self.file.read_exact(&mut len).expect("what was written can be read");
        let mut bytes = vec![0; u32::from_le_bytes(len) as usize];
        self.file.read_exact(&mut bytes).expect("what was written can be read");
        Some(bytes)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Transactions {}
