//! Agreements [M12-M15]: proposing, signing, amending, ending, and what happens at their due times.

use crate::execution::Ledger;
use crate::member::Caller;
use crate::program::{Effect, Facts};
use crate::purchase;
use crate::record::{AgreementRecord, AgreementState, AmendmentRecord, Binding, Escrow, LotState, ProgramState};
use crate::store::Ruled;
use utilidor_types::agreement::{AgreementTerms, Origin, PurchaseTerms, Side, Status};
use utilidor_types::offer::MAX_LOTS;
use utilidor_types::{Agreement, AgreementId, Bounded, CertificateId, Digest, Event, Program, Refusal, Role};

impl Ledger<'_> {
    /// The agreement with its state and the side that asks. Order: agreement, party.
    pub fn party(&mut self, caller: Caller, agreement: AgreementId) -> Ruled<(Agreement, AgreementState, Side)> {
        self.store.want::<AgreementState>(&agreement);
        let record: AgreementRecord = self.store.get(&agreement, || Refusal::UnknownAgreement { agreement })?;
        let state: AgreementState = self.store.known(&agreement)?;
        let side = record.agreement.terms.side_of(caller.account).ok_or(Refusal::NotParty { agreement })?;
        Ok((record.agreement, state, side))
    }

    /// Order: party, id, roles of both sides; then as for every new agreement.
    pub fn propose_agreement(
        &mut self,
        caller: Caller,
        id: AgreementId,
        terms: &AgreementTerms,
        signing_ms: u32,
    ) -> Ruled<()> {
        let by = terms.side_of(caller.account).ok_or(Refusal::NotParty { agreement: id })?;
        if let Some(AgreementRecord { agreement }) = self.store.find(&id)? {
            let same = agreement.terms == *terms && agreement.origin == Origin::Proposal { by };
            return if same { Ok(()) } else { Err(Refusal::IdTaken.into()) };
        }
        self.account_needs_role(terms.owner, Role::Owner)?;
        self.account_needs_role(terms.user, Role::User)?;
        let sign_by = self.now.checked_add_ms(signing_ms.into()).ok_or(Refusal::Overflow)?;
        self.conclude(Agreement { id, terms: terms.clone(), origin: Origin::Proposal { by }, sign_by }, false)
    }

    /// Records a new agreement: proposed, or active at once if it is `signed` by both already.
    /// Order: sides, id, program's terms; if signed, as for signing.
    pub fn conclude(&mut self, agreement: Agreement, signed: bool) -> Ruled<()> {
        if agreement.terms.owner == agreement.terms.user {
            return Err(Refusal::SelfDealing.into());
        }
        if self.store.find::<AgreementRecord>(&agreement.id)?.is_some() {
            return Err(Refusal::IdTaken.into());
        }
        if let Program::Purchase(terms) = &agreement.terms.program {
            purchase::check(terms)?;
        }
        let mut state = AgreementState {
            status: Status::Proposed,
            escrow: Escrow::default(),
            ending: None,
            statements: 0,
            certificates_from: CertificateId(0),
            program: ProgramState::None,
        };
        self.events.push(Event::AgreementProposed {
            agreement: agreement.id,
            owner: agreement.terms.owner,
            user: agreement.terms.user,
            terms: agreement.terms.digest(),
            sign_by: agreement.sign_by,
        });
        self.store.put(&agreement.id, AgreementRecord { agreement: agreement.clone() });
        self.store.find::<AgreementState>(&agreement.id)?;
        if signed {
            self.activate(&agreement, &mut state)?;
        } else {
            self.schedule(agreement.id, agreement.sign_by)?;
        }
        self.store.put(&agreement.id, state);
        Ok(())
    }

    /// Order: agreement, party, status, own turn, terms, time; then delivery, meters, capacity, funds.
    pub fn sign_agreement(&mut self, caller: Caller, id: AgreementId, signed: Digest) -> Ruled<()> {
        let (agreement, mut state) = self.awaiting_signature(caller, id)?;
        let expected = agreement.terms.digest();
        if signed != expected {
            return Err(Refusal::WrongTerms { signed, expected }.into());
        }
        if self.now >= agreement.sign_by {
            return Err(Refusal::SigningOver { sign_by: agreement.sign_by, now: self.now }.into());
        }

        self.activate(&agreement, &mut state)?;
        self.store.put(&id, state);
        Ok(())
    }

    /// Order: agreement, party, status, own turn.
    pub fn decline_agreement(&mut self, caller: Caller, id: AgreementId) -> Ruled<()> {
        let (agreement, state) = self.awaiting_signature(caller, id)?;
        self.leave_unsigned(&agreement, state, Status::Declined)
    }

    fn awaiting_signature(&mut self, caller: Caller, id: AgreementId) -> Ruled<(Agreement, AgreementState)> {
        let (agreement, state, side) = self.party(caller, id)?;
        let signs = match agreement.origin {
            Origin::Proposal { by } => by.other(),
            Origin::Award { .. } | Origin::Package => Side::User,
        };
        match state.status {
            Status::Proposed if side == signs => Ok((agreement, state)),
            Status::Proposed | Status::Active => Err(Refusal::AlreadySigned { agreement: id }.into()),
            status => Err(Refusal::WrongStatus { status }.into()),
        }
    }

    fn leave_unsigned(&mut self, agreement: &Agreement, mut state: AgreementState, status: Status) -> Ruled<()> {
        if let Origin::Award { offer } = agreement.origin {
            self.return_lots(offer, agreement.id, &agreement.terms.program)?;
        }
        self.set_status(agreement.id, &mut state, status);
        self.store.put(&agreement.id, state);
        Ok(())
    }

    /// Both have signed: the program takes its places and reserves. Order: delivery, meters, capacity, funds.
    fn activate(&mut self, agreement: &Agreement, state: &mut AgreementState) -> Ruled<()> {
        self.set_status(agreement.id, state, Status::Active);
        state.certificates_from = self.next_certificate()?;
        let opened = match &agreement.terms.program {
            Program::Purchase(terms) => self.open_purchase(agreement, state, terms),
            Program::Subscription(terms) => {
                self.open_subscription(agreement, terms).map(|program| state.program = program)
            }
        };
        self.or_want(opened, |ledger| ledger.want_used_by(agreement))
    }

    fn open_purchase(&mut self, agreement: &Agreement, state: &mut AgreementState, terms: &PurchaseTerms) -> Ruled<()> {
        if self.now >= terms.window.from {
            return Err(Refusal::DeliveryBegun { from: terms.window.from, now: self.now }.into());
        }
        for (index, lot) in (0u8..).zip(&terms.lots) {
            for (side, meter) in [(Side::Owner, lot.metering.delivery), (Side::User, lot.metering.take)] {
                let Some(meter) = meter else { continue };
                let holder = agreement.terms.party(side);
                let binding = Binding { agreement: agreement.id, lot: index, side, window: terms.window };
                self.bind_purchase(meter, lot.carrier, holder, binding)?;
            }
        }
        self.sell_hours(agreement.terms.owner, terms)?;
        let (lots, effects) = purchase::signed(terms);
        state.program = ProgramState::Purchase(lots);
        self.carry_out(agreement, state, effects)
    }

    fn close_purchase(&mut self, agreement: AgreementId, terms: &PurchaseTerms) -> Ruled<()> {
        terms.meters().try_for_each(|meter| self.unbind_purchase(meter, agreement))
    }

    /// Order: agreement, party, status, kind, program's terms. A second proposal replaces the first.
    pub fn propose_amendment(&mut self, caller: Caller, id: AgreementId, program: &Program) -> Ruled<()> {
        let (agreement, _, side) = self.active_party(caller, id)?;
        match (&agreement.terms.program, program) {
            (Program::Purchase(present), Program::Purchase(terms)) => {
                if self.now >= present.window.from {
                    return Err(Refusal::DeliveryBegun { from: present.window.from, now: self.now }.into());
                }
                purchase::check(terms)?;
            }
            (Program::Subscription(_), Program::Subscription(_)) => {}
            _ => return Err(Refusal::AmendmentKind.into()),
        }
        self.store.find::<AmendmentRecord>(&id)?;

        self.store.put(&id, AmendmentRecord { by: side, program: program.clone() });
        Ok(())
    }

    /// Order: agreement, party, status, amendment, own turn, terms; then as for signing anew.
    pub fn sign_amendment(&mut self, caller: Caller, id: AgreementId, signed: Digest) -> Ruled<()> {
        let (mut agreement, mut state, side) = self.active_party(caller, id)?;
        let amendment: AmendmentRecord = self.store.get(&id, || Refusal::NoAmendment { agreement: id })?;
        if amendment.by == side {
            return Err(Refusal::AlreadySigned { agreement: id }.into());
        }
        let terms = amendment.terms(&agreement.terms);
        let expected = terms.digest();
        if signed != expected {
            return Err(Refusal::WrongTerms { signed, expected }.into());
        }

        self.store.delete::<AmendmentRecord>(&id);
        state.ending = None;
        match (&agreement.terms.program, &terms.program) {
            (Program::Purchase(present), Program::Purchase(amended)) => {
                let present = present.clone();
                if self.now >= present.window.from {
                    return Err(Refusal::DeliveryBegun { from: present.window.from, now: self.now }.into());
                }
                self.close_purchase(id, &present)?;
                self.return_hours(agreement.terms.owner, &present)?;
                let released = purchase::release_all(&state.escrow);
                self.carry_out(&agreement, &mut state, released)?;
                let amended = amended.clone();
                agreement.terms = terms;
                self.open_purchase(&agreement, &mut state, &amended)?;
            }
            (Program::Subscription(_), Program::Subscription(amended)) => {
                self.amend_subscription(&agreement, &mut state, amended)?;
                agreement.terms = terms;
            }
            _ => unreachable!("a proposed amendment keeps the kind of program"),
        }
        self.events.push(Event::AgreementAmended { agreement: id, terms: expected });
        self.store.put(&id, state);
        self.store.put(&id, AgreementRecord { agreement });
        Ok(())
    }

    fn active_party(&mut self, caller: Caller, id: AgreementId) -> Ruled<(Agreement, AgreementState, Side)> {
        let (agreement, state, side) = self.party(caller, id)?;
        if state.status != Status::Active {
            return Err(Refusal::WrongStatus { status: state.status }.into());
        }
        Ok((agreement, state, side))
    }

    /// Order: agreement, party, status. A subscription's owner can only agree; its user's word ends it.
    pub fn terminate(&mut self, caller: Caller, id: AgreementId) -> Ruled<()> {
        let (agreement, mut state, side) = self.active_party(caller, id)?;
        match &agreement.terms.program {
            Program::Subscription(_) if side == Side::User => self.end_subscription(&agreement, &mut state)?,
            Program::Purchase(terms) if state.ending == Some(side.other()) => {
                self.close_purchase(id, terms)?;
                let lots = lots_of(&state);
                let facts = self.facts(&agreement)?;
                let effects = purchase::end_early(terms, &lots, &state.escrow, facts);
                if self.now < terms.window.from {
                    self.return_hours(agreement.terms.owner, terms)?;
                }
                self.carry_out(&agreement, &mut state, effects)?;
            }
            _ => state.ending = Some(side),
        }
        self.store.put(&id, state);
        Ok(())
    }

    fn facts(&mut self, agreement: &Agreement) -> Ruled<Facts> {
        Ok(Facts { user_free: self.free(agreement.terms.user)? })
    }

    /// A due time of an agreement has come. `false` if nothing is to be done any more.
    pub fn agreement_due(&mut self, id: AgreementId) -> Ruled<bool> {
        let acted = self.act_when_due(id);
        self.or_want(acted, |ledger| {
            ledger.store.want::<AgreementState>(&id);
            if let Ok(Some(record)) = ledger.store.view::<AgreementRecord>(&id) {
                ledger.want_used_by(&record.agreement);
            }
        })
    }

    fn act_when_due(&mut self, id: AgreementId) -> Ruled<bool> {
        let record = self.store.view::<AgreementRecord>(&id)?.expect("what is due exists");
        let agreement = &record.agreement;
        let (place, mut state) = self.store.known_at::<AgreementState>(&id)?;
        match (state.status, &agreement.terms.program) {
            (Status::Proposed, _) if self.now >= agreement.sign_by => {
                self.leave_unsigned(agreement, state, Status::Expired)?;
                return Ok(true);
            }
            (Status::Active, Program::Purchase(terms)) if terms.settles_at().is_some_and(|at| at <= self.now) => {
                let lots = lots_of(&state);
                self.close_purchase(id, terms)?;
                let facts = self.facts(agreement)?;
                let effects: Vec<Effect> = purchase::settle(terms, &lots, &state.escrow, facts);
                self.carry_out(agreement, &mut state, effects)?;
            }
            (Status::Active, Program::Subscription(_)) => {
                if !self.month_over(agreement, &mut state)? {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
        self.store.put_at(place, state);
        Ok(true)
    }
}

/// The running sums of an active purchase.
fn lots_of(state: &AgreementState) -> Bounded<LotState, MAX_LOTS> {
    match &state.program {
        ProgramState::Purchase(lots) => lots.clone(),
        _ => unreachable!("an active purchase has a purchase's state"),
    }
}
