//! Reading ahead: asking for records in few passes instead of one by one. What an action names and what that refers to is
//! said beside its rule, in the file of its noun; here stands only who is asked.
//!
//! A rule reads whatever it needs, where it needs it, and is run again when a record is not there yet. So nothing of this
//! decides what is allowed: what is not asked for ahead is asked for when a rule reads it, one pass later.

use crate::context::{Caller, Ledger};
use crate::record::AccountRecord;
use utilidor_program::Event as Told;
use utilidor_types::agreement::Party;
use utilidor_types::{Action, AgreementId, MotionId, VerifiedTransaction};

impl Ledger<'_> {
    /// What an action names: for the first pass, when the caller's member is not known yet.
    pub fn want_named(&mut self, transaction: &VerifiedTransaction) {
        let (account, derived) = (transaction.account(), transaction.derived());
        match &transaction.transaction().action {
            Action::ProposeMotion(motion) => {
                self.want_motion(MotionId::of(account, motion.label), Some(&motion.decision))
            }
            Action::VoteOnMotion { motion, .. } => self.want_motion(*motion, None),
            Action::ProveReady(_) => self.want_epoch(),
            Action::OpenAccount { account } => self.want_new_account(account.member, derived.account),
            Action::TakeOverMeters { meters } => meters.iter().for_each(|meter| self.want_meter(*meter)),
            Action::Issue { to, .. } | Action::Transfer { to, .. } => self.store.want::<AccountRecord>(to),
            Action::Redeem { .. } => {}
            Action::PublishOffers { offers } => self.want_offers(offers, &derived.offers),
            Action::WithdrawOffer { offer } => self.want_offer_closed(*offer),
            Action::SubmitQuotes { quotes } => quotes.iter().for_each(|quote| self.want_quote(quote.offer, account)),
            Action::WithdrawQuote { offer } => self.want_quote(*offer, account),
            Action::Award { awards } => self.want_awards(awards, &derived.agreements),
            Action::ProposeAgreement { label, terms, .. } => {
                self.want_new_agreement(AgreementId::of(account, *label), terms);
            }
            Action::SignAgreement { agreement, .. }
            | Action::DeclineAgreement { agreement }
            | Action::Terminate { agreement }
            | Action::WithdrawTermination { agreement }
            | Action::PayDebt { agreement, .. }
            | Action::Command { agreement, .. }
            | Action::Prepay { subscription: agreement, .. } => self.want_agreement(*agreement),
            Action::ProposeAmendment { agreement, .. } | Action::SignAmendment { agreement, .. } => {
                self.want_amendment(*agreement);
            }
            Action::PublishPackage(package) => self.want_package(package.id(account), package.version),
            Action::ClosePackage { package, version } => self.want_package(*package, *version),
            Action::PublishProgram(publication) => self.want_program(publication.id()),
            Action::PublishIndex(value) => self.want_index(value.index.id(account), value.period),
            Action::Subscribe { label, terms } => {
                self.want_subscribing(AgreementId::of(account, *label), terms);
                self.want_chosen(terms);
            }
            Action::RegisterMeter(meter) => {
                self.want_meter(derived.meter);
                self.store.want::<AccountRecord>(&meter.holder);
            }
            Action::BindMeter { meter, holder } => {
                self.want_meter(*meter);
                self.store.want::<AccountRecord>(holder);
            }
            Action::RotateMeterKey { meter, .. }
            | Action::ExchangeMeter { meter, .. }
            | Action::RetireMeter { meter } => {
                self.want_meter(*meter);
                self.want_device(*meter);
            }
            Action::ChangeMeterCapacity { meter, .. } | Action::CorrectReadings { meter, .. } => {
                self.want_meter(*meter)
            }
            Action::RecordReadings { runs } => runs.iter().for_each(|run| self.want_run(run)),
        }
    }

    /// What the records refer to that an action names.
    pub fn want_found(&mut self, caller: Caller, transaction: &VerifiedTransaction) {
        match &transaction.transaction().action {
            Action::ProposeMotion(motion) => self.want_decision(&motion.decision),
            Action::VoteOnMotion { motion, .. } => self.want_motion(*motion, None),
            Action::TakeOverMeters { meters } => meters.iter().for_each(|meter| self.want_succession(*meter)),
            Action::PublishOffers { offers } => {
                offers.iter().for_each(|offer| self.want_due(offer.lapses));
            }
            Action::WithdrawOffer { offer } => self.want_offer_closed(*offer),
            Action::SubmitQuotes { quotes } => quotes.iter().for_each(|quote| self.want_last_page(quote.offer)),
            Action::WithdrawQuote { offer } => self.want_quote_withdrawn(*offer),
            Action::Award { awards } => self.want_awarded(caller, awards),
            Action::ProposeAgreement { terms, .. } => self.want_parties(terms),
            Action::SignAgreement { agreement, .. } => {
                self.want_fuel_of(caller.member, *agreement);
                self.want_used(*agreement, &Told::Signed);
                self.want_origin(*agreement);
            }
            Action::DeclineAgreement { agreement } => self.want_origin(*agreement),
            Action::Terminate { agreement } => {
                self.want_fuel_of(caller.member, *agreement);
                self.want_used(*agreement, &Told::Ending { by: Some(Party::USER), agreed: true });
            }
            Action::SignAmendment { agreement, .. } => {
                self.want_fuel_of(caller.member, *agreement);
                self.want_amended(*agreement);
            }
            Action::Subscribe { terms, .. } => self.want_subscribed(caller, terms),
            Action::Prepay { subscription, carrier, payment } => {
                self.want_used(*subscription, &Told::Prepaid { carrier: *carrier, payment: *payment });
            }
            Action::Command { agreement, command } => {
                self.want_used(*agreement, &Told::Command { by: Party::USER, bytes: command.clone() });
            }
            Action::RecordReadings { runs } => runs.iter().for_each(|run| self.want_reached(run)),
            Action::CorrectReadings { meter, interval, .. } => self.want_corrected(*meter, *interval),
            _ => {}
        }
    }
}
