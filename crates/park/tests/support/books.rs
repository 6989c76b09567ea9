//! What a node would tell of the ledger's state, for the report.

use super::LedgerPlatform;
use utilidor_ledger::record::{AccountRecord, MeterRecord, MeterState, Totals};
use utilidor_park::cast::{Cast, chain};
use utilidor_park::data::Year;
use utilidor_park::meters::park_meters;
use utilidor_park::report::Books;
use utilidor_park::scenario::Journal;
use utilidor_types::{CertificateId, Digest, Event, Receipt, Roles, Verdict};
use utilidor_view::{
    AccountView, AgreementView, BlockView, CauseView, Kind, MeterView, MoneySummary, QuoteStatus, QuoteView,
    RefusalCount, StatementView, Summary,
};

/// The books of a chain in memory.
pub fn books(platform: &LedgerPlatform, journal: &Journal) -> Books {
    let inner = platform.state.borrow();
    let memory = &inner.memory;
    let agreements: Vec<AgreementView> = inner
        .agreements
        .values()
        .map(|(agreement, status)| AgreementView {
            agreement: agreement.id,
            owner: agreement.terms.owner().unwrap(),
            user: agreement.terms.user().unwrap(),
            kind: Kind::of(&agreement.terms.program),
            status: *status,
            origin: agreement.origin,
            terms_digest: agreement.terms.digest(),
            terms: agreement.terms.clone(),
            sign_by_ms: agreement.sign_by,
            ends_ms: None,
            statements: 0,
            debts: Vec::new(),
            amendment: None,
            steps: Vec::new(),
        })
        .collect();
    let cause = |height: u64| CauseView {
        height,
        receipt: 0,
        time_ms: inner.times[height as usize - 1],
        transaction: None,
        due: None,
    };
    let statements: Vec<StatementView> = inner
        .statements
        .iter()
        .map(|(height, statement)| {
            let of = agreements.iter().find(|agreement| agreement.agreement == statement.agreement).unwrap();
            StatementView {
                statement: statement.clone(),
                owner: of.owner,
                user: of.user,
                kind: of.kind,
                cause: cause(*height),
            }
        })
        .collect();
    let meters = park_meters(&Year::load())
        .into_iter()
        .map(|meter| {
            let id = meter.id;
            let MeterRecord { operator, meter, device, .. } = memory.read(&id).unwrap();
            let state: MeterState = memory.read(&id).unwrap();
            MeterView {
                meter: id,
                operator,
                carrier: meter.carrier,
                holder: meter.holder,
                authority: device.authority,
                register_modulus: device.register_modulus,
                capacity_per_hour: meter.capacity_per_hour,
                register: state.last.register,
                read_ms: state.last.time,
                since_ms: meter.since,
                devices: 1 + inner.exchanges.iter().filter(|exchanged| **exchanged == id).count() as u32,
                certificates: 0,
                retired: state.retired,
                gaps: 0,
                corrections: 0,
            }
        })
        .collect();
    let cast = Cast::new(&Year::load());
    let accounts: Vec<AccountView> = cast
        .everyone()
        .map(|who| {
            let account = cast.account(who);
            let record: AccountRecord = memory.read(&account).unwrap();
            AccountView {
                account,
                member: record.member,
                roles: Roles::default(),
                free: record.free,
                reserved: record.reserved,
                nonce: record.nonce,
                capacities: Vec::new(),
                height: 0,
            }
        })
        .collect();
    let awarded: Vec<_> = journal.tenders.iter().map(|tender| tender.id()).collect();
    let quotes = inner
        .quotes
        .iter()
        .filter(|(offer, _)| awarded.contains(offer))
        .flat_map(|(offer, quotes)| quotes.iter().map(move |(bidder, quote)| (*offer, *bidder, quote)))
        .map(|(offer, bidder, quote)| QuoteView {
            bidder,
            quote: quote.clone(),
            status: QuoteStatus::Submitted,
            agreement: None,
            opening: inner.openings.get(&(offer, bidder)).cloned(),
            refusal: None,
            cause: cause(1),
        })
        .collect();
    let blocks = (1..)
        .zip(&inner.times)
        .map(|(height, time)| BlockView {
            height,
            time_ms: *time,
            block: Digest::default(),
            state_root: Digest::default(),
            transactions: 0,
            receipts: 0,
            certificates: CertificateId(0),
        })
        .collect();
    let totals: Totals = memory.read(&()).unwrap();
    let free = accounts.iter().map(|account| account.free).sum();
    let reserved = accounts.iter().map(|account| account.reserved).sum();
    let summary = Summary {
        blocks: memory.height(),
        time_ms: memory.time(),
        transactions: inner.executed.len() as u64,
        refused: refused(inner.executed.values().map(|executed| &executed.receipt)),
        certificates: totals.certificates.0,
        statements: statements.len() as u64,
        members: 0,
        accounts: accounts.len() as u64,
        meters: 0,
        offers: 0,
        agreements: Vec::new(),
        money: MoneySummary {
            issued: totals.issued,
            redeemed: totals.redeemed,
            circulating: totals.issued.saturating_sub(totals.redeemed),
            free,
            reserved,
            // Checked after every block by the platform itself.
            conserved: true,
            first_violation: None,
        },
    };
    assert_eq!(memory.genesis().chain(), chain());
    Books { summary, statements, agreements, meters, accounts, quotes, blocks }
}

fn refused<'a>(receipts: impl Iterator<Item = &'a Receipt>) -> Vec<RefusalCount> {
    let mut counts: Vec<RefusalCount> = Vec::new();
    for receipt in receipts {
        let of_readings = receipt.events().iter().filter_map(|event| match event {
            Event::Certified { refused, .. } => Some(refused),
            _ => None,
        });
        let readings = of_readings.flat_map(|refused| refused.iter()).map(|reading| (reading.refusal.code(), false));
        let whole = match &receipt.verdict {
            Verdict::Refused(refusal) => Some((refusal.code(), true)),
            Verdict::Applied(_) => None,
        };
        for (code, transaction) in readings.chain(whole) {
            let place = counts.iter().position(|count| count.code == code).unwrap_or_else(|| {
                counts.push(RefusalCount { code: code.into(), transactions: 0, readings: 0, awards: 0 });
                counts.len() - 1
            });
            counts[place].transactions += u64::from(transaction);
            counts[place].readings += u64::from(!transaction);
        }
    }
    counts
}
