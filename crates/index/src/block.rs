//! Blocks, their transactions and their receipts.

use crate::page::{Page, Paging};
use crate::sql::{int, uint, value};
use crate::{ReadError, Reader};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use utilidor_types::block::Header;
use utilidor_types::{AccountId, Action, Digest, Receipt, SignedTransaction, TransactionHash};

/// A block in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BlockRow {
    /// Height.
    pub height: u64,
    /// The block's time.
    pub time_ms: u64,
    /// Digest of the header.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub block: Digest,
    /// Root of the state after it.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub state_root: Digest,
    /// Number of transactions.
    pub transactions: u32,
    /// Number of receipts.
    pub receipts: u32,
    /// Certificates after this block: the id of the next one.
    pub certificates: u64,
}

/// A block with what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BlockDetail {
    /// Digest of the header.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub block: Digest,
    /// The header.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub header: Header,
    /// Hashes of the transactions, in order.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub transactions: Vec<TransactionHash>,
    /// The receipts, in order.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Object>))]
    pub receipts: Vec<Receipt>,
}

/// A transaction in its block, with its receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TransactionRow {
    /// Its hash.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub hash: TransactionHash,
    /// Height of its block.
    pub height: u64,
    /// Its place among the block's transactions.
    pub index: u32,
    /// Time of its block.
    pub time_ms: u64,
    /// Who asked.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub account: AccountId,
    /// The account's number of transactions before this one.
    pub nonce: u64,
    /// What was asked.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub action: Action,
    /// The receipt's place among the block's receipts.
    pub receipt_index: u32,
    /// How it went.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub receipt: Receipt,
}

/// Where a transaction ended up, and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Height of its block.
    pub height: u64,
    /// Its receipt.
    pub receipt: Receipt,
}

/// A receipt with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ReceiptRow {
    /// Height of the block.
    pub height: u64,
    /// Place among the block's receipts.
    pub index: u32,
    /// The receipt.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub receipt: Receipt,
}

fn block_row(row: &Row<'_>) -> rusqlite::Result<BlockRow> {
    let header: Header = value(row, "header")?;
    Ok(BlockRow {
        height: header.height,
        time_ms: header.time.0,
        block: Digest(row.get("digest")?),
        state_root: header.state_root,
        transactions: header.transaction_count,
        receipts: header.receipt_count,
        certificates: uint(row, "next_certificate")?,
    })
}

const BLOCK: &str = "SELECT blocks.*, COALESCE((SELECT following.first_certificate FROM blocks AS following
    WHERE following.height = blocks.height + 1), (SELECT certificates FROM meta)) AS next_certificate FROM blocks";

impl Reader {
    /// Blocks by rising height.
    pub fn blocks(&self, paging: Paging) -> Result<Page<BlockRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!("{BLOCK} WHERE height > ? ORDER BY height LIMIT ?");
        let mut statement = snapshot.prepare_cached(&sql)?;
        let rows = statement.query_map([paging.after(), paging.fetch()], |row| {
            let block = block_row(row)?;
            Ok((int(block.height), block))
        })?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, paging))
    }

    /// A block in short.
    pub fn block_row(&self, height: u64) -> Result<Option<BlockRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!("{BLOCK} WHERE height = ?");
        Ok(snapshot.prepare_cached(&sql)?.query_row([int(height)], block_row).optional()?)
    }

    /// A block with its transactions' hashes and its receipts.
    pub fn block(&self, height: u64) -> Result<Option<BlockDetail>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = "SELECT header FROM blocks WHERE height = ?";
        let header = snapshot.prepare_cached(sql)?.query_row([int(height)], |row| value::<Header>(row, "header"));
        let Some(header) = header.optional()? else { return Ok(None) };
        let sql = format!("SELECT hash FROM receipts WHERE {OF_BLOCK} AND hash IS NOT NULL ORDER BY transaction_place");
        let mut statement = snapshot.prepare_cached(&sql)?;
        let hashes = statement.query_map([int(height)], |row| row.get("hash").map(TransactionHash))?;
        let hashes = hashes.collect::<Result<_, _>>()?;
        let receipts = receipts(&snapshot, height)?.into_iter().map(|row| row.receipt).collect();
        Ok(Some(BlockDetail { block: header.digest(), header, transactions: hashes, receipts }))
    }

    /// The receipts of a block.
    pub fn receipts(&self, height: u64) -> Result<Vec<ReceiptRow>, ReadError> {
        receipts(&self.snapshot()?, height)
    }

    /// A transaction with its receipt.
    pub fn transaction(&self, hash: TransactionHash) -> Result<Option<TransactionRow>, ReadError> {
        let sql = format!(
            "SELECT receipts.height AS height, transaction_place, blocks.time_ms AS time_ms, place, body, signed
             FROM {TRANSACTION} JOIN blocks ON blocks.height = receipts.height WHERE {IS_TRANSACTION}"
        );
        let row = self.connection.prepare_cached(&sql)?.query_row(params![head(&hash), hash.0], |row| {
            let signed: SignedTransaction = value(row, "signed")?;
            Ok(TransactionRow {
                hash,
                height: uint(row, "height")?,
                index: row.get("transaction_place")?,
                time_ms: uint(row, "time_ms")?,
                account: signed.transaction.account(),
                nonce: signed.transaction.nonce,
                action: signed.transaction.action,
                receipt_index: row.get("place")?,
                receipt: value(row, "body")?,
            })
        });
        Ok(row.optional()?)
    }

    /// A transaction as it was signed.
    pub fn signed_transaction(&self, hash: TransactionHash) -> Result<Option<SignedTransaction>, ReadError> {
        let sql = format!("SELECT signed FROM {TRANSACTION} WHERE {IS_TRANSACTION}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row(params![head(&hash), hash.0], |row| value(row, "signed")).optional()?)
    }

    /// Those of the transactions that are in blocks.
    pub fn known(&self, hashes: &[TransactionHash]) -> Result<Vec<TransactionHash>, ReadError> {
        let sql = format!("SELECT 1 FROM {TRANSACTION} WHERE {IS_TRANSACTION}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut known = Vec::new();
        for hash in hashes {
            if statement.exists(params![head(hash), hash.0])? {
                known.push(*hash);
            }
        }
        Ok(known)
    }

    /// Where a transaction ended up and how it went, without its body.
    pub fn outcome(&self, hash: TransactionHash) -> Result<Option<Outcome>, ReadError> {
        let sql = format!("SELECT height, body FROM {TRANSACTION} WHERE {IS_TRANSACTION}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let row = statement.query_row(params![head(&hash), hash.0], |row| {
            Ok(Outcome { height: uint(row, "height")?, receipt: value(row, "body")? })
        });
        Ok(row.optional()?)
    }
}

/// The first bytes of a transaction's hash, by which it is found.
pub(crate) fn head(hash: &TransactionHash) -> i64 {
    i64::from_be_bytes(*hash.0.first_chunk().expect("a hash is longer"))
}

/// The tables to look a transaction up in.
const TRANSACTION: &str = "transaction_heads JOIN receipts ON receipts.id = transaction_heads.receipt";

/// The transaction with [`head`] `?1` and hash `?2`.
const IS_TRANSACTION: &str = "transaction_heads.head = ?1 AND receipts.hash = ?2";

/// The receipts of the block at height `?1`: they follow each other.
const OF_BLOCK: &str = "receipts.id >= (SELECT first_receipt FROM blocks WHERE height = ?1)
    AND receipts.id < COALESCE((SELECT first_receipt FROM blocks WHERE height = ?1 + 1), 9223372036854775807)";

fn receipts(snapshot: &rusqlite::Transaction<'_>, height: u64) -> Result<Vec<ReceiptRow>, ReadError> {
    let sql = format!("SELECT place, body FROM receipts WHERE {OF_BLOCK} ORDER BY id");
    let mut statement = snapshot.prepare_cached(&sql)?;
    let rows = statement.query_map([int(height)], |row| {
        Ok(ReceiptRow { height, index: row.get("place")?, receipt: value(row, "body")? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
