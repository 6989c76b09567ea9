//! The verbs of a trade, as methods of the account that does it. Each submits one transaction, waits until it is final, and
//! fails with the ledger's refusal if a rule forbids it.

use crate::account::{Account, Done, SubmitError};
use crate::seal::{SealKey, seal_quote};
use utilidor_types::action::{AwardedQuote, Prepayment};
use utilidor_types::meter::{MAX_BATCH_READINGS, MAX_RUN_READINGS, MAX_RUNS, MeterRun, MeterSignature};
use utilidor_types::meter::{READING_NAMESPACE, run_message};
use utilidor_types::offer::Offer;
use utilidor_types::quote::{QuoteLine, SALT_BYTES};
use utilidor_types::{
    AccountId, Action, AgreementId, AgreementTerms, Carrier, ChainId, Digest, MemberId, Meter, MeterAuthority, MeterId,
    Money, OfferId, Package, PrivateKey, Program, Quantity, QuoteContent, Reading, Roles, SealedQuote,
    SubscriptionTerms,
};

/// Random bytes for the id of something new.
pub fn new_id() -> Result<[u8; 16], SubmitError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| SubmitError::NoRandomness)?;
    Ok(id)
}

/// A quote's content with a new random salt.
pub fn quote_content(lines: Vec<QuoteLine>) -> Result<QuoteContent, SubmitError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| SubmitError::NoRandomness)?;
    Ok(QuoteContent { salt, lines: lines.try_into()? })
}

/// Readings of a meter without a signature: the gateway that submits them answers for the meter.
pub fn gateway_run(meter: MeterId, readings: Vec<Reading>) -> Result<MeterRun, SubmitError> {
    Ok(MeterRun { meter, readings: readings.try_into()?, signature: None })
}

/// Readings of a meter, signed with the meter's own key.
pub fn signed_run(
    chain: ChainId,
    meter: MeterId,
    readings: Vec<Reading>,
    key: &PrivateKey,
) -> Result<MeterRun, SubmitError> {
    let readings = readings.try_into()?;
    let signature = key.sign(READING_NAMESPACE, &run_message(chain, meter, &readings));
    Ok(MeterRun { meter, readings, signature: Some(MeterSignature { key: key.public_key(), signature }) })
}

/// Divides runs into batches that fit in one transaction each. A longer run is cut only if nobody signed it.
pub fn reading_batches(runs: Vec<MeterRun>) -> Vec<Vec<MeterRun>> {
    let mut batches: Vec<Vec<MeterRun>> = Vec::new();
    let mut readings = MAX_BATCH_READINGS;
    for run in runs {
        let full = batches.last().is_none_or(|batch| batch.len() == MAX_RUNS);
        if full || readings + run.readings.len() > MAX_BATCH_READINGS {
            batches.push(Vec::new());
            readings = 0;
        }
        readings += run.readings.len();
        batches.last_mut().expect("there is a batch").push(run);
    }
    batches
}

impl Account {
    async fn act(&self, action: Action) -> Result<Done, SubmitError> {
        self.submit(action).await?.applied()
    }

    /// Admits a member with its first account. For validators.
    pub async fn admit_member(&self, member: MemberId, account: AccountId, roles: Roles) -> Result<Done, SubmitError> {
        self.act(Action::AdmitMember { member, account, roles }).await
    }

    /// Changes what a member may do. For validators.
    pub async fn change_roles(&self, member: MemberId, roles: Roles) -> Result<Done, SubmitError> {
        self.act(Action::ChangeRoles { member, roles }).await
    }

    /// Opens a further account for this account's member.
    pub async fn open_account(&self, account: AccountId) -> Result<Done, SubmitError> {
        self.act(Action::OpenAccount { account }).await
    }

    /// Declares the most that an owner can supply of a carrier in an hour. For validators.
    pub async fn declare_capacity(
        &self,
        owner: AccountId,
        carrier: Carrier,
        per_hour: Quantity,
    ) -> Result<Done, SubmitError> {
        self.act(Action::DeclareCapacity { owner, carrier, per_hour }).await
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
    pub async fn publish_offers(&self, offers: Vec<Offer>) -> Result<Done, SubmitError> {
        self.act(Action::PublishOffers { offers: offers.try_into()? }).await
    }

    /// Withdraws an offer whose gate is open.
    pub async fn withdraw_offer(&self, offer: OfferId) -> Result<Done, SubmitError> {
        self.act(Action::WithdrawOffer { offer }).await
    }

    /// Seals a quote on an offer for its owner alone: one line per lot, in the offer's order. Submits nothing.
    pub fn seal_quote(&self, offer: &Offer, lines: Vec<QuoteLine>, binding: bool) -> Result<SealedQuote, SubmitError> {
        let content = quote_content(lines)?;
        Ok(seal_quote(&content, &offer.seal_key, self.chain(), offer.id, self.id(), binding)?)
    }

    /// Submits sealed quotes, all or none. Each replaces the one before on its offer.
    pub async fn submit_quotes(&self, quotes: Vec<SealedQuote>) -> Result<Done, SubmitError> {
        self.act(Action::SubmitQuotes { quotes: quotes.try_into()? }).await
    }

    /// Withdraws this account's quote before the gate closes.
    pub async fn withdraw_quote(&self, offer: OfferId) -> Result<Done, SubmitError> {
        self.act(Action::WithdrawQuote { offer }).await
    }

    /// Opens the standing quotes on an offer of this account: who quoted what. A quote that does not open to its commitment,
    /// by its bidder's mistake or malice, is left out; it could not be awarded.
    pub async fn open_quotes(
        &self,
        offer: OfferId,
        seal_key: &SealKey,
    ) -> Result<Vec<(AccountId, QuoteContent)>, SubmitError> {
        let quotes = self.client().quotes(offer).await?;
        let standing = quotes.iter().filter(|quote| quote.stands());
        let opened = standing.filter_map(|quote| {
            let content = seal_key.open_quote(&quote.quote, self.chain(), quote.bidder).ok()?;
            Some((quote.bidder, content))
        });
        Ok(opened.collect())
    }

    /// Awards opened quotes, all or none. Each gets an agreement of the given id.
    pub async fn award(&self, awards: Vec<AwardedQuote>) -> Result<Done, SubmitError> {
        self.act(Action::Award { awards: awards.try_into()? }).await
    }

    /// Proposes an agreement without an offer; the other side has `signing_ms` to sign.
    pub async fn propose_agreement(
        &self,
        id: AgreementId,
        terms: AgreementTerms,
        signing_ms: u32,
    ) -> Result<Done, SubmitError> {
        self.act(Action::ProposeAgreement { id, terms, signing_ms }).await
    }

    /// Signs an agreement whose terms have this digest. Compute it from terms that were read, do not copy it.
    pub async fn sign_agreement(&self, agreement: AgreementId, terms: Digest) -> Result<Done, SubmitError> {
        self.act(Action::SignAgreement { agreement, terms }).await
    }

    /// Declines to sign.
    pub async fn decline_agreement(&self, agreement: AgreementId) -> Result<Done, SubmitError> {
        self.act(Action::DeclineAgreement { agreement }).await
    }

    /// Proposes other terms for an active agreement.
    pub async fn propose_amendment(&self, agreement: AgreementId, program: Program) -> Result<Done, SubmitError> {
        self.act(Action::ProposeAmendment { agreement, program }).await
    }

    /// The terms that the latest proposed amendment would give an agreement, from the proposal itself: read them before
    /// signing their digest. `None` if no amendment waits.
    pub async fn proposed_amendment(&self, agreement: AgreementId) -> Result<Option<AgreementTerms>, SubmitError> {
        let record = self.client().agreement(agreement).await?;
        let last = record.steps.iter().rev().find(|step| step.step == "amendment_proposed" || step.step == "amended");
        let Some(proposal) = last.filter(|step| step.step == "amendment_proposed") else { return Ok(None) };
        let Some(hash) = proposal.cause.transaction else { return Ok(None) };
        match self.client().transaction(hash, 0).await?.action {
            Action::ProposeAmendment { agreement: of, program } if of == agreement => {
                Ok(Some(AgreementTerms { owner: record.owner, user: record.user, program }))
            }
            _ => Ok(None),
        }
    }

    /// Signs an amendment whose resulting terms have this digest.
    pub async fn sign_amendment(&self, agreement: AgreementId, terms: Digest) -> Result<Done, SubmitError> {
        self.act(Action::SignAmendment { agreement, terms }).await
    }

    /// Agrees to end an active agreement early.
    pub async fn terminate(&self, agreement: AgreementId) -> Result<Done, SubmitError> {
        self.act(Action::Terminate { agreement }).await
    }

    /// Registers a meter. For meter operators.
    pub async fn register_meter(&self, meter: Meter) -> Result<Done, SubmitError> {
        self.act(Action::RegisterMeter(meter)).await
    }

    /// Binds a meter to another holder. For its operator.
    pub async fn bind_meter(&self, meter: MeterId, holder: AccountId) -> Result<Done, SubmitError> {
        self.act(Action::BindMeter { meter, holder }).await
    }

    /// Changes who signs a meter's readings. For its operator.
    pub async fn rotate_meter_key(&self, meter: MeterId, authority: MeterAuthority) -> Result<Done, SubmitError> {
        self.act(Action::RotateMeterKey { meter, authority }).await
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

    /// Records a batch of readings: see [`reading_batches`] for more than fit in one. Readings that break a rule are refused
    /// one by one; [`utilidor_types::Event::Certified`] says which.
    pub async fn record_readings(&self, runs: Vec<MeterRun>) -> Result<Done, SubmitError> {
        self.act(Action::RecordReadings { runs: runs.try_into()? }).await
    }

    /// Publishes a version of a package.
    pub async fn publish_package(&self, package: Package) -> Result<Done, SubmitError> {
        self.act(Action::PublishPackage(package)).await
    }

    /// Subscribes to a published package.
    pub async fn subscribe(&self, id: AgreementId, terms: SubscriptionTerms) -> Result<Done, SubmitError> {
        self.act(Action::Subscribe { id, terms }).await
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

/// Most readings of one meter that stand in one run, for callers that cut longer series.
pub const RUN_READINGS: usize = MAX_RUN_READINGS;

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::Timestamp;
    use utilidor_types::key::SignatureCheck;

    fn readings(count: usize) -> Vec<Reading> {
        (0..count as u64).map(|hour| Reading { time: Timestamp(hour), register: Quantity(hour) }).collect()
    }

    #[test]
    fn a_signed_run_verifies_with_the_meters_key_for_its_chain_and_meter() {
        let key = PrivateKey::ed25519([7; 32]);
        let run = signed_run(ChainId([1; 16]), MeterId([2; 16]), readings(3), &key).unwrap();
        let signature = run.signature.unwrap();
        for (chain, meter, holds) in [(1, 2, true), (0, 2, false), (1, 0, false)] {
            let message = run_message(ChainId([chain; 16]), MeterId([meter; 16]), &run.readings);
            let check = SignatureCheck {
                namespace: READING_NAMESPACE,
                message: &message,
                key: &signature.key,
                signature: &signature.signature,
            };
            assert_eq!(check.holds(), holds, "chain {chain}, meter {meter}");
        }
    }

    #[test]
    fn batches_keep_every_run_and_stay_within_the_bound() {
        let runs: Vec<_> =
            (0..67).map(|meter| gateway_run(MeterId([meter; 16]), readings(MAX_RUN_READINGS)).unwrap()).collect();
        let batches = reading_batches(runs.clone());
        assert_eq!(batches.concat(), runs);
        for batch in &batches {
            let readings: usize = batch.iter().map(|run| run.readings.len()).sum();
            assert!(readings <= MAX_BATCH_READINGS && batch.len() <= MAX_RUNS);
        }
        assert_eq!(batches.len(), 4);
        assert!(reading_batches(Vec::new()).is_empty());
    }

    #[test]
    fn refuses_a_run_longer_than_a_run_may_be() {
        assert!(matches!(gateway_run(MeterId([1; 16]), readings(MAX_RUN_READINGS + 1)), Err(SubmitError::TooMany(_))));
    }

    #[test]
    fn two_quotes_never_share_their_salt() {
        assert_ne!(quote_content(Vec::new()).unwrap().salt, quote_content(Vec::new()).unwrap().salt);
    }
}
