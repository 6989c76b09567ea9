//! Packages, and what was prepaid for subscriptions.

use super::{Before, Fold, FoldError, Folded, NewPackage, Opened, PackageRow, Tranche, cursor, diverged};
use utilidor_types::{AccountId, AgreementId, Carrier, Money, Package, PackageId, Window};

impl<'a, B: Before> Fold<'a, '_, B> {
    fn known_package(&mut self, package: PackageId, version: u32) -> Folded<Option<PackageRow>, B> {
        let ask = || self.before.package(package, version);
        Ok(*self.known.packages.get((package, version), ask).map_err(FoldError::Before)?)
    }

    pub fn package(&mut self, package: PackageId, version: u32) -> Folded<PackageRow, B> {
        let known = self.known_package(package, version)?;
        known.ok_or_else(|| diverged(format!("version {version} of package {package} was never published")))
    }

    /// Publishing a version again changes nothing.
    pub fn publish_package(&mut self, by: AccountId, package: &'a Package) -> Folded<(), B> {
        let (id, version) = (package.id(by), package.version);
        if self.known_package(id, version)?.is_some() {
            return Ok(());
        }
        let owner = self.account(by)?.row;
        let (receipt, row) = (self.receipt, cursor(self.receipt, 0));
        self.known.packages.note((id, version), Some(PackageRow { row, receipt }));
        self.changes.packages.push(NewPackage { row, id, owner, receipt, package });
        Ok(())
    }

    pub fn close_package(&mut self, package: PackageId, version: u32) -> Folded<(), B> {
        let row = self.package(package, version)?.row;
        self.changes.packages_closed.push((row, self.receipt));
        Ok(())
    }

    pub fn prepaid(
        &mut self,
        (subscription, carrier, number): (AgreementId, Carrier, u32),
        paid: Money,
        period: Option<Window>,
    ) -> Folded<(), B> {
        let key = (self.agreement(subscription)?.row, carrier, number);
        let nothing = Money::ZERO;
        let receipt = self.receipt;
        let tranche =
            Tranche { paid, period, receipt, opened: None, charged: nothing, refunded: nothing, withheld: nothing };
        self.known.tranches.put(key, Some(tranche));
        Ok(())
    }

    pub fn tranche_opened(
        &mut self,
        (subscription, carrier, number): (AgreementId, Carrier, u32),
        (debt_paid, left, discount_permille): (Money, Money, u16),
        period: Option<Window>,
    ) -> Folded<(), B> {
        let key = (self.agreement(subscription)?.row, carrier, number);
        let tranche = self.known.tranches.get(key, || self.before.tranche(key)).map_err(FoldError::Before)?;
        let tranche = tranche.ok_or_else(|| {
            diverged(format!("tranche {number} of {carrier} in subscription {subscription} was never paid"))
        })?;
        let opened = Some(Opened { debt_paid, left, discount_permille, receipt: self.receipt });
        self.known.tranches.put(key, Some(Tranche { opened, period: period.or(tranche.period), ..tranche }));
        Ok(())
    }
}
