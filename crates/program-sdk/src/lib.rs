//! Writing contracts for Utilidor in Rust: a program is a function from what it is told to what it asks for.
//!
//! ```text
//! Input { event, terms, state, facts } ──> Program::act ──> Done { state, effects } | Fault(code)
//! ```
//!
//! It is given everything that it may know and answers with what is to be done. It holds no money and calls nobody: the
//! ledger checks the whole list of its effects, and carries out all of it or nothing. What it can reach of the parties'
//! money and meters stands in the terms that they have signed.
//!
//! | file | what it is |
//! |---|---|
//! | [`wire`] | what goes in and comes out, and how it is written as bytes |
//! | `read`, `write` | how it is read and written |
//! | [`math`] | exact shares, half to even |
//! | [`time`] | hours, days, periods |
//! | [`series`] | what a meter has brought, hour by hour |
//! | [`values`] | what a party brings by commands, such as an index |
//! | [`account`] | what two parties owe each other from one statement to the next |
//! | [`parameters`] | the parties' own numbers |
//! | `entry` | the module's exports (wasm32, feature `module`) |
//!
//! Bytes are Borsh: integers little-endian, lists with a `u32` of their length, options and enums with a byte in front.
//! Neither floats, clocks nor randomness exist here.

#![no_std]

extern crate alloc;

pub mod account;
#[cfg(all(target_arch = "wasm32", feature = "module"))]
pub mod entry;
pub mod math;
pub mod parameters;
mod read;
pub mod series;
pub mod time;
pub mod values;
pub mod wire;
mod write;

pub use account::Account;
pub use math::{split, split_into};
pub use parameters::{Parameters, bytes_of};
pub use series::Series;
pub use time::{DAY_MS, Grid, HOUR_MS, MINUTE_MS, Periods, weekday};
pub use values::Values;
pub use wire::*;

/// A contract.
pub trait Program {
    /// Acts on what it is told.
    fn act(input: Input) -> Result<Done, Fault>;
}

/// Runs a program on the bytes that the ledger gives, and gives the bytes that it is to answer.
pub fn answer<P: Program>(input: &[u8]) -> alloc::vec::Vec<u8> {
    let answer = match read::input(input) {
        Some(input) => match P::act(input) {
            Ok(done) => Answer::Done(done),
            Err(fault) => Answer::Fault(fault),
        },
        None => Answer::Fault(Fault::UNREADABLE),
    };
    write::answer(&answer)
}

/// Makes a program the one that this module is: `contract!(MyProgram);`
#[macro_export]
macro_rules! contract {
    ($program:ty) => {
        /// Called by the ledger: the input's length in, the place and length of the answer out.
        #[cfg(target_arch = "wasm32")]
        #[unsafe(no_mangle)]
        pub extern "C" fn act(len: u32) -> u64 {
            $crate::entry::run::<$program>(len)
        }
    };
}
