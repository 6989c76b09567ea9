//! The verbs of a trade, as methods of the account that does it. Each submits one transaction, waits until it is final, and
//! fails with the ledger's refusal if a rule forbids it. What makes something gives its id back with what was done.

use super::account::{Account, Done, SubmitError};
use super::quotes::{OpenQuotesError, OpenedQuotes};
use crate::core::create::{self, Creation};
use crate::core::random;
use crate::core::seal::SealKey;
use utilidor_types::action::{AwardedQuote, NewAccount, Prepayment};
use utilidor_types::meter::MeterRun;
use utilidor_types::price_index::IndexValue;
use utilidor_types::program::Publication;
use utilidor_types::quote::QuoteLine;
use utilidor_types::{
    AccountId, Action, AgreementId, AgreementTerms, Bounded, Carrier, Digest, Label, Meter, MeterAuthority, MeterId,
    Money, Offer, OfferId, Package, PackageId, PriceIndexId, Program, ProgramId, Quantity, Reading, Refusal,
    SealedQuote, SubscriptionTerms, Timestamp, Window,
};

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created<T> {
    /// Its id; several, in the order of the action.
    pub id: T,
    /// The transaction that made it.
    pub done: Done,
}

/// What became of awards that were submitted together: each stands or falls alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awarded {
    /// The agreement that each award made, in the order given, or why there is none.
    pub outcomes: Vec<Result<AgreementId, Option<Refusal>>>,
    /// The transaction.
    pub done: Done,
}

impl Account {
    async fn act(&self, action: Action) -> Result<Done, SubmitError> {
        self.submit(action).await?.applied()
    }

    async fn make<T>(&self, Creation { id, action }: Creation<T>) -> Result<Created<T>, SubmitError> {
        Ok(Created { id, done: self.act(action).await? })
    }

    /// Opens a further account for this account's member, whose key has signed that.
    pub async fn open_account(&self, account: NewAccount) -> Result<Done, SubmitError> {
        self.act(Action::OpenAccount { account }).await
    }

    /// Issues money. For issuers.
    pub async fn issue(&self, to: AccountId, amount: Money, reference: &str) -> Result<Done, SubmitError> {
        self.act(Action::Issue { to, amount, reference: reference.parse()? }).await
    }

    /// Takes this account's own money out of circulation. For issuers.
    pub async fn redeem(&self, amount: Money, reference: &str) -> Result<Done, SubmitError> {
        self.act(Action::Redeem { amount, reference: reference.parse()? }).await
    }

    /// Pays.
    pub async fn transfer(&self, to: AccountId, amount: Money, reference: &str) -> Result<Done, SubmitError> {
        self.act(Action::Transfer { to, amount, reference: reference.parse()? }).await
    }

    /// Publishes offers, all or none. Keep the secret halves of their seal keys: without them no quote can be opened.
    pub async fn publish_offers(&self, offers: Vec<Offer>) -> Result<Created<Vec<OfferId>>, SubmitError> {
        self.make(create::offers(self.id(), offers)?).await
    }

    /// Withdraws an offer whose gate is open.
    pub async fn withdraw_offer(&self, offer: OfferId) -> Result<Done, SubmitError> {
        self.act(Action::WithdrawOffer { offer }).await
    }

    /// Seals a quote on an offer of `owner` for the owner alone: one line per lot, in the offer's order. Submits nothing.
    pub fn seal_quote(
        &self,
        owner: AccountId,
        offer: &Offer,
        lines: Vec<QuoteLine>,
        binding: bool,
    ) -> Result<SealedQuote, SubmitError> {
        let opening = random::opening(lines)?;
        Ok(self.signer().seal_quote(owner, offer, &opening, binding)?)
    }

    /// Submits sealed quotes, all or none. Each replaces the one before on its offer.
    pub async fn submit_quotes(&self, quotes: Vec<SealedQuote>) -> Result<Done, SubmitError> {
        self.act(Action::SubmitQuotes { quotes: quotes.try_into()? }).await
    }

    /// Withdraws this account's quote before the gate closes.
    pub async fn withdraw_quote(&self, offer: OfferId) -> Result<Done, SubmitError> {
        self.act(Action::WithdrawQuote { offer }).await
    }

    /// Opens the standing quotes on an offer of this account: who quoted what, and which quotes do not open.
    pub async fn open_quotes(&self, offer: OfferId, seal_key: &SealKey) -> Result<OpenedQuotes, OpenQuotesError> {
        self.client().open_quotes(offer, seal_key).await
    }

    /// Awards opened quotes, each for itself.
    pub async fn award(&self, awards: Vec<AwardedQuote>) -> Result<Awarded, SubmitError> {
        let quotes: Vec<_> = awards.iter().map(|award| (award.offer, award.bidder)).collect();
        let Created { id, done } = self.make(create::awards(self.id(), awards)?).await?;
        Ok(Awarded { outcomes: create::award_outcomes(&quotes, &id, done.events()), done })
    }

    /// Proposes an agreement without an offer; the other side has `signing_ms` to sign.
    pub async fn propose_agreement(
        &self,
        label: Label,
        terms: AgreementTerms,
        signing_ms: u32,
    ) -> Result<Created<AgreementId>, SubmitError> {
        self.make(create::agreement(self.id(), label, terms, signing_ms)).await
    }

    /// Signs an agreement whose terms have this digest. Compute it from terms that were read, do not copy it.
    pub async fn sign_agreement(&self, agreement: AgreementId, terms: Digest) -> Result<Done, SubmitError> {
        self.act(Action::SignAgreement { agreement, terms }).await
    }

    /// Declines to sign.
    pub async fn decline_agreement(&self, agreement: AgreementId) -> Result<Done, SubmitError> {
        self.act(Action::DeclineAgreement { agreement }).await
    }

    /// Proposes other terms for an active agreement, from a time on.
    pub async fn propose_amendment(
        &self,
        agreement: AgreementId,
        program: Program,
        from: Timestamp,
    ) -> Result<Done, SubmitError> {
        self.act(Action::ProposeAmendment { agreement, program, from }).await
    }

    /// Signs an amendment: `terms` is [`AgreementTerms::amendment_digest`] of the terms that result and their time. Compute it from
    /// what was read, do not copy it.
    pub async fn sign_amendment(&self, agreement: AgreementId, terms: Digest) -> Result<Done, SubmitError> {
        self.act(Action::SignAmendment { agreement, terms }).await
    }

    /// Wants to end an active agreement early: a purchase ends when both sides do, a subscription by its own rules.
    pub async fn terminate(&self, agreement: AgreementId) -> Result<Done, SubmitError> {
        self.act(Action::Terminate { agreement }).await
    }

    /// Takes back the wish to end an agreement, as long as it has had no effect.
    pub async fn withdraw_termination(&self, agreement: AgreementId) -> Result<Done, SubmitError> {
        self.act(Action::WithdrawTermination { agreement }).await
    }

    /// Pays what this account owes under an agreement, or a part of it.
    pub async fn pay_debt(&self, agreement: AgreementId, amount: Money) -> Result<Done, SubmitError> {
        self.act(Action::PayDebt { agreement, amount }).await
    }

    /// Tells an agreement's program something in the program's own words.
    pub async fn command(&self, agreement: AgreementId, command: Vec<u8>) -> Result<Done, SubmitError> {
        self.act(Action::Command { agreement, command: Bounded::new(command)? }).await
    }

    /// Registers a meter. For meter operators.
    pub async fn register_meter(&self, meter: Meter) -> Result<Created<MeterId>, SubmitError> {
        self.make(create::meter(self.id(), meter)).await
    }

    /// Binds a meter to another holder. For its operator.
    pub async fn bind_meter(&self, meter: MeterId, holder: AccountId) -> Result<Done, SubmitError> {
        self.act(Action::BindMeter { meter, holder }).await
    }

    /// Changes who signs a meter's readings. For its operator.
    pub async fn rotate_meter_key(&self, meter: MeterId, authority: MeterAuthority) -> Result<Done, SubmitError> {
        self.act(Action::RotateMeterKey { meter, authority }).await
    }

    /// Changes the most that can pass a meter in an hour. For its operator.
    pub async fn change_meter_capacity(
        &self,
        meter: MeterId,
        capacity_per_hour: Quantity,
    ) -> Result<Done, SubmitError> {
        self.act(Action::ChangeMeterCapacity { meter, capacity_per_hour }).await
    }

    /// Puts a new device in a meter's place. For its operator.
    pub async fn exchange_meter(
        &self,
        meter: MeterId,
        last: Reading,
        authority: MeterAuthority,
        register_modulus: Quantity,
        register: Quantity,
    ) -> Result<Done, SubmitError> {
        self.act(Action::ExchangeMeter { meter, last, authority, register_modulus, register }).await
    }

    /// Takes a meter out of service. For its operator.
    pub async fn retire_meter(&self, meter: MeterId) -> Result<Done, SubmitError> {
        self.act(Action::RetireMeter { meter }).await
    }

    /// Records a batch of readings: see [`crate::core::readings::batches`] for more than fit in one. Readings that break a rule are refused
    /// one by one; [`utilidor_types::Event::Certified`] says which.
    pub async fn record_readings(&self, runs: Vec<MeterRun>) -> Result<Done, SubmitError> {
        self.act(Action::RecordReadings { runs: runs.try_into()? }).await
    }

    /// Corrects what was certified of a meter between two certified readings. For its operator.
    pub async fn correct_readings(
        &self,
        meter: MeterId,
        interval: Window,
        certified: Quantity,
        right: Quantity,
        reason: &str,
    ) -> Result<Done, SubmitError> {
        self.act(Action::CorrectReadings { meter, interval, certified, right, reason: reason.parse()? }).await
    }

    /// Publishes a version of a package.
    pub async fn publish_package(&self, package: Package) -> Result<Created<PackageId>, SubmitError> {
        self.make(create::package(self.id(), package)).await
    }

    /// Closes a version of a package to new subscriptions; those that run keep it.
    pub async fn close_package(&self, package: PackageId, version: u32) -> Result<Done, SubmitError> {
        self.act(Action::ClosePackage { package, version }).await
    }

    /// Publishes a program.
    pub async fn publish_program(&self, publication: Publication) -> Result<Created<ProgramId>, SubmitError> {
        self.make(create::program(publication)).await
    }

    /// Publishes the value of an index of one's own for a period.
    pub async fn publish_index(&self, value: IndexValue) -> Result<Created<PriceIndexId>, SubmitError> {
        self.make(create::index_value(self.id(), value)).await
    }

    /// Subscribes to a published package.
    pub async fn subscribe(&self, label: Label, terms: SubscriptionTerms) -> Result<Created<AgreementId>, SubmitError> {
        self.make(create::subscription(self.id(), label, terms)).await
    }

    /// Pays ahead for a service.
    pub async fn prepay(
        &self,
        subscription: AgreementId,
        carrier: Carrier,
        payment: Prepayment,
    ) -> Result<Done, SubmitError> {
        self.act(Action::Prepay { subscription, carrier, payment }).await
    }
}
