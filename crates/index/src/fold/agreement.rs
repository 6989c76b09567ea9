//! Agreements: their parties, terms, signatures and steps.
//!
//! An agreement that was declined or has expired leaves the ledger, and its id can be used again: then another row stands for
//! it, and the last one counts.

use super::{Agreement, Amendment, Award, Before, Debt, Fold, FoldError, Folded, NewAgreement, Row, Step, diverged};
use std::sync::Arc;
use utilidor_types::action::AwardedQuote;
use utilidor_types::agreement::{Origin, Party, Status};
use utilidor_types::time::MAX_TIMESTAMP;
use utilidor_types::{AccountId, Action, AgreementId, AgreementTerms, Digest, Money, Program, Timestamp, Window};
use utilidor_view::{Kind, StepKind};

/// What an action proposes.
struct Proposed<'a> {
    terms: AgreementTerms,
    origin: Origin,
    award: Option<&'a AwardedQuote>,
}

impl<'a, B: Before> Fold<'a, '_, B> {
    pub fn agreement(&mut self, agreement: AgreementId) -> Folded<&Agreement, B> {
        let ask = || self.before.agreement(agreement);
        let known = self.known.agreements.get(agreement, ask).map_err(FoldError::Before)?;
        known.as_ref().ok_or_else(|| diverged(format!("agreement {agreement} was never proposed")))
    }

    pub fn agreement_proposed(
        &mut self,
        agreement: AgreementId,
        parties: &[AccountId],
        digest: Digest,
        sign_by: Timestamp,
        request: Option<(AccountId, &'a Action)>,
    ) -> Folded<(), B> {
        let proposed = self.proposed_terms(agreement, parties, request)?;
        let Proposed { terms, origin, award } = proposed
            .ok_or_else(|| diverged(format!("the receipt proposes agreement {agreement}, its action does not")))?;
        if terms.digest() != digest {
            return Err(diverged(format!("the terms of agreement {agreement} are not those that its receipt names")));
        }
        self.changes.totals.agreements += 1;
        let row = self.changes.totals.agreements as Row;
        let taken = award.map(|award| self.award_quote(award, row)).transpose()?;
        let (award, binding) = taken.unzip();
        let (kind, status) = (Kind::of(&terms.program), Status::Proposed);
        let offer = award.as_ref().map(|award: &Award| award.row);
        let state = Agreement { row, parties: parties.into(), kind, status, ends: None, open: false, award };
        self.known.agreements.put(agreement, Some(state));
        for party in parties {
            let party = self.account(*party)?.row;
            self.changes.agreement_parties.push((party, row));
        }
        self.changes.count(kind, status, 1);
        self.step(agreement, StepKind::Proposed, None, Some(digest), None)?;
        self.signed_by_proposing(agreement, &terms, origin, binding.flatten())?;
        let receipt = self.receipt;
        self.changes.agreements.push(NewAgreement { row, id: agreement, kind, origin, offer, terms, sign_by, receipt });
        Ok(())
    }

    /// Who has signed with what made the agreement, or before.
    fn signed_by_proposing(
        &mut self,
        agreement: AgreementId,
        terms: &AgreementTerms,
        origin: Origin,
        quote: Option<Row>,
    ) -> Folded<(), B> {
        let (row, digest) = (self.agreement(agreement)?.row, terms.digest());
        let party = |party| terms.account(party).ok_or_else(|| diverged("an agreement has no such party"));
        match origin {
            Origin::Award { .. } => {
                self.signed(agreement, party(Party::OWNER)?, digest)?;
                if let Some(receipt) = quote {
                    self.signed_at(receipt, row, party(Party::USER)?, digest)?;
                }
            }
            Origin::Proposal { by } => self.signed(agreement, party(by)?, digest)?,
            Origin::Package => {
                if let Some((package, version)) = terms.program.package() {
                    // Publishing the package was the owner's signature.
                    let published = self.package(package, version)?.receipt;
                    self.signed_at(published, row, party(Party::OWNER)?, digest)?;
                }
                self.signed(agreement, party(Party::USER)?, digest)?;
            }
        }
        Ok(())
    }

    /// What the action proposes under this id, worked out as the ledger does.
    fn proposed_terms(
        &mut self,
        agreement: AgreementId,
        parties: &[AccountId],
        request: Option<(AccountId, &'a Action)>,
    ) -> Folded<Option<Proposed<'a>>, B> {
        let Some((by, action)) = request else { return Ok(None) };
        Ok(match action {
            Action::Award { awards } => {
                let ours = |award: &&AwardedQuote| AgreementId::of(by, award.label) == agreement;
                let Some(award) = awards.iter().find(ours) else { return Ok(None) };
                let terms = self.offer(award.offer)?.offer.agreement_terms(by, award.bidder, &award.opening);
                Some(Proposed { terms, origin: Origin::Award { offer: award.offer }, award: Some(award) })
            }
            Action::ProposeAgreement { label, terms, .. } if AgreementId::of(by, *label) == agreement => {
                let party =
                    terms.party_of(by).ok_or_else(|| diverged("who proposes an agreement is no party of it"))?;
                Some(Proposed { terms: terms.clone(), origin: Origin::Proposal { by: party }, award: None })
            }
            Action::Subscribe { label, terms } if AgreementId::of(by, *label) == agreement => {
                let owner = parties.first().ok_or_else(|| diverged("an agreement without parties"))?;
                let program = Program::Subscription(terms.clone());
                let terms = AgreementTerms::between(*owner, by, program);
                Some(Proposed { terms, origin: Origin::Package, award: None })
            }
            _ => None,
        })
    }

    fn change_agreement(&mut self, id: AgreementId, change: impl FnOnce(&mut Agreement)) -> Folded<Agreement, B> {
        let mut agreement = self.agreement(id)?.clone();
        change(&mut agreement);
        self.known.agreements.put(id, Some(agreement.clone()));
        Ok(agreement)
    }

    pub fn agreement_status(&mut self, id: AgreementId, status: Status) -> Folded<(), B> {
        let Agreement { row, kind, status: before, .. } = *self.agreement(id)?;
        self.changes.count(kind, before, -1);
        self.changes.count(kind, status, 1);
        let mut award = None;
        self.change_agreement(id, |agreement| {
            agreement.status = status;
            award = agreement.award.take();
        })?;
        match status {
            Status::Active if before == Status::Proposed => self.serve(row, id)?,
            Status::Declined | Status::Expired => award.iter().try_for_each(|award| self.return_lots(award))?,
            Status::Settled | Status::Defaulted | Status::Terminated => {
                self.serve_no_more(id)?;
                self.drop_amendment(row)?;
            }
            Status::Proposed | Status::Active | Status::Stalled => {}
        }
        self.step(id, status.into(), None, None, None)
    }

    pub fn propose_amendment(
        &mut self,
        by: AccountId,
        agreement: AgreementId,
        program: &Program,
        from: Timestamp,
    ) -> Folded<(), B> {
        let present = self.terms(agreement)?;
        let row = self.agreement(agreement)?.row;
        let terms = Arc::new(AgreementTerms { program: program.clone(), ..present });
        let amendment = Amendment { terms, from, by, receipt: self.receipt };
        let digest = amendment.digest();
        self.known.amendments.put(row, Some(amendment));
        self.step(agreement, StepKind::AmendmentProposed, Some(by), Some(digest), Some(from))?;
        self.signed(agreement, by, digest)
    }

    fn amendment(&mut self, agreement: Row) -> Folded<Option<Amendment>, B> {
        let ask = || self.before.amendment(agreement);
        Ok(self.known.amendments.get(agreement, ask).map_err(FoldError::Before)?.clone())
    }

    fn drop_amendment(&mut self, agreement: Row) -> Folded<(), B> {
        if self.amendment(agreement)?.is_some() {
            self.known.amendments.put(agreement, None);
        }
        Ok(())
    }

    pub fn agreement_amended(&mut self, id: AgreementId, digest: Digest) -> Folded<(), B> {
        let row = self.agreement(id)?.row;
        let amendment = self.amendment(row)?.filter(|amendment| amendment.terms.digest() == digest);
        let amendment =
            amendment.ok_or_else(|| diverged(format!("agreement {id} is amended to terms that nobody proposed")))?;
        self.known.amendments.put(row, None);
        let from = amendment.from.max(self.now);
        self.serve_amended(id, &amendment.terms.program, from)?;
        self.changes.terms.insert(row, Arc::unwrap_or_clone(amendment.terms));
        self.step(id, StepKind::Amended, None, Some(digest), Some(from))
    }

    pub fn terminate(&mut self, by: AccountId, agreement: AgreementId) -> Folded<(), B> {
        self.step(agreement, StepKind::TerminationRequested, Some(by), None, None)
    }

    /// The meters go on serving it.
    pub fn withdraw_termination(&mut self, by: AccountId, agreement: AgreementId) -> Folded<(), B> {
        let open = self.change_agreement(agreement, |agreement| agreement.ends = None)?.open;
        if open {
            let (terms, now) = (self.terms(agreement)?, self.now);
            self.serve_by(agreement, &terms.program, now)?;
        }
        self.step(agreement, StepKind::TerminationWithdrawn, Some(by), None, None)
    }

    pub fn ending(&mut self, agreement: AgreementId, at: Timestamp) -> Folded<(), B> {
        self.change_agreement(agreement, |agreement| agreement.ends = Some(at))?;
        self.serve_until(agreement, at)?;
        self.step(agreement, StepKind::Ending, None, None, Some(at))
    }

    pub fn debt(&mut self, agreement: AgreementId, party: Party, owes: Money) -> Folded<(), B> {
        let row = self.agreement(agreement)?.row;
        self.changes.debts.insert((row, party), Debt { owes, receipt: self.receipt });
        Ok(())
    }

    /// A party signs terms with the present transaction.
    pub fn signed(&mut self, agreement: AgreementId, by: AccountId, terms: Digest) -> Folded<(), B> {
        let row = self.agreement(agreement)?.row;
        self.signed_at(self.receipt, row, by, terms)
    }

    /// A party signed terms with the transaction of a receipt.
    fn signed_at(&mut self, receipt: Row, agreement: Row, by: AccountId, terms: Digest) -> Folded<(), B> {
        let account = Some(self.account(by)?.row);
        let (step, terms) = (StepKind::Signed, Some(terms));
        self.push_step(Step { agreement, receipt, place: 0, step, account, terms, at: None });
        Ok(())
    }

    fn step(
        &mut self,
        agreement: AgreementId,
        step: StepKind,
        by: Option<AccountId>,
        terms: Option<Digest>,
        at: Option<Timestamp>,
    ) -> Folded<(), B> {
        let agreement = self.agreement(agreement)?.row;
        let account = by.map(|by| self.account(by).map(|account| account.row)).transpose()?;
        self.push_step(Step { agreement, receipt: self.receipt, place: 0, step, account, terms, at });
        Ok(())
    }

    /// What happens to an agreement concerns it: its past is read from these receipts.
    fn push_step(&mut self, step: Step) {
        self.changes.agreement_receipts.push((step.agreement, step.receipt));
        let place = self.changes.steps.len() as Row;
        self.changes.steps.push(Step { place, ..step });
    }
}

/// Which meters serve an agreement, and when: what its terms name, and what segments have shown.
impl<B: Before> Fold<'_, '_, B> {
    /// The meters that serve an agreement by its terms. The terms of a program that parties have written can name a meter that
    /// does not exist: it serves nobody.
    fn named(&mut self, program: &Program) -> Folded<Vec<(Row, Option<Window>)>, B> {
        let mut named = Vec::new();
        for (meter, window) in program.meters() {
            named.extend(self.known_meter(meter)?.map(|meter| (meter.row, window)));
        }
        Ok(named)
    }

    /// It begins: nothing can have served it before.
    fn serve(&mut self, row: Row, id: AgreementId) -> Folded<(), B> {
        let (terms, from) = (self.terms(id)?, self.now);
        for (meter, _) in self.named(&terms.program)? {
            self.known.serves.get((row, meter), || Ok(None)).map_err(FoldError::Before)?;
        }
        self.serve_by(id, &terms.program, from)
    }

    fn serve_by(&mut self, id: AgreementId, program: &Program, from: Timestamp) -> Folded<(), B> {
        let row = self.agreement(id)?.row;
        let mut open = false;
        for (meter, window) in self.named(program)? {
            open |= window.is_none();
            self.widen(row, meter, window.unwrap_or(Window { from, to: MAX_TIMESTAMP }))?;
        }
        if open {
            self.change_agreement(id, |agreement| agreement.open = true)?;
        }
        Ok(())
    }

    /// A meter serves an agreement in a window, besides what is known already.
    pub fn widen(&mut self, agreement: Row, meter: Row, window: Window) -> Folded<(), B> {
        let known = self.serving(agreement, meter)?;
        let wide =
            known.map_or(window, |known| Window { from: known.from.min(window.from), to: known.to.max(window.to) });
        if known != Some(wide) {
            self.known.serves.put((agreement, meter), Some(wide));
        }
        Ok(())
    }

    fn serving(&mut self, agreement: Row, meter: Row) -> Folded<Option<Window>, B> {
        let ask = || self.before.serves(agreement, meter);
        Ok(*self.known.serves.get((agreement, meter), ask).map_err(FoldError::Before)?)
    }

    /// Meters that the new terms no longer name serve until they take effect.
    fn serve_amended(&mut self, id: AgreementId, program: &Program, from: Timestamp) -> Folded<(), B> {
        let agreement = self.agreement(id)?.row;
        let present = self.terms(id)?;
        let named: Vec<_> = self.named(program)?.into_iter().map(|(meter, _)| meter).collect();
        for (meter, _) in self.named(&present.program)? {
            if !named.contains(&meter) {
                self.end_service(agreement, meter, from)?;
            }
        }
        self.serve_by(id, program, from)
    }

    /// It is over: its meters have served it until it ended by somebody's word, or until now.
    fn serve_no_more(&mut self, id: AgreementId) -> Folded<(), B> {
        let (ends, now) = (self.agreement(id)?.ends, self.now);
        self.serve_until(id, ends.map_or(now, |ends| ends.min(now)))?;
        if self.agreement(id)?.open {
            self.change_agreement(id, |agreement| agreement.open = false)?;
        }
        Ok(())
    }

    fn serve_until(&mut self, id: AgreementId, at: Timestamp) -> Folded<(), B> {
        let (agreement, open) = (self.agreement(id)?.row, self.agreement(id)?.open);
        if !open {
            return Ok(());
        }
        let terms = self.terms(id)?;
        self.named(&terms.program)?.into_iter().try_for_each(|(meter, _)| self.end_service(agreement, meter, at))
    }

    fn end_service(&mut self, agreement: Row, meter: Row, at: Timestamp) -> Folded<(), B> {
        let known = self.serving(agreement, meter)?;
        if let Some(window) = known.filter(|window| window.to > at) {
            let to = at.max(window.from);
            self.known.serves.put((agreement, meter), Some(Window { to, ..window }));
        }
        Ok(())
    }

    /// The terms in force.
    fn terms(&mut self, id: AgreementId) -> Folded<AgreementTerms, B> {
        let row = self.agreement(id)?.row;
        if let Some(terms) = self.changes.terms.get(&row) {
            return Ok(terms.clone());
        }
        // Those of this block follow each other.
        let first = self.changes.agreements.first().map_or(Row::MAX, |new| new.row);
        let place = row.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        if let Some(new) = place.and_then(|place| self.changes.agreements.get(place)) {
            return Ok(new.terms.clone());
        }
        let terms = self.before.terms(row).map_err(FoldError::Before)?;
        terms.ok_or_else(|| diverged(format!("agreement {id} has no terms")))
    }
}
