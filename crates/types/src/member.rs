//! Members of the consortium and what they may do. Names and addresses stay with the member, off the ledger.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a member may do. A member may have several roles.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[borsh(use_discriminant = true)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Role {
    /// Sells energy: publishes offers and packages, awards quotes.
    Owner = 0,
    /// Buys energy: submits quotes, signs agreements, subscribes.
    User = 1,
    /// Registers, binds, exchanges and retires meters.
    MeterOperator = 2,
    /// Issues and redeems the settlement currency.
    Issuer = 3,
    /// Looks on. Grants nothing on the ledger.
    Supervisor = 4,
    /// Has a seat in the council, and may have a node that takes part in consensus.
    Validator = 5,
}

impl Role {
    /// All roles in their order.
    pub const ALL: [Role; 6] =
        [Self::Owner, Self::User, Self::MeterOperator, Self::Issuer, Self::Supervisor, Self::Validator];

    /// The name used in JSON, tables and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::User => "user",
            Self::MeterOperator => "meter_operator",
            Self::Issuer => "issuer",
            Self::Supervisor => "supervisor",
            Self::Validator => "validator",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no role is called {0:?}; roles are owner, user, meter_operator, issuer, supervisor and validator")]
pub struct UnknownRole(pub String);

impl std::str::FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| UnknownRole(text.into()))
    }
}

/// A set of roles: bit `n` is the role of number `n`. Unknown bits are refused when decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, BorshSerialize)]
pub struct Roles(u8);

impl Roles {
    /// The set of `roles`.
    pub fn of(roles: &[Role]) -> Self {
        Self(roles.iter().fold(0, |bits, role| bits | 1 << *role as u8))
    }

    /// Whether `role` is in the set.
    pub const fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// The roles in their order.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }
}

impl BorshDeserialize for Roles {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let bits = u8::deserialize_reader(reader)?;
        if bits >= 1 << Role::ALL.len() {
            return Err(crate::encoding::invalid("unknown role"));
        }
        Ok(Self(bits))
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(&<Vec<Role> as Deserialize>::deserialize(deserializer)?))
    }
}
