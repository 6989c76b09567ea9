//! Ids that are found by their beginning.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal;)*) => {
        /// What an id is of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum IdKind {
            $($(#[doc = $doc])* $name,)*
        }

        impl IdKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name used in JSON and in sentences.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// An account.
    Account = "account";
    /// A member.
    Member = "member";
    /// An offer.
    Offer = "offer";
    /// An agreement.
    Agreement = "agreement";
    /// A meter.
    Meter = "meter";
    /// A package.
    Package = "package";
    /// A motion.
    Motion = "motion";
    /// A published program.
    Program = "program";
    /// A published index.
    PriceIndex = "price_index";
    /// A transaction.
    Transaction = "transaction";
}

/// An id, and what it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FoundId {
    /// What.
    pub kind: IdKind,
    /// In hex.
    pub id: String,
}

/// Ids that were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FoundIds {
    /// At most ten of each kind, in the order of ids.
    pub items: Vec<FoundId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_name() {
        for kind in IdKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
