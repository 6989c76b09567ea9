//! What is known of meters besides their readings, and what an operator should see.

use super::{
    EVENTS_BETWEEN_LOOKS, Event, Journal, JournalError, MAX_EVENTS, MAX_EVENTS_OF_A_METER, MAX_EVIDENCE_BYTES, Waiting,
    from_sql, from_sql_or_none, sentence_from_sql, to_sql,
};
use crate::reason::Sentence;
use rusqlite::{OptionalExtension as _, params};
use utilidor_types::MeterId;

/// A meter's newest reading, as a part of another meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartReading {
    /// When.
    pub time_ms: u64,
    /// The register, in base units.
    pub register: u64,
    /// The stretch of the clock that stamped it.
    pub epoch: i64,
    /// The device that it was read from, where that is known.
    pub device: Option<String>,
}

/// Where the last document of a virtual meter stands among what the journal knows of itself.
fn computed_key(meter: MeterId) -> String {
    format!("computed {meter}")
}

/// What is known of a meter between two readings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The device that it was last read from.
    pub device: Option<String>,
    /// Why it is stopped, if it is.
    pub stopped: Option<Sentence>,
    /// Its newest reading that is not refused.
    pub last: Option<Waiting>,
}

impl Journal {
    /// A meter's newest reading that is not refused; none as well where the newest was refused, until the next.
    pub fn last_reading(&self, meter: MeterId) -> Result<Option<Waiting>, JournalError> {
        let found = self
            .connection
            .prepare_cached("SELECT last_ms, last_register FROM meter WHERE meter = ?1 AND last_ms IS NOT NULL")?
            .query_row([meter.0], |row| {
                Ok(Waiting { meter, time_ms: from_sql(row.get(0)?)?, register: from_sql(row.get(1)?)? })
            })
            .optional()?;
        Ok(found)
    }

    /// What is known of a meter between two readings.
    pub fn known(&self, meter: MeterId) -> Result<Known, JournalError> {
        let found = self
            .connection
            .prepare_cached("SELECT device, stopped, last_ms, last_register, stopped_zh FROM meter WHERE meter = ?1")?
            .query_row([meter.0], |row| {
                let last: (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
                let last = (from_sql_or_none(last.0)?, from_sql_or_none(last.1)?);
                let last = last.0.zip(last.1).map(|(time_ms, register)| Waiting { meter, time_ms, register });
                Ok(Known { device: row.get(0)?, stopped: sentence_from_sql(row.get(1)?, row.get(4)?), last })
            })
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// The newest reading of each of `meters` that is not refused; none as well where the newest was refused, until the next.
    pub fn parts(&self, meters: &[MeterId]) -> Result<Vec<Option<PartReading>>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT time_ms, register, epoch, device FROM meter JOIN reading ON time_ms = last_ms AND reading.meter = meter.meter
             WHERE meter.meter = ?1 AND code IS NULL",
        )?;
        let mut read = |meter: &MeterId| {
            let row = |row: &rusqlite::Row<'_>| {
                Ok(PartReading {
                    time_ms: from_sql(row.get(0)?)?,
                    register: from_sql(row.get(1)?)?,
                    epoch: row.get(2)?,
                    device: row.get(3)?,
                })
            };
            Ok(statement.query_row([meter.0], row).optional()?)
        };
        meters.iter().map(&mut read).collect()
    }

    /// The document of a virtual meter's last reading, from which the next one goes on.
    pub fn computed(&self, meter: MeterId) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.belonging(&computed_key(meter))?.map(String::into_bytes))
    }

    /// Remembers the document of a virtual meter's last reading.
    pub fn set_computed(&mut self, meter: MeterId, document: &[u8]) -> Result<(), JournalError> {
        self.remember(&computed_key(meter), &String::from_utf8_lossy(document))
    }

    /// Remembers something under a key, in place of what was there; [`Journal::belonging`] has it again.
    pub fn remember(&mut self, key: &str, value: &str) -> Result<(), JournalError> {
        self.connection.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
            [key, value],
        )?;
        Ok(())
    }

    /// The keys that begin so and under which something is remembered, in order.
    pub fn remembered(&self, prefix: &str) -> Result<Vec<String>, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT key FROM meta WHERE key >= ?1 AND key < ?1 || char(0x10ffff) ORDER BY key")?;
        let keys = statement.query_map([prefix], |row| row.get(0))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// Forgets what was remembered under a key.
    pub fn forget(&mut self, key: &str) -> Result<(), JournalError> {
        self.connection.execute("DELETE FROM meta WHERE key = ?1", [key])?;
        Ok(())
    }

    /// The journal's own number, random, from the first time that it is asked for.
    pub fn number(&mut self) -> Result<String, JournalError> {
        let begin = "INSERT INTO meta (key, value) VALUES ('number', lower(hex(randomblob(8)))) ON CONFLICT DO NOTHING";
        self.connection.execute(begin, [])?;
        Ok(self.belonging("number")?.unwrap_or_default())
    }

    /// Remembers the device of a meter; with it the meter goes on if it was stopped.
    pub fn set_device(&mut self, meter: MeterId, device: &str) -> Result<(), JournalError> {
        self.connection.execute(
            "INSERT INTO meter (meter, device) VALUES (?1, ?2)
             ON CONFLICT (meter) DO UPDATE SET device = ?2, stopped = NULL, stopped_zh = NULL",
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
            "UPDATE meter SET device = NULL, stopped = NULL, stopped_zh = NULL WHERE meter = ?1 AND stopped IS NOT NULL",
            [meter.0],
        )?;
        Ok(changed == 1)
    }

    /// Whether the journal has a reading of a meter, were it a refused one.
    pub fn has_readings(&self, meter: MeterId) -> Result<bool, JournalError> {
        let exists = "SELECT EXISTS (SELECT 1 FROM reading WHERE meter = ?1)";
        Ok(self.connection.prepare_cached(exists)?.query_row([meter.0], |row| row.get(0))?)
    }

    /// The meters that are stopped, and why.
    pub fn stopped(&self) -> Result<Vec<(MeterId, Sentence)>, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT meter, stopped, stopped_zh FROM meter WHERE stopped IS NOT NULL ORDER BY meter")?;
        let rows = statement.query_map([], |row| {
            let reason = sentence_from_sql(row.get(1)?, row.get(2)?);
            Ok((MeterId(row.get(0)?), reason.unwrap_or_else(|| Sentence::alike(""))))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Stops a meter: nothing is recorded of it until somebody has looked.
    pub fn stop_meter(&mut self, meter: MeterId, reason: &Sentence) -> Result<(), JournalError> {
        self.connection.execute(
            "INSERT INTO meter (meter, stopped, stopped_zh) VALUES (?1, ?2, ?3)
             ON CONFLICT (meter) DO UPDATE SET stopped = ?2, stopped_zh = ?3",
            params![meter.0, reason.en, reason.zh],
        )?;
        Ok(())
    }

    /// Notes what an operator should see. The oldest events beyond [`MAX_EVENTS`] give way, and those of a meter beyond
    /// [`MAX_EVENTS_OF_A_METER`], so that none drives out what is told of the others; looked for now and then, since it takes a while.
    pub fn note(&mut self, event: &Event) -> Result<(), JournalError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "INSERT INTO event (time_ms, meter, code, detail, answer, detail_zh) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                to_sql(event.time_ms),
                event.meter.map(|meter| meter.0),
                event.code,
                event.detail.en,
                event.answer.as_ref().map(|bytes| &bytes[..bytes.len().min(MAX_EVIDENCE_BYTES)]),
                event.detail.zh
            ],
        )?;
        let newest = transaction.last_insert_rowid();
        if newest % EVENTS_BETWEEN_LOOKS == 0 {
            transaction.execute(
                "DELETE FROM event WHERE id IN (
                   SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY meter ORDER BY id DESC) AS place FROM event WHERE meter NOT NULL)
                   WHERE place > ?1)",
                [MAX_EVENTS_OF_A_METER as i64],
            )?;
            let oldest = "SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?1";
            transaction.execute(&format!("DELETE FROM event WHERE id <= ({oldest})"), [MAX_EVENTS as i64])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The code of what was last told to be wrong with the way to the ledger, unless that was told to be over.
    pub fn trouble_on_the_way(&self) -> Result<Option<String>, JournalError> {
        let mut newest = self.connection.prepare_cached(
            "SELECT code FROM event WHERE meter IS NULL AND code LIKE 'uplink/%' ORDER BY id DESC LIMIT 1",
        )?;
        let newest: Option<String> = newest.query_row([], |row| row.get(0)).optional()?;
        Ok(newest.filter(|code| code != "uplink/up"))
    }

    /// The newest events, newest first.
    pub fn events(&self, most: usize) -> Result<Vec<Event>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT time_ms, meter, code, detail, answer, detail_zh FROM event ORDER BY id DESC LIMIT ?1",
        )?;
        let rows = statement.query_map([most as i64], |row| {
            Ok(Event {
                time_ms: from_sql(row.get(0)?)?,
                meter: row.get::<_, Option<[u8; 16]>>(1)?.map(MeterId),
                code: row.get(2)?,
                detail: Sentence { en: row.get(3)?, zh: row.get(5)? },
                answer: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
