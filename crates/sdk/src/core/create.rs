//! Actions that make something, with the id that it will have. An id is the hash of kind, creator and the creator's label, so
//! it is known before anything is submitted, nobody else can take it, and the same action submitted twice makes one thing.

use utilidor_types::action::{AwardedQuote, NewAccount};
use utilidor_types::encoding::TooLong;
use utilidor_types::price_index::IndexValue;
use utilidor_types::program::Publication;
use utilidor_types::{
    AccountId, Action, AgreementId, AgreementTerms, Event, Label, MemberId, Meter, MeterId, Offer, OfferId, Package,
    PackageId, PriceIndexId, ProgramId, Refusal, Roles, SubscriptionTerms,
};
use utilidor_types::{Decision, Digest};

/// An action with the id of what it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation<T> {
    /// The id; where an action makes several things, their ids in its order.
    pub id: T,
    /// The action.
    pub action: Action,
}

/// A validator admits a member.
pub fn member(account: NewAccount, roles: Roles) -> Creation<MemberId> {
    Creation { id: account.member, action: Action::decide(Decision::AdmitMember { account, roles }) }
}

/// An owner publishes offers.
pub fn offers(owner: AccountId, offers: Vec<Offer>) -> Result<Creation<Vec<OfferId>>, TooLong> {
    let id = offers.iter().map(|offer| offer.id(owner)).collect();
    Ok(Creation { id, action: Action::PublishOffers { offers: offers.try_into()? } })
}

/// An owner awards quotes: the ids are those of the agreements that result, of each award that is not refused.
pub fn awards(owner: AccountId, awards: Vec<AwardedQuote>) -> Result<Creation<Vec<AgreementId>>, TooLong> {
    let id = awards.iter().map(|award| AgreementId::of(owner, award.label)).collect();
    Ok(Creation { id, action: Action::Award { awards: awards.try_into()? } })
}

/// A label for the agreement that awarding a quote makes. `offered` is the offer's digest. A bidder has one quote on an
/// offer, which can be awarded once, so it names the agreement uniquely, and an award that is tried again names the same one.
pub fn award_label(offer: OfferId, offered: Digest, bidder: AccountId) -> Label {
    Label::of_text(&format!("award of {offer} as {offered} to {bidder}"))
}

/// What became of each award of one action: each stands or falls alone. An award without an agreement has the refusal that
/// `events` tell for its bidder.
pub fn award_outcomes(
    quotes: &[(OfferId, AccountId)],
    agreements: &[AgreementId],
    events: &[Event],
) -> Vec<Result<AgreementId, Option<Refusal>>> {
    let concluded = |id: &AgreementId| {
        events.iter().any(|event| matches!(event, Event::AgreementProposed { agreement, .. } if agreement == id))
    };
    let refusal_of = |quote: &(OfferId, AccountId)| {
        events.iter().find_map(|event| match event {
            Event::AwardRefused { offer, bidder, refusal } if (*offer, *bidder) == *quote => Some(refusal.clone()),
            _ => None,
        })
    };
    let awards = quotes.iter().zip(agreements);
    awards.map(|(quote, id)| if concluded(id) { Ok(*id) } else { Err(refusal_of(quote)) }).collect()
}

/// A party proposes an agreement without an offer.
pub fn agreement(proposer: AccountId, label: Label, terms: AgreementTerms, signing_ms: u32) -> Creation<AgreementId> {
    let action = Action::ProposeAgreement { label, terms, signing_ms };
    Creation { id: AgreementId::of(proposer, label), action }
}

/// A meter operator registers a meter.
pub fn meter(operator: AccountId, meter: Meter) -> Creation<MeterId> {
    Creation { id: meter.id(operator), action: Action::RegisterMeter(meter) }
}

/// An owner publishes a version of a package; all its versions share the id.
pub fn package(owner: AccountId, package: Package) -> Creation<PackageId> {
    Creation { id: package.id(owner), action: Action::PublishPackage(package) }
}

/// A member publishes a program.
pub fn program(publication: Publication) -> Creation<ProgramId> {
    Creation { id: publication.id(), action: Action::PublishProgram(Box::new(publication)) }
}

/// An account publishes the value of its index for a period; all its values share the id.
pub fn index_value(publisher: AccountId, value: IndexValue) -> Creation<PriceIndexId> {
    Creation { id: value.index.id(publisher), action: Action::PublishIndex(value) }
}

/// A user subscribes to a published package.
pub fn subscription(user: AccountId, label: Label, terms: SubscriptionTerms) -> Creation<AgreementId> {
    Creation { id: AgreementId::of(user, label), action: Action::Subscribe { label, terms } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::{Bounded, Digest, Timestamp};

    #[test]
    fn what_became_of_each_award_is_told_apart() {
        let offer = OfferId([1; 16]);
        let bidder = |byte| AccountId([byte; 32]);
        let quotes = [(offer, bidder(1)), (offer, bidder(2)), (offer, bidder(3))];
        let agreements = [1, 2, 3].map(|byte| AgreementId([byte; 16]));
        let proposed = Event::AgreementProposed {
            agreement: agreements[0],
            parties: Bounded::empty(),
            terms: Digest::default(),
            sign_by: Timestamp(1),
        };
        let refused = Event::AwardRefused { offer, bidder: bidder(2), refusal: Refusal::Overflow };
        let outcomes = award_outcomes(&quotes, &agreements, &[proposed, refused]);
        assert_eq!(outcomes, [Ok(agreements[0]), Err(Some(Refusal::Overflow)), Err(None)]);
    }
}
