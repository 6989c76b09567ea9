//! Packages, subscriptions' prepaid tranches, and notices about what is left of them.

use crate::agreement::AgreementRow;
use crate::fold::{Fold, FoldError, diverged};
use crate::money::{CAUSE, CAUSE_JOIN, CauseRow, cause};
use crate::page::{Page, Paging};
use crate::sql::{body, carrier, int, maybe_uint, money, uint, value};
use crate::{ReadError, Reader};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use utilidor_types::agreement::Program;
use utilidor_types::{AccountId, AgreementId, Carrier, Money, Package, PackageId, Window};

/// A published version of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PackageRow {
    /// The package as its owner published it.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub package: Package,
    /// Who offers it.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub owner: AccountId,
    /// Where it was published.
    pub cause: CauseRow,
}

/// What a user paid ahead for a service with one payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TrancheRow {
    /// The carrier.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub carrier: Carrier,
    /// The tranche, numbered from 1 for each carrier.
    pub tranche: u32,
    /// What was paid.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub paid: Money,
    /// Discount in thousandths.
    pub discount_permille: u16,
    /// The period it is for, if its tariff has periods.
    #[cfg_attr(feature = "schema", schema(value_type = Option<Object>))]
    pub period: Option<Window>,
    /// What statements have drawn from it: base units times thousandths. Zero for floor-area tariffs.
    #[serde(with = "utilidor_types::encoding::decimal_string")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub weight: u64,
    /// What statements have charged to it.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub charged: Money,
    /// What went back to the user.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub refunded: Money,
    /// What the owner kept beyond the charges, on early termination.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub withheld: Money,
    /// Where it was paid.
    pub cause: CauseRow,
}

/// A notice about a prepaid service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NoticeRow {
    /// The carrier.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub carrier: Carrier,
    /// `low_balance` or `exhausted`.
    pub kind: String,
    /// Where it was given.
    pub cause: CauseRow,
}

/// A subscription with its prepayments. Tranches hold what statements have charged; consumption since the last
/// statement is not in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SubscriptionRow {
    /// The agreement; its terms name the package, its version and the services.
    pub agreement: AgreementRow,
    /// All tranches, oldest first.
    pub tranches: Vec<TrancheRow>,
    /// All notices, oldest first.
    pub notices: Vec<NoticeRow>,
}

impl Fold<'_> {
    pub fn publish_package(&mut self, by: AccountId, package: &Package) -> Result<(), FoldError> {
        let owner = self.account(by)?.id;
        let sql = "INSERT OR IGNORE INTO packages (package, version, owner, receipt, body) VALUES (?, ?, ?, ?, ?)";
        let values = params![package.id.0, package.version, owner, self.receipt, body(package)];
        self.sql.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// The receipt that published a version of a package, and the package.
    pub fn package(&self, package: PackageId, version: u32) -> Result<(i64, Package), FoldError> {
        let sql = "SELECT receipt, body FROM packages WHERE package = ? AND version = ?";
        let row = self
            .sql
            .prepare_cached(sql)?
            .query_row(params![package.0, version], |row| Ok((row.get("receipt")?, value(row, "body")?)));
        row.optional()?.ok_or_else(|| diverged(format!("version {version} of package {package} was never published")))
    }

    pub fn tranche_opened(
        &mut self,
        subscription: AgreementId,
        carrier: Carrier,
        tranche: u32,
        (paid, discount_permille): (Money, u16),
        period: Option<Window>,
    ) -> Result<(), FoldError> {
        let subscription = self.party(subscription)?.id;
        self.sql
            .prepare_cached(
                "INSERT INTO tranches (subscription, carrier, tranche, paid, discount_permille, from_ms, to_ms, receipt,
                 weight, charged, refunded, withheld) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0)",
            )?
            .execute(params![
                subscription,
                carrier as u8,
                tranche,
                int(paid.0),
                discount_permille,
                period.map(|period| int(period.from.0)),
                period.map(|period| int(period.to.0)),
                self.receipt,
            ])?;
        Ok(())
    }

    pub fn notice(&mut self, subscription: AgreementId, carrier: Carrier, kind: &str) -> Result<(), FoldError> {
        let subscription = self.party(subscription)?.id;
        let sql = "INSERT INTO notices (subscription, carrier, kind, receipt) VALUES (?, ?, ?, ?)";
        self.sql.prepare_cached(sql)?.execute(params![subscription, carrier as u8, kind, self.receipt])?;
        Ok(())
    }

    /// A statement drew from a tranche.
    pub fn draw(&self, subscription: i64, carrier: Carrier, tranche: u32, draw: Draw) -> Result<(), FoldError> {
        let sql = "UPDATE tranches SET weight = weight + ?, charged = charged + ?, refunded = refunded + ?,
                   withheld = withheld + ? WHERE subscription = ? AND carrier = ? AND tranche = ?";
        let Draw { weight, charged, refunded, withheld } = draw;
        self.sql.prepare_cached(sql)?.execute(params![
            int(weight),
            int(charged.0),
            int(refunded.0),
            int(withheld.0),
            subscription,
            carrier as u8,
            tranche,
        ])?;
        Ok(())
    }
}

/// What a line of a statement took from a tranche.
#[derive(Default)]
pub(crate) struct Draw {
    pub weight: u64,
    pub charged: Money,
    pub refunded: Money,
    pub withheld: Money,
}

fn package_row(row: &Row<'_>) -> rusqlite::Result<(i64, PackageRow)> {
    let package =
        PackageRow { package: value(row, "body")?, owner: AccountId(row.get("owner_id")?), cause: cause(row)? };
    Ok((row.get("id")?, package))
}

fn tranche_row(row: &Row<'_>) -> rusqlite::Result<TrancheRow> {
    let (from, to) = (maybe_uint(row, "from_ms")?, maybe_uint(row, "to_ms")?);
    let timestamp = utilidor_types::Timestamp;
    Ok(TrancheRow {
        carrier: carrier(row, "carrier")?,
        tranche: row.get("tranche")?,
        paid: money(row, "paid")?,
        discount_permille: row.get("discount_permille")?,
        period: from.zip(to).map(|(from, to)| Window { from: timestamp(from), to: timestamp(to) }),
        weight: uint(row, "weight")?,
        charged: money(row, "charged")?,
        refunded: money(row, "refunded")?,
        withheld: money(row, "withheld")?,
        cause: cause(row)?,
    })
}

impl Reader {
    /// All versions of all packages, in the order of publication.
    pub fn packages(&self, paging: Paging) -> Result<Page<PackageRow>, ReadError> {
        let sql = format!(
            "SELECT it.id AS id, it.body AS body, accounts.account AS owner_id, {CAUSE} FROM packages AS it {CAUSE_JOIN}
             JOIN accounts ON accounts.id = it.owner WHERE it.id > ? ORDER BY it.id LIMIT ?"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([paging.after(), paging.fetch()], package_row)?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, paging))
    }

    /// One version of a package.
    pub fn package(&self, package: PackageId, version: u32) -> Result<Option<PackageRow>, ReadError> {
        let sql = format!(
            "SELECT it.id AS id, it.body AS body, accounts.account AS owner_id, {CAUSE} FROM packages AS it {CAUSE_JOIN}
             JOIN accounts ON accounts.id = it.owner WHERE it.package = ? AND it.version = ?"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let row = statement.query_row(params![package.0, version], package_row).optional()?;
        Ok(row.map(|(_, package)| package))
    }

    /// A subscription with its tranches and notices; none if the agreement is no subscription.
    pub fn subscription(&self, agreement: AgreementId) -> Result<Option<SubscriptionRow>, ReadError> {
        let Some(row) = self.agreement(agreement)? else { return Ok(None) };
        if !matches!(row.terms.program, Program::Subscription(_)) {
            return Ok(None);
        }
        let snapshot = self.snapshot()?;
        let of = "it.subscription = (SELECT id FROM agreements WHERE agreements.agreement = ?) ORDER BY it.id";
        let sql = format!("SELECT it.*, {CAUSE} FROM tranches AS it {CAUSE_JOIN} WHERE {of}");
        let mut statement = snapshot.prepare_cached(&sql)?;
        let tranches = statement.query_map([agreement.0], tranche_row)?.collect::<Result<_, _>>()?;
        let sql = format!("SELECT it.*, {CAUSE} FROM notices AS it {CAUSE_JOIN} WHERE {of}");
        let mut statement = snapshot.prepare_cached(&sql)?;
        let notices = statement.query_map([agreement.0], |row| {
            Ok(NoticeRow { carrier: carrier(row, "carrier")?, kind: row.get("kind")?, cause: cause(row)? })
        })?;
        let notices = notices.collect::<Result<_, _>>()?;
        Ok(Some(SubscriptionRow { agreement: row, tranches, notices }))
    }
}
