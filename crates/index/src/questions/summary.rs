//! The chain in figures.

use super::{Questions, Read};
use crate::store::columns::{maybe_uint, named, time, uint};
use utilidor_types::Money;
use utilidor_types::agreement::Status;
use utilidor_view::{AgreementCount, Kind, MoneySummary, Summary};

impl Questions<'_> {
    /// The chain in figures.
    pub fn summary(&self) -> Read<Summary> {
        let sql = "SELECT kind, status, count FROM agreement_counts WHERE count > 0 ORDER BY kind, status";
        let agreements = self.all(sql, [], |row| {
            let kind = named(row, "kind", &Kind::ALL, Kind::name)?;
            let status = named(row, "status", &Status::ALL, Status::name)?;
            Ok(AgreementCount { kind, status, count: uint(row, "count")? })
        })?;
        let (refused, (free, reserved)) = (self.refusal_counts()?, self.balances()?);
        self.one("SELECT * FROM meta", [], |row| {
            let (issued, redeemed) = (uint(row, "issued")?, uint(row, "redeemed")?);
            let first_violation = maybe_uint(row, "unbalanced_at")?;
            let circulating = issued.saturating_sub(redeemed);
            let holds = free + reserved == u128::from(circulating) && redeemed <= issued;
            let sum = |sum: u128| Money(u64::try_from(sum).unwrap_or(u64::MAX));
            Ok(Summary {
                blocks: uint(row, "height")?,
                time_ms: time(row, "time_ms")?,
                transactions: uint(row, "transactions")?,
                refused,
                certificates: uint(row, "certificates")?,
                statements: uint(row, "statements")?,
                members: uint(row, "members")?,
                accounts: uint(row, "accounts")?,
                meters: uint(row, "meters")?,
                offers: uint(row, "offers")?,
                agreements,
                money: MoneySummary {
                    issued: Money(issued),
                    redeemed: Money(redeemed),
                    circulating: Money(circulating),
                    free: sum(free),
                    reserved: sum(reserved),
                    conserved: holds && first_violation.is_none(),
                    first_violation,
                },
            })
        })
    }

    /// All free and all reserved money, added up.
    fn balances(&self) -> Read<(u128, u128)> {
        let mut statement = self.prepare("SELECT free, reserved FROM accounts")?;
        let mut rows = statement.query([])?;
        let mut sums = (0, 0);
        while let Some(row) = rows.next()? {
            sums.0 += u128::from(uint(row, "free")?);
            sums.1 += u128::from(uint(row, "reserved")?);
        }
        Ok(sums)
    }
}
