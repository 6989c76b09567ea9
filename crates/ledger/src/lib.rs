//! The rules of the ledger: a pure, synchronous, deterministic state machine.
//!
//! [`Execution`] takes a block's context and transactions, asks for the state cells that it needs, and gives
//! an [`Outcome`]: changed cells, receipts and certificates. Proposing, verifying and replaying a block all
//! call this one code. There is one file per noun, which also says what its actions read:
//!
//! | file | rules of |
//! |---|---|
//! | [`execution`] | a block: due work, then transactions, then the invariants |
//! | `context` | what every rule works with: the state, the time, who asks |
//! | `ahead` | what a block will read, asked for in few passes |
//! | [`work`] | what it costs, and how much a block may |
//! | [`store`], [`record`], [`meter_record`], `compact` | reading and writing records in cells; what a refused transaction leaves behind (nothing) |
//! | `council` | what the members decide together by vote, and who the validators of an epoch are |
//! | `member`, `quota`, `money`, `capacity` | who may act and keep how much, how money moves, what an owner can have sold |
//! | `offer`, `quote`, `award` | the trade up to the contract |
//! | `agreement`, `amendment`, `ending`, `debt`, `statement` | the contract |
//! | `program`, `effect` | what the contract does: its program is asked, and its effects are carried out, all or none |
//! | `price_index` | values that contracts follow |
//! | `registry` | programs that parties publish, and how much they may use |
//! | `package`, `subscription`, `prepayment` | the retail products |
//! | `due` | the calendar of things that happen by themselves |
//! | `meter`, `reading`, `correction` | measurement certification |
//! | `binding`, `segment`, `share`, `settled` | what meters serve, what passes them between two marks, what was bought |
//! | [`memory`] | a state without a disk under it, for tests and benchmarks |
//!
//! Deliberately absent: which programs there are (`utilidor_program`), clocks, randomness, floats, hash-map order, async,
//! logging, I/O.

mod agreement;
mod ahead;
mod amendment;
mod award;
mod binding;
mod capacity;
mod compact;
mod context;
mod correction;
pub mod council;
mod debt;
mod device;
mod due;
mod effect;
mod ending;
pub mod execution;
mod invariant;
mod member;
pub mod memory;
mod meter;
pub mod meter_record;
mod money;
mod offer;
mod package;
mod prepayment;
mod price_index;
mod program;
mod published;
mod quota;
mod quote;
mod reading;
pub mod record;
mod registry;
mod segment;
mod settled;
mod share;
mod statement;
pub mod store;
mod subscription;
#[cfg(test)]
mod tests;
pub mod work;

// The test world stands outside of the crate.
#[cfg(test)]
extern crate self as utilidor_ledger;

pub use agreement::KEPT_AFTER_END_MS;
pub use effect::LEDGER_CODES;
pub use execution::{BlockContext, Execution, Inadmissible, MAX_DUE_PER_BLOCK, MAX_PASSES, Outcome, Progress};
pub use program::{MAX_FAILURES, RETRY_MS};
pub use registry::CELL_FUEL;
pub use store::Change;
pub use subscription::CONSENT_MS;
pub use work::{MAX_BLOCK_WORK, MAX_DUE_WORK, MAX_TOLD_WORK, Work};
