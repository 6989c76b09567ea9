//! Amendments: other terms for an agreement that all its parties sign. What is signed are the terms that result and the time
//! from which they count.
//!
//! An agreement has one proposed amendment at a time; a second proposal replaces the first. It goes with the agreement's end.

use crate::agreement::everybody;
use crate::context::{Caller, Ledger};
use crate::record::{AgreementRecord, AgreementState, AmendmentRecord};
use crate::store::Ruled;
use std::sync::Arc;
use utilidor_program::Event as Told;
use utilidor_types::agreement::{AgreementTerms, Party, Status};
use utilidor_types::{Agreement, AgreementId, Digest, Event, Program, Refusal, Timestamp};

impl Ledger<'_> {
    pub fn want_amendment(&mut self, id: AgreementId) {
        self.want_agreement(id);
        self.store.want::<AmendmentRecord>(&id);
    }

    /// What the present program lets go, and what the amended one needs.
    pub fn want_amended(&mut self, id: AgreementId) {
        let Ok(Some(record)) = self.store.view::<AgreementRecord>(&id) else { return };
        let Ok(Some(amendment)) = self.store.view::<AmendmentRecord>(&id) else { return };
        let Ok(Some(state)) = self.store.view::<AgreementState>(&id) else { return };
        let terms = amendment.terms(&record.agreement.terms);
        let event = self.amended(record.agreement.terms.clone(), amendment.from);
        self.want_for(&Agreement { terms, ..record.agreement.clone() }, &state, &event);
    }

    fn amended(&self, before: AgreementTerms, from: Timestamp) -> Told {
        Told::Amended { before: Box::new(before), from: from.max(self.now) }
    }

    /// An agreement that can be amended: also one that is stalled. Order: agreement, party, status.
    fn amendable(&mut self, caller: Caller, id: AgreementId) -> Ruled<(Arc<AgreementRecord>, AgreementState, Party)> {
        let (record, state, party) = self.party(caller, id)?;
        match state.status {
            Status::Active | Status::Stalled => Ok((record, state, party)),
            status => Err(Refusal::WrongStatus { status }.into()),
        }
    }

    /// Order: agreement, party, status, time; then the program's kind and terms, and whether it is published.
    pub fn propose_amendment(
        &mut self,
        caller: Caller,
        id: AgreementId,
        program: &Program,
        from: Timestamp,
    ) -> Ruled<()> {
        let (record, mut state, party) = self.amendable(caller, id)?;
        if from > utilidor_types::time::MAX_TIMESTAMP {
            return Err(Refusal::BadAmendmentTime { from }.into());
        }
        let amendment = AmendmentRecord { signed: party.bit(), from, program: program.clone() };
        let present = &record.agreement.terms;
        utilidor_program::check_amendment(&amendment.terms(present), present, self.now)?;
        self.need_program(program)?;
        self.store.find::<AmendmentRecord>(&id)?;

        self.store.put(&id, amendment);
        if !std::mem::replace(&mut state.amending, true) {
            self.store.put(&id, state);
        }
        Ok(())
    }

    /// Order: agreement, party, status, amendment, own turn, terms; when all have signed, what the program checks.
    pub fn sign_amendment(&mut self, caller: Caller, id: AgreementId, signed: Digest) -> Ruled<()> {
        let (record, mut state, party) = self.amendable(caller, id)?;
        let mut amendment: AmendmentRecord = self.store.get(&id, || Refusal::NoAmendment { agreement: id })?;
        if amendment.signed & party.bit() != 0 {
            return Err(Refusal::AlreadySigned { agreement: id }.into());
        }
        let before = &record.agreement.terms;
        let terms = amendment.terms(before);
        let expected = terms.amendment_digest(amendment.from);
        if signed != expected {
            return Err(Refusal::WrongTerms { signed, expected }.into());
        }

        amendment.signed |= party.bit();
        if amendment.signed != everybody(before) {
            self.store.put(&id, amendment);
            return Ok(());
        }
        self.store.delete::<AmendmentRecord>(&id);
        let digest = terms.digest();
        let event = self.amended(before.clone(), amendment.from);
        let since = amendment.from.max(self.now);
        let first = record.first.clone().unwrap_or_else(|| (before.program.clone(), since));
        let agreement = Agreement { terms, ..record.agreement.clone() };
        self.store.put(&id, AgreementRecord { agreement, first: Some(first) });
        (state.ending, state.amending) = (0, false);
        if state.status == Status::Stalled {
            // What its program missed is told to it an hour later.
            state.failures = 1;
            self.set_status(id, &mut state, Status::Active);
        }
        self.store.put(&id, state);
        self.events.push(Event::AgreementAmended { agreement: id, terms: digest });
        self.ask(caller.member, id, &event)
    }
}
