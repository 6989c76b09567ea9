//! Meters and the certificates of their readings.

use crate::fold::{Fold, FoldError, diverged};
use crate::money::{CAUSE, CAUSE_JOIN, CauseRow, cause};
use crate::page::{Page, Paging};
use crate::sql::{body, carrier, int, maybe_uint, quantity, uint, value};
use crate::{ReadError, Reader};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;
use utilidor_types::time::MAX_TIMESTAMP;
use utilidor_types::{
    AccountId, AgreementId, AgreementTerms, Carrier, Certificate, CertificateId, CertifiedRun, Meter, MeterAuthority,
    MeterId, Program, Quantity, Reading, Timestamp, Window,
};

/// A meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MeterRow {
    /// The meter.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub meter: MeterId,
    /// Who registered it.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub operator: AccountId,
    /// What it measures.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub carrier: Carrier,
    /// Whose consumption or generation it measures.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub holder: AccountId,
    /// Who signs its readings.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub authority: MeterAuthority,
    /// The register counts from 0 to this and starts again.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub register_modulus: Quantity,
    /// The most that can pass in an hour.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub capacity_per_hour: Quantity,
    /// The register at the last certified reading.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub register: Quantity,
    /// Time of the last certified reading.
    pub read_ms: u64,
    /// When it was taken into service.
    pub since_ms: u64,
    /// Devices so far: one more than exchanges.
    pub devices: u32,
    /// Readings certified.
    pub certificates: u64,
    /// Whether it is out of service.
    pub retired: bool,
    /// Intervals in which readings are missing, oldest first.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Object>))]
    pub gaps: Vec<Window>,
}

/// A certified reading with the block that certified it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CertificateRow {
    /// The certificate.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub certificate: Certificate,
    /// Height of the block that certified it.
    pub height: u64,
}

/// The last reading of a meter in a block, and how many were certified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastReading {
    reading: Reading,
    certified: i64,
}

impl Fold<'_> {
    fn meter(&mut self, meter: MeterId) -> Result<i64, FoldError> {
        if let Some(row) = self.rows.meters.get(&meter) {
            return Ok(*row);
        }
        let row = self.row_of("SELECT id FROM meters WHERE meter = ?", &meter.0, "meter")?;
        self.rows.meters.insert(meter, row);
        Ok(row)
    }

    pub fn register_meter(&mut self, by: AccountId, meter: &Meter) -> Result<(), FoldError> {
        let (operator, holder) = (self.account(by)?.id, self.account(meter.holder)?.id);
        self.sql
            .prepare_cached(
                "INSERT OR IGNORE INTO meters (meter, operator, carrier, holder, authority, modulus, capacity, register,
                 read_ms, since_ms, devices, certificates) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0)",
            )?
            .execute(params![
                meter.id.0,
                operator,
                meter.carrier as u8,
                holder,
                body(&meter.authority),
                int(meter.register_modulus.0),
                int(meter.capacity_per_hour.0),
                int(meter.register.0),
                int(meter.since.0),
                int(meter.since.0),
            ])?;
        Ok(())
    }

    pub fn bind_meter(&mut self, meter: MeterId, holder: AccountId) -> Result<(), FoldError> {
        let (meter, holder) = (self.meter(meter)?, self.account(holder)?.id);
        self.sql.prepare_cached("UPDATE meters SET holder = ? WHERE id = ?")?.execute([holder, meter])?;
        Ok(())
    }

    pub fn rotate_meter_key(&mut self, meter: MeterId, authority: &MeterAuthority) -> Result<(), FoldError> {
        let meter = self.meter(meter)?;
        let sql = "UPDATE meters SET authority = ? WHERE id = ?";
        self.sql.prepare_cached(sql)?.execute(params![body(authority), meter])?;
        Ok(())
    }

    pub fn exchange_meter(
        &mut self,
        meter: MeterId,
        last: Reading,
        authority: &MeterAuthority,
        modulus: Quantity,
        register: Quantity,
    ) -> Result<(), FoldError> {
        // The old device's last reading is certified with the exchange, unless it was before.
        let alone = |run: &CertifiedRun| run.readings.iter().map(|certified| certified.reading).eq([last]);
        if let Some(run) = self.certified.first().filter(|run| run.meter == meter && alone(run)) {
            self.certified(run.first, 1)?;
        }
        let meter = self.meter(meter)?;
        let certified = self.late.meters.remove(&meter).map_or(0, |last| last.certified);
        let sql = "UPDATE meters SET authority = ?, modulus = ?, register = ?, read_ms = ?, devices = devices + 1,
                   certificates = certificates + ? WHERE id = ?";
        let values = params![body(authority), int(modulus.0), int(register.0), int(last.time.0), certified, meter];
        self.sql.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    pub fn retire_meter(&mut self, meter: MeterId) -> Result<(), FoldError> {
        let meter = self.meter(meter)?;
        let sql = "UPDATE meters SET retired = COALESCE(retired, ?) WHERE id = ?";
        self.sql.prepare_cached(sql)?.execute([self.receipt, meter])?;
        Ok(())
    }

    /// Takes the next certified runs of the block, which a receipt counts.
    pub fn certified(&mut self, first: CertificateId, count: u32) -> Result<(), FoldError> {
        let end = CertificateId(first.0.saturating_add(count.into()));
        let sql = "INSERT INTO certified_runs (id, position, meter, from_ms, to_ms, subscription, readings)
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        let mut insert = self.sql.prepare_cached(sql)?;
        while self.totals.certificates < end.0 {
            let next = CertificateId(self.totals.certificates);
            let Some((run, rest)) = self.certified.split_first() else {
                return Err(diverged(format!(
                    "a receipt counts certificates to before {end}, from {next} on there are none"
                )));
            };
            let (Some(last), true, true) = (run.readings.last(), run.first == next, run.end() <= end) else {
                let (from, to) = (run.first, run.end());
                return Err(diverged(format!(
                    "certificates {from} to before {to} stand where {next} to before {end} belong"
                )));
            };
            self.totals.certificates = run.end().0;
            let meter = self.meter(run.meter)?;
            let subscription = run.subscription.map(|agreement| self.party(agreement)).transpose()?;
            let subscription = subscription.map(|party| party.id);
            insert.execute(params![
                int(run.first.0),
                int(self.position),
                meter,
                int(run.from.0),
                int(last.reading.time.0),
                subscription,
                body(&run.readings),
            ])?;
            let certified = self.late.meters.get(&meter).map_or(0, |noted| noted.certified) + run.readings.len() as i64;
            self.late.meters.insert(meter, LastReading { reading: last.reading, certified });
            if let Some(subscription) = subscription
                && self.subscription_meters.insert((subscription, meter))
            {
                let sql = "INSERT OR IGNORE INTO subscription_meters (subscription, meter) VALUES (?, ?)";
                self.sql.prepare_cached(sql)?.execute([subscription, meter])?;
            }
            (self.certified, self.position) = (rest, self.position + 1);
        }
        Ok(())
    }

    /// Writes each meter's last reading.
    pub fn write_meters(&mut self) -> Result<(), FoldError> {
        let sql = "UPDATE meters SET register = ?, read_ms = ?, certificates = certificates + ? WHERE id = ?";
        let mut update = self.sql.prepare_cached(sql)?;
        for (meter, last) in std::mem::take(&mut self.late.meters) {
            let Reading { register, time } = last.reading;
            update.execute(params![int(register.0), int(time.0), last.certified, meter])?;
        }
        Ok(())
    }

    pub fn gap(&mut self, meter: MeterId, interval: Window) -> Result<(), FoldError> {
        let meter = self.meter(meter)?;
        let sql = "INSERT INTO gaps (meter, from_ms, to_ms, receipt) VALUES (?, ?, ?, ?)";
        let values = params![meter, int(interval.from.0), int(interval.to.0), self.receipt];
        self.sql.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }
}

const METER: &str = "SELECT meters.*, operators.account AS operator_id, holders.account AS holder_id FROM meters
    JOIN accounts AS operators ON operators.id = meters.operator
    JOIN accounts AS holders ON holders.id = meters.holder";

fn window(row: &Row<'_>) -> rusqlite::Result<Window> {
    Ok(Window { from: Timestamp(uint(row, "from_ms")?), to: Timestamp(uint(row, "to_ms")?) })
}

fn meter_row(row: &Row<'_>) -> rusqlite::Result<(i64, MeterRow)> {
    let meter = MeterRow {
        meter: MeterId(row.get("meter")?),
        operator: AccountId(row.get("operator_id")?),
        carrier: carrier(row, "carrier")?,
        holder: AccountId(row.get("holder_id")?),
        authority: value(row, "authority")?,
        register_modulus: quantity(row, "modulus")?,
        capacity_per_hour: quantity(row, "capacity")?,
        register: quantity(row, "register")?,
        read_ms: uint(row, "read_ms")?,
        since_ms: uint(row, "since_ms")?,
        devices: row.get("devices")?,
        certificates: uint(row, "certificates")?,
        retired: maybe_uint(row, "retired")?.is_some(),
        gaps: Vec::new(),
    };
    Ok((row.get("id")?, meter))
}

const RUN: &str =
    "SELECT it.id AS id, meters.meter AS meter_id, from_ms, readings, agreements.agreement AS subscription_id,
    (SELECT height FROM blocks WHERE first_certificate <= it.id
     ORDER BY first_certificate DESC, height DESC LIMIT 1) AS height
    FROM certified_runs AS it JOIN meters ON meters.id = it.meter
    LEFT JOIN agreements ON agreements.id = it.subscription";

/// The certificates of a run.
fn certificates(row: &Row<'_>) -> rusqlite::Result<Vec<CertificateRow>> {
    let run = CertifiedRun {
        first: CertificateId(uint(row, "id")?),
        meter: MeterId(row.get("meter_id")?),
        from: Timestamp(uint(row, "from_ms")?),
        subscription: row.get::<_, Option<[u8; 16]>>("subscription_id")?.map(AgreementId),
        readings: value(row, "readings")?,
    };
    let height = uint(row, "height")?;
    Ok(run.certificates().map(|certificate| CertificateRow { certificate, height }).collect())
}

/// The page of the certificates that are `wanted`, out of runs in the order of `key`.
fn page_of_certificates(
    runs: impl Iterator<Item = rusqlite::Result<Vec<CertificateRow>>>,
    paging: Paging,
    key: impl Fn(&Certificate) -> i64,
    wanted: impl Fn(&Certificate) -> bool,
) -> Result<Page<CertificateRow>, ReadError> {
    let mut found = Vec::new();
    for run in runs {
        let rows = run?.into_iter().map(|row| (key(&row.certificate), row));
        found.extend(rows.filter(|(key, row)| *key > paging.after() && wanted(&row.certificate)));
        if found.len() as i64 >= paging.fetch() {
            break;
        }
    }
    Ok(Page::of(found, paging))
}

/// Of a meter's runs those that end after ?2 and begin before ?3: they follow each other, so the first is the last that does
/// not begin later.
const OF_METER: &str = "meter = (SELECT id FROM meters WHERE meters.meter = ?1) AND from_ms < ?3 AND to_ms > ?2
    AND from_ms >= COALESCE((SELECT MAX(from_ms) FROM certified_runs
      WHERE meter = (SELECT id FROM meters WHERE meters.meter = ?1) AND from_ms <= ?2), ?2)";

/// All of the ledger's time.
pub(crate) const ALWAYS: Window = Window { from: Timestamp(0), to: MAX_TIMESTAMP };

/// The certified runs with `ids` that may count for an agreement, those with an interval in the window only: their ids and their
/// places in the certification log.
pub(crate) fn runs_of_agreement(
    snapshot: &rusqlite::Transaction<'_>,
    (agreement, program): (AgreementId, &Program),
    window: Window,
    ids: Range<i64>,
) -> Result<Vec<(i64, u64)>, ReadError> {
    let found = |row: &Row<'_>| Ok((row.get("id")?, uint(row, "position")?));
    let mut runs = Vec::new();
    match program {
        Program::Purchase(terms) => {
            let (from, to) = (window.from.max(terms.window.from), window.to.min(terms.window.to));
            let sql = format!("SELECT id, position FROM certified_runs WHERE {OF_METER} AND id >= ?4 AND id < ?5");
            let mut query = snapshot.prepare_cached(&sql)?;
            for meter in terms.meters().collect::<BTreeSet<_>>() {
                let values = params![meter.0, int(from.0), int(to.0), ids.start, ids.end];
                runs.extend(query.query_map(values, found)?.collect::<Result<Vec<_>, _>>()?);
            }
        }
        Program::Subscription(_) => {
            let sql = "SELECT certified_runs.id AS id, position FROM subscription_meters
                       JOIN certified_runs ON certified_runs.meter = subscription_meters.meter
                         AND certified_runs.subscription = subscription_meters.subscription
                       WHERE subscription_meters.subscription = (SELECT id FROM agreements WHERE agreement = ?1)
                         AND from_ms < ?3 AND to_ms > ?2 AND certified_runs.id >= ?4 AND certified_runs.id < ?5";
            let values = params![agreement.0, int(window.from.0), int(window.to.0), ids.start, ids.end];
            let mut query = snapshot.prepare_cached(sql)?;
            runs.extend(query.query_map(values, found)?.collect::<Result<Vec<_>, _>>()?);
        }
    }
    runs.sort_unstable();
    Ok(runs)
}

impl Reader {
    /// Meters in the order of registration.
    pub fn meters(&self, holder: Option<AccountId>, paging: Paging) -> Result<Page<MeterRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!(
            "{METER} WHERE meters.id > ?1 AND (?3 IS NULL OR holders.account = ?3)
                           ORDER BY meters.id LIMIT ?2"
        );
        let mut statement = snapshot.prepare_cached(&sql)?;
        let holder = holder.map(|holder| holder.0);
        let rows = statement.query_map(params![paging.after(), paging.fetch(), holder], meter_row)?;
        let mut rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        for (id, meter) in &mut rows {
            meter.gaps = gaps(&snapshot, *id)?;
        }
        Ok(Page::of(rows, paging))
    }

    /// One meter.
    pub fn meter(&self, meter: MeterId) -> Result<Option<MeterRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!("{METER} WHERE meters.meter = ?");
        let row = snapshot.prepare_cached(&sql)?.query_row([meter.0], meter_row).optional()?;
        let Some((id, mut row)) = row else { return Ok(None) };
        row.gaps = gaps(&snapshot, id)?;
        Ok(Some(row))
    }

    /// Certificates of a meter whose interval ends after `from_ms` and begins before `to_ms`, oldest first.
    pub fn certificates_of_meter(
        &self,
        meter: MeterId,
        from_ms: Option<u64>,
        to_ms: Option<u64>,
        paging: Paging,
    ) -> Result<Page<CertificateRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!("{RUN} WHERE it.id IN (SELECT id FROM certified_runs WHERE {OF_METER}) ORDER BY it.from_ms");
        let mut statement = snapshot.prepare_cached(&sql)?;
        let from = paging.after().max(from_ms.map_or(i64::MIN, int));
        let runs = statement.query_map(params![meter.0, from, to_ms.map_or(i64::MAX, int)], certificates)?;
        let begin = |certificate: &Certificate| int(certificate.interval.from.0);
        page_of_certificates(runs, paging, begin, |Certificate { interval, .. }| {
            from_ms.is_none_or(|from| interval.to.0 > from) && to_ms.is_none_or(|to| interval.from.0 < to)
        })
    }

    /// Certificates that count for an agreement, in the log's order, those with an interval in the window only.
    pub fn certificates_of_agreement(
        &self,
        agreement: AgreementId,
        window: Option<Window>,
        paging: Paging,
    ) -> Result<Page<CertificateRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let terms = "SELECT terms FROM agreements WHERE agreement = ?";
        let terms = snapshot.prepare_cached(terms)?.query_row([agreement.0], |row| value(row, "terms")).optional()?;
        let Some(AgreementTerms { program, .. }) = terms else { return Ok(Page::of(Vec::new(), paging)) };
        // The first run is the one that holds the last certificate of the page before.
        let first = "SELECT COALESCE(MAX(id), 0) FROM certified_runs WHERE id <= ?";
        let first: i64 = snapshot.prepare_cached(first)?.query_row([paging.after()], |row| row.get(0))?;
        let within = window.unwrap_or(ALWAYS);
        let runs = runs_of_agreement(&snapshot, (agreement, &program), within, first..i64::MAX)?;
        let mut statement = snapshot.prepare_cached(&format!("{RUN} WHERE it.id = ?"))?;
        let runs = runs.into_iter().map(|(id, _)| statement.query_row([id], certificates));
        let id = |certificate: &Certificate| int(certificate.id.0);
        page_of_certificates(runs, paging, id, |Certificate { interval, purchases, subscription, .. }| {
            window.is_none_or(|window| (window.from..window.to).contains(&interval.from))
                && (*subscription == Some(agreement) || purchases.iter().any(|part| part.agreement == agreement))
        })
    }

    /// One certificate.
    pub fn certificate(&self, id: CertificateId) -> Result<Option<CertificateRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!("{RUN} WHERE it.id <= ? ORDER BY it.id DESC LIMIT 1");
        let mut statement = snapshot.prepare_cached(&sql)?;
        let run = statement.query_row([int(id.0)], certificates).optional()?;
        Ok(run.and_then(|rows| rows.into_iter().find(|row| row.certificate.id == id)))
    }

    /// Place in the certification log of the run that holds a certificate.
    pub fn position_of_certificate(&self, id: CertificateId) -> Result<Option<u64>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = "SELECT position FROM certified_runs WHERE id <= ?1 AND ?1 < (SELECT certificates FROM meta)
                   ORDER BY id DESC LIMIT 1";
        Ok(snapshot.prepare_cached(sql)?.query_row([int(id.0)], |row| uint(row, "position")).optional()?)
    }

    /// Where the intervals without readings of a meter were recorded.
    pub fn gaps_of_meter(&self, meter: MeterId) -> Result<Vec<(Window, CauseRow)>, ReadError> {
        let sql = format!(
            "SELECT from_ms, to_ms, {CAUSE} FROM gaps AS it {CAUSE_JOIN}
             WHERE it.meter = (SELECT id FROM meters WHERE meter = ?) ORDER BY it.id"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([meter.0], |row| Ok((window(row)?, cause(row)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn gaps(snapshot: &rusqlite::Transaction<'_>, meter: i64) -> Result<Vec<Window>, ReadError> {
    let mut statement = snapshot.prepare_cached("SELECT from_ms, to_ms FROM gaps WHERE meter = ? ORDER BY id")?;
    let rows = statement.query_map([meter], window)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
