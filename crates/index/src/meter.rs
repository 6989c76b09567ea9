//! Meters and the certificates of their readings.

use crate::fold::{Fold, FoldError, diverged};
use crate::money::{CAUSE, CAUSE_JOIN, CauseRow, cause};
use crate::page::{Page, Paging};
use crate::sql::{body, carrier, int, maybe_uint, maybe_value, quantity, uint, value};
use crate::{ReadError, Reader};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use utilidor_types::{
    AccountId, AgreementId, Bounded, Carrier, Certificate, CertificateId, Meter, MeterAuthority, MeterId, Quantity,
    Reading, Timestamp, Window,
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
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastReading {
    register: Quantity,
    time: Timestamp,
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
        let of_old_device =
            |next: &&Certificate| (next.meter, next.interval.to, next.register) == (meter, last.time, last.register);
        if let Some(first) = self.certificates.first().filter(of_old_device).map(|next| next.id) {
            self.certified(first, 1)?;
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

    /// Takes the next certificates of the block, which a receipt counts.
    pub fn certified(&mut self, first: CertificateId, count: u32) -> Result<(), FoldError> {
        let Some((certified, rest)) = self.certificates.split_at_checked(count as usize) else {
            return Err(diverged(format!(
                "a receipt certifies {count} readings, {} are left",
                self.certificates.len()
            )));
        };
        self.certificates = rest;
        let sql = "INSERT INTO certificates (id, meter, from_ms, to_ms, register, quantity, subscription, purchases)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        let mut insert = self.sql.prepare_cached(sql)?;
        for (place, certificate) in certified.iter().enumerate() {
            if certificate.id.0 != self.totals.certificates || certificate.id.0 != first.0 + place as u64 {
                let expected = self.totals.certificates;
                return Err(diverged(format!("certificate {} stands where {expected} belongs", certificate.id)));
            }
            self.totals.certificates += 1;
            let meter = self.meter(certificate.meter)?;
            let subscription = certificate.subscription.map(|agreement| self.party(agreement)).transpose()?;
            let subscription = subscription.map(|party| party.id);
            insert.execute(params![
                int(certificate.id.0),
                meter,
                int(certificate.interval.from.0),
                int(certificate.interval.to.0),
                int(certificate.register.0),
                int(certificate.quantity.0),
                subscription,
                (!certificate.purchases.is_empty()).then(|| body(&certificate.purchases)),
            ])?;
            for purchase in certificate.purchases.iter() {
                let agreement = self.party(purchase.agreement)?.id;
                self.late.agreement_certificates.push((agreement, int(certificate.id.0)));
            }
            let last = self.late.meters.entry(meter).or_default();
            *last = LastReading {
                register: certificate.register,
                time: certificate.interval.to,
                certified: last.certified + 1,
            };
            if let Some(subscription) = subscription
                && self.subscription_meters.insert((subscription, meter))
            {
                let sql = "INSERT OR IGNORE INTO subscription_meters (subscription, meter) VALUES (?, ?)";
                self.sql.prepare_cached(sql)?.execute([subscription, meter])?;
            }
        }
        Ok(())
    }

    /// Writes each meter's last reading.
    pub fn write_meters(&mut self) -> Result<(), FoldError> {
        let sql = "UPDATE meters SET register = ?, read_ms = ?, certificates = certificates + ? WHERE id = ?";
        let mut update = self.sql.prepare_cached(sql)?;
        for (meter, last) in std::mem::take(&mut self.late.meters) {
            update.execute(params![int(last.register.0), int(last.time.0), last.certified, meter])?;
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

const CERTIFICATE: &str = "SELECT it.id AS id, meters.meter AS meter_id, from_ms, to_ms, it.register AS register,
    it.quantity AS quantity, purchases, agreements.agreement AS subscription_id,
    (SELECT height FROM blocks WHERE first_certificate <= it.id
     ORDER BY first_certificate DESC, height DESC LIMIT 1) AS height
    FROM certificates AS it JOIN meters ON meters.id = it.meter
    LEFT JOIN agreements ON agreements.id = it.subscription";

fn certificate_row(row: &Row<'_>) -> rusqlite::Result<CertificateRow> {
    let certificate = Certificate {
        id: CertificateId(uint(row, "id")?),
        meter: MeterId(row.get("meter_id")?),
        interval: window(row)?,
        register: quantity(row, "register")?,
        quantity: quantity(row, "quantity")?,
        purchases: maybe_value(row, "purchases")?.unwrap_or_else(Bounded::empty),
        subscription: row.get::<_, Option<[u8; 16]>>("subscription_id")?.map(AgreementId),
    };
    Ok(CertificateRow { certificate, height: uint(row, "height")? })
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
        let sql = format!(
            "{CERTIFICATE} WHERE it.meter = (SELECT id FROM meters WHERE meters.meter = ?1)
             AND it.from_ms > ?2 AND (?4 IS NULL OR it.to_ms > ?4) AND it.from_ms < ?5 ORDER BY it.from_ms LIMIT ?3"
        );
        let mut statement = snapshot.prepare_cached(&sql)?;
        let to = to_ms.map_or(i64::MAX, int);
        let values = params![meter.0, paging.after(), paging.fetch(), from_ms.map(int), to];
        let rows = statement.query_map(values, |row| Ok((row.get("from_ms")?, certificate_row(row)?)))?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, paging))
    }

    /// Certificates that count for an agreement, in the log's order, those with an interval in the window only.
    pub fn certificates_of_agreement(
        &self,
        agreement: AgreementId,
        window: Option<Window>,
        paging: Paging,
    ) -> Result<Page<CertificateRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!(
            "{CERTIFICATE} WHERE it.id IN (
               SELECT id FROM (
                 SELECT certificate AS id FROM agreement_certificates
                   WHERE agreement = (SELECT id FROM agreements WHERE agreement = ?1) AND certificate > ?2
                 UNION ALL
                 SELECT certificates.id AS id FROM subscription_meters
                   JOIN certificates ON certificates.meter = subscription_meters.meter
                     AND certificates.subscription = subscription_meters.subscription
                   WHERE subscription_meters.subscription = (SELECT id FROM agreements WHERE agreement = ?1)
                     AND certificates.id > ?2 AND certificates.from_ms >= ?4 AND certificates.from_ms < ?5
               ) ORDER BY id)
             AND it.from_ms >= ?4 AND it.from_ms < ?5 ORDER BY it.id LIMIT ?3"
        );
        let mut statement = snapshot.prepare_cached(&sql)?;
        let (from, to) = window.map_or((i64::MIN, i64::MAX), |window| (int(window.from.0), int(window.to.0)));
        let values = params![agreement.0, paging.after(), paging.fetch(), from, to];
        let rows = statement.query_map(values, |row| Ok((row.get("id")?, certificate_row(row)?)))?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, paging))
    }

    /// One certificate.
    pub fn certificate(&self, id: CertificateId) -> Result<Option<CertificateRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!("{CERTIFICATE} WHERE it.id = ?");
        let mut statement = snapshot.prepare_cached(&sql)?;
        Ok(statement.query_row([int(id.0)], certificate_row).optional()?)
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
