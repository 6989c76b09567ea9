//! What follows from an action alone and takes hashing: the ids of what it creates, and the digests that its rule keeps. It is
//! worked out where signatures are checked, on all processors, and not where blocks are executed, one transaction after
//! another.

use crate::action::Action;
use crate::hash::{Digest, hash_of};
use crate::id::{AccountId, AgreementId, MeterId, OfferId};

/// What follows from an action by hashing. What the action has none of is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// The account that it opens.
    pub account: AccountId,
    /// The offers that it publishes, in order.
    pub offers: Vec<OfferId>,
    /// The digests of the quotes' sealed bytes, in order.
    pub sealed: Vec<Digest>,
    /// The agreements that its awards conclude, in order.
    pub agreements: Vec<AgreementId>,
    /// The meter that it registers.
    pub meter: MeterId,
    /// The digest of the document that it registers.
    pub document: Digest,
}

impl Derived {
    /// Nothing at all.
    pub(crate) const NOTHING: Self = Self {
        account: AccountId([0; AccountId::BYTES]),
        offers: Vec::new(),
        sealed: Vec::new(),
        agreements: Vec::new(),
        meter: MeterId([0; MeterId::BYTES]),
        document: Digest([0; 32]),
    };

    /// What follows from an action of `account`; `None` if it is nothing.
    pub(crate) fn of(account: AccountId, action: &Action) -> Option<Self> {
        Some(match action {
            Action::OpenAccount { account } => Self { account: account.account(), ..Self::NOTHING },
            Action::PublishOffers { offers } => {
                Self { offers: offers.iter().map(|offer| offer.id(account)).collect(), ..Self::NOTHING }
            }
            Action::SubmitQuotes { quotes } => {
                Self { sealed: quotes.iter().map(|quote| quote.sealed_digest()).collect(), ..Self::NOTHING }
            }
            Action::Award { awards } => {
                let ids = awards.iter().map(|award| AgreementId::of(account, award.label));
                Self { agreements: ids.collect(), ..Self::NOTHING }
            }
            Action::RegisterMeter(meter) => {
                Self { meter: meter.id(account), document: hash_of("utilidor/meter", meter), ..Self::NOTHING }
            }
            _ => return None,
        })
    }
}
