//! Who takes part, and under which keys and ids.
//!
//! Every key, id and salt is a hash of a label, so that two runs of the demonstration are the same to the last byte. Such
//! keys protect nothing: they are for a demonstration on a development chain only.

use crate::data::{Year, midnight};
use std::collections::BTreeMap;
use utilidor_types::{
    AccountId, AgreementId, ChainId, Genesis, Label, MeterId, OfferId, PackageId, PrivateKey, Role, Roles, Timestamp,
    genesis::{ChainKind, GenesisMember, Limits},
    hash::tagged_hash,
};

/// The energy station: sells everything, runs the one validator.
pub const STATION: &str = "station";
/// The roof-PV owners with their plants' peak watts.
pub const ROOFS: [(&str, u64); 2] = [("roof-east", 800_000), ("roof-west", 500_000)];
/// Registers and exchanges meters.
pub const METER_OPERATOR: &str = "meter-operator";
/// The meter operator's second account, which sends the readings in.
pub const GATEWAY: &str = "gateway";
/// Issues the settlement currency.
pub const ISSUER: &str = "issuer";
/// Looks on.
pub const SUPERVISOR: &str = "supervisor";

/// 32 bytes for a purpose, from a label.
pub fn secret(purpose: &str, label: &str) -> [u8; 32] {
    let purpose_len = [purpose.len() as u8];
    tagged_hash("utilidor/park", &[&purpose_len, purpose.as_bytes(), label.as_bytes()]).0
}

/// What the station calls its package.
pub const PACKAGE: &str = "energy package";

/// The id of what an owner's label names among its offers.
pub fn offer_id(owner: &str, label: &str) -> OfferId {
    OfferId::of(account_id(owner), Label::of_text(label))
}

/// The id of the agreement that its creator calls by a label.
pub fn agreement_id(creator: &str, label: &str) -> AgreementId {
    AgreementId::of(account_id(creator), Label::of_text(label))
}

/// The id of a meter.
pub fn meter_id(label: &str) -> MeterId {
    MeterId::of(account_id(METER_OPERATOR), Label::of_text(label))
}

/// The id of the station's package.
pub fn package_id() -> PackageId {
    PackageId::of(account_id(STATION), Label::of_text(PACKAGE))
}

/// A participant's key by its label.
pub fn account_key(label: &str) -> PrivateKey {
    PrivateKey::ed25519(secret("account", label))
}

/// A participant's account by its label.
pub fn account_id(label: &str) -> AccountId {
    AccountId::of(&account_key(label).public_key())
}

/// The account of who takes part under a name.
pub fn participant(name: &str) -> Option<AccountId> {
    Cast::new(&Year::load()).accounts.get(name).copied()
}

/// The secret of the station's consensus key, for the embedded node.
pub fn validator_secret() -> [u8; 32] {
    secret("validator", STATION)
}

/// The accounts by label, both ways.
#[derive(Debug, Clone)]
pub struct Cast {
    accounts: BTreeMap<String, AccountId>,
    labels: BTreeMap<AccountId, String>,
}

impl Cast {
    /// All participants of the park.
    pub fn new(year: &Year) -> Self {
        let mut labels: Vec<String> = [STATION, METER_OPERATOR, GATEWAY, ISSUER, SUPERVISOR].map(String::from).to_vec();
        labels.extend(ROOFS.map(|(label, _)| label.to_owned()));
        labels.extend(year.tenants().iter().map(|tenant| tenant.name.clone()));
        let accounts: BTreeMap<String, AccountId> = labels
            .into_iter()
            .map(|label| {
                let account = account_id(&label);
                (label, account)
            })
            .collect();
        let labels = accounts.iter().map(|(label, account)| (*account, label.clone())).collect();
        Self { accounts, labels }
    }

    /// The account of a label. Panics for a label that is nobody's.
    pub fn account(&self, label: &str) -> AccountId {
        *self.accounts.get(label).expect("the scenario names participants only")
    }

    /// All labels, in their order.
    pub fn everyone(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// The label of an account.
    pub fn label(&self, account: AccountId) -> Option<&str> {
        self.labels.get(&account).map(String::as_str)
    }
}

/// The time of the demonstration's genesis: a local day before the year.
pub fn genesis_time() -> Timestamp {
    Timestamp(midnight(1, 1).0 - utilidor_types::time::DAY_MS)
}

/// The genesis document of the demonstration's chain: one validator, development time, every participant a member.
pub fn genesis() -> Genesis {
    let year = Year::load();
    let member = |label: &str, roles: &[Role]| GenesisMember { account: account_id(label), roles: Roles::of(roles) };
    let mut members = vec![
        member(STATION, &[Role::Owner, Role::Validator]),
        member(METER_OPERATOR, &[Role::MeterOperator]),
        member(ISSUER, &[Role::Issuer]),
        member(SUPERVISOR, &[Role::Supervisor]),
    ];
    members.extend(ROOFS.map(|(label, _)| member(label, &[Role::Owner])));
    members.extend(year.tenants().iter().map(|tenant| member(&tenant.name, &[Role::User])));
    let validator = PrivateKey::ed25519(validator_secret()).public_key();
    let members = members.try_into().expect("the park's members are within the bound");
    Genesis::alone(ChainKind::Development, genesis_time(), validator, members, Limits::DEFAULT)
}

/// The id of the demonstration's chain.
pub fn chain() -> ChainId {
    genesis().chain()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_an_account_of_their_own() {
        let cast = Cast::new(&Year::load());
        assert_eq!(cast.accounts.len(), 21);
        assert_eq!(cast.labels.len(), 21);
        assert_eq!(cast.label(cast.account("hotel")), Some("hotel"));
        assert_eq!(participant("hotel"), Some(cast.account("hotel")));
        assert_eq!(participant("nobody"), None);
    }

    #[test]
    fn the_chain_is_the_same_each_time() {
        assert_eq!(chain(), chain());
    }
}
