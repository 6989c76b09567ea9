//! What is sent, and what became of it.

use super::error::IN_THIS_BATCH;
use super::{Batch, ClockState, Fate, Journal, JournalError, NewBatch, Waiting, clock, from_sql, sum_of, to_sql};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::HashMap;
use utilidor_types::MeterId;

fn waiting_of(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting { meter: MeterId(row.get(0)?), time_ms: from_sql(row.get(1)?)?, register: from_sql(row.get(2)?)? })
}

impl Journal {
    /// The oldest readings that can be sent: stamped by a trusted clock, and of each meter none before an older one that still
    /// waits for its clock.
    pub fn oldest_waiting(&self, most: usize) -> Result<Vec<Waiting>, JournalError> {
        self.oldest_waiting_of(most, |_| true)
    }

    /// The same of some meters.
    pub fn oldest_waiting_of(
        &self,
        most: usize,
        is_meant: impl Fn(MeterId) -> bool,
    ) -> Result<Vec<Waiting>, JournalError> {
        let held_back = self.oldest_unverified()?;
        let mut statement = self.connection.prepare_cached(
            "SELECT meter, time_ms, register, epoch, sum FROM reading AS r
             WHERE batch IS NULL AND code IS NULL AND (SELECT state FROM clock WHERE clock.epoch = r.epoch) = 1
             ORDER BY time_ms, meter",
        )?;
        let mut rows = statement.query([])?;
        let mut waiting = Vec::new();
        while waiting.len() < most
            && let Some(row) = rows.next()?
        {
            let reading = waiting_of(row)?;
            let is_held_back = held_back.get(&reading.meter).is_some_and(|oldest_ms| *oldest_ms <= reading.time_ms);
            if is_held_back || !is_meant(reading.meter) {
                continue;
            }
            let (found, epoch): (Option<i64>, i64) = (row.get(4)?, row.get(3)?);
            if found != Some(sum_of(reading.meter, reading.time_ms, reading.register, epoch)) {
                return Err(JournalError::Changed { meter: reading.meter, time_ms: reading.time_ms });
            }
            waiting.push(reading);
        }
        Ok(waiting)
    }

    /// Of each meter with readings whose clock was not compared yet, the time of the oldest.
    fn oldest_unverified(&self) -> Result<HashMap<MeterId, u64>, JournalError> {
        let mut oldest = HashMap::new();
        let mut statement = self.connection.prepare_cached(
            "SELECT meter, min(time_ms) FROM reading WHERE batch IS NULL AND code IS NULL
               AND epoch IN (SELECT epoch FROM clock WHERE state = ?1) GROUP BY meter",
        )?;
        // Nearly always there is none, and nothing has to be looked through.
        if !self.has_unverified()? {
            return Ok(oldest);
        }
        let mut rows = statement.query([ClockState::Unverified as i64])?;
        while let Some(row) = rows.next()? {
            oldest.insert(MeterId(row.get(0)?), from_sql(row.get(1)?)?);
        }
        Ok(oldest)
    }

    fn has_unverified(&self) -> Result<bool, JournalError> {
        // A stretch that has stamped nothing has nothing that waits for it.
        let mut statement = self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM clock WHERE state = ?1 AND last_ms IS NOT NULL)")?;
        Ok(statement.query_row([ClockState::Unverified as i64], |row| row.get(0))?)
    }

    /// Whether any reading waits to be sent, also for its clock.
    pub fn has_waiting(&self) -> Result<bool, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM reading WHERE batch IS NULL AND code IS NULL)")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Puts readings and the signed bytes that carry them into the journal, in one step. Nothing is sent before this returns.
    pub fn seal(&mut self, readings: &[Waiting], batch: &NewBatch, now_ms: u64) -> Result<i64, JournalError> {
        let transaction = self.connection.transaction()?;
        let times = || readings.iter().map(|reading| reading.time_ms);
        transaction.execute(
            "INSERT INTO batch (bytes, hash, expires, sealed_ms, open, readings, from_ms, to_ms)
             VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7)",
            params![
                batch.bytes,
                batch.hash,
                to_sql(batch.expires),
                to_sql(now_ms),
                readings.len() as i64,
                to_sql(times().min().unwrap_or_default()),
                to_sql(times().max().unwrap_or_default())
            ],
        )?;
        let id = transaction.last_insert_rowid();
        {
            let mut update = transaction.prepare_cached(
                "UPDATE reading SET batch = ?3 WHERE time_ms = ?1 AND meter = ?2 AND batch IS NULL AND code IS NULL",
            )?;
            // What waits is listed beside the readings, and SQLite refuses the change where the two do not agree.
            for &Waiting { meter, time_ms, .. } in readings {
                if update.execute(params![to_sql(time_ms), meter.0, id])? != 1 {
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
            Ok(Batch { id: row.get(0)?, bytes: row.get(1)?, hash: row.get(2)?, expires: from_sql(row.get(3)?)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The readings of an open batch, by meter and time: the order in which they stand in its bytes.
    pub fn batch_readings(&self, batch: i64) -> Result<Vec<Waiting>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT meter, time_ms, register FROM reading, batch
             WHERE batch.id = ?1 AND open = 1 AND time_ms BETWEEN from_ms AND to_ms AND batch = ?1 AND code IS NULL
             ORDER BY meter, time_ms",
        )?;
        let rows = statement.query_map([batch], waiting_of)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Closes a batch with what became of each of its readings, in one step.
    pub fn close(&mut self, batch: i64, height: u64, fates: &[(Waiting, Fate)]) -> Result<(), JournalError> {
        let transaction = self.connection.transaction()?;
        let carried: Option<i64> = transaction
            .query_row("SELECT readings FROM batch WHERE id = ?1 AND open = 1", [batch], |row| row.get(0))
            .optional()?;
        if carried != Some(fates.len() as i64) {
            return Err(JournalError::NotAnswered { batch, fates: fates.len() });
        }
        {
            let mut refuse = transaction.prepare_cached(
                "UPDATE reading SET code = ?4, detail = ?5, detail_zh = ?6
                 WHERE time_ms = ?1 AND meter = ?2 AND batch = ?3 AND code IS NULL",
            )?;
            let mut forget = transaction.prepare_cached(
                "UPDATE meter SET last_ms = NULL, last_register = NULL WHERE meter = ?1 AND last_ms = ?2",
            )?;
            for (Waiting { meter, time_ms, .. }, fate) in fates {
                let Fate::Refused { code, detail } = fate else { continue };
                if refuse.execute(params![to_sql(*time_ms), meter.0, batch, code, detail.en, detail.zh])? != 1 {
                    let (meter, time_ms) = (*meter, *time_ms);
                    return Err(JournalError::WrongState { meter, time_ms, expected: IN_THIS_BATCH });
                }
                // What the ledger has certified of the meter says more now.
                forget.execute(params![meter.0, to_sql(*time_ms)])?;
            }
        }
        transaction.execute("UPDATE batch SET open = 0, height = ?2 WHERE id = ?1", params![batch, to_sql(height)])?;
        transaction.commit()?;
        Ok(())
    }

    /// Takes a batch back that can no longer enter a block: its readings wait again, or are refused where their clock was found wrong
    /// meanwhile. Only when that is certain. Returns how many wait.
    pub fn take_back(&mut self, batch: i64) -> Result<u64, JournalError> {
        let transaction = self.connection.transaction()?;
        let readings = transaction.execute(
            "UPDATE reading SET batch = NULL WHERE batch = ?1 AND code IS NULL
               AND time_ms >= (SELECT from_ms FROM batch WHERE id = ?1 AND open = 1)
               AND time_ms <= (SELECT to_ms FROM batch WHERE id = ?1 AND open = 1)",
            [batch],
        )?;
        transaction.execute("DELETE FROM batch WHERE id = ?1 AND open = 1", [batch])?;
        let refused = clock::refuse_wrong(&transaction)?;
        transaction.commit()?;
        Ok((readings as u64).saturating_sub(refused))
    }

    /// Deletes what is certified or refused and older than a time, save what is said to be certified and is newer than all that the
    /// ledger, when it was last asked, had of the meter: a node that is wrong about a batch takes no evidence with it.
    pub fn prune(&mut self, before_ms: u64) -> Result<u64, JournalError> {
        let transaction = self.connection.transaction()?;
        let mut deleted = transaction.execute(
            "DELETE FROM reading WHERE time_ms < ?1 AND batch IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM batch WHERE batch.id = reading.batch AND open = 1)
               AND (code IS NOT NULL OR NOT EXISTS (
                   SELECT 1 FROM meter WHERE meter.meter = reading.meter AND CASE WHEN json_valid(registration)
                       THEN json_extract(registration, '$.last_ms') < reading.time_ms ELSE FALSE END))",
            [to_sql(before_ms)],
        )?;
        deleted += clock::prune(&transaction, before_ms)?;
        prune_batches(&transaction, before_ms)?;
        transaction.commit()?;
        Ok(deleted as u64)
    }
}

/// Deletes the signed bytes of batches whose readings are gone.
fn prune_batches(connection: &Connection, before_ms: u64) -> Result<(), JournalError> {
    connection.execute(
        "DELETE FROM batch WHERE open = 0 AND to_ms < ?1
           AND NOT EXISTS (SELECT 1 FROM reading WHERE time_ms BETWEEN from_ms AND to_ms AND reading.batch = batch.id)",
        [to_sql(before_ms)],
    )?;
    Ok(())
}
