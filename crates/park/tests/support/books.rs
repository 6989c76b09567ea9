//! What a node would tell of the ledger's state, for the report.

use super::LedgerPlatform;
use utilidor_ledger::record::{AccountRecord, AgreementRecord, AgreementState, MeterRecord, MeterState, Totals};
use utilidor_park::cast::{Cast, chain};
use utilidor_park::data::Year;
use utilidor_park::meters::park_meters;
use utilidor_park::report::Books;
use utilidor_park::scenario::{Deed, Journal};
use utilidor_sdk::model;
use utilidor_types::{Digest, Event, Program, Receipt, Roles, Verdict};

/// The books of a chain in memory.
pub fn books(platform: &LedgerPlatform, journal: &Journal) -> Books {
    let inner = platform.state.borrow();
    let memory = &inner.memory;
    let ids = journal.entries.iter().filter_map(|entry| match &entry.deed {
        Deed::Subscribed { agreement, .. } => Some(*agreement),
        Deed::Concluded(purchase) | Deed::Unsigned(purchase) => Some(purchase.agreement),
        _ => None,
    });
    let agreements: Vec<model::AgreementRecord> = ids
        .map(|id| {
            let AgreementRecord { agreement } = memory.read(&id).unwrap();
            let state: AgreementState = memory.read(&id).unwrap();
            model::AgreementRecord {
                agreement: id,
                owner: agreement.terms.owner,
                user: agreement.terms.user,
                kind: kind(&agreement.terms.program).into(),
                status: state.status,
                origin: agreement.origin,
                terms_digest: agreement.terms.digest(),
                terms: agreement.terms,
                sign_by_ms: agreement.sign_by,
                statements: state.statements,
                steps: Vec::new(),
            }
        })
        .collect();
    let cause = |height: u64| model::CauseRecord {
        height,
        receipt: 0,
        time_ms: inner.times[height as usize - 1],
        transaction: None,
        due_ms: None,
    };
    let statements: Vec<model::StatementRecord> = inner
        .statements
        .iter()
        .map(|(height, statement)| {
            let of = agreements.iter().find(|agreement| agreement.agreement == statement.agreement).unwrap();
            model::StatementRecord {
                statement: statement.clone(),
                owner: of.owner,
                user: of.user,
                kind: of.kind.clone(),
                cause: cause(*height),
            }
        })
        .collect();
    let meters = park_meters(&Year::load())
        .into_iter()
        .map(|meter| {
            let MeterRecord { operator, meter, .. } = memory.read(&meter.id).unwrap();
            let state: MeterState = memory.read(&meter.id).unwrap();
            model::MeterRecord {
                meter: meter.id,
                operator,
                carrier: meter.carrier,
                holder: meter.holder,
                authority: meter.authority,
                register_modulus: meter.register_modulus,
                capacity_per_hour: meter.capacity_per_hour,
                register: state.last.register,
                read_ms: state.last.time,
                since_ms: meter.since,
                devices: 1 + inner.exchanges.iter().filter(|exchanged| **exchanged == meter.id).count() as u32,
                certificates: 0,
                retired: state.retired,
                gaps: Vec::new(),
            }
        })
        .collect();
    let cast = Cast::new(&Year::load());
    let accounts: Vec<model::AccountRecord> = cast
        .everyone()
        .map(|who| {
            let account = cast.account(who);
            let record: AccountRecord = memory.read(&account).unwrap();
            model::AccountRecord {
                account,
                member: record.member,
                roles: Roles::default(),
                free: record.free,
                reserved: record.reserved,
                nonce: record.nonce,
                capacities: Vec::new(),
            }
        })
        .collect();
    let awarded: Vec<_> = journal.tenders.iter().map(|tender| tender.offer().id).collect();
    let quotes = inner
        .quotes
        .iter()
        .filter(|(offer, _)| awarded.contains(offer))
        .flat_map(|(offer, quotes)| quotes.iter().map(move |(bidder, quote)| (*offer, *bidder, quote)))
        .map(|(offer, bidder, quote)| model::QuoteRecord {
            bidder,
            quote: quote.clone(),
            status: "submitted".into(),
            agreement: None,
            opening: inner.openings.get(&(offer, bidder)).cloned(),
            cause: cause(1),
        })
        .collect();
    let blocks = (1..)
        .zip(&inner.times)
        .map(|(height, time)| model::BlockSummary {
            height,
            time_ms: *time,
            block: Digest::default(),
            state_root: Digest::default(),
            transactions: 0,
            receipts: 0,
            certificates: 0,
        })
        .collect();
    let totals: Totals = memory.read(&()).unwrap();
    let free = accounts.iter().map(|account| account.free).sum();
    let reserved = accounts.iter().map(|account| account.reserved).sum();
    let summary = model::Summary {
        blocks: memory.height(),
        time_ms: memory.time(),
        transactions: inner.receipts.len() as u64,
        refused: refused(inner.receipts.values()),
        certificates: totals.certificates.0,
        statements: statements.len() as u64,
        members: 0,
        accounts: accounts.len() as u64,
        meters: 0,
        offers: 0,
        agreements: Vec::new(),
        money: model::MoneySummary {
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

const fn kind(program: &Program) -> &'static str {
    match program {
        Program::Purchase(_) => "purchase",
        Program::Subscription(_) => "subscription",
    }
}

fn refused<'a>(receipts: impl Iterator<Item = &'a Receipt>) -> Vec<model::RefusalCount> {
    let mut counts: Vec<model::RefusalCount> = Vec::new();
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
                counts.push(model::RefusalCount { code: code.into(), transactions: 0, readings: 0 });
                counts.len() - 1
            });
            counts[place].transactions += u64::from(transaction);
            counts[place].readings += u64::from(!transaction);
        }
    }
    counts
}
