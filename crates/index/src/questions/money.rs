//! Movements of money, read out of the receipts that tell of them.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::fold::money::Entry;
use crate::fold::{PLACE_BITS, cursor};
use crate::page::Paging;
use crate::store::columns::{maybe_value, value};
use rusqlite::params;
use std::collections::HashMap;
use std::sync::Arc;
use utilidor_types::{AccountId, AgreementId, AgreementTerms, Event, OfferId, Receipt, SignedTransaction};
use utilidor_view::{MovementView, Page};

/// Who is behind agreements and offers, as far as it was asked.
#[derive(Default)]
struct Behind {
    parties: HashMap<AgreementId, Arc<[AccountId]>>,
    owners: HashMap<OfferId, Option<AccountId>>,
}

impl Questions<'_> {
    /// Movements of an account's money; none if the account is not seen.
    pub fn movements_of_account(&self, account: AccountId, paging: Paging) -> Read<Option<Page<MovementView>>> {
        if self.account(account)?.is_none() {
            return Ok(None);
        }
        let of = "account_receipts AS it JOIN accounts AS of ON of.id = it.account AND of.account = ?2";
        self.movements(of, &account.0, paging, |entry| entry.touches(account)).map(Some)
    }

    /// Movements of an agreement's money; none if the agreement is not seen.
    pub fn movements_of_agreement(&self, agreement: AgreementId, paging: Paging) -> Read<Option<Page<MovementView>>> {
        if !self.sees_agreement(agreement)? {
            return Ok(None);
        }
        let of = "agreement_receipts AS it JOIN agreements AS of ON of.id = it.agreement
                  AND of.id = (SELECT MAX(id) FROM agreements WHERE agreement = ?2)";
        self.movements(of, &agreement.0, paging, |entry| entry.agreement() == Some(agreement)).map(Some)
    }

    fn movements(
        &self,
        of: &str,
        id: &[u8],
        paging: Paging,
        wanted: impl Fn(&Entry<'_>) -> bool,
    ) -> Read<Page<MovementView>> {
        let (reaches, order) = (paging.reaches("it.receipt"), paging.by("it.receipt"));
        let sql =
            format!("SELECT receipts.id AS id, body, signed, {CAUSE} FROM {of} {CAUSE_JOIN} WHERE {reaches} {order}");
        let mut statement = self.prepare(&sql)?;
        let mut receipts = statement.query(params![paging.after() >> PLACE_BITS, id])?;
        let mut behind = Behind::default();
        let mut page = Vec::new();
        while let Some(row) = receipts.next()? {
            let (id, receipt) = (row.get("id")?, value::<Receipt>(row, "body")?);
            let signed: Option<SignedTransaction> = maybe_value(row, "signed")?;
            let entries = self.entries(&receipt, signed.as_ref(), &mut behind)?;
            let cause = cause(row)?;
            for (place, entry) in paging.in_order(entries.into_iter().enumerate().collect()) {
                let cursor = cursor(id, place as i64);
                if paging.passes(cursor) && wanted(&entry) {
                    page.push((cursor, entry.view(cause.clone())));
                }
            }
            if page.len() >= paging.fetch() as usize {
                break;
            }
        }
        let mut page = paging.page(page);
        self.withhold(page.items.iter_mut().map(|row| &mut row.cause))?;
        Ok(page)
    }

    /// The movements that a receipt and its transaction tell of, in order.
    fn entries<'r>(
        &self,
        receipt: &'r Receipt,
        signed: Option<&'r SignedTransaction>,
        behind: &mut Behind,
    ) -> Read<Vec<Entry<'r>>> {
        let applied = signed.filter(|_| receipt.refusal().is_none()).map(|signed| &signed.transaction);
        let action = applied.and_then(|transaction| Entry::of_action(transaction.account(), &transaction.action));
        let mut entries: Vec<_> = action.into_iter().collect();
        for event in receipt.events() {
            match event {
                Event::Moved { agreement, movement, amount } => {
                    let parties = self.parties(*agreement, behind)?;
                    entries.extend(Entry::of_agreement(*agreement, &parties, *movement, *amount));
                }
                Event::Bond { offer, bidder, movement, amount } => {
                    let owner = self.owner(*offer, behind)?;
                    entries.extend(owner.map(|owner| Entry::of_bond(*offer, owner, *bidder, *movement, *amount)));
                }
                _ => {}
            }
        }
        Ok(entries)
    }

    /// Money moves under the last agreement of an id only: the ones before were never signed.
    fn parties(&self, agreement: AgreementId, behind: &mut Behind) -> Read<Arc<[AccountId]>> {
        if let Some(parties) = behind.parties.get(&agreement) {
            return Ok(parties.clone());
        }
        let sql = "SELECT terms FROM agreements WHERE agreement = ? ORDER BY id DESC LIMIT 1";
        let terms = self.find(sql, [agreement.0], |row| value::<AgreementTerms>(row, "terms"))?;
        let parties: Arc<[AccountId]> = terms.iter().flat_map(|terms| terms.parties.iter().copied()).collect();
        behind.parties.insert(agreement, parties.clone());
        Ok(parties)
    }

    /// All offers of an id have one owner, whose label is in it.
    fn owner(&self, offer: OfferId, behind: &mut Behind) -> Read<Option<AccountId>> {
        if let Some(owner) = behind.owners.get(&offer) {
            return Ok(*owner);
        }
        let sql = "SELECT account FROM offers JOIN accounts ON accounts.id = offers.owner WHERE offer = ? LIMIT 1";
        let owner = self.find(sql, [offer.0], |row| row.get("account").map(AccountId))?;
        behind.owners.insert(offer, owner);
        Ok(owner)
    }
}
