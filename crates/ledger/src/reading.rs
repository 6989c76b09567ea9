//! Readings and their certification [M16, M17].
//!
//! A certified reading adds to its meter's cumulative registers, and does no more until the meter reaches a mark (see
//! `segment`). Readings that are refused stop nothing: the receipt lists them, the others count.

use crate::context::{Caller, Ledger};
use crate::meter_record::{MeterBindings, MeterRecord, MeterState};
use crate::record::BacklogRecord;
use crate::segment::{Flow, Step};
use crate::store::{Place, Ruled, Stop};
use std::sync::Arc;
use utilidor_program::{Event as Told, Segment};
use utilidor_types::event::RefusedReading;
use utilidor_types::meter::{
    CertifiedReading, MAX_BATCH_READINGS, MAX_RUN_READINGS, MeterRun, MeterSignature, RegisterLimits, SignedRecord,
};
use utilidor_types::time::HOUR_MS;
use utilidor_types::{
    Bands, Bounded, CertificationEntry, CertifiedRun, Event, MeterAuthority, MeterId, OcmfRecord, Quantity, Refusal,
    Role, TariffOption, Timestamp, Window,
};

/// An interval longer than this is noted as a gap: readings are missing in it.
pub const GAP_MS: u64 = 2 * HOUR_MS;

type Refused = Bounded<RefusedReading, MAX_BATCH_READINGS>;

/// What the actions name.
impl Ledger<'_> {
    pub fn want_run(&mut self, run: &MeterRun) {
        self.store.want::<MeterRecord>(&run.meter);
        self.store.want::<MeterState>(&run.meter);
        if let Some(MeterSignature::Ocmf(_)) = &run.signature {
            self.want_device(run.meter);
        }
    }

    /// What a run's readings will need once the meter is there: the calendar, and at a mark or level what the meter serves.
    pub fn want_reached(&mut self, run: &MeterRun) {
        let Ok(Some(state)) = self.store.view::<MeterState>(&run.meter) else { return };
        if let Some(tariff) = state.tariff {
            self.store.want::<TariffOption>(&tariff);
        }
        let Some(last) = run.readings.last() else { return };
        let brought = last.register.0.saturating_sub(state.last.register.0);
        if state.next_mark <= last.time || state.total().0.saturating_add(brought) >= state.next_level.0 {
            self.want_served(run.meter);
        }
    }

    /// What the programs want that a meter's segments are told to.
    pub fn want_served(&mut self, meter: MeterId) {
        let Ok(Some(bindings)) = self.store.view::<MeterBindings>(&meter) else { return };
        for binding in bindings.bindings.iter().filter(|binding| binding.supply().is_some()) {
            if self.is_late {
                self.store.want::<BacklogRecord>(&binding.agreement);
            }
            let segment = Segment { interval: binding.window, bands: Bands::ZERO, peak: (Quantity::ZERO, 0) };
            let told = Told::Segment { binding: binding.number, segment };
            // What the program will ask for then, it is not asked here: that could come back to this meter.
            if let (Ok(Some(record)), Ok(Some(state))) = self.view_agreement(binding.agreement) {
                self.want_told(&record.agreement, &state, &told);
            }
        }
    }
}

impl Ledger<'_> {
    /// Order: role, runs without readings; then for each run: meter, whether it is in service, signer, whether a device's record
    /// can count what the meter measures, whose device it is; then for each reading the rules of [`RegisterLimits::passed`]. A run that cannot be carried out has all its readings refused, and no other run's.
    pub fn record_readings(&mut self, caller: Caller, runs: &[MeterRun]) -> Ruled<()> {
        self.need_role(caller, Role::MeterOperator)?;
        if let Some(run) = runs.iter().find(|run| run.readings.is_empty()) {
            return Err(Refusal::EmptyRun { meter: run.meter }.into());
        }
        let first = self.next_certificate()?;
        let mut refused = Refused::empty();
        let mut index = 0u16;
        self.each(runs, |ledger, run| {
            let (mark, events, certified) = (ledger.store.mark(), ledger.events.len(), ledger.certified.len());
            let of_run = index;
            index = index.saturating_add(run.readings.len() as u16);
            match ledger.record_run(caller, run, of_run, &mut refused) {
                // One run never refuses the others.
                Err(Stop::Refused(refusal)) if !ledger.store.has_read_too_much() => {
                    ledger.store.undo(mark);
                    ledger.events.truncate(events);
                    ledger.certified.truncate(certified);
                    ledger.to_tell.clear();
                    ledger.is_running = false;
                    refused.retain(|refused| refused.index < of_run);
                    for index in (of_run..).take(run.readings.len()) {
                        let _ = refused.push(RefusedReading { index, meter: run.meter, refusal: refusal.clone() });
                    }
                    Ok(())
                }
                done => done,
            }
        })?;

        let count = self.next_certificate()?.0.saturating_sub(first.0) as u32;
        self.events.insert(0, Event::Certified { first, count, refused });
        Ok(())
    }

    fn record_run(&mut self, caller: Caller, run: &MeterRun, first: u16, refused: &mut Refused) -> Ruled<()> {
        let meter = run.meter;
        if self.is_late {
            self.want_served(meter);
        }
        let found = match self.metered(meter) {
            Ok(found) if found.0.signs(caller, run) => match &run.signature {
                Some(MeterSignature::Ocmf(_)) if !OcmfRecord::can_carry(found.0.meter.carrier) => {
                    Err(Refusal::RecordOfEnergy { meter, carrier: found.0.meter.carrier })
                }
                _ => Ok(found),
            },
            Ok(_) => Err(Refusal::NotAuthority { meter }),
            Err(Stop::Refused(refusal)) => Err(refusal),
            Err(Stop::Unfetched) => return Err(Stop::Unfetched),
        };
        let mut refuse = |index: u16, refusal| {
            // A transaction with more readings than fit is not well formed, and does not come here.
            let _ = refused.push(RefusedReading { index, meter, refusal });
        };
        match found {
            Ok((record, place, state)) => self.certify_run(run, &record, place, state, |index, refusal| {
                refuse(first.saturating_add(index), refusal);
            }),
            Err(refusal) => {
                (first..).take(run.readings.len()).for_each(|index| refuse(index, refusal.clone()));
                Ok(())
            }
        }
    }

    fn certify_run(
        &mut self,
        run: &MeterRun,
        record: &Arc<MeterRecord>,
        place: Place<MeterState>,
        mut state: MeterState,
        mut refuse: impl FnMut(u16, Refusal),
    ) -> Ruled<()> {
        let from = state.last.time;
        let limits = record.limits();
        let signed = match &run.signature {
            Some(MeterSignature::Ocmf(signed)) => Some(signed),
            _ => None,
        };
        let device = signed.map(|signed| self.device_of(run.meter, signed)).transpose()?;
        let mut certified = Vec::with_capacity(run.readings.len());
        for (index, reading) in (0..).zip(&run.readings) {
            match limits.passed(state.last, *reading, self.now) {
                Ok(quantity) => {
                    let interval = Window { from: state.last.time, to: reading.time };
                    let step = Step { flow: Flow { interval, quantity }, to: *reading };
                    certified.push(self.certify(run.meter, place, &mut state, step)?);
                }
                Err(refusal) => refuse(index, refusal),
            }
        }
        if certified.is_empty() {
            return Ok(());
        }
        self.store.put_at(place, state);
        if let Some(device) = device {
            self.take_device(run.meter, device);
        }
        let readings = Bounded::new(certified).map_err(|_| Refusal::Overflow)?;
        self.add_certified(run.meter, from, readings, signed.cloned())
    }

    /// Adds what was certified of a meter since `from` to the certification log, with the record in which its device has signed it.
    pub fn add_certified(
        &mut self,
        meter: MeterId,
        from: Timestamp,
        readings: Bounded<CertifiedReading, MAX_RUN_READINGS>,
        signed: Option<SignedRecord>,
    ) -> Ruled<()> {
        let first = self.next_certificate()?;
        let run = CertifiedRun { first, meter, from, readings };
        self.certified.push(match signed {
            Some(signed) => CertificationEntry::Ocmf { run, signed },
            None => CertificationEntry::Run(run),
        });
        Ok(())
    }

    /// Certifies a reading that the rules allow, and lets it count. `state` is still to be written.
    pub fn certify(
        &mut self,
        meter: MeterId,
        place: Place<MeterState>,
        state: &mut MeterState,
        step: Step,
    ) -> Ruled<CertifiedReading> {
        self.count(meter, place, state, step)?;
        let interval = step.flow.interval;
        if interval.ms() > GAP_MS {
            self.events.push(Event::Gap { meter, interval });
        }
        Ok(CertifiedReading { reading: step.to, quantity: step.flow.quantity })
    }
}

impl MeterRecord {
    /// Whether a run is signed by the one who signs for the meter.
    fn signs(&self, caller: Caller, run: &MeterRun) -> bool {
        match (self.device.authority, &run.signature) {
            (MeterAuthority::Meter(key), Some(signature)) => *signature.key() == key,
            (MeterAuthority::Gateway(account), None) => account == caller.account,
            _ => false,
        }
    }

    /// What its register can do.
    pub(crate) const fn limits(&self) -> RegisterLimits {
        RegisterLimits { modulus: self.device.register_modulus, capacity_per_hour: self.meter.capacity_per_hour }
    }
}
