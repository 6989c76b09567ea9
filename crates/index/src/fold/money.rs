//! Movements of money: issue, redemption, transfers, bonds of quotes, and what agreements do with money put under them.
//!
//! A movement has no row of its own: the tables know which receipts moved an account's or an agreement's money, and what was
//! moved is read out of them, with the same [`Entry`] that the fold works by.

use super::{Before, Fold, Folded, diverged};
use utilidor_types::agreement::Party;
use utilidor_types::event::{BondMovement, Movement, Purpose, Source};
use utilidor_types::{AccountId, Action, AgreementId, Money, OfferId};
use utilidor_view::{CauseView, Held, MovementKind, MovementView};

/// Free or reserved money of an account.
#[derive(Debug, Clone, Copy)]
enum Balance {
    Free,
    Reserved,
}

/// A movement as a receipt or its transaction tells it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    kind: MovementKind,
    held: Option<Held>,
    source: Option<Source>,
    from: Option<(AccountId, Balance)>,
    to: Option<(AccountId, Balance)>,
    amount: Money,
    agreement: Option<AgreementId>,
    offer: Option<OfferId>,
    reference: Option<&'a str>,
}

impl<'a> Entry<'a> {
    /// What an action that was applied moves by itself.
    pub fn of_action(by: AccountId, action: &'a Action) -> Option<Self> {
        let free = |account| Some((account, Balance::Free));
        let (kind, from, to, amount, reference) = match action {
            Action::Issue { to, amount, reference } => (MovementKind::Issue, None, free(*to), *amount, reference),
            Action::Redeem { amount, reference } => (MovementKind::Redeem, free(by), None, *amount, reference),
            Action::Transfer { to, amount, reference } => {
                (MovementKind::Transfer, free(by), free(*to), *amount, reference)
            }
            _ => return None,
        };
        let reference = Some(&**reference);
        Some(Self { kind, held: None, source: None, from, to, amount, agreement: None, offer: None, reference })
    }

    /// An agreement's movement, by the meaning that [`Movement`] gives it; none if it names a party that is not there.
    pub fn of_agreement(
        agreement: AgreementId,
        parties: &[AccountId],
        movement: Movement,
        amount: Money,
    ) -> Option<Self> {
        use Balance::{Free, Reserved};
        let account = |party: Party| parties.get(usize::from(party.0)).copied();
        let held = |purpose: Purpose| Some(Held::from(purpose));
        let (kind, held, source, from, to) = match movement {
            Movement::Reserve { party, purpose } => {
                let party = account(party)?;
                (MovementKind::Reserve, held(purpose), None, (party, Free), (party, Reserved))
            }
            Movement::Release { party, purpose } => {
                let party = account(party)?;
                (MovementKind::Release, held(purpose), None, (party, Reserved), (party, Free))
            }
            Movement::Pay { from, source, to } => {
                let (held, balance) = match source {
                    Source::Pot(purpose) => (held(purpose), Reserved),
                    Source::Allowance | Source::Debt => (None, Free),
                };
                (MovementKind::Pay, held, Some(source), (account(from)?, balance), (account(to)?, Free))
            }
            Movement::Forfeit { by, to } => {
                (MovementKind::Forfeit, Some(Held::Deposit), None, (account(by)?, Reserved), (account(to)?, Free))
            }
            Movement::FallBack { party, purpose, to } => {
                (MovementKind::FallBack, held(purpose), None, (account(party)?, Reserved), (to, Free))
            }
        };
        let (from, to, agreement) = (Some(from), Some(to), Some(agreement));
        Some(Self { kind, held, source, from, to, amount, agreement, offer: None, reference: None })
    }

    /// A movement of a quote's bond, on an offer of `owner`.
    pub fn of_bond(offer: OfferId, owner: AccountId, bidder: AccountId, movement: BondMovement, amount: Money) -> Self {
        use Balance::{Free, Reserved};
        let (kind, from, to) = match movement {
            BondMovement::Reserved => (MovementKind::Reserve, (bidder, Free), (bidder, Reserved)),
            BondMovement::Released => (MovementKind::Release, (bidder, Reserved), (bidder, Free)),
            BondMovement::Forfeited => (MovementKind::Forfeit, (bidder, Reserved), (owner, Free)),
        };
        let (held, offer) = (Some(Held::Bond), Some(offer));
        let (from, to) = (Some(from), Some(to));
        Self { kind, held, source: None, from, to, amount, agreement: None, offer, reference: None }
    }

    /// Whether an account's money moves.
    pub fn touches(&self, account: AccountId) -> bool {
        [self.from, self.to].into_iter().flatten().any(|(touched, _)| touched == account)
    }

    /// The agreement that it is for.
    pub fn agreement(&self) -> Option<AgreementId> {
        self.agreement
    }

    /// As it is answered.
    pub fn view(self, cause: CauseView) -> MovementView {
        MovementView {
            kind: self.kind,
            held: self.held,
            source: self.source,
            from: self.from.map(|(account, _)| account),
            to: self.to.map(|(account, _)| account),
            amount: self.amount,
            agreement: self.agreement,
            offer: self.offer,
            reference: self.reference.map(Into::into),
            cause,
        }
    }
}

impl<B: Before> Fold<'_, '_, B> {
    pub fn issued(&mut self, amount: Money) -> Folded<(), B> {
        let issued = self.changes.totals.issued.checked_add(amount.0);
        self.changes.totals.issued = issued.ok_or_else(|| diverged("all money issued leaves the range of money"))?;
        Ok(())
    }

    pub fn redeemed(&mut self, amount: Money) -> Folded<(), B> {
        let redeemed = self.changes.totals.redeemed.checked_add(amount.0);
        self.changes.totals.redeemed =
            redeemed.ok_or_else(|| diverged("all money redeemed leaves the range of money"))?;
        Ok(())
    }

    /// A movement of an agreement's money.
    pub fn moved(&mut self, agreement: AgreementId, movement: Movement, amount: Money) -> Folded<(), B> {
        let parties = self.agreement(agreement)?.parties.clone();
        let entry = Entry::of_agreement(agreement, &parties, movement, amount);
        self.enter(&entry.ok_or_else(|| diverged(format!("agreement {agreement} has not so many parties")))?)
    }

    /// A movement of a quote's bond.
    pub fn bond_moved(
        &mut self,
        offer: OfferId,
        bidder: AccountId,
        movement: BondMovement,
        amount: Money,
    ) -> Folded<(), B> {
        let owner = self.offer(offer)?.owner;
        self.enter(&Entry::of_bond(offer, owner, bidder, movement, amount))
    }

    pub fn enter(&mut self, entry: &Entry<'_>) -> Folded<(), B> {
        entry.from.map(|from| self.change(from, |held| held.checked_sub(entry.amount.0))).transpose()?;
        entry.to.map(|to| self.change(to, |held| held.checked_add(entry.amount.0))).transpose()?;
        Ok(())
    }

    fn change(
        &mut self,
        (account, balance): (AccountId, Balance),
        change: impl FnOnce(u64) -> Option<u64>,
    ) -> Folded<(), B> {
        let row = self.change_account(account, |row| {
            let held = match balance {
                Balance::Free => &mut row.free,
                Balance::Reserved => &mut row.reserved,
            };
            let present = *held;
            *held = change(present).ok_or_else(|| {
                diverged(format!("a movement takes more from account {account} than {}", Money(present)))
            })?;
            Ok(row.row)
        })??;
        self.changes.account_receipts.push((row, self.receipt));
        Ok(())
    }
}
