//! Which stretches of the clock count.

use super::{ClockState, Journal, JournalError, from_sql, to_sql};
use crate::clock::{DEVICES, HOLD_MS};
use rusqlite::{Connection, params};

/// Notes that a stretch of the clock stamps `time_ms`, and says where it stands.
pub(super) fn stamps(connection: &Connection, epoch: i64, time_ms: u64) -> Result<ClockState, JournalError> {
    if epoch == DEVICES {
        // Nothing follows from it for the gateway's own: it has begun at no time, and has no newest reading.
        let begin = "INSERT INTO clock (epoch, began_ms, state) VALUES (?1, 0, ?2) ON CONFLICT DO NOTHING";
        connection.prepare_cached(begin)?.execute(params![DEVICES, ClockState::Trusted as i64])?;
        return Ok(ClockState::Trusted);
    }
    let state: i64 = connection
        .prepare_cached("UPDATE clock SET last_ms = max(coalesce(last_ms, 0), ?2) WHERE epoch = ?1 RETURNING state")?
        .query_row(params![epoch, to_sql(time_ms)], |row| row.get(0))?;
    Ok(state_of(state))
}

const fn state_of(state: i64) -> ClockState {
    match state {
        0 => ClockState::Unverified,
        1 => ClockState::Trusted,
        _ => ClockState::Wrong,
    }
}

/// Refuses what waits of a stretch, and forgets that it was its meters' newest.
fn refuse(connection: &Connection, epoch: i64, detail: &str) -> Result<u64, JournalError> {
    connection.execute(
        "UPDATE meter SET last_ms = NULL, last_register = NULL
         WHERE (last_ms, meter) IN (SELECT time_ms, meter FROM reading WHERE batch IS NULL AND code IS NULL AND epoch = ?1)",
        [epoch],
    )?;
    let refused = connection.execute(
        "UPDATE reading SET code = 'clock/wrong', detail = ?2 WHERE batch IS NULL AND code IS NULL AND epoch = ?1",
        params![epoch, detail],
    )?;
    Ok(refused as u64)
}

/// Deletes what a wrong clock has stamped if a right one began after it, and before a time: what it stamped says nothing of when it was.
/// Returns how many readings.
pub(super) fn prune(connection: &Connection, before_ms: u64) -> Result<usize, JournalError> {
    let mut over = connection.prepare_cached(
        "SELECT epoch FROM clock AS wrong WHERE state = ?1
           AND EXISTS (SELECT 1 FROM clock WHERE clock.epoch > wrong.epoch AND state = ?2 AND began_ms < ?3)",
    )?;
    let states = (ClockState::Wrong as i64, ClockState::Trusted as i64);
    let over = over.query_map(params![states.0, states.1, to_sql(before_ms)], |row| row.get(0))?;
    let over: Vec<i64> = over.collect::<Result<_, _>>()?;
    let mut deleted = 0;
    for epoch in over {
        deleted += connection.execute("DELETE FROM reading WHERE epoch = ?1 AND code = 'clock/wrong'", [epoch])?;
        connection.execute("DELETE FROM clock WHERE epoch = ?1", [epoch])?;
    }
    Ok(deleted)
}

impl Journal {
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
            refused = refuse(&transaction, epoch, &detail)?;
        }
        transaction.commit()?;
        Ok(refused)
    }

    /// Judges the stretches before `epoch` that ended before they were compared: a gateway that was killed, a power cut. One counts
    /// if it began after what the trusted stretch before it has stamped, and has stamped nothing that is later than `now_ms`, to within
    /// what clocks may be apart; a clock that woke up in 1970 does not. What is told has its device's time, which may be older. Returns how
    /// many readings count and how many are refused.
    pub fn judge_earlier_clocks(&mut self, epoch: i64, now_ms: u64) -> Result<(u64, u64), JournalError> {
        /// Before this, no gateway of this kind ran: 2024-01-01.
        const FIRST_MS: i64 = 1_704_067_200_000;
        let transaction = self.connection.transaction()?;
        let mut earlier = Vec::new();
        {
            let mut statement = transaction
                .prepare("SELECT epoch, began_ms FROM clock WHERE epoch < ?1 AND state = 0 ORDER BY epoch")?;
            let rows = statement.query_map([epoch], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
            for row in rows {
                earlier.push(row?);
            }
        }
        let (mut counting, mut refused) = (0, 0);
        for (stretch, began_ms) in earlier {
            let floor: Option<i64> = transaction.query_row(
                "SELECT max(last_ms) FROM clock WHERE epoch < ?1 AND state = 1",
                [stretch],
                |row| row.get(0),
            )?;
            let (count, last): (i64, Option<i64>) = transaction.query_row(
                "SELECT count(*), max(time_ms) FROM reading WHERE batch IS NULL AND code IS NULL AND epoch = ?1",
                [stretch],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let floor = floor.unwrap_or(FIRST_MS).max(FIRST_MS) - to_sql(HOLD_MS);
            let most = to_sql(now_ms.saturating_add(HOLD_MS));
            let is_right = (floor..=most).contains(&began_ms) && last.is_none_or(|last| last <= most);
            let state = if is_right { ClockState::Trusted } else { ClockState::Wrong };
            transaction.execute("UPDATE clock SET state = ?2 WHERE epoch = ?1", params![stretch, state as i64])?;
            if is_right {
                counting += from_sql(count)?;
                continue;
            }
            refused += from_sql(count)?;
            let detail = "the gateway stopped before its clock was compared, and the time does not fit";
            refuse(&transaction, stretch, detail)?;
        }
        transaction.commit()?;
        Ok((counting, refused))
    }

    /// Where a stretch of the clock stands.
    pub fn clock_state(&self, epoch: i64) -> Result<ClockState, JournalError> {
        let state: i64 =
            self.connection.query_row("SELECT state FROM clock WHERE epoch = ?1", [epoch], |row| row.get(0))?;
        Ok(state_of(state))
    }
}
