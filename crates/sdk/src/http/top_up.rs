//! Paying ahead by itself when little is left: a program with the user's key, within what the user has granted it.
//!
//! ```text
//! block --> notices since the last payment? --> paid in 30 days + amount <= granted? --> prepay
//! ```
//!
//! It keeps nothing: what was paid and what was told stand on the ledger, so it can be stopped and begun again at any time, and
//! two of them do not pay more than was granted in sum, save for what both send at the same moment.

use super::account::{Account, Done, SubmitError};
use super::client::ClientError;
use super::stream::LedgerEvent;
use futures::StreamExt as _;
use utilidor_types::action::Prepayment;
use utilidor_types::time::DAY_MS;
use utilidor_types::{AgreementId, Carrier, Event, Money, Timestamp};
use utilidor_view::{CauseView, SubscriptionView};

/// The time over which payments are added up.
pub const GRANTED_MS: u64 = 30 * DAY_MS;

/// What the user has granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopUp {
    /// The subscription.
    pub subscription: AgreementId,
    /// The service's carrier.
    pub carrier: Carrier,
    /// How much is paid ahead at a time.
    pub amount: Money,
    /// The most that is paid ahead for the service within 30 days, by whomever.
    pub at_most: Money,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: there is enough.
    Enough,
    /// To pay.
    Pay,
    /// Nothing, although little is left: so much was paid within 30 days that more is not granted.
    Granted {
        /// So much.
        paid: Money,
    },
}

/// The order in which things happened.
const fn place(cause: &CauseView) -> (u64, u32) {
    (cause.height, cause.receipt)
}

impl TopUp {
    /// What is to be done at a time, by what the ledger tells of the subscription.
    pub fn decide(&self, record: &SubscriptionView, now: Timestamp) -> Decision {
        let told = record.notices.iter().filter(|notice| match notice.event {
            Event::LowBalance { carrier, .. } | Event::Exhausted { carrier, .. } => carrier == self.carrier,
            _ => false,
        });
        let payments = || record.tranches.iter().filter(|tranche| tranche.carrier == self.carrier);
        let last_told = told.map(|notice| place(&notice.cause)).max();
        if last_told <= payments().map(|tranche| place(&tranche.cause)).max() {
            return Decision::Enough;
        }
        let since = now.0.saturating_sub(GRANTED_MS);
        let paid = payments().filter(|tranche| tranche.cause.time_ms.0 > since).map(|tranche| tranche.paid.0);
        let paid = paid.fold(0, u64::saturating_add);
        match paid.saturating_add(self.amount.0) > self.at_most.0 {
            true => Decision::Granted { paid: Money(paid) },
            false => Decision::Pay,
        }
    }
}

/// Why topping up ended.
#[derive(Debug, thiserror::Error)]
pub enum TopUpError {
    /// The node did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A payment was not made.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

impl Account {
    /// Pays ahead if it is time to.
    pub async fn top_up_once(&self, rule: &TopUp) -> Result<(Decision, Option<Done>), TopUpError> {
        let record = self.client().subscription(rule.subscription).await?;
        let now = self.client().status().await?.time_ms;
        let decision = rule.decide(&record, now);
        let done = match decision {
            Decision::Pay => Some(self.prepay(rule.subscription, rule.carrier, Prepayment::Amount(rule.amount)).await?),
            Decision::Enough | Decision::Granted { .. } => None,
        };
        Ok((decision, done))
    }

    /// Pays ahead whenever it is time to, from now on; tells each payment, and each time that more is not granted.
    pub async fn top_up(&self, rule: &TopUp, mut tell: impl FnMut(Decision, Option<Done>)) -> Result<(), TopUpError> {
        let height = self.client().status().await?.height;
        let mut events = Box::pin(self.client().events_after(height));
        let mut told = None;
        loop {
            let (decision, done) = self.top_up_once(rule).await?;
            if decision != Decision::Enough && (done.is_some() || told != Some(decision)) {
                tell(decision, done);
            }
            told = Some(decision);
            // What can change it is in a block with receipts.
            loop {
                match events.next().await {
                    Some(Ok(LedgerEvent::Block(block))) if block.receipts > 0 => break,
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.into()),
                    None => return Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::agreement::{CodedTerms, Origin, Status};
    use utilidor_types::{AccountId, AgreementTerms, Bounded, Digest};
    use utilidor_view::{AgreementView, EventView, Kind, TrancheView};

    const HEATING: Carrier = Carrier::Heating;

    fn cause(height: u64) -> CauseView {
        CauseView { height, receipt: 0, time_ms: Timestamp(height * DAY_MS), transaction: None, due: None }
    }

    fn record(told: &[u64], paid: &[(u64, u64)]) -> SubscriptionView {
        let subscription = AgreementId::default();
        let notice = |height: &u64| EventView {
            event: Event::LowBalance { subscription, carrier: HEATING },
            cause: cause(*height),
        };
        let tranche = |(height, paid): &(u64, u64)| TrancheView {
            carrier: HEATING,
            tranche: 1,
            paid: Money::units(*paid),
            period: None,
            cause: cause(*height),
            opened: None,
            charged: Money::ZERO,
            refunded: Money::ZERO,
            withheld: Money::ZERO,
        };
        let code = utilidor_types::agreement::ProgramCode::Native(0);
        let program = utilidor_types::Program::Coded(CodedTerms::bare(code, Bounded::empty()));
        let terms = AgreementTerms::between(AccountId([1; 32]), AccountId([2; 32]), program);
        let agreement = AgreementView {
            agreement: subscription,
            owner: AccountId([1; 32]),
            user: AccountId([2; 32]),
            kind: Kind::Subscription,
            status: Status::Active,
            origin: Origin::Package,
            terms,
            terms_digest: Digest::default(),
            sign_by_ms: Timestamp(0),
            ends_ms: None,
            statements: 0,
            debts: Vec::new(),
            amendment: None,
            steps: Vec::new(),
        };
        SubscriptionView {
            agreement,
            tranches: paid.iter().map(tranche).collect(),
            notices: told.iter().map(notice).collect(),
        }
    }

    #[test]
    fn it_pays_once_for_a_notice_and_no_more_than_was_granted() {
        let rule = TopUp {
            subscription: AgreementId::default(),
            carrier: HEATING,
            amount: Money::units(500),
            at_most: Money::units(1_200),
        };
        let decide =
            |told: &[u64], paid: &[(u64, u64)], day: u64| rule.decide(&record(told, paid), Timestamp(day * DAY_MS));
        assert_eq!(decide(&[], &[], 40), Decision::Enough, "nobody has said that little is left");
        assert_eq!(decide(&[40], &[(5, 500)], 40), Decision::Pay);
        assert_eq!(decide(&[40], &[(5, 500), (41, 500)], 41), Decision::Enough, "it was paid for");
        assert_eq!(decide(&[40, 42], &[(5, 500), (41, 500)], 42), Decision::Pay, "the first is more than 30 days ago");
        let paid = Money::units(1_000);
        assert_eq!(decide(&[40, 42, 44], &[(41, 500), (43, 500)], 44), Decision::Granted { paid });
        let other = TopUp { carrier: Carrier::Electricity, ..rule };
        assert_eq!(other.decide(&record(&[40], &[]), Timestamp(0)), Decision::Enough, "it is another service's");
    }
}
