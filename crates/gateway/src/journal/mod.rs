//! The journal: every reading that was taken, until long after the ledger has it.
//!
//! ```text
//! read ──sealed──> in transaction ──receipt──> final
//!  ^                     │                      refused
//!  └──never included─────┘
//! ```
//!
//! A reading is *read* once it is on disk. Sealing puts the oldest readings and the signed bytes that carry them into the journal in
//! one step, before the bytes are sent; they are sent again, the same bytes, until the ledger has answered or can no longer
//! take them. A reading is known by meter and time: the same reading taken twice stands once.
//!
//! | file | answers |
//! |---|---|
//! | `clock` | which stretches of the clock count |
//! | `batches` | what is sent, and what became of it |
//! | `meters` | what is known of meters besides their readings, and what an operator should see |
//! | `questions` | where readings stand |
//! | `layout` | how its tables are laid out, and how those of earlier releases become so |
//! | `lock` | that one process writes |
//! | `look` | how others look into it |
//! | `error` | why it did not do what was asked |
//!
//! SQLite, write-ahead log, `synchronous=FULL`: what a call of this file has returned from is on the disk. One process
//! holds a journal for writing; others can look into it meanwhile.

mod batches;
mod clock;
mod error;
mod layout;
mod lock;
mod look;
mod meters;
mod questions;

pub use error::JournalError;
pub use meters::{Known, PartReading};

use self::lock::Lock;
use crate::reason::{Sentence, sentence};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::{Path, PathBuf};
use std::time::Duration;
use utilidor_types::MeterId;

/// Memory for pages of the journal: those that a round of 100,000 meters writes, so that none is read and written for each of its
/// readings again.
const CACHE_KIB: i64 = 64 * 1024;
/// Pages of 4 KiB that are written to the log before they are written to their places.
const CHECKPOINT_PAGES: i64 = 8 * 1024;
/// How long a reader waits for the writer.
const BUSY: Duration = Duration::from_secs(5);
/// Longest evidence of a reading that is kept, in bytes: the longest frame of any protocol, and a topic with a document.
pub const MAX_EVIDENCE_BYTES: usize = 8 * 1024;

/// Most events that are kept; the oldest give way.
pub const MAX_EVENTS: u64 = 10_000;
/// Most of them of one meter.
pub const MAX_EVENTS_OF_A_METER: u64 = 500;
/// How many events are noted between two looks for those that give way.
const EVENTS_BETWEEN_LOOKS: i64 = 128;

/// Where a reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// On disk, not yet sent.
    Read,
    /// In signed bytes that may be on their way.
    InTransaction,
    /// Certified.
    Final,
    /// Refused by the ledger, or by the gateway because its clock was wrong.
    Refused,
}

impl State {
    /// The name used in JSON and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::InTransaction => "in_transaction",
            Self::Final => "final",
            Self::Refused => "refused",
        }
    }
}

/// Where a stretch of the clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockState {
    /// Not compared with the chain's time yet: its readings wait.
    Unverified,
    /// Right.
    Trusted,
    /// Wrong: its readings are refused, and stay as evidence.
    Wrong,
}

/// A reading with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalReading {
    /// The meter.
    pub meter: MeterId,
    /// When its register showed it.
    pub time_ms: u64,
    /// What it showed, in base units.
    pub register: u64,
    /// The stretch of the clock that stamped it.
    pub epoch: i64,
    /// The bus it came over.
    pub bus: String,
    /// The protocol of the frames.
    pub protocol: String,
    /// What was asked, as sent.
    pub request: Vec<u8>,
    /// What was answered, as received.
    pub answer: Vec<u8>,
}

/// A reading and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The reading.
    pub reading: JournalReading,
    /// Where it stands.
    pub state: State,
    /// The batch that carries it.
    pub batch: Option<i64>,
    /// The block that carries the batch.
    pub height: Option<u64>,
    /// Hash of the transaction that carries it.
    pub hash: Option<Vec<u8>>,
    /// Why it was refused.
    pub refusal: Option<(String, Sentence)>,
}

/// A meter's reading without its evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Waiting {
    /// The meter.
    pub meter: MeterId,
    /// When.
    pub time_ms: u64,
    /// The register, in base units.
    pub register: u64,
}

/// Signed bytes that carry readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub id: i64,
    /// The signed bytes.
    pub bytes: Vec<u8>,
    /// Their hash.
    pub hash: Vec<u8>,
    /// The last height at which they can enter a block.
    pub expires: u64,
}

/// What became of a reading of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Certified.
    Final,
    /// Refused.
    Refused {
        /// The stable code.
        code: String,
        /// The sentence.
        detail: Sentence,
    },
}

/// What became of a call to record a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is new.
    New,
    /// It was there already.
    Known,
}

/// What an operator should see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub time_ms: u64,
    /// The meter, if it is about one.
    pub meter: Option<MeterId>,
    /// The stable code.
    pub code: String,
    /// The sentence.
    pub detail: Sentence,
    /// The frame it is about, if any.
    pub answer: Option<Vec<u8>>,
}

/// How many readings stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// On disk, not sent.
    pub read: u64,
    /// Of those, how many wait for the clock to be compared.
    pub unverified: u64,
    /// Sent, or about to be.
    pub in_transaction: u64,
    /// Certified.
    pub final_: u64,
    /// Refused.
    pub refused: u64,
    /// Time of the oldest reading that is neither certified nor refused.
    pub oldest_open_ms: Option<u64>,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.read += other.read;
        self.unverified += other.unverified;
        self.in_transaction += other.in_transaction;
        self.final_ += other.final_;
        self.refused += other.refused;
        self.oldest_open_ms = self.oldest_open_ms.into_iter().chain(other.oldest_open_ms).min();
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        let mut all = Self::default();
        counts.for_each(|counts| all.add(counts));
        all
    }
}

/// A journal.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    /// Held as long as the journal is open for writing.
    _lock: Option<Lock>,
}

impl Journal {
    /// Opens a journal for writing, or makes it. Refused while another process has it.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        expect_file(path)?;
        let path = &lock::only_name(path)?;
        let lock = Lock::take(path)?;
        if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
            return Err(JournalError::Empty { path: path.to_owned() });
        }
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        // Before anything is written: what is no journal stays as it is.
        layout::expect(&connection, path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        let mut journal = Self { connection, _lock: Some(lock) };
        layout::take_on(&mut journal.connection)?;
        Ok(journal)
    }

    /// Whether its pages fit together, and its indices its tables. Reads the whole file: some seconds for a million readings.
    pub fn examine(&self) -> Result<(), JournalError> {
        let said: String = self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        match said.as_str() {
            "ok" => Ok(()),
            _ => Err(JournalError::Malformed { path: self.path(), what: said.lines().collect::<Vec<_>>().join(" ") }),
        }
    }

    /// Its file.
    pub fn path(&self) -> PathBuf {
        self.connection.path().unwrap_or_default().into()
    }

    /// Bounds the journal's size, in pages of the database: a write beyond it fails as on a full disk.
    pub fn limit_pages(&mut self, pages: u32) -> Result<(), JournalError> {
        Ok(self.connection.pragma_update(None, "max_page_count", pages)?)
    }

    /// Binds the journal to a chain or an account the first time, and checks it every other time.
    pub fn belongs_to(&mut self, key: &str, value: &str) -> Result<(), JournalError> {
        match self.belonging(key)? {
            Some(found) if found == value => Ok(()),
            Some(found) => Err(JournalError::Foreign { key: key.into(), found, wanted: value.into() }),
            None => {
                self.connection.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", [key, value])?;
                Ok(())
            }
        }
    }

    /// What the journal is bound to under `key`.
    pub fn belonging(&self, key: &str) -> Result<Option<String>, JournalError> {
        let value =
            self.connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?;
        Ok(value)
    }

    /// Records readings, all or none. When it returns, they are on the disk. A reading of a stretch of the clock that is known to be
    /// wrong is kept as evidence, refused.
    pub fn record(&mut self, readings: &[JournalReading]) -> Result<Vec<Recorded>, JournalError> {
        let transaction = self.connection.transaction()?;
        let mut recorded = Vec::with_capacity(readings.len());
        {
            let mut known =
                transaction.prepare_cached("SELECT register FROM reading WHERE time_ms = ?1 AND meter = ?2")?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO reading
                     (time_ms, meter, register, epoch, code, detail, bus, protocol, request, answer, sum, detail_zh)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?;
            let mut newest = transaction.prepare_cached(
                "INSERT INTO meter (meter, last_ms, last_register) VALUES (?1, ?2, ?3)
                 ON CONFLICT (meter) DO UPDATE SET last_ms = ?2, last_register = ?3 WHERE coalesce(last_ms, 0) <= ?2",
            )?;
            for stretch in readings.chunk_by(|a, b| a.epoch == b.epoch) {
                let last_ms = stretch.iter().map(|reading| reading.time_ms).max().unwrap_or_default();
                let is_wrong = clock::stamps(&transaction, stretch[0].epoch, last_ms)? == ClockState::Wrong;
                let detail =
                    is_wrong.then(|| sentence!("the gateway's clock was known to be wrong", "已知网关的时钟不准"));
                for reading in stretch {
                    let bytes = reading.request.len() + reading.answer.len();
                    if bytes > MAX_EVIDENCE_BYTES {
                        return Err(JournalError::EvidenceTooLong { bytes });
                    }
                    let JournalReading { meter, time_ms, register, epoch, .. } = *reading;
                    let register_sql =
                        i64::try_from(register).map_err(|_| JournalError::TooLarge { meter, register })?;
                    let found: Option<i64> =
                        known.query_row(params![to_sql(time_ms), meter.0], |row| row.get(0)).optional()?;
                    match found {
                        Some(found) if found == register_sql => {
                            recorded.push(Recorded::Known);
                            continue;
                        }
                        Some(found) => {
                            let known = from_sql(found)?;
                            return Err(JournalError::Contradiction { meter, time_ms, known, register });
                        }
                        None => recorded.push(Recorded::New),
                    }
                    insert.execute(params![
                        to_sql(time_ms),
                        meter.0,
                        register_sql,
                        epoch,
                        is_wrong.then_some("clock/wrong"),
                        detail.as_ref().map(|detail| &detail.en),
                        reading.bus,
                        reading.protocol,
                        reading.request,
                        reading.answer,
                        sum_of(meter, time_ms, register, epoch),
                        detail.as_ref().map(|detail| &detail.zh)
                    ])?;
                    if !is_wrong {
                        newest.execute(params![meter.0, to_sql(time_ms), register_sql])?;
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(recorded)
    }
}

/// Refuses what is there and no file.
fn expect_file(path: &Path) -> Result<(), JournalError> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(JournalError::NotAFile { path: path.into() }),
        _ => Ok(()),
    }
}

/// A signed transaction of readings that is to be kept before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// The signed bytes.
    pub bytes: Vec<u8>,
    /// Their hash.
    pub hash: Vec<u8>,
    /// The last height at which they can enter a block.
    pub expires: u64,
}

/// Which readings are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Of this meter.
    pub meter: Option<MeterId>,
    /// From this time on.
    pub from_ms: u64,
    /// Before this time.
    pub to_ms: Option<u64>,
    /// Only what is neither certified nor refused.
    pub open_only: bool,
}

impl Filter {
    /// Which are wanted where there are more than can be shown: the newest, unless somebody says from when on, or asks for what waits.
    pub const fn takes_newest(&self) -> bool {
        self.from_ms == 0 && !self.open_only
    }
}

/// Times, heights and registers are below 2^63: the ledger's calendar ends in 2106, and registers were checked.
fn to_sql(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Eight bytes of the hash of what is signed of a reading, and of the clock that has stamped it.
fn sum_of(meter: MeterId, time_ms: u64, register: u64, epoch: i64) -> i64 {
    let hash = utilidor_types::hash::hash_of("utilidor/journal", &(meter, time_ms, register, epoch));
    i64::from_be_bytes(*hash.0.first_chunk().expect("a hash has more bytes"))
}

/// What none of them can be is damage, and no number.
fn from_sql(value: i64) -> rusqlite::Result<u64> {
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, value))
}

/// Two columns that hold a sentence, in English and in Chinese; none where the first holds none.
fn sentence_from_sql(en: Option<String>, zh: Option<String>) -> Option<Sentence> {
    en.map(|en| Sentence { zh: zh.unwrap_or_default(), en })
}

/// A column that may hold none.
fn from_sql_or_none(value: Option<i64>) -> rusqlite::Result<Option<u64>> {
    value.map(from_sql).transpose()
}
