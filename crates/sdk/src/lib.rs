//! The Rust client of a Utilidor node.
//!
//! ```text
//! keystore --unlock--> key --> Account::submit(action) --sign--> Client --HTTP--> node
//!                                                    receipt <--          |
//!                              proof, bill <-- verify (members) <---------/
//! ```
//!
//! | room | answers |
//! |---|---|
//! | [`core`] | keys, sealing, signing, building transactions, checking: no network, no clock, also for wasm32 |
//! | [`http`] | a node over HTTP, and the verbs of a trader (feature `http`) |
//! | [`keystore`] | a folder of key files (features `key-files` and `random`) |
//!
//! Deliberately absent: rules of the ledger (a refusal comes from the node's receipt), any cache besides the account's
//! nonce, and logging: nothing here writes a secret, or anything else, anywhere but where it is told to.

pub mod core;
#[cfg(feature = "http")]
pub mod http;
#[cfg(all(feature = "key-files", feature = "random"))]
pub mod keystore;

pub use crate::core::create::Creation;
#[cfg(feature = "key-files")]
pub use crate::core::key_file::{KeyFile, Passphrase, WorkFactor};
pub use crate::core::keys::{KeyInfo, KeyKind};
pub use crate::core::seal::SealKey;
pub use crate::core::signer::{SignedBytes, Signer};
#[cfg(feature = "http")]
pub use crate::http::{
    account::{Account, Done, SubmitError},
    client::{Client, ClientError},
    council::Moved,
    trade::{Awarded, Created},
};
#[cfg(all(feature = "key-files", feature = "random"))]
pub use crate::keystore::{KeyError, Keystore};
pub use utilidor_types as types;
