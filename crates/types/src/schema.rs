//! Schemas for the OpenAPI document (feature `schema`) of the values whose JSON form is not that of their fields.

use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// A text of a pattern.
fn text(pattern: &str, description: &str, example: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern((!pattern.is_empty()).then_some(pattern))
        .description(Some(description))
        .examples([example]);
    RefOr::T(text.into())
}

/// Lower-case hex of so many bytes.
fn hex(bytes: usize, description: &str) -> RefOr<Schema> {
    text(&format!("^[0-9a-f]{{{}}}$", 2 * bytes), description, &"0f".repeat(bytes))
}

macro_rules! hex_values {
    ($($path:path, $bytes:expr, $description:literal;)*) => {
        $(
            impl PartialSchema for $path {
                fn schema() -> RefOr<Schema> {
                    hex($bytes, $description)
                }
            }

            impl ToSchema for $path {}
        )*
    };
}

hex_values! {
    crate::id::ChainId, 16, "A chain: the first half of its genesis document's hash, in hex.";
    crate::id::AccountId, 32, "An account: the hash of its public key, in hex.";
    crate::id::MemberId, 16, "A member: the hash of its first account, in hex.";
    crate::id::OfferId, 16, "An offer: the hash of its owner and label, in hex.";
    crate::id::AgreementId, 16, "An agreement: the hash of its creator and label, in hex.";
    crate::id::PackageId, 16, "A package: the hash of its owner and label, in hex.";
    crate::id::MeterId, 16, "A meter: the hash of its operator and label, in hex.";
    crate::id::MotionId, 16, "A motion of the council: the hash of its proposer and label, in hex.";
    crate::id::ProgramId, 32, "A program that parties have written: the hash of what was published, in hex.";
    crate::id::PriceIndexId, 16, "A published index: the hash of its publisher, name and unit, in hex.";
    crate::id::Label, 16, "What a creator calls the thing that it creates, in hex.";
    crate::hash::Digest, 32, "A SHA-256 digest, in hex.";
    crate::transaction::TransactionHash, 32, "A transaction's hash, in hex.";
    crate::key::Signature, 64, "A signature, in hex.";
    crate::session::Challenge, 32, "A challenge to be signed, in hex.";
    crate::cell::Key, 32, "A key of the state, in hex.";
    crate::cell::Cell, crate::cell::CELL_BYTES, "What a key of the state holds, in hex.";
}

macro_rules! text_values {
    ($($path:path, $pattern:literal, $description:literal, $example:literal;)*) => {
        $(
            impl PartialSchema for $path {
                fn schema() -> RefOr<Schema> {
                    text($pattern, $description, $example)
                }
            }

            impl ToSchema for $path {}
        )*
    };
}

text_values! {
    crate::money::Money, r"^[0-9]+(\.[0-9]{1,6})?$",
        "Units of the settlement currency, with at most six decimals; answers have all six.", "12.500000";
    crate::quantity::Quantity, "^[0-9]+$", "Base units of the carrier: joules or millilitres.", "3600000";
    crate::program::Fuel, "^[0-9]+$", "Fuel of a published program: steps of its engine.", "20000000000";
    crate::id::CertificateId, "^[0-9]+$", "How many readings were certified before: a trading id.", "1234";
    crate::validator::NodeAddress, "^[^ ]+:[1-9][0-9]{0,4}$",
        "Where the other members' nodes reach a node: an IP address or a name, and a port.", "node.example:4700";
    crate::key::PublicKey, "^(ed25519:[0-9a-f]{64}|p256:[0-9a-f]{66})$", "A public key: its kind, and itself in hex.",
        "ed25519:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";
    crate::ocmf::OcmfRecord, r"^OCMF\|", "An OCMF record as its device signed it, byte for byte.", "OCMF|{}|{}";
}

impl PartialSchema for crate::member::Roles {
    fn schema() -> RefOr<Schema> {
        let role = RefOr::Ref(Ref::from_schema_name("Role"));
        RefOr::T(ArrayBuilder::new().items(role).description(Some("A set of roles.")).into())
    }
}

impl ToSchema for crate::member::Roles {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((<crate::member::Role as ToSchema>::name().into(), crate::member::Role::schema()));
    }
}

impl PartialSchema for crate::package::Bands {
    fn schema() -> RefOr<Schema> {
        let quantity = RefOr::Ref(Ref::from_schema_name("Quantity"));
        let bands = ArrayBuilder::new()
            .items(quantity)
            .min_items(Some(crate::package::BANDS))
            .max_items(Some(crate::package::BANDS))
            .description(Some("A quantity in each band: flat, sharp, peak, valley, deep."));
        RefOr::T(bands.into())
    }
}

impl ToSchema for crate::package::Bands {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((crate::quantity::Quantity::name().into(), crate::quantity::Quantity::schema()));
    }
}
