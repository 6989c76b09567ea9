//! Agreements [M12-M15]: proposing, signing, declining, and what happens at their due times. What an agreement does once it
//! is signed is its program's; amendments and ends have files of their own.
//!
//! Who signs is a set: bit `n` is party `n`. What was declined or not signed in time leaves the state. So does what has ended
//! and owes nothing, once no supplement can come any more: [`KEPT_AFTER_END_MS`] after its end. What stays of what was signed is
//! that its id is used.

use crate::context::{Caller, Ledger};
use crate::effect::Unfit;
use crate::meter_record::MeterBindings;
use crate::program::without_slots;
use crate::record::{
    AccountRecord, AgreementRecord, AgreementState, BacklogRecord, DuePlace, MemberRecord, OfferRecord, PastAgreement,
    SlotRecord,
};
use crate::segment::Unread;
use crate::store::Ruled;
use std::sync::Arc;
use utilidor_program::contract::MAX_SLOTS;
use utilidor_program::{Event as Told, Wants};
use utilidor_types::action::MAX_COMMAND_BYTES;
use utilidor_types::agreement::{AgreementTerms, Fallback, Origin, Party, Status};
use utilidor_types::refusal::Limited;
use utilidor_types::statement::SUPPLEMENTARY_MS;
use utilidor_types::time::{DAY_MS, MAX_TIMESTAMP};
use utilidor_types::{
    AccountId, Agreement, AgreementId, Bounded, Digest, DueItem, Event, Label, MemberId, Money, Refusal, Role,
    Timestamp,
};

/// How long an agreement stays in the state after its end, and longer while it owes something.
pub const KEPT_AFTER_END_MS: u64 = SUPPLEMENTARY_MS + DAY_MS;

/// The set of all parties.
pub(crate) fn everybody(terms: &AgreementTerms) -> u16 {
    (0u8..).zip(&terms.parties).fold(0, |all, (number, _)| all | Party(number).bit())
}

impl AgreementState {
    /// Before it is signed.
    pub(crate) fn proposed(signed: u16) -> Self {
        Self {
            status: Status::Proposed,
            signed,
            ending: 0,
            amending: false,
            pots: Bounded::empty(),
            drawn: Bounded::empty(),
            debt: Money::ZERO,
            statements: 0,
            digest: Digest::default(),
            scheduled: None,
            called: None,
            due: None,
            ends: MAX_TIMESTAMP,
            failures: 0,
            halted: false,
            bindings: Bounded::empty(),
            slots: 0,
            head: Bounded::empty(),
        }
    }
}

/// What is read.
impl Ledger<'_> {
    pub fn want_agreement(&mut self, id: AgreementId) {
        self.store.want::<AgreementRecord>(&id);
        self.store.want::<AgreementState>(&id);
    }

    /// What an agreement refers to: its parties, and what its program wants for an event; and where it waits if there is no more time
    /// for that.
    pub fn want_used(&mut self, id: AgreementId, event: &Told) {
        if self.is_late {
            self.store.want::<BacklogRecord>(&id);
        }
        if let (Ok(Some(record)), Ok(Some(state))) = self.view_agreement(id) {
            self.want_for(&record.agreement, &state, event);
        }
    }

    /// Both of an agreement's records, each as far as it is there.
    pub fn view_agreement(
        &mut self,
        id: AgreementId,
    ) -> (Ruled<Option<Arc<AgreementRecord>>>, Ruled<Option<Arc<AgreementState>>>) {
        (self.store.view(&id), self.store.view(&id))
    }

    pub fn want_new_agreement(&mut self, id: AgreementId, terms: &AgreementTerms) {
        self.want_agreement(id);
        self.store.want::<PastAgreement>(&id);
        self.want_parties(terms);
        if let Some(program) = terms.program.published() {
            self.want_program(program);
        }
    }

    pub fn want_parties(&mut self, terms: &AgreementTerms) {
        terms.parties.iter().for_each(|party| self.want_account(*party));
    }

    /// What becomes of an offer's lots when an agreement from it is signed or not.
    pub fn want_origin(&mut self, id: AgreementId) {
        if let Ok(Some(record)) = self.store.view::<AgreementRecord>(&id)
            && let Origin::Award { offer } = record.agreement.origin
        {
            self.store.want::<OfferRecord>(&offer);
        }
    }
}

/// Looking up.
impl Ledger<'_> {
    /// The agreement with its state and the party that asks. Order: agreement, party.
    pub fn party(&mut self, caller: Caller, id: AgreementId) -> Ruled<(Arc<AgreementRecord>, AgreementState, Party)> {
        self.store.want::<AgreementState>(&id);
        let record = self.agreement(id)?;
        let state: AgreementState = self.store.known(&id)?;
        let party = record.agreement.terms.party_of(caller.account).ok_or(Refusal::NotParty { agreement: id })?;
        Ok((record, state, party))
    }

    /// The same, of an agreement that is active. Order: agreement, party, status.
    pub fn active_party(
        &mut self,
        caller: Caller,
        id: AgreementId,
    ) -> Ruled<(Arc<AgreementRecord>, AgreementState, Party)> {
        let (record, state, party) = self.party(caller, id)?;
        match state.status {
            Status::Active => Ok((record, state, party)),
            status => Err(Refusal::WrongStatus { status }.into()),
        }
    }

    /// Who has proposed an agreement: it counts among the proposals of that party's member.
    fn proposer(agreement: &Agreement) -> Party {
        match agreement.origin {
            Origin::Proposal { by } => by,
            Origin::Award { .. } => Party::OWNER,
            Origin::Package => Party::USER,
        }
    }

    fn proposer_keeps(&mut self, agreement: &Agreement, one_more: bool) -> Ruled<()> {
        let account = agreement.terms.account(Self::proposer(agreement)).ok_or(Refusal::BadParties)?;
        let member = self.member_of(account)?;
        match one_more {
            true => self.keep(member, Limited::Proposals),
            false => self.keep_no_more(member, Limited::Proposals),
        }
    }
}

/// Proposing and signing.
impl Ledger<'_> {
    /// Order: party, id; then as for every new agreement. The same proposal again gives the first result.
    pub fn propose_agreement(
        &mut self,
        caller: Caller,
        label: Label,
        terms: &AgreementTerms,
        signing_ms: u32,
    ) -> Ruled<()> {
        let id = AgreementId::of(caller.account, label);
        let by = terms.party_of(caller.account).ok_or(Refusal::NotParty { agreement: id })?;
        let origin = Origin::Proposal { by };
        if let Some(present) = self.store.view::<AgreementRecord>(&id)? {
            return same_as(&present.agreement, terms, origin);
        }
        let sign_by = self.now.checked_add_ms(signing_ms.into()).ok_or(Refusal::Overflow)?;
        self.conclude(caller.member, Agreement { id, terms: terms.clone(), origin, sign_by }, by.bit())
    }

    /// Records a new agreement that some have signed, by whoever was the last; it is active at once if all have.
    /// Order: id, parties and program's terms, whether it is published, roles, other parties, arbiter; then the proposer's limit, or as for signing.
    pub fn conclude(&mut self, by: MemberId, agreement: Agreement, signed: u16) -> Ruled<()> {
        let (id, terms) = (agreement.id, &agreement.terms);
        let is_past = self.store.view::<PastAgreement>(&id)?.is_some();
        if is_past || self.store.view::<AgreementRecord>(&id)?.is_some() {
            return Err(Refusal::IdTaken.into());
        }
        utilidor_program::check(terms, self.now)?;
        self.need_program(&terms.program)?;
        self.need_traders(terms)?;
        terms.parties.iter().try_for_each(|party| self.member_of(*party).map(drop))?;
        if let Some(Fallback::Arbiter(account)) = terms.hard_end.as_ref().map(|end| &end.fallback) {
            self.member_of(*account)?;
        }
        self.store.find::<AgreementState>(&id)?;
        let mut state = AgreementState::proposed(signed);
        let is_signed = signed == everybody(terms);
        if !is_signed {
            self.proposer_keeps(&agreement, true)?;
        }

        let (parties, digest, sign_by) = (terms.parties.clone(), terms.digest(), agreement.sign_by);
        self.events.push(Event::AgreementProposed { agreement: id, parties, terms: digest, sign_by });
        self.store.put(&id, AgreementRecord { agreement, first: None });
        if is_signed {
            return self.activate(by, id, state);
        }
        self.note_new_due(DueItem::Agreement(id), sign_by)?;
        state.called = Some(sign_by);
        self.store.put(&id, state);
        Ok(())
    }

    /// The owner must be one still, and the user.
    fn need_traders(&mut self, terms: &AgreementTerms) -> Ruled<()> {
        self.account_needs_role(terms.owner().ok_or(Refusal::BadParties)?, Role::Owner)?;
        self.account_needs_role(terms.user().ok_or(Refusal::BadParties)?, Role::User)
    }

    /// All have signed: the program takes its places and reserves.
    fn activate(&mut self, by: MemberId, id: AgreementId, mut state: AgreementState) -> Ruled<()> {
        state.called = None;
        self.set_status(id, &mut state, Status::Active);
        self.store.put(&id, state);
        let record = self.agreement(id)?;
        if let Some(member) = self.keeper(&record.agreement.terms)? {
            self.keep(member, Limited::WrittenAgreements)?;
        }
        self.ask(by, id, &Told::Signed)
    }

    /// Whose member an agreement counts for whose program parties have written: its state is as large as the program likes.
    fn keeper(&mut self, terms: &AgreementTerms) -> Ruled<Option<MemberId>> {
        match terms.owner().filter(|_| terms.program.is_written()) {
            Some(owner) => self.member_of(owner).map(Some),
            None => Ok(None),
        }
    }

    /// Order: agreement, party, status, own turn, terms, time; when all have signed, roles, the owner's limit of agreements on written
    /// programs, and what the program checks.
    pub fn sign_agreement(&mut self, caller: Caller, id: AgreementId, signed: Digest) -> Ruled<()> {
        let (record, mut state, party) = self.awaiting_signature(caller, id)?;
        let agreement = &record.agreement;
        let expected = agreement.terms.digest();
        if signed != expected {
            return Err(Refusal::WrongTerms { signed, expected }.into());
        }
        if self.now >= agreement.sign_by {
            return Err(Refusal::SigningOver { sign_by: agreement.sign_by, now: self.now }.into());
        }

        state.signed |= party.bit();
        if state.signed != everybody(&agreement.terms) {
            self.store.put(&id, state);
            return Ok(());
        }
        self.need_traders(&agreement.terms)?;
        self.proposer_keeps(agreement, false)?;
        match agreement.origin {
            Origin::Award { offer } => self.lots_are_sold(offer)?,
            Origin::Package => self.keep_subscription(&agreement.terms)?,
            Origin::Proposal { .. } => {}
        }
        self.activate(caller.member, id, state)
    }

    /// Order: agreement, party, status, own turn.
    pub fn decline_agreement(&mut self, caller: Caller, id: AgreementId) -> Ruled<()> {
        let (record, ..) = self.awaiting_signature(caller, id)?;
        self.leave_unsigned(&record.agreement, Status::Declined)
    }

    fn awaiting_signature(
        &mut self,
        caller: Caller,
        id: AgreementId,
    ) -> Ruled<(Arc<AgreementRecord>, AgreementState, Party)> {
        let (record, state, party) = self.party(caller, id)?;
        match state.status {
            Status::Proposed if state.signed & party.bit() == 0 => Ok((record, state, party)),
            Status::Proposed | Status::Active => Err(Refusal::AlreadySigned { agreement: id }.into()),
            status => Err(Refusal::WrongStatus { status }.into()),
        }
    }

    /// Nobody has to keep what was not signed.
    fn leave_unsigned(&mut self, agreement: &Agreement, status: Status) -> Ruled<()> {
        let id = agreement.id;
        self.proposer_keeps(agreement, false)?;
        if let Origin::Award { offer } = agreement.origin {
            self.return_lots(offer, &agreement.terms.program)?;
        }
        let due = self.store.view::<AgreementState>(&id)?.and_then(|state| state.due);
        self.leave_state(id, due);
        self.events.push(Event::AgreementStatus { agreement: id, status });
        Ok(())
    }
}

/// Until when what is over can wait for a purchase.
fn waits_until(state: &AgreementState) -> u64 {
    state.ends.0.saturating_add(2 * KEPT_AFTER_END_MS)
}

/// What the same creator gets that uses a label again.
pub(crate) fn same_as(present: &Agreement, terms: &AgreementTerms, origin: Origin) -> Ruled<()> {
    if present.terms == *terms && present.origin == origin { Ok(()) } else { Err(Refusal::IdTaken.into()) }
}

/// Acting.
impl Ledger<'_> {
    /// Order: agreement, party, status; then what the program checks.
    pub fn command(&mut self, caller: Caller, id: AgreementId, bytes: &Bounded<u8, MAX_COMMAND_BYTES>) -> Ruled<()> {
        let (_, _, by) = self.active_party(caller, id)?;
        self.ask(caller.member, id, &Told::Command { by, bytes: bytes.clone() })
    }

    /// A due time of an agreement has come. `false` if it is not the one that counts, or waits for another day's fuel, so that nothing
    /// is done.
    pub fn agreement_due(&mut self, id: AgreementId) -> Ruled<bool> {
        self.store.want::<AgreementState>(&id);
        let Some(record) = self.store.view::<AgreementRecord>(&id)? else { return Ok(false) };
        let state: AgreementState = self.store.known(&id)?;
        if state.called.is_none_or(|called| called > self.now) {
            return Ok(false);
        }
        match state.status {
            Status::Proposed => self.leave_unsigned(&record.agreement, Status::Expired)?,
            Status::Active | Status::Stalled if state.ends <= self.now => {
                self.end_without_program(&record.agreement, state)?;
            }
            _ if state.is_over()
                && state.debt == Money::ZERO
                && state.ends <= self.now
                && !self.has_the_last_word(&record.agreement.terms, &state) =>
            {
                match self.can_be_given_back(&record, &state)? {
                    true => self.wait_a_day(id, state),
                    false => self.forget(&record.agreement, &state)?,
                }
                return Ok(false);
            }
            _ if self.has_hard_ended(&record.agreement.terms) => {
                self.halt(id, state)?;
                return Ok(false);
            }
            _ if self.waits_for_a_purchase(&record.agreement, &state)? => {
                self.wait_a_day(id, state);
                return Ok(false);
            }
            _ => match self.waits_for_fuel(&record.agreement.terms)? {
                Some(at) => {
                    self.wait_until(id, state, at);
                    return Ok(false);
                }
                None => self.call_program(id, state)?,
            },
        }
        Ok(true)
    }

    /// Whether a supply that is over is to read a meter for the last time from which a purchase can still take. What that settles goes
    /// to the supply first, at most as much later as a purchase can settle.
    fn waits_for_a_purchase(&mut self, agreement: &Agreement, state: &AgreementState) -> Ruled<bool> {
        if !self.has_the_last_word(&agreement.terms, state) || self.now.0 > waits_until(state) {
            return Ok(false);
        }
        let wants = utilidor_program::wants(&agreement.terms.program, &Told::Due, &without_slots(state));
        let Ok(Wants { read, .. }) = wants else { return Ok(false) };
        read.iter().for_each(|(_, meter)| self.want_meter(*meter));
        for (binding, meter) in read {
            if self.unread(meter, (agreement.id, binding))? == Some(Unread::ForAPurchase) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a purchase that has not settled has taken of what flowed for a supply that is over, and so can give it back.
    fn can_be_given_back(&mut self, record: &AgreementRecord, state: &AgreementState) -> Ruled<bool> {
        if self.now.0 > waits_until(state) {
            return Ok(false);
        }
        let agreed_first = record.first.iter().flat_map(|(program, _)| program.meters());
        let meters: Vec<_> = record.agreement.terms.program.meters().into_iter().chain(agreed_first).collect();
        meters.iter().for_each(|(meter, _)| self.want_meter(*meter));
        for (meter, _) in meters {
            let bound = self.store.view::<MeterBindings>(&meter)?;
            if bound.is_some_and(|bound| bound.has_takes_of(record.agreement.id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn wait_a_day(&mut self, id: AgreementId, state: AgreementState) {
        let tomorrow = self.now.checked_add_ms(DAY_MS).filter(|at| *at <= MAX_TIMESTAMP);
        self.note_due(DueItem::Agreement(id));
        self.store.put(&id, AgreementState { called: tomorrow, ..state });
    }

    /// Whether a program that is over has yet to be called for the last time: no block was made since. One that parties have written
    /// could ask for another time again and again.
    fn has_the_last_word(&self, terms: &AgreementTerms, state: &AgreementState) -> bool {
        let is_due = state.scheduled.is_some_and(|at| at <= self.now);
        state.is_over() && !state.halted && is_due && !terms.program.is_written()
    }

    /// What was due of an agreement could not be done: it is due again at a later time. If its program was called for it, it has
    /// failed.
    pub fn put_off_agreement(&mut self, id: AgreementId, at: Timestamp) -> Ruled<()> {
        self.want_due(at);
        self.store.want::<BacklogRecord>(&id);
        let Some(mut state) = self.store.find::<AgreementState>(&id)? else { return Ok(()) };
        let is_without_program = match state.status {
            Status::Proposed => true,
            _ => state.ends <= self.now && !(state.is_over() && state.debt > Money::ZERO),
        };
        if is_without_program {
            state.called = Some(at);
            self.note_due(DueItem::Agreement(id));
            self.store.put(&id, state);
            return Ok(());
        }
        self.store.find::<BacklogRecord>(&id)?;
        self.note_failure(id, Unfit::Records.code(), state.failures.saturating_add(1))
    }

    /// Nobody has to keep what is over and owes nothing.
    fn forget(&mut self, agreement: &Agreement, state: &AgreementState) -> Ruled<()> {
        let id = agreement.id;
        self.want_members(agreement.terms.owner());
        let slots: Vec<u8> = (0..MAX_SLOTS as u8).filter(|slot| state.slots & 1 << slot != 0).collect();
        slots.iter().for_each(|slot| self.store.want::<SlotRecord>(&(id, *slot)));
        for slot in slots {
            if self.store.find::<SlotRecord>(&(id, slot))?.is_some() {
                self.store.delete::<SlotRecord>(&(id, slot));
            }
        }
        self.drop_backlog(id)?;
        if let Some(member) = self.keeper(&agreement.terms)? {
            self.keep_no_more(member, Limited::WrittenAgreements)?;
        }
        self.leave_state(id, state.due);
        self.store.create_unread(&id, PastAgreement { left: self.now });
        Ok(())
    }

    /// Takes an agreement out of the state and the calendar.
    fn leave_state(&mut self, id: AgreementId, due: Option<DuePlace>) {
        self.note_gone(DueItem::Agreement(id), due);
        self.store.delete::<AgreementRecord>(&id);
        self.store.delete::<AgreementState>(&id);
    }
}

/// Whose member an account is, where that is known already.
impl Ledger<'_> {
    pub fn want_members(&mut self, accounts: impl IntoIterator<Item = AccountId>) {
        for account in accounts {
            if let Ok(Some(record)) = self.store.view::<AccountRecord>(&account) {
                self.store.want::<MemberRecord>(&record.member);
            }
        }
    }
}
