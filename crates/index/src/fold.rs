//! Folding a finalized block into the tables.
//!
//! A receipt's consequences are its action and its events together: what an action says itself (a transfer's amount,
//! an offer's lots) is read from the action, all else from the events. Anything that the blocks before do not explain
//! is a divergence: it stops the index, because a read model that guesses is worse than one that stands still.

use crate::agreement::{Party, Step};
use crate::block::head;
use crate::member::AccountState;
use crate::meter::LastReading;
use crate::money::Entry;
use crate::sql::{body, int};
use crate::{ApplyError, Index};
use rusqlite::{OptionalExtension as _, Transaction, params};
use std::collections::{BTreeMap, HashMap, HashSet};
use utilidor_types::action::Action;
use utilidor_types::block::{FinalBlock, FinalTransaction};
use utilidor_types::event::Event;
use utilidor_types::receipt::{Cause, Receipt, Verdict};
use utilidor_types::{AccountId, AgreementId, CertifiedRun, Genesis, MeterId, OfferId, SignedTransaction};

/// A block being folded.
pub(crate) struct Fold<'a> {
    pub sql: &'a Transaction<'a>,
    pub height: u64,
    /// Row of the receipt being folded.
    pub receipt: i64,
    pub rows: &'a mut Rows,
    pub late: Late,
    pub subscription_meters: HashSet<(i64, i64)>,
    /// Certified runs of the block that no receipt has counted yet, the first of them at this place in the certification log.
    pub certified: &'a [CertifiedRun],
    pub position: u64,
    pub totals: Totals,
}

/// What a block writes at its end, in the order of the keys, so that neighbours are written one after another.
#[derive(Debug, Default)]
pub(crate) struct Late {
    /// Accounts that have changed.
    pub accounts: Vec<AccountId>,
    /// Agreements that have another status, by row.
    pub statuses: BTreeMap<i64, &'static str>,
    /// How many agreements more or fewer there are, by kind and status.
    pub counts: BTreeMap<(&'static str, &'static str), i64>,
    pub steps: Vec<Step>,
    /// The last readings of meters, by row.
    pub meters: BTreeMap<i64, LastReading>,
    pub transaction_heads: Vec<(i64, i64)>,
    pub account_receipts: Vec<(i64, i64)>,
    pub agreement_receipts: Vec<(i64, i64)>,
}

/// Rows remembered from block to block: most are asked for again soon.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub accounts: HashMap<AccountId, AccountState>,
    pub offers: HashMap<OfferId, i64>,
    pub agreements: HashMap<AgreementId, Party>,
    pub meters: HashMap<MeterId, i64>,
}

/// Rows of a kind that are remembered.
const MAX_REMEMBERED: usize = 1 << 17;

impl Rows {
    /// Forgets what has become too much.
    fn trim(&mut self) {
        fn trim<K, V>(rows: &mut HashMap<K, V>) {
            if rows.len() > MAX_REMEMBERED {
                rows.clear();
            }
        }
        trim(&mut self.accounts);
        trim(&mut self.offers);
        trim(&mut self.agreements);
        trim(&mut self.meters);
    }
}

/// Running sums of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub issued: u64,
    pub redeemed: u64,
    pub balances: u64,
    pub transactions: u64,
    pub certificates: u64,
    pub statements: u64,
}

/// Why a receipt cannot be folded.
#[derive(Debug)]
pub(crate) enum FoldError {
    Sqlite(rusqlite::Error),
    Diverged(String),
}

impl From<rusqlite::Error> for FoldError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// A divergence.
pub(crate) fn diverged(reason: impl Into<String>) -> FoldError {
    FoldError::Diverged(reason.into())
}

impl Index {
    /// Folds one block, in one SQL transaction.
    pub(crate) fn fold(&mut self, block: &FinalBlock) -> Result<(), ApplyError> {
        // What a block that fails has made is not there: it must not be remembered.
        let mut rows = std::mem::take(&mut self.rows);
        let height = block.header.height;
        let transaction = self.connection.transaction()?;
        let fail = |error: FoldError| match error {
            FoldError::Sqlite(source) => ApplyError::Sqlite(source),
            FoldError::Diverged(reason) => ApplyError::Diverged { height, reason },
        };
        {
            let mut fold = Fold::at(&transaction, height, &mut rows).map_err(fail)?;
            fold.block(block).map_err(fail)?;
            fold.finish(block).map_err(fail)?;
        }
        transaction.commit()?;
        rows.trim();
        self.rows = rows;
        Ok(())
    }
}

impl<'a> Fold<'a> {
    /// Enters the members that the genesis document admits.
    pub fn genesis(sql: &Transaction<'_>, genesis: &Genesis) -> Result<(), FoldError> {
        let mut rows = Rows::default();
        let mut fold = Fold::at(sql, 0, &mut rows)?;
        genesis.members.iter().try_for_each(|member| fold.admit(member.member, member.account, member.roles))
    }

    fn at(sql: &'a Transaction<'a>, height: u64, rows: &'a mut Rows) -> Result<Self, FoldError> {
        let totals = sql.query_row(
            "SELECT issued, redeemed, balances, transactions, certificates, statements FROM meta",
            [],
            |row| {
                let column = |index| row.get::<_, i64>(index).map(|value| value as u64);
                Ok(Totals {
                    issued: column(0)?,
                    redeemed: column(1)?,
                    balances: column(2)?,
                    transactions: column(3)?,
                    certificates: column(4)?,
                    statements: column(5)?,
                })
            },
        )?;
        Ok(Self {
            sql,
            height,
            receipt: 0,
            rows,
            late: Late::default(),
            subscription_meters: HashSet::new(),
            certified: &[],
            position: 0,
            totals,
        })
    }

    fn block(&mut self, block: &'a FinalBlock) -> Result<(), FoldError> {
        self.certified = &block.certified;
        // The block's last operation in the log is its commit.
        self.position = block.header.certification.end.saturating_sub(1 + block.certified.len() as u64);
        let sql = "SELECT COALESCE(MAX(id), 0) + 1 FROM receipts";
        let first_receipt: i64 = self.sql.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        self.sql
            .prepare_cached(
                "INSERT INTO blocks (height, time_ms, digest, first_receipt, first_certificate, header)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                int(self.height),
                int(block.header.time.0),
                block.header.digest().0,
                first_receipt,
                int(self.totals.certificates),
                body(&block.header),
            ])?;

        // Those that no receipt has answered yet.
        let mut places: HashMap<_, _> =
            block.transactions.iter().enumerate().map(|(place, one)| (one.hash, place)).collect();
        for (place, receipt) in block.receipts.iter().enumerate() {
            self.receipt = first_receipt + place as i64;
            let transaction = match receipt.cause {
                Cause::Transaction(hash) => {
                    let place = places.remove(&hash);
                    Some(place.ok_or_else(|| diverged(format!("no transaction {hash} is left in the block")))?)
                }
                Cause::Genesis | Cause::Due { .. } => None,
            };
            self.record(place, receipt, transaction.map(|place| (place, &block.transactions[place])))?;
            match &receipt.verdict {
                Verdict::Applied(events) => {
                    self.applied(transaction.map(|place| &*block.transactions[place].signed), events)?;
                }
                Verdict::Refused(refusal) => self.refused_transaction(refusal)?,
            }
        }
        if !places.is_empty() {
            return Err(diverged("a transaction of the block has no receipt"));
        }
        if let Some(run) = self.certified.first() {
            return Err(diverged(format!("no receipt counts the run from certificate {} on", run.first)));
        }
        Ok(())
    }

    /// Enters a receipt, with the transaction that it answers and that one's place in the block.
    fn record(
        &mut self,
        place: usize,
        receipt: &Receipt,
        transaction: Option<(usize, &FinalTransaction)>,
    ) -> Result<(), FoldError> {
        if let Some((_, FinalTransaction { hash, signed })) = transaction {
            let nonce = signed.transaction.nonce + 1;
            self.change_account(signed.transaction.account(), |account| account.nonce = nonce)?;
            self.totals.transactions += 1;
            self.late.transaction_heads.push((head(hash), self.receipt));
        }
        let due_ms = match receipt.cause {
            Cause::Due { at, .. } => Some(int(at.0)),
            Cause::Genesis | Cause::Transaction(_) => None,
        };
        self.sql
            .prepare_cached(
                "INSERT INTO receipts (id, height, place, due_ms, transaction_place, hash, body, signed)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                self.receipt,
                int(self.height),
                place as i64,
                due_ms,
                transaction.map(|(place, _)| place as i64),
                transaction.map(|(_, one)| one.hash.0),
                body(receipt),
                transaction.map(|(_, one)| body(&*one.signed)),
            ])?;
        Ok(())
    }

    fn applied(&mut self, signed: Option<&SignedTransaction>, events: &[Event]) -> Result<(), FoldError> {
        let request = signed.map(|signed| (signed.transaction.account(), &signed.transaction.action));
        if let Some((account, action)) = request {
            if let Some(entry) = Entry::of_action(account, action) {
                self.enter(&entry)?;
            }
            self.action(account, action)?;
        }
        for event in events {
            self.event(event, request)?;
        }
        Ok(())
    }

    fn action(&mut self, by: AccountId, action: &Action) -> Result<(), FoldError> {
        match action {
            Action::AdmitMember { member, account, roles } => self.admit(*member, *account, *roles),
            Action::ChangeRoles { member, roles } => self.change_roles(*member, *roles),
            Action::OpenAccount { account } => self.open_account(by, *account),
            Action::DeclareCapacity { owner, carrier, per_hour } => self.declare_capacity(*owner, *carrier, *per_hour),
            Action::Issue { amount, .. } => self.issued(*amount),
            Action::Redeem { amount, .. } => self.redeemed(*amount),
            Action::PublishOffers { offers } => offers.iter().try_for_each(|offer| self.publish_offer(by, offer)),
            Action::WithdrawOffer { offer } => self.withdraw_offer(*offer),
            Action::SubmitQuotes { quotes } => {
                quotes.iter().enumerate().try_for_each(|(place, quote)| self.submit_quote(by, place as i64, quote))
            }
            Action::WithdrawQuote { offer } => self.withdraw_quote(by, *offer),
            Action::SignAgreement { agreement, terms } => self.signed(*agreement, by, *terms),
            Action::ProposeAmendment { agreement, program } => self.propose_amendment(by, *agreement, program),
            Action::SignAmendment { agreement, terms } => self.signed(*agreement, by, *terms),
            Action::Terminate { agreement } => self.step(*agreement, "termination_requested", Some(by), None),
            Action::RegisterMeter(meter) => self.register_meter(by, meter),
            Action::BindMeter { meter, holder } => self.bind_meter(*meter, *holder),
            Action::RotateMeterKey { meter, authority } => self.rotate_meter_key(*meter, authority),
            Action::ExchangeMeter { meter, last, authority, register_modulus, register } => {
                self.exchange_meter(*meter, *last, authority, *register_modulus, *register)
            }
            Action::RetireMeter { meter } => self.retire_meter(*meter),
            Action::PublishPackage(package) => self.publish_package(by, package),
            // What these bring about stands in their events, and what a transfer moves was entered before.
            Action::Transfer { .. }
            | Action::Award { .. }
            | Action::ProposeAgreement { .. }
            | Action::DeclineAgreement { .. }
            | Action::RecordReadings { .. }
            | Action::Subscribe { .. }
            | Action::Prepay { .. } => Ok(()),
        }
    }

    fn event(&mut self, event: &Event, request: Option<(AccountId, &Action)>) -> Result<(), FoldError> {
        match event {
            Event::Moved { agreement, movement, amount } => self.moved(*agreement, *movement, *amount),
            Event::AgreementProposed { agreement, owner, user, terms, sign_by } => {
                self.agreement_proposed(*agreement, (*owner, *user), *terms, *sign_by, request)
            }
            Event::AgreementStatus { agreement, status } => self.agreement_status(*agreement, *status),
            Event::AgreementAmended { agreement, terms } => self.agreement_amended(*agreement, *terms),
            Event::Certified { first, count, refused } => {
                self.certified(*first, *count)?;
                refused.iter().try_for_each(|refused| self.refused_reading(refused))
            }
            Event::Gap { meter, interval } => self.gap(*meter, *interval),
            Event::StatementIssued(statement) => self.statement_issued(statement),
            Event::TrancheOpened { subscription, carrier, tranche, paid, discount_permille, period } => {
                self.tranche_opened(*subscription, *carrier, *tranche, (*paid, *discount_permille), *period)
            }
            Event::LowBalance { subscription, carrier } => self.notice(*subscription, *carrier, "low_balance"),
            Event::Exhausted { subscription, carrier } => self.notice(*subscription, *carrier, "exhausted"),
        }
    }

    fn finish(&mut self, block: &FinalBlock) -> Result<(), FoldError> {
        self.write_accounts()?;
        self.write_agreements()?;
        self.write_meters()?;
        self.write_keys()?;
        let totals = self.totals;
        let balanced = totals.issued.checked_sub(totals.redeemed) == Some(totals.balances);
        let unbalanced_at = (!balanced).then_some(int(self.height));
        self.sql
            .prepare_cached(
                "UPDATE meta SET height = ?, time_ms = ?, digest = ?, issued = ?, redeemed = ?, balances = ?,
                 transactions = ?, certificates = ?, statements = ?, unbalanced_at = COALESCE(unbalanced_at, ?)",
            )?
            .execute(params![
                int(self.height),
                int(block.header.time.0),
                block.header.digest().0,
                int(totals.issued),
                int(totals.redeemed),
                int(totals.balances),
                int(totals.transactions),
                int(totals.certificates),
                int(totals.statements),
                unbalanced_at,
            ])?;
        Ok(())
    }

    /// Writes the tables that hold nothing but keys.
    fn write_keys(&mut self) -> Result<(), FoldError> {
        let Late { transaction_heads, account_receipts, agreement_receipts, .. } = std::mem::take(&mut self.late);
        for (table, mut keys) in [
            ("transaction_heads", transaction_heads),
            ("account_receipts", account_receipts),
            ("agreement_receipts", agreement_receipts),
        ] {
            keys.sort_unstable();
            keys.dedup();
            let mut insert = self.sql.prepare_cached(&format!("INSERT INTO {table} VALUES (?, ?)"))?;
            for (one, other) in keys {
                insert.execute([one, other])?;
            }
        }
        Ok(())
    }

    /// The row of an id in a table where it stands once, or a divergence.
    pub fn row_of(&self, sql: &str, id: &[u8], what: &str) -> Result<i64, FoldError> {
        let row = self.sql.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
        row.ok_or_else(|| {
            let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            diverged(format!("a receipt names {what} {id}, which no block before has made"))
        })
    }
}
