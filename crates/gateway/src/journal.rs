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
//! SQLite, write-ahead log, `synchronous=FULL`: what a call of this file has returned from is on the disk. One process
//! holds a journal for writing; others can look into it meanwhile.

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use utilidor_types::MeterId;

/// Layout of the tables; a journal of another is not opened.
const SCHEMA_VERSION: i32 = 1;
/// How long a reader waits for the writer.
const BUSY: Duration = Duration::from_secs(5);
/// Longest evidence of a reading that is kept, in bytes: the longest frame of any protocol, and a topic with a document.
pub const MAX_EVIDENCE_BYTES: usize = 8 * 1024;

const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- A stretch of the gateway's clock without a jump. Readings count once it was compared with the chain's time.
CREATE TABLE clock (
    epoch INTEGER PRIMARY KEY,
    began_ms INTEGER NOT NULL,
    state INTEGER NOT NULL,
    offset_ms INTEGER
) STRICT;
-- The signed bytes that carry readings; kept until long after they are final.
CREATE TABLE batch (
    id INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL,
    hash BLOB NOT NULL,
    expires INTEGER NOT NULL,
    sealed_ms INTEGER NOT NULL,
    open INTEGER NOT NULL,
    height INTEGER
) STRICT;
CREATE INDEX batch_open ON batch (id) WHERE open = 1;
CREATE TABLE reading (
    meter BLOB NOT NULL,
    time_ms INTEGER NOT NULL,
    register INTEGER NOT NULL,
    state INTEGER NOT NULL,
    epoch INTEGER NOT NULL REFERENCES clock,
    batch INTEGER REFERENCES batch,
    code TEXT,
    detail TEXT,
    bus TEXT NOT NULL,
    protocol TEXT NOT NULL,
    request BLOB NOT NULL,
    answer BLOB NOT NULL,
    PRIMARY KEY (meter, time_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX reading_waiting ON reading (time_ms, meter) WHERE state = 0;
CREATE INDEX reading_epoch ON reading (epoch, time_ms);
CREATE INDEX reading_batch ON reading (batch) WHERE batch IS NOT NULL;
-- What is known of a meter besides its readings.
CREATE TABLE meter (
    meter BLOB PRIMARY KEY,
    device TEXT,
    stopped TEXT,
    registration TEXT
) STRICT, WITHOUT ROWID;
-- What an operator should see.
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    meter BLOB,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    answer BLOB
) STRICT;
";

/// Most events that are kept; the oldest give way.
pub const MAX_EVENTS: u64 = 10_000;

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
    const fn code(self) -> i64 {
        match self {
            Self::Read => 0,
            Self::InTransaction => 1,
            Self::Final => 2,
            Self::Refused => 3,
        }
    }

    const fn of(code: i64) -> Self {
        match code {
            0 => Self::Read,
            1 => Self::InTransaction,
            2 => Self::Final,
            _ => Self::Refused,
        }
    }

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
    pub refusal: Option<(String, String)>,
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
        detail: String,
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
    pub detail: String,
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

/// Why the journal did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or the lock file cannot be used.
    #[error("could not open the journal {}", path.display())]
    Open {
        /// The journal.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another process holds it.
    #[error("the journal {} is another gateway's: one process writes a journal", path.display())]
    Held {
        /// The journal.
        path: PathBuf,
    },
    /// It is not there.
    #[error("there is no journal {}: it comes into being with the first 'utilidor gateway run'", path.display())]
    Missing {
        /// The journal.
        path: PathBuf,
    },
    /// It was written by another release.
    #[error("the journal has layout {found}, this release reads layout {SCHEMA_VERSION}")]
    Layout {
        /// Its layout.
        found: i32,
    },
    /// It belongs to another chain or gateway.
    #[error("the journal belongs to {key} {found}, not to {wanted}: name another journal for another chain or account")]
    Foreign {
        /// `chain` or `account`.
        key: String,
        /// What it belongs to.
        found: String,
        /// What was wanted.
        wanted: String,
    },
    /// The same meter and time with another register.
    #[error("meter {meter} has a reading of {time_ms} already, which shows {known}, not {register}")]
    Contradiction {
        /// The meter.
        meter: MeterId,
        /// The time.
        time_ms: u64,
        /// What stands there.
        known: u64,
        /// What was to be recorded.
        register: u64,
    },
    /// A register beyond what the journal holds.
    #[error("register {register} of meter {meter} is more than the journal holds")]
    TooLarge {
        /// The meter.
        meter: MeterId,
        /// The register.
        register: u64,
    },
    /// Evidence longer than any.
    #[error("the evidence of a reading has {bytes} bytes, at most {MAX_EVIDENCE_BYTES} are kept")]
    EvidenceTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A reading is not where the step needs it.
    #[error("a reading of meter {meter} of {time_ms} is not {expected}")]
    WrongState {
        /// The meter.
        meter: MeterId,
        /// The time.
        time_ms: u64,
        /// Where it should be.
        expected: &'static str,
    },
    /// The disk or the database failed. Nothing of the call was kept.
    #[error("the journal could not be read or written")]
    Sql(#[from] rusqlite::Error),
}

impl JournalError {
    /// Whether the disk has no room left.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Sql(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
}

/// A journal.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    /// Held as long as the journal is open for writing.
    _lock: Option<File>,
}

impl Journal {
    /// Opens a journal for writing, or makes it. Refused while another process has it.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Open { path: path.into(), source };
        let lock = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path.with_added_extension("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(JournalError::Held { path: path.into() }),
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let mut journal = Self { connection, _lock: Some(lock) };
        match journal.layout()? {
            0 => {
                let transaction = journal.connection.transaction()?;
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
                transaction.commit()?;
            }
            SCHEMA_VERSION => {}
            found => return Err(JournalError::Layout { found }),
        }
        Ok(journal)
    }

    /// Opens a journal to look into it, also while a gateway writes it.
    pub fn look(path: &Path) -> Result<Self, JournalError> {
        if !path.exists() {
            return Err(JournalError::Missing { path: path.into() });
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "query_only", true)?;
        let journal = Self { connection, _lock: None };
        match journal.layout()? {
            SCHEMA_VERSION => Ok(journal),
            found => Err(JournalError::Layout { found }),
        }
    }

    /// Bounds the journal's size, in pages of the database: a write beyond it fails as on a full disk.
    pub fn limit_pages(&mut self, pages: u32) -> Result<(), JournalError> {
        Ok(self.connection.pragma_update(None, "max_page_count", pages)?)
    }

    fn layout(&self) -> Result<i32, JournalError> {
        Ok(self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
    }

    /// Binds the journal to a chain or an account the first time, and checks it every other time.
    pub fn belongs_to(&mut self, key: &str, value: &str) -> Result<(), JournalError> {
        let found: Option<String> =
            self.connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?;
        match found {
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

    /// Begins a stretch of the clock: at a start, and after a jump.
    pub fn begin_clock(&mut self, now_ms: u64) -> Result<i64, JournalError> {
        self.connection.execute(
            "INSERT INTO clock (began_ms, state) VALUES (?1, ?2)",
            params![to_sql(now_ms), ClockState::Unverified as i64],
        )?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Says what a comparison with the chain's time has shown of a stretch of the clock. Readings of a wrong clock are refused.
    pub fn judge_clock(&mut self, epoch: i64, state: ClockState, offset_ms: i64) -> Result<u64, JournalError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "UPDATE clock SET state = ?2, offset_ms = ?3 WHERE epoch = ?1",
            params![epoch, state as i64, offset_ms],
        )?;
        let mut refused = 0;
        if state == ClockState::Wrong {
            let detail = format!("the gateway's clock was {offset_ms} ms ahead of the chain's time");
            refused = transaction.execute(
                "UPDATE reading SET state = 3, code = 'clock/wrong', detail = ?2 WHERE epoch = ?1 AND state = 0",
                params![epoch, detail],
            )?;
        }
        transaction.commit()?;
        Ok(refused as u64)
    }

    /// Judges the stretches before `epoch` that ended before they were compared: a gateway that was killed, a power cut. One counts
    /// if its readings lie between those of the trusted stretch before it and the chain's time now; a clock that woke up in
    /// 1970 does not. Returns how many readings count and how many are refused.
    pub fn judge_earlier_clocks(&mut self, epoch: i64, chain_ms: u64) -> Result<(u64, u64), JournalError> {
        /// Before this, no gateway of this kind ran: 2024-01-01.
        const FIRST_MS: i64 = 1_704_067_200_000;
        let transaction = self.connection.transaction()?;
        let mut earlier = Vec::new();
        {
            let mut statement =
                transaction.prepare("SELECT epoch FROM clock WHERE epoch < ?1 AND state = 0 ORDER BY epoch")?;
            let rows = statement.query_map([epoch], |row| row.get::<_, i64>(0))?;
            for row in rows {
                earlier.push(row?);
            }
        }
        let (mut counting, mut refused) = (0, 0);
        for stretch in earlier {
            let floor: Option<i64> = transaction.query_row(
                "SELECT max(time_ms) FROM reading JOIN clock USING (epoch) WHERE epoch < ?1 AND clock.state = 1",
                [stretch],
                |row| row.get(0),
            )?;
            let (count, first, last): (i64, Option<i64>, Option<i64>) = transaction.query_row(
                "SELECT count(*), min(time_ms), max(time_ms) FROM reading WHERE epoch = ?1 AND state = 0",
                [stretch],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
            let floor = floor.unwrap_or(FIRST_MS).max(FIRST_MS);
            let is_right = first.is_none_or(|first| first >= floor) && last.is_none_or(|last| last <= to_sql(chain_ms));
            let state = if is_right { ClockState::Trusted } else { ClockState::Wrong };
            transaction.execute("UPDATE clock SET state = ?2 WHERE epoch = ?1", params![stretch, state as i64])?;
            if is_right {
                counting += from_sql(count);
                continue;
            }
            refused += from_sql(count);
            transaction.execute(
                "UPDATE reading SET state = 3, code = 'clock/wrong',
                     detail = 'the gateway stopped before its clock was compared, and the time does not fit'
                 WHERE epoch = ?1 AND state = 0",
                [stretch],
            )?;
        }
        transaction.commit()?;
        Ok((counting, refused))
    }

    /// Where a stretch of the clock stands.
    pub fn clock_state(&self, epoch: i64) -> Result<ClockState, JournalError> {
        let state: i64 =
            self.connection.query_row("SELECT state FROM clock WHERE epoch = ?1", [epoch], |row| row.get(0))?;
        Ok(match state {
            0 => ClockState::Unverified,
            1 => ClockState::Trusted,
            _ => ClockState::Wrong,
        })
    }

    /// Records readings, all or none. When it returns, they are on the disk.
    pub fn record(&mut self, readings: &[JournalReading]) -> Result<Vec<Recorded>, JournalError> {
        let transaction = self.connection.transaction()?;
        let mut recorded = Vec::with_capacity(readings.len());
        {
            let mut known =
                transaction.prepare_cached("SELECT register FROM reading WHERE meter = ?1 AND time_ms = ?2")?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO reading (meter, time_ms, register, state, epoch, bus, protocol, request, answer)
                 VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8)",
            )?;
            for reading in readings {
                let bytes = reading.request.len() + reading.answer.len();
                if bytes > MAX_EVIDENCE_BYTES {
                    return Err(JournalError::EvidenceTooLong { bytes });
                }
                let JournalReading { meter, time_ms, register, .. } = *reading;
                let register_sql = i64::try_from(register).map_err(|_| JournalError::TooLarge { meter, register })?;
                let key = params![meter.0, to_sql(time_ms)];
                let found: Option<i64> = known.query_row(key, |row| row.get(0)).optional()?;
                match found {
                    Some(found) if found == register_sql => recorded.push(Recorded::Known),
                    Some(found) => {
                        return Err(JournalError::Contradiction { meter, time_ms, known: from_sql(found), register });
                    }
                    None => {
                        insert.execute(params![
                            meter.0,
                            to_sql(time_ms),
                            register_sql,
                            reading.epoch,
                            reading.bus,
                            reading.protocol,
                            reading.request,
                            reading.answer
                        ])?;
                        recorded.push(Recorded::New);
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(recorded)
    }

    /// The oldest readings that can be sent: stamped by a trusted clock, and of each meter none before an older one that still
    /// waits for its clock.
    pub fn oldest_waiting(&self, most: usize) -> Result<Vec<Waiting>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT meter, time_ms, register FROM reading AS r
             WHERE state = 0 AND (SELECT state FROM clock WHERE clock.epoch = r.epoch) = 1
               AND NOT EXISTS (SELECT 1 FROM reading AS o JOIN clock ON clock.epoch = o.epoch
                               WHERE o.state = 0 AND clock.state = 0 AND o.meter = r.meter AND o.time_ms < r.time_ms)
             ORDER BY time_ms, meter LIMIT ?1",
        )?;
        let rows = statement.query_map([most as i64], |row| {
            Ok(Waiting { meter: MeterId(row.get(0)?), time_ms: from_sql(row.get(1)?), register: from_sql(row.get(2)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Puts readings and the signed bytes that carry them into the journal, in one step. Nothing is sent before this returns.
    pub fn seal(&mut self, readings: &[Waiting], batch: &NewBatch, now_ms: u64) -> Result<i64, JournalError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "INSERT INTO batch (bytes, hash, expires, sealed_ms, open) VALUES (?1, ?2, ?3, ?4, 1)",
            params![batch.bytes, batch.hash, to_sql(batch.expires), to_sql(now_ms)],
        )?;
        let id = transaction.last_insert_rowid();
        {
            let mut update = transaction.prepare_cached(
                "UPDATE reading SET state = 1, batch = ?3 WHERE meter = ?1 AND time_ms = ?2 AND state = 0",
            )?;
            for Waiting { meter, time_ms, .. } in readings {
                if update.execute(params![meter.0, to_sql(*time_ms), id])? != 1 {
                    let (meter, time_ms) = (*meter, *time_ms);
                    return Err(JournalError::WrongState { meter, time_ms, expected: "waiting to be sent" });
                }
            }
        }
        transaction.commit()?;
        Ok(id)
    }

    /// The batches that the ledger has not answered yet, oldest first.
    pub fn open_batches(&self) -> Result<Vec<Batch>, JournalError> {
        let mut statement =
            self.connection.prepare_cached("SELECT id, bytes, hash, expires FROM batch WHERE open = 1 ORDER BY id")?;
        let rows = statement.query_map([], |row| {
            Ok(Batch { id: row.get(0)?, bytes: row.get(1)?, hash: row.get(2)?, expires: from_sql(row.get(3)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The readings of a batch, by meter and time: the order in which they stand in its bytes.
    pub fn batch_readings(&self, batch: i64) -> Result<Vec<Waiting>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT meter, time_ms, register FROM reading WHERE state = 1 AND batch = ?1 ORDER BY meter, time_ms",
        )?;
        let rows = statement.query_map([batch], |row| {
            Ok(Waiting { meter: MeterId(row.get(0)?), time_ms: from_sql(row.get(1)?), register: from_sql(row.get(2)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Closes a batch with what became of each of its readings, in one step.
    pub fn close(&mut self, batch: i64, height: u64, fates: &[(Waiting, Fate)]) -> Result<(), JournalError> {
        let transaction = self.connection.transaction()?;
        {
            let mut update = transaction.prepare_cached(
                "UPDATE reading SET state = ?4, code = ?5, detail = ?6
                 WHERE meter = ?1 AND time_ms = ?2 AND state = 1 AND batch = ?3",
            )?;
            for (Waiting { meter, time_ms, .. }, fate) in fates {
                let (state, code, detail) = match fate {
                    Fate::Final => (State::Final, None, None),
                    Fate::Refused { code, detail } => (State::Refused, Some(code), Some(detail)),
                };
                if update.execute(params![meter.0, to_sql(*time_ms), batch, state.code(), code, detail])? != 1 {
                    let (meter, time_ms) = (*meter, *time_ms);
                    return Err(JournalError::WrongState { meter, time_ms, expected: "in this batch" });
                }
            }
            let left = transaction
                .query_row(
                    "SELECT meter, time_ms FROM reading WHERE state = 1 AND batch = ?1 LIMIT 1",
                    [batch],
                    |row| Ok((MeterId(row.get(0)?), row.get::<_, i64>(1)?)),
                )
                .optional()?;
            if let Some((meter, time_ms)) = left {
                let time_ms = from_sql(time_ms);
                return Err(JournalError::WrongState { meter, time_ms, expected: "answered for" });
            }
        }
        transaction.execute("UPDATE batch SET open = 0, height = ?2 WHERE id = ?1", params![batch, to_sql(height)])?;
        transaction.commit()?;
        Ok(())
    }

    /// Takes a batch back that can no longer enter a block: its readings wait again. Only when that is certain.
    pub fn take_back(&mut self, batch: i64) -> Result<u64, JournalError> {
        let transaction = self.connection.transaction()?;
        let readings = transaction
            .execute("UPDATE reading SET state = 0, batch = NULL WHERE state = 1 AND batch = ?1", [batch])?;
        transaction.execute("UPDATE batch SET open = 0 WHERE id = ?1", [batch])?;
        transaction.commit()?;
        Ok(readings as u64)
    }

    /// A meter's newest reading that is not refused.
    pub fn last_reading(&self, meter: MeterId) -> Result<Option<Waiting>, JournalError> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT time_ms, register FROM reading WHERE meter = ?1 AND state <> 3 ORDER BY time_ms DESC LIMIT 1",
            )?
            .query_row([meter.0], |row| {
                Ok(Waiting { meter, time_ms: from_sql(row.get(0)?), register: from_sql(row.get(1)?) })
            })
            .optional()?;
        Ok(found)
    }

    /// The newest time that any reading has.
    pub fn newest_ms(&self) -> Result<Option<u64>, JournalError> {
        let newest: Option<i64> =
            self.connection.query_row("SELECT max(time_ms) FROM reading WHERE state <> 3", [], |row| row.get(0))?;
        Ok(newest.map(from_sql))
    }

    /// The device that a meter was last read from, and why the meter is stopped, if it is.
    pub fn meter(&self, meter: MeterId) -> Result<(Option<String>, Option<String>), JournalError> {
        let found = self
            .connection
            .prepare_cached("SELECT device, stopped FROM meter WHERE meter = ?1")?
            .query_row([meter.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// Remembers the device of a meter; with it the meter goes on if it was stopped.
    pub fn set_device(&mut self, meter: MeterId, device: &str) -> Result<(), JournalError> {
        self.connection.execute(
            "INSERT INTO meter (meter, device) VALUES (?1, ?2)
             ON CONFLICT (meter) DO UPDATE SET device = ?2, stopped = NULL",
            params![meter.0, device],
        )?;
        Ok(())
    }

    /// Remembers what the ledger knows of a meter, for the time without uplink.
    pub fn set_registration(&mut self, meter: MeterId, registration: &str) -> Result<(), JournalError> {
        self.connection.execute(
            "INSERT INTO meter (meter, registration) VALUES (?1, ?2)
             ON CONFLICT (meter) DO UPDATE SET registration = ?2",
            params![meter.0, registration],
        )?;
        Ok(())
    }

    /// What was remembered of all meters.
    pub fn registrations(&self) -> Result<Vec<(MeterId, String)>, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT meter, registration FROM meter WHERE registration IS NOT NULL ORDER BY meter")?;
        let rows = statement.query_map([], |row| Ok((MeterId(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Lets a stopped meter go on, with the device that answers next. Whether it was stopped.
    pub fn accept(&mut self, meter: MeterId) -> Result<bool, JournalError> {
        let changed = self.connection.execute(
            "UPDATE meter SET device = NULL, stopped = NULL WHERE meter = ?1 AND stopped IS NOT NULL",
            [meter.0],
        )?;
        Ok(changed == 1)
    }

    /// The meters that are stopped, and why.
    pub fn stopped(&self) -> Result<Vec<(MeterId, String)>, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT meter, stopped FROM meter WHERE stopped IS NOT NULL ORDER BY meter")?;
        let rows = statement.query_map([], |row| Ok((MeterId(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Stops a meter: nothing is recorded of it until somebody has looked.
    pub fn stop_meter(&mut self, meter: MeterId, reason: &str) -> Result<(), JournalError> {
        self.connection.execute(
            "INSERT INTO meter (meter, stopped) VALUES (?1, ?2) ON CONFLICT (meter) DO UPDATE SET stopped = ?2",
            params![meter.0, reason],
        )?;
        Ok(())
    }

    /// Notes what an operator should see. The oldest events beyond [`MAX_EVENTS`] give way.
    pub fn note(&mut self, event: &Event) -> Result<(), JournalError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "INSERT INTO event (time_ms, meter, code, detail, answer) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                to_sql(event.time_ms),
                event.meter.map(|meter| meter.0),
                event.code,
                event.detail,
                event.answer.as_ref().map(|bytes| &bytes[..bytes.len().min(MAX_EVIDENCE_BYTES)])
            ],
        )?;
        let newest = transaction.last_insert_rowid();
        transaction.execute("DELETE FROM event WHERE id <= ?1", [newest - MAX_EVENTS as i64])?;
        transaction.commit()?;
        Ok(())
    }

    /// The newest events, newest first.
    pub fn events(&self, most: usize) -> Result<Vec<Event>, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT time_ms, meter, code, detail, answer FROM event ORDER BY id DESC LIMIT ?1")?;
        let rows = statement.query_map([most as i64], |row| {
            Ok(Event {
                time_ms: from_sql(row.get(0)?),
                meter: row.get::<_, Option<[u8; 16]>>(1)?.map(MeterId),
                code: row.get(2)?,
                detail: row.get(3)?,
                answer: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many readings stand where; of one meter or of all.
    pub fn counts(&self, meter: Option<MeterId>) -> Result<Counts, JournalError> {
        let mut counts = Counts::default();
        let meter = meter.map(|meter| meter.0);
        let mut statement = self.connection.prepare_cached(
            "SELECT r.state, c.state = 0, count(*), min(time_ms) FROM reading AS r JOIN clock AS c ON c.epoch = r.epoch
             WHERE ?1 IS NULL OR meter = ?1 GROUP BY 1, 2",
        )?;
        let mut rows = statement.query(params![meter])?;
        while let Some(row) = rows.next()? {
            let state = State::of(row.get(0)?);
            let unverified: bool = row.get(1)?;
            let count: u64 = from_sql(row.get(2)?);
            match state {
                State::Read => {
                    counts.read += count;
                    counts.unverified += if unverified { count } else { 0 };
                }
                State::InTransaction => counts.in_transaction += count,
                State::Final => counts.final_ += count,
                State::Refused => counts.refused += count,
            }
            if matches!(state, State::Read | State::InTransaction) {
                let oldest = from_sql(row.get(3)?);
                counts.oldest_open_ms = Some(counts.oldest_open_ms.map_or(oldest, |other| other.min(oldest)));
            }
        }
        Ok(counts)
    }

    /// Readings with their evidence: of a meter, from a time on, before another, in a state; oldest first.
    pub fn entries(&self, filter: &Filter, most: usize) -> Result<Vec<Entry>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT meter, time_ms, register, epoch, bus, protocol, request, answer, state, batch, height, hash, code, detail
             FROM reading LEFT JOIN batch ON batch.id = reading.batch
             WHERE (?1 IS NULL OR meter = ?1) AND time_ms >= ?2 AND time_ms < ?3
               AND (?4 IS NULL OR state = ?4) AND (?5 = 0 OR state < 2)
             ORDER BY time_ms, meter LIMIT ?6",
        )?;
        let values = params![
            filter.meter.map(|meter| meter.0),
            to_sql(filter.from_ms),
            to_sql(filter.to_ms.unwrap_or(u64::MAX)),
            filter.state.map(State::code),
            filter.open_only,
            most as i64
        ];
        let rows = statement.query_map(values, |row| {
            let code: Option<String> = row.get(12)?;
            let detail: Option<String> = row.get(13)?;
            Ok(Entry {
                reading: JournalReading {
                    meter: MeterId(row.get(0)?),
                    time_ms: from_sql(row.get(1)?),
                    register: from_sql(row.get(2)?),
                    epoch: row.get(3)?,
                    bus: row.get(4)?,
                    protocol: row.get(5)?,
                    request: row.get(6)?,
                    answer: row.get(7)?,
                },
                state: State::of(row.get(8)?),
                batch: row.get(9)?,
                height: row.get::<_, Option<i64>>(10)?.map(from_sql),
                hash: row.get(11)?,
                refusal: code.map(|code| (code, detail.unwrap_or_default())),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Deletes what is certified and older than a time, save each meter's newest reading, which the next is compared with.
    pub fn prune(&mut self, before_ms: u64) -> Result<u64, JournalError> {
        let transaction = self.connection.transaction()?;
        let deleted = transaction.execute(
            "DELETE FROM reading WHERE state = 2 AND time_ms < ?1
             AND time_ms < (SELECT max(time_ms) FROM reading AS n WHERE n.meter = reading.meter AND n.state <> 3)",
            [to_sql(before_ms)],
        )?;
        transaction.execute(
            "DELETE FROM batch WHERE open = 0 AND NOT EXISTS (SELECT 1 FROM reading WHERE reading.batch = batch.id)",
            [],
        )?;
        transaction.commit()?;
        Ok(deleted as u64)
    }
}

/// Signed bytes that are about to be sealed.
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
    /// In this state.
    pub state: Option<State>,
    /// Only what is neither certified nor refused.
    pub open_only: bool,
}

/// Times, heights and registers are below 2^63: the ledger's calendar ends in 2106, and registers were checked.
fn to_sql(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn from_sql(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
