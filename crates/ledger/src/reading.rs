//! Readings and their certification [M16, M17].
//!
//! A certified interval first fills the purchases that the meter serves, in the order of their signing; the rest
//! is charged to its subscription. An interval that runs over a window's edge counts for the window by its share
//! of the time, rounded down. Readings that are refused stop nothing: the receipt lists them, the others count.

use crate::execution::Ledger;
use crate::member::Caller;
use crate::purchase;
use crate::record::{AgreementState, MeterState, ProgramState};
use crate::store::{Place, Ruled, Stop};
use utilidor_types::event::RefusedReading;
use utilidor_types::meter::{Attribution, CertifiedReading, MAX_BATCH_READINGS, MAX_RUN_READINGS, MeterRun};
use utilidor_types::time::HOUR_MS;
use utilidor_types::{
    AgreementId, Bounded, CertifiedRun, Event, Meter, MeterAuthority, MeterId, Quantity, Reading, Refusal, Role,
    Timestamp, Window,
};

/// An interval longer than this is noted as a gap: readings are missing in it.
pub const GAP_MS: u64 = 2 * HOUR_MS;

impl Ledger<'_> {
    /// Order: role; then for each run: meter, whether it is in service, signer; then for each reading the rules of
    /// [`Ledger::certify`].
    pub fn record_readings(&mut self, caller: Caller, runs: &[MeterRun]) -> Ruled<()> {
        self.need_role(caller, Role::MeterOperator)?;
        let first = self.next_certificate()?;
        let mut refused = Bounded::<_, MAX_BATCH_READINGS>::empty();
        let mut index = 0u16;
        let mut whole = Ok(());
        for run in runs {
            match self.record_run(caller, run, &mut index, &mut refused) {
                Err(Stop::Unfetched) => whole = Err(Stop::Unfetched),
                other => other?,
            }
        }
        whole?;

        let count = (self.next_certificate()?.0 - first.0) as u32;
        self.events.insert(0, Event::Certified { first, count, refused });
        Ok(())
    }

    fn record_run(
        &mut self,
        caller: Caller,
        run: &MeterRun,
        index: &mut u16,
        refused: &mut Bounded<RefusedReading, MAX_BATCH_READINGS>,
    ) -> Ruled<()> {
        let meter = run.meter;
        let found = match self.metered(meter) {
            Ok(found) if signs(caller, &found.0.meter, run) => Ok(found),
            Ok(_) => Err(Refusal::NotAuthority { meter }),
            Err(Stop::Refused(refusal)) => Err(refusal),
            Err(Stop::Unfetched) => return Err(Stop::Unfetched),
        };
        let mut refuse = |index: u16, refusal| {
            refused.push(RefusedReading { index, meter, refusal }).expect("a batch's readings were counted");
        };
        let (record, place, mut state) = match found {
            Ok(found) => found,
            Err(refusal) => {
                for _ in &run.readings {
                    refuse(*index, refusal.clone());
                    *index += 1;
                }
                return Ok(());
            }
        };
        let from = state.last.time;
        let mut certified = Bounded::empty();
        for reading in &run.readings {
            match self.certify(&record.meter, &mut state, *reading) {
                Ok(reading) => certified.push(reading).expect("no more are certified than the run has"),
                Err(Stop::Refused(refusal)) => refuse(*index, refusal),
                Err(Stop::Unfetched) => return Err(Stop::Unfetched),
            }
            *index += 1;
        }
        self.add_certified(meter, from, state.subscription, certified)?;
        self.store.put_at(place, state);
        Ok(())
    }

    /// Adds what was certified of a meter since `from` to the certification log, if it is anything.
    pub fn add_certified(
        &mut self,
        meter: MeterId,
        from: Timestamp,
        subscription: Option<AgreementId>,
        readings: Bounded<CertifiedReading, MAX_RUN_READINGS>,
    ) -> Ruled<()> {
        if !readings.is_empty() {
            let first = self.next_certificate()?;
            self.certified.push(CertifiedRun { first, meter, from, subscription, readings });
        }
        Ok(())
    }

    /// Certifies one reading and lets it count. Order: register's width, replay, order, future, register's way
    /// back, capacity; then what consuming checks.
    pub fn certify(&mut self, meter: &Meter, state: &mut MeterState, reading: Reading) -> Ruled<CertifiedReading> {
        let quantity = passed(meter, state.last, reading, self.now)?;
        let interval = Window { from: state.last.time, to: reading.time };
        let mut rest = quantity;
        let mut purchases = Bounded::empty();
        let mut changed: Vec<(AgreementId, Place<AgreementState>, AgreementState)> = Vec::new();
        for binding in &state.bindings {
            let covered_ms = interval.overlap_ms(binding.window);
            if covered_ms == 0 {
                continue;
            }
            let inside = quantity.share_floor(covered_ms, interval.ms()).min(rest);
            let place = match changed.iter().position(|(id, ..)| *id == binding.agreement) {
                Some(place) => place,
                None => {
                    let found = self.store.known_at(&binding.agreement);
                    let (place, agreement) = self.or_want(found, |ledger| {
                        ledger.want_served(state, meter.id);
                    })?;
                    changed.push((binding.agreement, place, agreement));
                    changed.len() - 1
                }
            };
            let ProgramState::Purchase(lots) = &mut changed[place].2.program else {
                unreachable!("meters are bound to active purchases")
            };
            let lot = &mut lots.as_mut_slice()[usize::from(binding.lot)];
            let part = purchase::certified(lot, binding.side, inside, covered_ms);
            rest = rest.saturating_sub(part);
            if part > Quantity::ZERO {
                let attribution = Attribution { agreement: binding.agreement, quantity: part };
                purchases.push(attribution).expect("there are no more attributions than bindings");
            }
        }
        if let Some(subscription) = state.subscription {
            self.consume(subscription, meter.carrier, interval, rest)?;
        }

        for (_, place, agreement) in changed {
            self.store.put_at(place, agreement);
        }
        if interval.ms() > GAP_MS {
            self.events.push(Event::Gap { meter: meter.id, interval });
        }
        state.last = reading;
        Ok(CertifiedReading { reading, quantity, purchases })
    }
}

/// Whether a run is signed by the one who signs for the meter.
fn signs(caller: Caller, meter: &Meter, run: &MeterRun) -> bool {
    match (meter.authority, &run.signature) {
        (MeterAuthority::Meter(key), Some(signature)) => signature.key == key,
        (MeterAuthority::Gateway(account), None) => account == caller.account,
        _ => false,
    }
}

/// What has passed the meter since its last reading.
fn passed(meter: &Meter, last: Reading, reading: Reading, now: Timestamp) -> Result<Quantity, Refusal> {
    let Reading { time, register } = reading;
    let modulus = meter.register_modulus;
    if register >= modulus {
        return Err(Refusal::RegisterTooWide { register, modulus });
    }
    if reading == last {
        return Err(Refusal::Replayed { time });
    }
    if time <= last.time {
        return Err(Refusal::OutOfOrder { last: last.time, time });
    }
    if time > now {
        return Err(Refusal::FromFuture { time, now });
    }
    let most = u128::from(meter.capacity_per_hour.0) * u128::from(time.0 - last.time.0) / u128::from(HOUR_MS);
    let most = Quantity(u64::try_from(most).unwrap_or(u64::MAX));
    let rolled_over = register < last.register;
    let quantity = match rolled_over {
        true => Quantity(modulus.0 - last.register.0 + register.0),
        false => Quantity(register.0 - last.register.0),
    };
    if quantity > most {
        return Err(match rolled_over {
            true => Refusal::WentBack { last: last.register, register },
            false => Refusal::BeyondCapacity { quantity, most },
        });
    }
    Ok(quantity)
}
