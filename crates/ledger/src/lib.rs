//! The rules of the ledger: a pure, synchronous, deterministic state machine.
//!
//! [`Execution`] takes a block's context and transactions, asks for the state cells that it needs, and gives
//! an [`Outcome`]: changed cells, receipts and certificates. Proposing, verifying and replaying a block all
//! call this one code. There is one file per noun:
//!
//! | file | rules of |
//! |---|---|
//! | [`execution`] | a block: due work, then transactions, then the invariants |
//! | `ahead` | what a block will read, asked for in few rounds |
//! | [`store`], [`record`] | reading and writing records in cells; what a refused transaction leaves behind (nothing) |
//! | `member`, `money`, `capacity` | who may act, how money moves, what an owner can have sold |
//! | `offer`, `quote`, `agreement` | the trade up to the signed contract |
//! | `due` | the calendar of things that happen by themselves |
//! | `meter`, `reading` | measurement certification |
//! | [`memory`] | a state without a disk under it, for tests and benchmarks |
//! | `program`, `purchase`, `package` | the programs that agreements run, and the effects the ledger lets them have |
//!
//! Deliberately absent: clocks, randomness, floats, hash-map order, async, logging, I/O.

mod agreement;
mod ahead;
mod capacity;
mod due;
pub mod execution;
mod invariant;
mod member;
pub mod memory;
mod meter;
mod money;
mod offer;
mod package;
mod program;
mod purchase;
mod quote;
mod reading;
pub mod record;
pub mod store;

pub use due::MAX_DUE_PER_BLOCK;
pub use execution::{BlockContext, Execution, Inadmissible, Outcome, Progress};
pub use store::Change;
