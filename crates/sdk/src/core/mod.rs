//! What needs neither a network nor a clock: the part of the SDK that runs in a browser as well.
//!
//! | file | answers |
//! |---|---|
//! | [`keys`] | kinds of keys, secrets and their public halves |
//! | [`key_file`] | a secret under a passphrase (feature `key-files`) |
//! | [`random`] | what has to be random (feature `random`) |
//! | [`seal`] | how a quote is sealed to an offer's key, opened by its owner, and made again by who is shown its opening |
//! | [`signer`] | a key that signs for its account on one chain |
//! | [`create`] | actions that make something, with the id that it will have |
//! | [`readings`] | runs of readings, with a meter's signature or without, and how many go together |
//! | [`check`] | what a client checks by itself, trusting a genesis document alone |

pub mod check;
pub mod create;
#[cfg(feature = "key-files")]
pub mod key_file;
pub mod keys;
#[cfg(feature = "random")]
pub mod random;
pub mod readings;
pub mod seal;
pub mod signer;
