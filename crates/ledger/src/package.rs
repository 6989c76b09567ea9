//! Energy Packages [M19]: an owner publishes versions, which never change, and closes them to new subscriptions.

use crate::context::{Caller, Ledger};
use crate::record::{PackageHead, PackageVersion};
use crate::store::Ruled;
use utilidor_types::hash::hash_of;
use utilidor_types::package::{PackageTerms, TariffId, TariffOption};
use utilidor_types::refusal::Limited;
use utilidor_types::{Carrier, Package, PackageId, Refusal, Role};

impl Ledger<'_> {
    pub fn want_package(&mut self, package: PackageId, version: u32) {
        self.store.want::<PackageHead>(&package);
        self.store.want::<PackageVersion>(&(package, version));
    }

    /// Order: role, version, terms and tariffs, limit. A repeated publication gives the first result.
    pub fn publish_package(&mut self, caller: Caller, package: &Package) -> Ruled<()> {
        self.need_role(caller, Role::Owner)?;
        let (id, version) = (package.id(caller.account), package.version);
        self.want_package(id, version);
        let document = hash_of("utilidor/package", package);
        let present = self.store.view::<PackageVersion>(&(id, version))?;
        if present.is_some_and(|present| present.document == document) {
            return Ok(());
        }
        let last = self.store.view::<PackageHead>(&id)?.map_or(0, |head| head.version);
        let expected = last.checked_add(1).ok_or(Refusal::Overflow)?;
        if version != expected {
            return Err(Refusal::VersionOrder { version, expected }.into());
        }
        utilidor_program::package::check(package)?;
        self.keep(caller.member, Limited::Packages)?;

        self.store.put(&id, PackageHead { owner: caller.account, version });
        self.store.put(&(id, version), PackageVersion { document, closed: false });
        self.store.create_unread::<PackageTerms>(&(id, version), package.terms.clone());
        for carrier in Carrier::ALL {
            for (option, tariff) in (0u8..).zip(package.options_of(carrier)) {
                let tariff_id = TariffId { package: id, version, carrier, option };
                self.store.create_unread::<TariffOption>(&tariff_id, tariff.clone());
            }
        }
        Ok(())
    }

    /// Order: package, owner. To close it again changes nothing.
    pub fn close_package(&mut self, caller: Caller, package: PackageId, version: u32) -> Ruled<()> {
        self.want_package(package, version);
        let unknown = || Refusal::UnknownPackage { package, version };
        let head = self.store.view::<PackageHead>(&package)?.ok_or_else(unknown)?;
        let record: PackageVersion = self.store.get(&(package, version), unknown)?;
        if head.owner != caller.account {
            return Err(Refusal::NotPackageOwner { package }.into());
        }

        self.store.put(&(package, version), PackageVersion { closed: true, ..record });
        Ok(())
    }
}
