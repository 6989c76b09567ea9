//! Programs that parties have published.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::page::Paging;
use crate::store::columns::value;
use rusqlite::Row;
use utilidor_types::program::Publication;
use utilidor_types::{AccountId, Action, Digest, ProgramId, SignedTransaction};
use utilidor_view::{Page, ProgramView};

const PROGRAM: &str =
    "SELECT it.id AS id, it.program AS program, it.engine AS engine, it.code AS code, it.bytes AS bytes,
    it.manifest AS manifest, accounts.account AS publisher_id";

fn program_view(row: &Row<'_>) -> rusqlite::Result<(i64, ProgramView)> {
    let program = ProgramView {
        id: ProgramId(row.get("program")?),
        engine: row.get("engine")?,
        code: Digest(row.get("code")?),
        bytes: row.get("bytes")?,
        manifest: value(row, "manifest")?,
        publisher: AccountId(row.get("publisher_id")?),
        cause: cause(row)?,
    };
    Ok((row.get("id")?, program))
}

impl Questions<'_> {
    /// All programs, in the order of publication.
    pub fn programs(&self, paging: Paging) -> Read<Page<ProgramView>> {
        let sql = format!(
            "{PROGRAM}, {CAUSE} FROM programs AS it {CAUSE_JOIN} JOIN accounts ON accounts.id = it.publisher
             WHERE it.id > ? ORDER BY it.id LIMIT ?"
        );
        Ok(paging.page(self.all(&sql, [paging.after(), paging.fetch()], program_view)?))
    }

    /// A program.
    pub fn program(&self, program: ProgramId) -> Read<Option<ProgramView>> {
        let sql = format!(
            "{PROGRAM}, {CAUSE} FROM programs AS it {CAUSE_JOIN} JOIN accounts ON accounts.id = it.publisher
             WHERE it.program = ?"
        );
        Ok(self.find(&sql, [program.0], program_view)?.map(|(_, program)| program))
    }

    /// What was published, with its code.
    pub fn publication(&self, program: ProgramId) -> Read<Option<Publication>> {
        let sql = "SELECT signed FROM receipts JOIN programs ON programs.receipt = receipts.id WHERE program = ?";
        let signed: Option<SignedTransaction> = self.find(sql, [program.0], |row| value(row, "signed"))?;
        Ok(signed.and_then(|signed| match signed.transaction.action {
            Action::PublishProgram(publication) => Some(*publication),
            _ => None,
        }))
    }
}
