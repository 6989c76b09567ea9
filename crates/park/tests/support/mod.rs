//! A platform made of the ledger alone: blocks in memory, no node and no network. One block for each advance of time and for
//! each batch, as a development chain makes them.

// Each test file uses a part of this.
#![allow(dead_code)]

pub mod books;
pub mod oracle;

use commonware_parallel::Sequential;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use utilidor_ledger::memory::Memory;
use utilidor_ledger::record::{AccountRecord, AgreementRecord, Totals};
use utilidor_park::cast::{self, Cast};
use utilidor_park::data::Year;
use utilidor_park::platform::{Executed, Platform, PlatformError};
use utilidor_types::agreement::{Agreement, Status};
use utilidor_types::transaction::verify_batch;
use utilidor_types::{
    AccountId, Action, AgreementId, Cause, Certificate, ChainId, Event, MeterId, OfferId, Opening, SealedQuote,
    SignedTransaction, Statement, Timestamp, TransactionHash, VerifiedTransaction,
};

/// The ledger as a platform.
pub struct LedgerPlatform {
    chain: ChainId,
    state: RefCell<Inner>,
}

struct Inner {
    memory: Memory,
    executed: HashMap<TransactionHash, Executed>,
    quotes: BTreeMap<OfferId, BTreeMap<AccountId, SealedQuote>>,
    openings: BTreeMap<(OfferId, AccountId), Opening>,
    closed: BTreeSet<OfferId>,
    exchanges: Vec<MeterId>,
    /// Every agreement as it was last read, with its last status; those that expired are no longer in the state.
    agreements: BTreeMap<AgreementId, (Agreement, Status)>,
    statements: Vec<(u64, Statement)>,
    times: Vec<Timestamp>,
    certificates: Vec<Certificate>,
    cast: Cast,
}

impl LedgerPlatform {
    pub fn new() -> Self {
        let memory = Memory::new(cast::genesis());
        let chain = cast::chain();
        let inner = Inner {
            memory,
            executed: HashMap::new(),
            quotes: BTreeMap::new(),
            openings: BTreeMap::new(),
            closed: BTreeSet::new(),
            exchanges: Vec::new(),
            agreements: BTreeMap::new(),
            statements: Vec::new(),
            times: Vec::new(),
            certificates: Vec::new(),
            cast: Cast::new(&Year::load()),
        };
        Self { chain, state: RefCell::new(inner) }
    }

    /// All statements, in the order of their issue.
    pub fn statements(&self) -> Vec<Statement> {
        self.state.borrow().statements.iter().map(|(_, statement)| statement.clone()).collect()
    }

    /// All certificates, in order.
    #[allow(dead_code)] // not every test that includes this module asks for them
    pub fn certificates(&self) -> Vec<Certificate> {
        self.state.borrow().certificates.clone()
    }

    /// The state after the last block.
    #[allow(dead_code)] // not every test that includes this module asks for it
    pub fn memory(&self) -> Memory {
        self.state.borrow().memory.clone()
    }
}

impl Inner {
    fn block(&mut self, time: Timestamp, transactions: Vec<VerifiedTransaction>) {
        for transaction in &transactions {
            match &transaction.transaction().action {
                // A quote after the gate is refused: it does not stand beside the others.
                Action::SubmitQuotes { quotes } => {
                    for quote in quotes.iter().filter(|quote| !self.closed.contains(&quote.offer)) {
                        self.quotes.entry(quote.offer).or_default().insert(transaction.account(), quote.clone());
                    }
                }
                Action::Award { awards } => {
                    for award in awards {
                        self.closed.insert(award.offer);
                        self.openings.insert((award.offer, award.bidder), award.opening.clone());
                    }
                }
                Action::ExchangeMeter { meter, .. } => self.exchanges.push(*meter),
                _ => {}
            }
        }
        self.times.push(time);
        let height = self.times.len() as u64;
        let outcome = self.memory.execute(time, transactions);
        assert_eq!(outcome.inadmissible, [], "the scenario's transactions are all admissible");
        for receipt in &outcome.receipts {
            for event in receipt.events() {
                match event {
                    Event::StatementIssued(statement) => self.statements.push((height, statement.clone())),
                    Event::AgreementProposed { agreement, .. } | Event::AgreementAmended { agreement, .. } => {
                        let AgreementRecord { agreement: read, .. } = self.memory.read(agreement).unwrap();
                        let status = self.agreements.get(agreement).map_or(Status::Proposed, |(_, status)| *status);
                        self.agreements.insert(*agreement, (read, status));
                    }
                    Event::AgreementStatus { agreement, status } => {
                        self.agreements.get_mut(agreement).unwrap().1 = *status;
                    }
                    Event::AwardRefused { refusal, .. } => panic!("an award was refused: {refusal}"),
                    Event::ProgramFailed { agreement, code, .. } => panic!("{agreement} failed with code {code}"),
                    _ => {}
                }
            }
            if let Cause::Transaction(hash) = receipt.cause {
                self.executed.insert(hash, Executed { receipt: receipt.clone(), time });
            }
        }
        self.certificates.extend(outcome.certificates());
        self.check_money();
    }
}

impl Inner {
    /// All money that anyone has is what was issued and not redeemed, after every block.
    fn check_money(&self) {
        let Some(totals) = self.memory.read::<Totals>(&()) else { return };
        let cast = &self.cast;
        let accounts = cast.everyone().filter_map(|who| self.memory.read::<AccountRecord>(&cast.account(who)));
        let balances: u64 = accounts.map(|account| account.free.0 + account.reserved.0).sum();
        assert_eq!(balances, totals.issued.0 - totals.redeemed.0, "money is conserved");
    }
}

impl Platform for LedgerPlatform {
    fn chain(&self) -> ChainId {
        self.chain
    }

    async fn time(&self) -> Result<Timestamp, PlatformError> {
        Ok(self.state.borrow().memory.time())
    }

    async fn next_nonce(&self, account: AccountId) -> Result<u64, PlatformError> {
        Ok(self.state.borrow().memory.read::<AccountRecord>(&account).map_or(0, |record| record.nonce))
    }

    async fn advance(&self, to: Timestamp) -> Result<(), PlatformError> {
        self.state.borrow_mut().block(to, Vec::new());
        Ok(())
    }

    async fn submit(&self, transactions: Vec<SignedTransaction>) -> Result<Vec<Executed>, PlatformError> {
        let hashes: Vec<TransactionHash> = transactions.iter().map(SignedTransaction::hash).collect();
        let mut random = StdRng::seed_from_u64(1);
        let verified = verify_batch(self.chain, transactions, &mut random, &Sequential);
        let verified: Result<Vec<VerifiedTransaction>, _> = verified.into_iter().collect();
        let verified = verified.map_err(|error| PlatformError(error.into()))?;
        let mut inner = self.state.borrow_mut();
        let time = Timestamp(inner.memory.time().0 + 1);
        inner.block(time, verified);
        Ok(hashes.iter().map(|hash| inner.executed[hash].clone()).collect())
    }

    async fn executed(&self, transaction: TransactionHash) -> Result<Executed, PlatformError> {
        let executed = self.state.borrow().executed.get(&transaction).cloned();
        executed.ok_or_else(|| PlatformError(format!("no transaction {transaction} is final").into()))
    }

    async fn quotes(&self, offer: OfferId) -> Result<Vec<(AccountId, SealedQuote)>, PlatformError> {
        let inner = self.state.borrow();
        Ok(inner.quotes.get(&offer).map_or(Vec::new(), |quotes| quotes.iter().map(|(a, q)| (*a, q.clone())).collect()))
    }
}

/// Runs a future that never really waits.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(future)
}
