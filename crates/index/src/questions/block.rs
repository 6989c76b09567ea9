//! Blocks, their transactions and their receipts.

use super::{Questions, Read};
use crate::fold::head;
use crate::page::Paging;
use crate::store::columns::{int, time, uint, value};
use rusqlite::{Row, params};
use utilidor_types::block::Header;
use utilidor_types::{CertificateId, Digest, Receipt, SignedTransaction, TransactionHash};
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

impl Questions<'_> {
    /// Blocks by rising height.
    pub fn blocks(&self, filter: &BlockFilter, paging: Paging) -> Read<Page<BlockView>> {
        let paging = filter.after.map_or(paging, |after| paging.not_before(i64::try_from(after).unwrap_or(i64::MAX)));
        let sql = format!("{BLOCK} WHERE height > ? ORDER BY height LIMIT ?");
        self.page(paging, &sql, [paging.after(), paging.fetch()], |row| {
            let block = block_view(row)?;
            Ok((int(block.height), block))
        })
    }

    /// A block in short.
    pub fn block_view(&self, height: u64) -> Read<Option<BlockView>> {
        self.find(&format!("{BLOCK} WHERE height = ?"), [int(height)], block_view)
    }

    /// A block with its transactions' hashes and its receipts.
    pub fn block(&self, height: u64) -> Read<Option<BlockDetail>> {
        let sql = "SELECT header FROM blocks WHERE height = ?";
        let header = self.find(sql, [int(height)], |row| value::<Header>(row, "header"))?;
        let Some(header) = header else { return Ok(None) };
        let sql = format!("SELECT hash FROM receipts WHERE {OF_BLOCK} AND hash IS NOT NULL ORDER BY transaction_place");
        let transactions = self.all(&sql, [int(height)], |row| row.get("hash").map(TransactionHash))?;
        let receipts = self.receipts(height)?.into_iter().map(|row| row.receipt).collect();
        Ok(Some(BlockDetail { block: header.digest(), header, transactions, receipts }))
    }

    /// The receipts of a block.
    pub fn receipts(&self, height: u64) -> Read<Vec<ReceiptView>> {
        let sql = format!("SELECT place, body FROM receipts WHERE {OF_BLOCK} ORDER BY id");
        self.all(&sql, [int(height)], |row| {
            Ok(ReceiptView { height, index: row.get("place")?, receipt: value(row, "body")? })
        })
    }

    /// A transaction with its receipt.
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
