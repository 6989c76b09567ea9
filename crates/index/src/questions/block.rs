//! Blocks, their transactions and their receipts.

use super::told::For;
use super::{Questions, Read};
use crate::fold::head;
use crate::page::Paging;
use crate::store::columns::{int, maybe_value, time, uint, value};
use rusqlite::{Row, params};
use std::collections::HashSet;
use utilidor_types::block::Header;
use utilidor_types::{Cause, CertificateId, Digest, Receipt, SignedTransaction, TransactionHash};
use utilidor_view::{BlockDetail, BlockFilter, BlockView, Page, ReceiptView, TransactionView};

/// Where a transaction ended up, and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Height of its block.
    pub height: u64,
    /// Its receipt.
    pub receipt: Receipt,
}

fn block_view(row: &Row<'_>) -> rusqlite::Result<BlockView> {
    let header: Header = value(row, "header")?;
    Ok(BlockView {
        height: header.height,
        time_ms: header.time,
        block: Digest(row.get("digest")?),
        state_root: header.state_root,
        transactions: header.transaction_count,
        receipts: header.receipt_count,
        certificates: CertificateId(uint(row, "next_certificate")?),
    })
}

const BLOCK: &str = "SELECT blocks.*, COALESCE((SELECT following.first_certificate FROM blocks AS following
    WHERE following.height = blocks.height + 1), (SELECT certificates FROM meta)) AS next_certificate FROM blocks";

/// The tables to look a transaction up in.
const TRANSACTION: &str = "transaction_heads JOIN receipts ON receipts.id = transaction_heads.receipt";

/// The transaction with head `?1` and hash `?2`.
const IS_TRANSACTION: &str = "transaction_heads.head = ?1 AND receipts.hash = ?2";

/// The receipts of the block at height `?1`: they follow each other.
const OF_BLOCK: &str = "receipts.id >= (SELECT first_receipt FROM blocks WHERE height = ?1)
    AND receipts.id < COALESCE((SELECT first_receipt FROM blocks WHERE height = ?1 + 1), 9223372036854775807)";

/// The transaction that a receipt answers.
const fn hash_in(receipt: &Receipt) -> Option<TransactionHash> {
    match receipt.cause {
        Cause::Transaction(hash) => Some(hash),
        Cause::Genesis | Cause::Due { .. } => None,
    }
}

impl Questions<'_> {
    /// Blocks by rising height.
    pub fn blocks(&self, filter: &BlockFilter, paging: Paging) -> Read<Page<BlockView>> {
        let after = filter.after.map_or(i64::MIN, |after| i64::try_from(after).unwrap_or(i64::MAX));
        let (beyond, order) = (paging.beyond("height"), paging.by("height"));
        let sql = format!("{BLOCK} WHERE {beyond} AND height > ?3 {order} LIMIT ?2");
        self.page(paging, &sql, [paging.after(), paging.fetch(), after], |row| {
            let block = block_view(row)?;
            Ok((int(block.height), block))
        })
    }

    /// A block in short.
    pub fn block_view(&self, height: u64) -> Read<Option<BlockView>> {
        self.find(&format!("{BLOCK} WHERE height = ?"), [int(height)], block_view)
    }

    /// A block, with those of its transactions' hashes and receipts that are seen whole.
    pub fn block(&self, height: u64) -> Read<Option<BlockDetail>> {
        let sql = "SELECT header FROM blocks WHERE height = ?";
        let header = self.find(sql, [int(height)], |row| value::<Header>(row, "header"))?;
        let Some(header) = header else { return Ok(None) };
        let receipts: Vec<_> = self.receipts(height)?.into_iter().map(|row| row.receipt).collect();
        let sql = format!("SELECT hash FROM receipts WHERE {OF_BLOCK} AND hash IS NOT NULL ORDER BY transaction_place");
        let mut transactions = self.all(&sql, [int(height)], |row| row.get("hash").map(TransactionHash))?;
        let told: HashSet<_> = receipts.iter().filter_map(hash_in).collect();
        transactions.retain(|hash| told.contains(hash));
        let partial = (receipts.len() as u64) < u64::from(header.receipt_count);
        Ok(Some(BlockDetail { block: header.digest(), header, transactions, receipts, partial }))
    }

    /// The receipts of a block that are seen whole.
    pub fn receipts(&self, height: u64) -> Read<Vec<ReceiptView>> {
        let sql = format!("SELECT place, body, signed FROM receipts WHERE {OF_BLOCK} ORDER BY id");
        let rows = self.all(&sql, [int(height)], |row| {
            let receipt = ReceiptView { height, index: row.get("place")?, receipt: value(row, "body")? };
            Ok((receipt, maybe_value(row, "signed")?))
        })?;
        let mut seen = Vec::new();
        for (row, signed) in rows {
            if self.sees_receipt(&row.receipt, signed.as_ref(), For::Listener)? {
                seen.push(row);
            }
        }
        Ok(seen)
    }

    /// A transaction with its receipt, for whoever has its hash: it is told to nobody who may not see all of it.
    pub fn transaction(&self, hash: TransactionHash) -> Read<Option<TransactionView>> {
        let sql = format!(
            "SELECT receipts.height AS height, transaction_place, blocks.time_ms AS time_ms, place, body, signed
             FROM {TRANSACTION} JOIN blocks ON blocks.height = receipts.height WHERE {IS_TRANSACTION}"
        );
        self.find(&sql, params![head(&hash), hash.0], |row| {
            let signed: SignedTransaction = value(row, "signed")?;
            Ok(TransactionView {
                hash,
                height: uint(row, "height")?,
                index: row.get("transaction_place")?,
                time_ms: time(row, "time_ms")?,
                account: signed.transaction.account(),
                nonce: signed.transaction.nonce,
                action: signed.transaction.action,
                receipt_index: row.get("place")?,
                receipt: value(row, "body")?,
            })
        })
    }

    /// A transaction as it was signed.
    pub fn signed_transaction(&self, hash: TransactionHash) -> Read<Option<SignedTransaction>> {
        let sql = format!("SELECT signed FROM {TRANSACTION} WHERE {IS_TRANSACTION}");
        self.find(&sql, params![head(&hash), hash.0], |row| value(row, "signed"))
    }

    /// Those of the transactions that are in blocks.
    pub fn known(&self, hashes: &[TransactionHash]) -> Read<Vec<TransactionHash>> {
        let sql = format!("SELECT 1 FROM {TRANSACTION} WHERE {IS_TRANSACTION}");
        let mut statement = self.prepare(&sql)?;
        let mut known = Vec::new();
        for hash in hashes {
            if statement.exists(params![head(hash), hash.0])? {
                known.push(*hash);
            }
        }
        Ok(known)
    }

    /// Where a transaction ended up and how it went, without its body.
    pub fn outcome(&self, hash: TransactionHash) -> Read<Option<Outcome>> {
        let sql = format!("SELECT height, body FROM {TRANSACTION} WHERE {IS_TRANSACTION}");
        self.find(&sql, params![head(&hash), hash.0], |row| {
            Ok(Outcome { height: uint(row, "height")?, receipt: value(row, "body")? })
        })
    }
}
