//! Meters [M16]: registering, binding to a holder, rotating keys, exchanging devices, retiring; and which
//! agreements a meter serves.

use crate::execution::Ledger;
use crate::member::Caller;
use crate::record::{AccountRecord, Binding, MeterRecord, MeterState};
use crate::store::{Place, Ruled};
use std::sync::Arc;
use utilidor_types::hash::hash_of;
use utilidor_types::meter::MAX_METER_AGREEMENTS;
use utilidor_types::{
    AccountId, AgreementId, Bounded, Carrier, Meter, MeterAuthority, MeterId, Quantity, Reading, Refusal, Role,
};

impl Ledger<'_> {
    /// Order: role, id, holder, ranges, register, time. A repeated registration gives the first result.
    pub fn register_meter(&mut self, caller: Caller, meter: &Meter) -> Ruled<()> {
        self.store.want::<AccountRecord>(&meter.holder);
        self.need_role(caller, Role::MeterOperator)?;
        let registered = hash_of("utilidor/meter", meter);
        if let Some(present) = self.store.find::<MeterRecord>(&meter.id)? {
            let same = present.registered == registered && present.operator == caller.account;
            return if same { Ok(()) } else { Err(Refusal::IdTaken.into()) };
        }
        let account = meter.holder;
        self.store.get::<AccountRecord>(&account, || Refusal::UnknownAccount { account })?;
        if meter.register_modulus == Quantity::ZERO || meter.capacity_per_hour == Quantity::ZERO {
            return Err(Refusal::MeterWithoutRange { meter: meter.id }.into());
        }
        if meter.register >= meter.register_modulus {
            let (register, modulus) = (meter.register, meter.register_modulus);
            return Err(Refusal::RegisterTooWide { register, modulus }.into());
        }
        if meter.since > self.now {
            return Err(Refusal::MeterInFuture { since: meter.since, now: self.now }.into());
        }

        let last = Reading { time: meter.since, register: meter.register };
        let state = MeterState { last, retired: false, subscription: None, bindings: Bounded::empty() };
        self.store.put(&meter.id, MeterRecord { operator: caller.account, registered, meter: meter.clone() });
        self.store.create(&meter.id, state)
    }

    /// The meter, refused if it is unknown or retired.
    pub fn meter_in_service(&mut self, meter: MeterId) -> Ruled<(Arc<MeterRecord>, MeterState)> {
        self.metered(meter).map(|(record, _, state)| (record, state))
    }

    /// The same, with the place of the meter's state.
    pub fn metered(&mut self, meter: MeterId) -> Ruled<(Arc<MeterRecord>, Place<MeterState>, MeterState)> {
        let record = self.store.view::<MeterRecord>(&meter);
        let record = self.or_want(record, |ledger| ledger.store.want::<MeterState>(&meter))?;
        let record = record.ok_or(Refusal::UnknownMeter { meter })?;
        let (place, state) = self.store.known_at::<MeterState>(&meter)?;
        if state.retired {
            return Err(Refusal::MeterRetired { meter }.into());
        }
        Ok((record, place, state))
    }

    /// Order: role, meter, operator.
    fn operated_meter(&mut self, caller: Caller, meter: MeterId) -> Ruled<(MeterRecord, MeterState)> {
        self.need_role(caller, Role::MeterOperator)?;
        let (record, state) = self.meter_in_service(meter)?;
        if record.operator != caller.account {
            return Err(Refusal::NotMeterOperator { meter }.into());
        }
        Ok((Arc::unwrap_or_clone(record), state))
    }

    /// Order: role, meter, operator, holder, use.
    pub fn bind_meter(&mut self, caller: Caller, meter: MeterId, holder: AccountId) -> Ruled<()> {
        let (mut record, state) = self.operated_meter(caller, meter)?;
        self.store.get::<AccountRecord>(&holder, || Refusal::UnknownAccount { account: holder })?;
        need_idle(meter, &state)?;

        record.meter.holder = holder;
        self.store.put(&meter, record);
        Ok(())
    }

    /// Order: role, meter, operator.
    pub fn rotate_meter_key(&mut self, caller: Caller, meter: MeterId, authority: MeterAuthority) -> Ruled<()> {
        let (mut record, _) = self.operated_meter(caller, meter)?;

        record.meter.authority = authority;
        self.store.put(&meter, record);
        Ok(())
    }

    /// The old device's last reading is certified on the operator's word; the new one goes on from its own register.
    /// Order: role, meter, operator, the last reading's rules, ranges, register.
    pub fn exchange_meter(
        &mut self,
        caller: Caller,
        meter: MeterId,
        last: Reading,
        authority: MeterAuthority,
        register_modulus: Quantity,
        register: Quantity,
    ) -> Ruled<()> {
        let (mut record, mut state) = self.operated_meter(caller, meter)?;
        if last.time > state.last.time {
            let from = state.last.time;
            let certified = self.certify(&record.meter, &mut state, last)?;
            let certified = Bounded::new(vec![certified]).expect("a run holds one reading");
            self.add_certified(meter, from, state.subscription, certified)?;
        } else if last != state.last {
            return Err(Refusal::OutOfOrder { last: state.last.time, time: last.time }.into());
        }
        if register_modulus == Quantity::ZERO {
            return Err(Refusal::MeterWithoutRange { meter }.into());
        }
        if register >= register_modulus {
            return Err(Refusal::RegisterTooWide { register, modulus: register_modulus }.into());
        }

        record.meter = Meter { authority, register_modulus, register, since: last.time, ..record.meter };
        state.last = Reading { time: last.time, register };
        self.store.put(&meter, record);
        self.store.put(&meter, state);
        Ok(())
    }

    /// Order: role, meter, operator, use.
    pub fn retire_meter(&mut self, caller: Caller, meter: MeterId) -> Ruled<()> {
        let (_, mut state) = self.operated_meter(caller, meter)?;
        need_idle(meter, &state)?;

        state.retired = true;
        self.store.put(&meter, state);
        Ok(())
    }

    /// A meter that can serve an agreement. Order: meter, carrier, holder.
    pub fn serving_meter(&mut self, meter: MeterId, carrier: Carrier, holder: AccountId) -> Ruled<MeterState> {
        let (record, state) = self.meter_in_service(meter)?;
        if record.meter.carrier != carrier {
            return Err(Refusal::MeterCarrier { meter, carrier }.into());
        }
        if record.meter.holder != holder {
            return Err(Refusal::MeterHolder { meter }.into());
        }
        Ok(state)
    }

    /// Lets a meter serve a purchase. Order: meter, carrier, holder, room.
    pub fn bind_purchase(
        &mut self,
        meter: MeterId,
        carrier: Carrier,
        holder: AccountId,
        binding: Binding,
    ) -> Ruled<()> {
        let mut state = self.serving_meter(meter, carrier, holder)?;
        let busy = Refusal::MeterBusy { meter, max: MAX_METER_AGREEMENTS as u32 };
        state.bindings.push(binding).map_err(|_| busy)?;
        self.store.put(&meter, state);
        Ok(())
    }

    /// Frees a meter from a purchase.
    pub fn unbind_purchase(&mut self, meter: MeterId, agreement: AgreementId) -> Ruled<()> {
        let (place, mut state) = self.store.known_at::<MeterState>(&meter)?;
        state.bindings.retain(|binding| binding.agreement != agreement);
        self.store.put_at(place, state);
        Ok(())
    }
}

fn need_idle(meter: MeterId, state: &MeterState) -> Result<(), Refusal> {
    if state.subscription.is_some() || !state.bindings.is_empty() {
        return Err(Refusal::MeterInUse { meter });
    }
    Ok(())
}
