//! Packages, and subscriptions with their prepaid tranches.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::fold::Tranche;
use crate::page::Paging;
use crate::store::columns::value;
use crate::store::tranche;
use rusqlite::{Row, params};
use utilidor_types::{AccountId, AgreementId, Carrier, PackageId};
use utilidor_view::{Kind, PackageView, Page, SubscriptionView, TrancheOpened, TrancheView};

/// Most tranches of a carrier that are answered with a subscription: the last ones.
const MAX_TRANCHES: u32 = 100;

const PACKAGE: &str = "SELECT it.id AS id, it.package AS package, it.body AS body, it.closed AS closed,
    accounts.account AS owner_id";

fn package_view(row: &Row<'_>) -> rusqlite::Result<(i64, PackageView, Option<i64>)> {
    let package = PackageView {
        id: PackageId(row.get("package")?),
        package: value(row, "body")?,
        owner: AccountId(row.get("owner_id")?),
        cause: cause(row)?,
        closed: None,
    };
    Ok((row.get("id")?, package, row.get("closed")?))
}

impl Questions<'_> {
    /// All versions of all packages, in the order of publication.
    pub fn packages(&self, paging: Paging) -> Read<Page<PackageView>> {
        let sql = format!(
            "{PACKAGE}, {CAUSE} FROM packages AS it {CAUSE_JOIN} JOIN accounts ON accounts.id = it.owner
             WHERE {} {} LIMIT ?2",
            paging.beyond("it.id"),
            paging.by("it.id")
        );
        let rows = self.all(&sql, [paging.after(), paging.fetch()], package_view)?;
        let rows = rows.into_iter().map(|(id, package, closed)| Ok((id, self.closed(package, closed)?)));
        Ok(paging.page(rows.collect::<Read<_>>()?))
    }

    /// One version of a package.
    pub fn package(&self, package: PackageId, version: u32) -> Read<Option<PackageView>> {
        let sql = format!(
            "{PACKAGE}, {CAUSE} FROM packages AS it {CAUSE_JOIN} JOIN accounts ON accounts.id = it.owner
             WHERE it.package = ? AND it.version = ?"
        );
        let row = self.find(&sql, params![package.0, version], package_view)?;
        row.map(|(_, package, closed)| self.closed(package, closed)).transpose()
    }

    fn closed(&self, package: PackageView, closed: Option<i64>) -> Read<PackageView> {
        let closed = closed.map(|receipt| self.cause_of(receipt)).transpose()?;
        Ok(PackageView { closed, ..package })
    }

    /// A subscription with its tranches and notices; none if the agreement is no subscription.
    pub fn subscription(&self, agreement: AgreementId) -> Read<Option<SubscriptionView>> {
        let Some(row) = self.agreement(agreement)?.filter(|row| row.kind == Kind::Subscription) else {
            return Ok(None);
        };
        let (mut tranches, notices) = (self.tranches(agreement)?, self.notices(agreement)?);
        for tranche in &mut tranches {
            self.withhold([&mut tranche.cause])?;
            self.withhold(tranche.opened.as_mut().map(|opened| &mut opened.cause))?;
        }
        Ok(Some(SubscriptionView { agreement: row, tranches, notices }))
    }

    fn tranches(&self, agreement: AgreementId) -> Read<Vec<TrancheView>> {
        let sql = "SELECT * FROM tranches WHERE agreement = (SELECT MAX(id) FROM agreements WHERE agreement = ?1)
                   AND carrier = ?2 ORDER BY tranche DESC LIMIT ?3";
        let mut found = Vec::new();
        for carrier in Carrier::ALL {
            let values = params![agreement.0, carrier as u8, MAX_TRANCHES];
            let mut rows = self.all(sql, values, tranche)?;
            rows.reverse();
            found.extend(rows);
        }
        // Those of all carriers in the order of payment.
        found.sort_by_key(|(_, tranche)| tranche.receipt);
        found.into_iter().map(|((_, carrier, number), tranche)| self.tranche(carrier, number, &tranche)).collect()
    }

    fn tranche(&self, carrier: Carrier, number: u32, tranche: &Tranche) -> Read<TrancheView> {
        let opened = tranche.opened.map(|opened| {
            Ok::<_, super::ReadError>(TrancheOpened {
                debt_paid: opened.debt_paid,
                left: opened.left,
                discount_permille: opened.discount_permille,
                cause: self.cause_of(opened.receipt)?,
            })
        });
        Ok(TrancheView {
            carrier,
            tranche: number,
            paid: tranche.paid,
            period: tranche.period,
            cause: self.cause_of(tranche.receipt)?,
            opened: opened.transpose()?,
            charged: tranche.charged,
            refunded: tranche.refunded,
            withheld: tranche.withheld,
        })
    }
}
