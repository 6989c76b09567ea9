//! Meters and the certificates of their readings.

use super::{Questions, Read};
use crate::page::Paging;
use crate::store::columns::{carrier, int, maybe_uint, maybe_value, quantity, signed_by, time, uint, value, window};
use rusqlite::{Row, params};
use std::ops::Range;
use utilidor_types::meter::{CertifiedRun, SignedRecord};
use utilidor_types::{AccountId, AgreementId, Certificate, CertificateId, MeterId, Timestamp, Window};
use utilidor_view::{CertificateView, MeterFilter, MeterView, Page, TimeFilter};

const METER: &str = "SELECT meters.*, operators.account AS operator_id, holders.account AS holder_id FROM meters
    JOIN accounts AS operators ON operators.id = meters.operator
    JOIN accounts AS holders ON holders.id = meters.holder";

fn meter_view(row: &Row<'_>) -> rusqlite::Result<(i64, MeterView)> {
    let meter = MeterView {
        meter: MeterId(row.get("meter")?),
        operator: AccountId(row.get("operator_id")?),
        carrier: carrier(row, "carrier")?,
        holder: AccountId(row.get("holder_id")?),
        authority: value(row, "authority")?,
        register_modulus: quantity(row, "modulus")?,
        capacity_per_hour: quantity(row, "capacity")?,
        register: quantity(row, "register")?,
        read_ms: time(row, "read_ms")?,
        since_ms: time(row, "since_ms")?,
        devices: row.get("devices")?,
        certificates: uint(row, "certificates")?,
        gaps: row.get("gaps")?,
        corrections: row.get("corrections")?,
        retired: maybe_uint(row, "retired")?.is_some(),
    };
    Ok((row.get("id")?, meter))
}

const RUN: &str = "SELECT it.id AS id, meters.meter AS meter_id, from_ms, readings, signed_by, signed,
    (SELECT height FROM blocks WHERE first_certificate <= it.id
     ORDER BY first_certificate DESC, height DESC LIMIT 1) AS height
    FROM certified_runs AS it JOIN meters ON meters.id = it.meter";

/// Of meter ?1 the runs that end after ?2 and begin before ?3: they follow each other, so the first is the last that does not
/// begin later.
const OF_METER: &str =
    "it.meter = ?1 AND it.from_ms < ?3 AND it.to_ms > ?2 AND it.from_ms >= COALESCE((SELECT MAX(from_ms)
    FROM certified_runs WHERE meter = ?1 AND from_ms <= ?2), ?2)";

/// The certificates of a run.
fn certificates(row: &Row<'_>) -> rusqlite::Result<Vec<CertificateView>> {
    let run = CertifiedRun {
        first: CertificateId(uint(row, "id")?),
        meter: MeterId(row.get("meter_id")?),
        from: time(row, "from_ms")?,
        readings: value(row, "readings")?,
    };
    let (height, signed_by) = (uint(row, "height")?, signed_by(row, "signed_by")?);
    let signed: Option<SignedRecord> = maybe_value(row, "signed")?;
    let view = |certificate| CertificateView { certificate, height, signed_by, signed: signed.clone() };
    Ok(run.certificates().map(view).collect())
}

/// The page of the certificates that are `wanted`, out of runs in the order of `key`.
fn page_of_certificates(
    runs: impl Iterator<Item = rusqlite::Result<Vec<CertificateView>>>,
    paging: Paging,
    key: impl Fn(&Certificate) -> i64,
    wanted: impl Fn(&Certificate) -> bool,
) -> Read<Page<CertificateView>> {
    let mut found = Vec::new();
    for run in runs {
        let rows = paging.in_order(run?).into_iter().map(|row| (key(&row.certificate), row));
        found.extend(rows.filter(|(key, row)| paging.passes(*key) && wanted(&row.certificate)));
        if found.len() as i64 >= paging.fetch() {
            break;
        }
    }
    Ok(paging.page(found))
}

fn overlaps(interval: Window, within: Window) -> bool {
    interval.from < within.to && interval.to > within.from
}

impl Questions<'_> {
    /// Meters in the order of registration.
    pub fn meters(&self, filter: &MeterFilter, paging: Paging) -> Read<Page<MeterView>> {
        let of_holder = match filter.holder {
            Some(_) => "meters.holder = (SELECT id FROM accounts WHERE account = ?3)",
            None => "?3 IS NULL",
        };
        let sql = format!(
            "{METER} WHERE {} AND {of_holder} AND {} {} LIMIT ?2",
            paging.beyond("meters.id"),
            self.meters_seen("meters.id"),
            paging.by("meters.id")
        );
        let holder = filter.holder.map(|holder| holder.0);
        self.page(paging, &sql, params![paging.after(), paging.fetch(), holder], meter_view)
    }

    /// One meter.
    pub fn meter(&self, meter: MeterId) -> Read<Option<MeterView>> {
        if !self.sees_meter_now(meter)? {
            return Ok(None);
        }
        let row = self.find(&format!("{METER} WHERE meters.meter = ?"), [meter.0], meter_view)?;
        Ok(row.map(|(_, meter)| meter))
    }

    fn meter_number(&self, meter: MeterId) -> Read<Option<i64>> {
        self.find("SELECT id FROM meters WHERE meter = ?", [meter.0], |row| row.get("id"))
    }

    /// Certificates of a meter whose interval ends after `from_ms` and begins before `to_ms`, oldest first.
    pub fn certificates_of_meter(
        &self,
        meter: MeterId,
        filter: &TimeFilter,
        paging: Paging,
    ) -> Read<Option<Page<CertificateView>>> {
        let seen = self.meter_seen(meter)?;
        let Some(meter) = self.meter_number(meter)?.filter(|_| !seen.is_empty()) else { return Ok(None) };
        let order = paging.by("it.from_ms");
        let sql = format!("{RUN} WHERE {OF_METER} {order}");
        let mut statement = self.prepare(&sql)?;
        let (mut from, mut to) =
            (filter.from_ms.map_or(i64::MIN, |from| int(from.0)), filter.to_ms.map_or(i64::MAX, |to| int(to.0)));
        match paging.is_newest_first() {
            true => to = to.min(paging.after()),
            false => from = from.max(paging.after()),
        }
        let runs = statement.query_map(params![meter, from, to], certificates)?;
        let begin = |certificate: &Certificate| int(certificate.interval.from.0);
        let page = page_of_certificates(runs, paging, begin, |Certificate { interval, .. }| {
            filter.from_ms.is_none_or(|from| interval.to > from)
                && filter.to_ms.is_none_or(|to| interval.from < to)
                && seen.iter().any(|seen| seen.shows(*interval))
        })?;
        Ok(Some(page))
    }

    /// Certificates of a meter's row whose intervals touch a time, oldest first.
    pub(super) fn certified_in(&self, row: i64, time: Window) -> Read<Vec<Certificate>> {
        let sql = format!("{RUN} WHERE {OF_METER} ORDER BY it.from_ms");
        let runs = self.all(&sql, params![row, int(time.from.0), int(time.to.0)], certificates)?;
        let all = runs.into_iter().flatten().map(|row| row.certificate);
        Ok(all.filter(|certificate| overlaps(certificate.interval, time)).collect())
    }

    /// Certificates of the meters that serve or served an agreement, in that time, in the order of the certification log.
    pub fn certificates_of_agreement(
        &self,
        agreement: AgreementId,
        filter: &TimeFilter,
        paging: Paging,
    ) -> Read<Option<Page<CertificateView>>> {
        if !self.sees_agreement(agreement)? || !self.reads_meters() {
            return Ok(None);
        }
        let serving = self.serving(agreement, filter)?;
        // The first run is the one that holds the last certificate of the page before.
        let first = "SELECT COALESCE(MAX(id), 0) AS first FROM certified_runs WHERE id <= ?";
        let first: i64 = self.one(first, [paging.after()], |row| row.get("first"))?;
        let mut runs = Vec::new();
        let reaches = if paging.is_newest_first() { "<=" } else { ">=" };
        // A run of the page before may have nothing left for this one.
        let sql = format!(
            "SELECT id FROM certified_runs WHERE meter = ?1 AND from_ms >= ?2 AND from_ms < ?3 AND to_ms > ?4
             AND id {reaches} ?5 {} LIMIT ?6 + 1",
            paging.by("from_ms")
        );
        for (meter, _, window) in &serving {
            let within = int(window.from.0)..int(window.to.0);
            let reached = self.last_run_up_to(*meter, first, within.clone())?;
            let (from, to) = match paging.is_newest_first() {
                true => (self.begun(*meter, within.start)?, reached.saturating_add(1)),
                false => (reached, within.end),
            };
            let values = params![meter, from, to, within.start, first, paging.fetch()];
            runs.extend(self.all(&sql, values, |row| row.get::<_, i64>("id"))?);
        }
        runs.sort_unstable();
        runs = paging.in_order(runs);
        let mut statement = self.prepare(&format!("{RUN} WHERE it.id = ?"))?;
        let runs = runs.into_iter().map(|id| statement.query_row([id], certificates));
        let id = |certificate: &Certificate| int(certificate.id.0);
        page_of_certificates(runs, paging, id, |Certificate { meter, interval, .. }| {
            serving.iter().any(|(_, of, window)| of == meter && overlaps(*interval, *window))
        })
        .map(Some)
    }

    /// When a meter's last run begins that does not begin after `time`; `time` if there is none.
    fn begun(&self, meter: i64, time: i64) -> Read<i64> {
        let sql = "SELECT MAX(from_ms) AS begun FROM certified_runs WHERE meter = ? AND from_ms <= ?";
        let begun: Option<i64> = self.one(sql, [meter, time], |row| row.get("begun"))?;
        Ok(begun.unwrap_or(time))
    }

    /// When a meter's last run begins whose id is at most `id`, of those that touch a time. A meter's runs follow each other in the
    /// log as in time, so it is found by halving, and they need no order of their own by id.
    fn last_run_up_to(&self, meter: i64, id: i64, within: Range<i64>) -> Read<i64> {
        let sql = "SELECT id FROM certified_runs WHERE meter = ? AND from_ms <= ? ORDER BY from_ms DESC LIMIT 1";
        let Range { start: mut below, end: mut above } = within;
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            let found: Option<i64> = self.find(sql, [meter, middle], |row| row.get("id"))?;
            match found.is_none_or(|found| found <= id) {
                true => below = middle,
                false => above = middle,
            }
        }
        self.begun(meter, below)
    }

    /// The meters of an agreement with their rows, and when each serves or served it, as far as the filter lets through.
    fn serving(&self, agreement: AgreementId, filter: &TimeFilter) -> Read<Vec<(i64, MeterId, Window)>> {
        let sql = "SELECT it.meter AS row, meters.meter AS meter_id, from_ms, to_ms FROM agreement_meters AS it
                   JOIN meters ON meters.id = it.meter
                   WHERE it.agreement = (SELECT MAX(id) FROM agreements WHERE agreement = ?) ORDER BY it.meter";
        let serving = self.all(sql, [agreement.0], |row| {
            let served = window(row)?;
            let from = filter.from_ms.map_or(served.from, |from: Timestamp| from.max(served.from));
            let to = filter.to_ms.map_or(served.to, |to: Timestamp| to.min(served.to));
            Ok((row.get("row")?, MeterId(row.get("meter_id")?), Window { from, to }))
        })?;
        Ok(serving.into_iter().filter(|(.., window)| !window.is_empty()).collect())
    }

    /// Certificates of an agreement's meters in a statement's period; none if there is no such statement.
    pub fn certificates_of_statement(
        &self,
        agreement: AgreementId,
        number: u32,
        paging: Paging,
    ) -> Read<Option<Page<CertificateView>>> {
        let Some(row) = self.statement(agreement, number)? else { return Ok(None) };
        let period = row.statement.period;
        let filter = TimeFilter { from_ms: Some(period.from), to_ms: Some(period.to) };
        self.certificates_of_agreement(agreement, &filter, paging)
    }

    /// One certificate.
    pub fn certificate(&self, id: CertificateId) -> Read<Option<CertificateView>> {
        let sql = format!("{RUN} WHERE it.id <= ? ORDER BY it.id DESC LIMIT 1");
        let run = self.find(&sql, [int(id.0)], certificates)?;
        let Some(row) = run.and_then(|rows| rows.into_iter().find(|row| row.certificate.id == id)) else {
            return Ok(None);
        };
        let seen = self.meter_seen(row.certificate.meter)?;
        Ok(Some(row).filter(|row| seen.iter().any(|seen| seen.shows(row.certificate.interval))))
    }

    /// Place in the certification log of the entry that holds a certificate, if the certificate is seen.
    pub fn position_of_certificate(&self, id: CertificateId) -> Read<Option<u64>> {
        if self.certificate(id)?.is_none() {
            return Ok(None);
        }
        let sql = "SELECT position FROM certified_runs WHERE id <= ?1 AND ?1 < (SELECT certificates FROM meta)
                   ORDER BY id DESC LIMIT 1";
        self.find(sql, [int(id.0)], |row| uint(row, "position"))
    }

    /// Places in the certification log of the entries with readings of a meter in a window, by rising place.
    pub fn positions_of_meter(&self, meter: MeterId, window: Window) -> Read<Vec<u64>> {
        let Some(meter) = self.meter_number(meter)? else { return Ok(Vec::new()) };
        let sql = format!("SELECT position FROM certified_runs AS it WHERE {OF_METER} ORDER BY position");
        self.all(&sql, params![meter, int(window.from.0), int(window.to.0)], |row| uint(row, "position"))
    }
}
