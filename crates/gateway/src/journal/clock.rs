//! Which stretches of the clock count.

use super::{ClockState, Journal, JournalError, from_sql, to_sql};
use crate::clock::{DEVICES, HOLD_MS, is_within};
use crate::reason::{Sentence, sentence};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

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
fn refuse(connection: &Connection, epoch: i64, detail: &Sentence) -> Result<u64, JournalError> {
    connection.execute(
        "UPDATE meter SET last_ms = NULL, last_register = NULL
         WHERE (last_ms, meter) IN (SELECT time_ms, meter FROM reading WHERE batch IS NULL AND code IS NULL AND epoch = ?1)",
        [epoch],
    )?;
    let refused = connection.execute(
        "UPDATE reading SET code = 'clock/wrong', detail = ?2, detail_zh = ?3
         WHERE batch IS NULL AND code IS NULL AND epoch = ?1",
        params![epoch, detail.en, detail.zh],
    )?;
    Ok(refused as u64)
}

/// Refuses what waits again of stretches that were found wrong meanwhile. Returns how many readings.
pub(super) fn refuse_wrong(connection: &Connection) -> Result<u64, JournalError> {
    let mut wrong = connection.prepare_cached("SELECT epoch, offset_ms FROM clock WHERE state = ?1")?;
    let wrong = wrong.query_map([ClockState::Wrong as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let wrong: Vec<(i64, Option<i64>)> = wrong.collect::<Result<_, _>>()?;
    wrong.into_iter().try_fold(0, |refused, (epoch, ahead_ms)| {
        Ok(refused + refuse(connection, epoch, &ahead_ms.map_or_else(uncompared, was_ahead))?)
    })
}

/// Of a stretch that nothing says more of.
fn uncompared() -> Sentence {
    sentence!(
        "the gateway stopped before its clock was compared, and the time does not fit",
        "网关在核对时钟之前停止，且时间不相符"
    )
}

fn was_ahead(ms: i64) -> Sentence {
    let apart = ms.unsigned_abs();
    if ms < 0 {
        return sentence!(
            "the gateway's clock was {apart} ms behind the chain's time",
            "网关时钟比链上时间慢 {apart} 毫秒"
        );
    }
    sentence!("the gateway's clock was {apart} ms ahead of the chain's time", "网关时钟比链上时间快 {apart} 毫秒")
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

    /// Ends a stretch of the clock that was so far ahead of the next, begin beside begin. Of one that was compared, that is known already.
    pub fn end_clock(&mut self, epoch: i64, ahead_ms: i64) -> Result<(), JournalError> {
        let end = "UPDATE clock SET offset_ms = ?2 WHERE epoch = ?1 AND state = ?3";
        self.connection.execute(end, params![epoch, ahead_ms, ClockState::Unverified as i64])?;
        Ok(())
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
            refused = refuse(&transaction, epoch, &was_ahead(offset_ms))?;
        }
        transaction.commit()?;
        Ok(refused)
    }

    /// Says that a stretch of the clock was right after all. What was refused for its clock alone waits again. Returns how many readings.
    pub fn forgive_clock(&mut self, epoch: i64, offset_ms: i64) -> Result<u64, JournalError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "UPDATE clock SET state = ?2, offset_ms = ?3 WHERE epoch = ?1",
            params![epoch, ClockState::Trusted as i64, offset_ms],
        )?;
        transaction.execute(
            "INSERT INTO meter (meter, last_ms, last_register)
             SELECT meter, max(time_ms), register FROM reading WHERE epoch = ?1 AND code = 'clock/wrong' GROUP BY meter
             ON CONFLICT (meter) DO UPDATE SET last_ms = excluded.last_ms, last_register = excluded.last_register
                 WHERE coalesce(last_ms, 0) <= excluded.last_ms",
            [epoch],
        )?;
        let waiting = transaction.execute(
            "UPDATE reading SET code = NULL, detail = NULL, detail_zh = NULL WHERE epoch = ?1 AND code = 'clock/wrong'",
            [epoch],
        )?;
        transaction.commit()?;
        Ok(waiting as u64)
    }

    /// Judges the stretches before `epoch` that ended before they were compared: by a jump, by a kill or a power cut. A jump says how far
    /// the clock was off where that of the stretch after it is known. Otherwise one counts if it began after what the trusted stretch
    /// before it has stamped, and has stamped nothing that is later than `now_ms`, to within what clocks may be apart; a clock that woke up
    /// in 1970 does not. Returns how many readings count and how many are refused.
    pub fn judge_earlier_clocks(&mut self, epoch: i64, now_ms: u64) -> Result<(u64, u64), JournalError> {
        /// Before this, no gateway of this kind ran: 2024-01-01.
        const FIRST_MS: i64 = 1_704_067_200_000;
        let transaction = self.connection.transaction()?;
        let errors = earlier(&transaction, epoch)?;
        let (mut counting, mut refused) = (0, 0);
        for (stretch, (began_ms, ahead_ms)) in errors {
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
            let fits = (floor..=most).contains(&began_ms) && last.is_none_or(|last| last <= most);
            let is_right = ahead_ms.map_or(fits, is_within);
            let state = if is_right { ClockState::Trusted } else { ClockState::Wrong };
            transaction.execute(
                "UPDATE clock SET state = ?2, offset_ms = ?3 WHERE epoch = ?1",
                params![stretch, state as i64, ahead_ms],
            )?;
            if is_right {
                counting += from_sql(count)?;
                continue;
            }
            refused += from_sql(count)?;
            refuse(&transaction, stretch, &ahead_ms.map_or_else(uncompared, was_ahead))?;
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

/// The stretches before `epoch` that were not compared: when each began, and how far its clock was ahead, where jumps say that.
fn earlier(connection: &Connection, epoch: i64) -> Result<BTreeMap<i64, (i64, Option<i64>)>, JournalError> {
    let mut statement = connection.prepare_cached(
        "SELECT epoch, began_ms, state, offset_ms FROM clock WHERE epoch <= ?1
           AND epoch >= (SELECT min(epoch) FROM clock WHERE state = 0) ORDER BY epoch DESC",
    )?;
    let mut rows = statement.query([epoch])?;
    let mut earlier = BTreeMap::new();
    // How far the clock of the stretch after it was ahead.
    let mut after: Option<i64> = None;
    while let Some(row) = rows.next()? {
        let (stretch, began_ms): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (state, offset_ms): (i64, Option<i64>) = (row.get(2)?, row.get(3)?);
        after = match state_of(state) {
            ClockState::Unverified => {
                let ahead_ms = after.zip(offset_ms).map(|(after, ahead)| after.saturating_add(ahead));
                earlier.insert(stretch, (began_ms, ahead_ms));
                ahead_ms
            }
            ClockState::Trusted | ClockState::Wrong => offset_ms,
        };
    }
    Ok(earlier)
}
