//! Where readings stand.

use super::{
    ClockState, Counts, Entry, Filter, Journal, JournalError, JournalReading, State, from_sql, from_sql_or_none,
    sentence_from_sql, to_sql,
};
use crate::reason::Sentence;
use rusqlite::{OptionalExtension as _, Row, params};
use std::collections::HashMap;
use utilidor_types::MeterId;

/// Where a reading stands, beside its batch.
const STATE: &str = "CASE WHEN code IS NOT NULL THEN 3 WHEN batch IS NULL THEN 0 WHEN open = 1 THEN 1 ELSE 2 END";

const fn state_of(code: i64) -> State {
    match code {
        0 => State::Read,
        1 => State::InTransaction,
        2 => State::Final,
        _ => State::Refused,
    }
}

impl Journal {
    /// How many readings stand where.
    pub fn counts(&self) -> Result<Counts, JournalError> {
        Ok(self.counts_by_meter()?.into_values().sum())
    }

    /// How many readings of each meter stand where. Looks through the whole journal.
    pub fn counts_by_meter(&self) -> Result<HashMap<MeterId, Counts>, JournalError> {
        let mut statement = self.connection.prepare(&format!(
            "SELECT meter, {STATE}, (SELECT state FROM clock WHERE clock.epoch = reading.epoch) = ?1, count(*), min(time_ms)
             FROM reading LEFT JOIN batch ON batch.id = reading.batch GROUP BY 1, 2, 3"
        ))?;
        let mut meters: HashMap<MeterId, Counts> = HashMap::new();
        let mut rows = statement.query([ClockState::Unverified as i64])?;
        while let Some(row) = rows.next()? {
            let (state, unverified): (State, Option<bool>) = (state_of(row.get(1)?), row.get(2)?);
            let (count, oldest) = (from_sql(row.get(3)?)?, from_sql(row.get(4)?)?);
            let mut counts = Counts::default();
            match state {
                State::Read => {
                    counts.read = count;
                    counts.unverified = if unverified == Some(true) { count } else { 0 };
                }
                State::InTransaction => counts.in_transaction = count,
                State::Final => counts.final_ = count,
                State::Refused => counts.refused = count,
            }
            counts.oldest_open_ms = matches!(state, State::Read | State::InTransaction).then_some(oldest);
            meters.entry(MeterId(row.get(0)?)).or_default().add(counts);
        }
        Ok(meters)
    }

    /// How many readings are neither certified nor refused, and when the oldest of them was taken. Looks at these alone.
    pub fn backlog(&self) -> Result<(u64, Option<u64>), JournalError> {
        let mut waiting = self
            .connection
            .prepare_cached("SELECT count(*), min(time_ms) FROM reading WHERE batch IS NULL AND code IS NULL")?;
        let mut sent = self
            .connection
            .prepare_cached("SELECT coalesce(sum(readings), 0), min(from_ms) FROM batch WHERE open = 1")?;
        let both = |row: &Row<'_>| Ok((from_sql(row.get(0)?)?, from_sql_or_none(row.get(1)?)?));
        let (waiting, oldest_waiting) = waiting.query_row([], both)?;
        let (sent, oldest_sent) = sent.query_row([], both)?;
        Ok((waiting + sent, oldest_waiting.into_iter().chain(oldest_sent).min()))
    }

    /// The newest time that a reading has that is not refused.
    pub fn newest_ms(&self) -> Result<Option<u64>, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT time_ms FROM reading WHERE code IS NULL ORDER BY time_ms DESC LIMIT 1")?;
        Ok(statement.query_row([], |row| from_sql(row.get(0)?)).optional()?)
    }

    /// Readings with their evidence: of a meter, from a time on, before another, all or the open ones. The oldest stands first, and where
    /// there are more than `most`, [`Filter::takes_newest`] says which.
    pub fn entries(&self, filter: &Filter, most: usize) -> Result<Vec<Entry>, JournalError> {
        let mut from_ms = filter.from_ms;
        if filter.open_only {
            let Some(oldest) = self.backlog()?.1 else { return Ok(Vec::new()) };
            from_ms = from_ms.max(oldest);
        }
        let direction = if filter.takes_newest() { "DESC" } else { "ASC" };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT meter, time_ms, register, epoch, bus, protocol, request, answer, {STATE}, batch, height, hash, code, detail,
                    detail_zh
             FROM reading LEFT JOIN batch ON batch.id = reading.batch
             WHERE time_ms >= ?2 AND time_ms < ?3 AND (?1 IS NULL OR meter = ?1)
               AND (?4 = 0 OR {STATE} < 2)
             ORDER BY time_ms {direction}, meter {direction} LIMIT ?5"
        ))?;
        let values = params![
            filter.meter.map(|meter| meter.0),
            to_sql(from_ms),
            to_sql(filter.to_ms.unwrap_or(u64::MAX)),
            filter.open_only,
            most as i64
        ];
        let mut entries = statement.query_map(values, entry)?.collect::<Result<Vec<_>, _>>()?;
        if filter.takes_newest() {
            entries.reverse();
        }
        Ok(entries)
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let code: Option<String> = row.get(12)?;
    let detail = sentence_from_sql(row.get(13)?, row.get(14)?);
    Ok(Entry {
        reading: JournalReading {
            meter: MeterId(row.get(0)?),
            time_ms: from_sql(row.get(1)?)?,
            register: from_sql(row.get(2)?)?,
            epoch: row.get(3)?,
            bus: row.get(4)?,
            protocol: row.get(5)?,
            request: row.get(6)?,
            answer: row.get(7)?,
        },
        state: state_of(row.get(8)?),
        batch: row.get(9)?,
        height: from_sql_or_none(row.get(10)?)?,
        hash: row.get(11)?,
        refusal: code.map(|code| (code, detail.unwrap_or_else(|| Sentence::alike("")))),
    })
}
