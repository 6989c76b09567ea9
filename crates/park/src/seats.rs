//! Whose place somebody can take in the client app: every participant of the park, with keys that protect nothing.

use crate::cast::{
    ISSUER, METER_OPERATOR, ROOFS, STATION, SUPERVISOR, account_id, package_id, secret, validator_secret,
};
use crate::data::Year;
use serde::Serialize;
use std::collections::BTreeMap;
use utilidor_types::{AccountId, Role, Roles};

/// All seats of the demonstration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seats {
    /// The participants.
    pub people: Vec<Seat>,
    /// The secret of the key that moves the demonstration's time, in hex.
    pub operator: String,
    /// Names of what has none on the ledger, by its id.
    pub names: BTreeMap<String, Name>,
}

/// A name in the client app's languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Name {
    /// In English.
    pub en: &'static str,
    /// In Chinese.
    pub zh: &'static str,
}

/// A participant's seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seat {
    /// Its label.
    pub name: String,
    /// What it does in the park: for a tenant, its category in Table I of the paper.
    pub category: String,
    /// Its account.
    pub account: AccountId,
    /// What it may do.
    pub roles: Roles,
    /// Its floor area in m2, if it is a tenant.
    pub floor_area_m2: Option<u32>,
    /// The secret of its account's key, in hex.
    pub secret: String,
    /// The secret that quotes on its own offers are sealed to, in hex.
    pub seal_secret: String,
}

impl Seats {
    /// Everybody's.
    pub fn of_the_park() -> Self {
        let year = Year::load();
        let mut people = vec![
            seat(STATION, "energy station", &[Role::Owner, Role::Validator]),
            seat(METER_OPERATOR, "meter operator", &[Role::MeterOperator]),
            seat(ISSUER, "issuer", &[Role::Issuer]),
            seat(SUPERVISOR, "supervisor", &[Role::Supervisor]),
        ];
        people.extend(ROOFS.map(|(name, _)| seat(name, "roof owner", &[Role::Owner])));
        people.extend(year.tenants().iter().map(|tenant| Seat {
            floor_area_m2: Some(tenant.floor_area_m2),
            ..seat(&tenant.name, &tenant.category, &[Role::User])
        }));
        let package = Name { en: "Energy package of the park", zh: "园区能源套餐" };
        let names = BTreeMap::from([(package_id().to_string(), package)]);
        Self { people, operator: hex(&validator_secret()), names }
    }

    /// As the client app reads them.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("seats are plain data")
    }
}

fn seat(name: &str, category: &str, roles: &[Role]) -> Seat {
    Seat {
        name: name.into(),
        category: category.into(),
        account: account_id(name),
        roles: Roles::of(roles),
        floor_area_m2: None,
        secret: hex(&secret("account", name)),
        seal_secret: hex(&secret("seal", name)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cast::{self, account_key};

    #[test]
    fn there_is_a_seat_for_each_member_of_the_genesis_document_and_its_key_opens_the_account() {
        let seats = Seats::of_the_park();
        let genesis = cast::genesis();
        assert_eq!(seats.people.len(), genesis.members.len());
        for seat in &seats.people {
            let member = genesis.members.iter().find(|member| member.account == seat.account);
            assert_eq!(member.map(|member| member.roles), Some(seat.roles), "{}", seat.name);
            assert_eq!(AccountId::of(&account_key(&seat.name).public_key()), seat.account);
        }
    }

    #[test]
    fn the_package_has_a_name_in_both_languages_under_its_id() {
        let seats: serde_json::Value = serde_json::from_str(&Seats::of_the_park().to_json()).unwrap();
        let name = &seats["names"][cast::package_id().to_string()];
        assert_eq!(
            (name["en"].as_str(), name["zh"].as_str()),
            (Some("Energy package of the park"), Some("园区能源套餐"))
        );
    }
}
