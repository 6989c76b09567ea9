//! Meters, and the readings that were certified of them.

use super::{
    Before, Correction, Fold, FoldError, Folded, MeterChange, MeterEvent, MeterRow, NewMeter, NewRun, Row, diverged,
    is_gateway,
};
use utilidor_types::event::MeterSegment;
use utilidor_types::meter::{CertifiedRun, corrected_register};
use utilidor_types::{
    AccountId, CertificateId, CertificationEntry, Event, Meter, MeterAuthority, MeterId, Quantity, Reading, Window,
};
use utilidor_view::{EventKind, SignedBy};

impl<'a, B: Before> Fold<'a, '_, B> {
    pub fn known_meter(&mut self, meter: MeterId) -> Folded<Option<MeterRow>, B> {
        Ok(*self.known.meters.get(meter, || self.before.meter(meter)).map_err(FoldError::Before)?)
    }

    pub fn meter(&mut self, meter: MeterId) -> Folded<MeterRow, B> {
        self.known_meter(meter)?.ok_or_else(|| diverged(format!("meter {meter} was never registered")))
    }

    fn change_meter(&mut self, meter: MeterId, change: impl FnOnce(&mut MeterRow)) -> Folded<MeterRow, B> {
        let mut row = self.meter(meter)?;
        change(&mut row);
        self.known.meters.put(meter, Some(row));
        Ok(row)
    }

    /// A receipt of a batch counts certificates: the next ones of the log, signed as their meters' are now.
    pub fn counted(&mut self, first: CertificateId, count: u32) -> Folded<(), B> {
        let next = CertificateId(self.changes.totals.certificates);
        let end = first.0.saturating_add(count.into());
        if first != next {
            return Err(diverged(format!("a receipt counts certificates from {first} on where {next} stands")));
        }
        while let Some((entry, later)) = self.entries.split_first().filter(|(entry, _)| entry.run().first.0 < end) {
            self.entries = later;
            let gateway = self.meter(entry.run().meter)?.gateway;
            self.certified(entry, if gateway { SignedBy::Gateway } else { SignedBy::Meter })?;
        }
        if self.changes.totals.certificates != end {
            return Err(diverged(format!(
                "a receipt counts {count} certificates from {first} on, which the block lacks"
            )));
        }
        Ok(())
    }

    /// Enters an entry of the certification log. What its device has not signed has `signed_by`.
    fn certified(&mut self, entry: &'a CertificationEntry, signed_by: SignedBy) -> Folded<(), B> {
        let (run, signed) = (entry.run(), entry.signed());
        let next = CertificateId(self.changes.totals.certificates);
        let (true, Some(last)) = (run.first == next, run.readings.last()) else {
            return Err(diverged(format!("certificates from {} on stand where {next} belongs", run.first)));
        };
        let (reading, count) = (last.reading, run.readings.len() as u64);
        self.changes.totals.certificates += count;
        let meter = self.change_meter(run.meter, |meter| {
            (meter.register, meter.read) = (reading.register, reading.time);
            meter.certificates += count;
        })?;
        let signed_by = signed.map_or(signed_by, |_| SignedBy::Device);
        self.changes.certified.push(NewRun { position: self.position, meter: meter.row, run, signed_by, signed });
        self.position += 1;
        Ok(())
    }

    /// Registering a meter again changes nothing.
    pub fn register_meter(&mut self, by: AccountId, meter: &'a Meter) -> Folded<(), B> {
        let id = meter.id(by);
        if self.known_meter(id)?.is_some() {
            return Ok(());
        }
        let (operator, holder) = (self.account(by)?.row, self.account(meter.holder)?.row);
        self.changes.totals.meters += 1;
        let row = self.changes.totals.meters as Row;
        let (register, read) = (meter.register, meter.since);
        let gateway = is_gateway(meter.authority);
        let device = (meter.since, meter.register_modulus);
        let state = MeterRow { row, register, read, certificates: 0, gaps: 0, corrections: 0, gateway, device };
        self.known.meters.note(id, Some(state));
        self.changes.meters.push(NewMeter { row, id, operator, holder, meter });
        Ok(())
    }

    pub fn bind_meter(&mut self, meter: MeterId, holder: AccountId) -> Folded<(), B> {
        let (meter, holder) = (self.meter(meter)?.row, self.account(holder)?.row);
        self.changes.devices.push(MeterChange::Holder { meter, holder });
        Ok(())
    }

    pub fn rotate_meter_key(&mut self, meter: MeterId, authority: MeterAuthority) -> Folded<(), B> {
        let meter = self.change_meter(meter, |row| row.gateway = is_gateway(authority))?.row;
        self.changes.devices.push(MeterChange::Authority { meter, authority });
        Ok(())
    }

    pub fn change_meter_capacity(&mut self, meter: MeterId, capacity: Quantity) -> Folded<(), B> {
        let meter = self.meter(meter)?.row;
        self.changes.devices.push(MeterChange::Capacity { meter, capacity });
        Ok(())
    }

    pub fn exchange_meter(
        &mut self,
        meter: MeterId,
        last: Reading,
        authority: MeterAuthority,
        modulus: Quantity,
        register: Quantity,
    ) -> Folded<(), B> {
        // The old device's last reading, if it was not read already, is the next of the log.
        let closes = |entry: &CertificationEntry| {
            let CertifiedRun { meter: of, readings, .. } = entry.run();
            *of == meter && readings.len() == 1 && readings.iter().all(|certified| certified.reading == last)
        };
        if let Some((entry, later)) = self.entries.split_first().filter(|(entry, _)| closes(entry)) {
            self.entries = later;
            self.certified(entry, SignedBy::Operator)?;
        }
        let row = self.change_meter(meter, |row| {
            (row.register, row.read, row.gateway) = (register, last.time, is_gateway(authority));
            row.device = (last.time, modulus);
        })?;
        self.changes.devices.push(MeterChange::Device { meter: row.row, authority, modulus, since: last.time });
        Ok(())
    }

    pub fn retire_meter(&mut self, meter: MeterId) -> Folded<(), B> {
        let (meter, receipt) = (self.meter(meter)?.row, self.receipt);
        self.changes.devices.push(MeterChange::Retired { meter, receipt });
        Ok(())
    }

    pub fn gap(&mut self, meter: MeterId) -> Folded<(), B> {
        let row = self.change_meter(meter, |row| row.gaps = row.gaps.saturating_add(1))?;
        self.push_event(row.row, EventKind::Gap);
        Ok(())
    }

    pub fn corrected(
        &mut self,
        meter: MeterId,
        interval: Window,
        certified: Quantity,
        right: Quantity,
    ) -> Folded<(), B> {
        let row = self.change_meter(meter, |row| {
            row.corrections = row.corrections.saturating_add(1);
            if interval.to == row.read {
                row.register = corrected_register(row.register, row.device, interval, [certified, right]);
            }
        })?;
        self.push_event(row.row, EventKind::Corrected);
        let (meter, receipt, place) = (row.row, self.receipt, self.place);
        self.changes.corrections.push(Correction { meter, receipt, place, interval, certified, right });
        Ok(())
    }

    pub fn meter_event(&mut self, meter: MeterId, event: &Event) -> Folded<(), B> {
        let meter = self.meter(meter)?.row;
        self.push_event(meter, EventKind::of(event));
        Ok(())
    }

    fn push_event(&mut self, meter: Row, kind: EventKind) {
        let (receipt, place) = (self.receipt, self.place);
        self.changes.meter_events.push(MeterEvent { meter, receipt, place, kind });
    }

    /// Who has something of a segment is served by its meter.
    pub fn segment(&mut self, segment: &MeterSegment) -> Folded<(), B> {
        if segment.interval.is_empty() {
            return Ok(());
        }
        let meter = self.meter(segment.meter)?.row;
        let supply = segment.supply.map(|(agreement, _)| agreement);
        for agreement in segment.fills.iter().map(|fill| fill.agreement).chain(supply) {
            let agreement = self.agreement(agreement)?.row;
            self.widen(agreement, meter, segment.interval)?;
        }
        Ok(())
    }
}
