//! The consortium node: it takes transactions, agrees with the other members on blocks, executes them on the ledger, keeps the
//! result with its proofs, and answers questions about it.
//!
//! ```text
//! submit -> verification -> pool -> pace -> application -> executor -> ledger
//!                                     |          |             |
//!                                 consensus    block         store -> reader -> answers and proofs
//!                                     |                        |
//!                                  network                  finality -> head
//! ```
//!
//! | file | answers |
//! |---|---|
//! | `node`, `handle`, `config` | how a node is started, used and stopped |
//! | `pool`, `verification` | what waits for a block, and that it was verified once |
//! | `block`, `application`, `executor` | what a block is, how it is built and judged |
//! | `recent` | a memory of bounded size |
//! | `latest` | a value that others wait for, in the order in which they came |
//! | `clock`, `pace` | which time a block gets, and when one is built |
//! | `store`, `archive`, `directory`, `disk` | what is kept, and where, and that it can be read and written |
//! | `sound`, `upgrade` | of a node that does not run: whether its files are whole, how its format becomes this one's |
//! | `finality`, `final_blocks`, `reader` | when a block counts as final, and what can be asked about it |
//! | `engine`, `network` | how the consensus engine is put together |
//! | `epochs`, `sets`, `feed` | one run of consensus an epoch: who signs it, taking part in it, following it |
//! | `handovers`, `relay`, `history` | what nodes tell each other besides: sets of validators, transactions and wishes, the past |
//! | `guard`, `scheme` | that this member never votes twice, whatever its disk does |
//! | `witness` | that others who do can be shown to have |
//!
//! The engine's own types stay in this crate. There is one instantiation of the engine in the whole program, in `node`:
//! it takes minutes to compile. This crate's own tests have another one instead, on the simulated runtime: they leave `node` and
//! `network` out, which the tests beside the sources cover. Deliberately absent: rules of the ledger, HTTP, SQL.
// What only `node` and `network` use is not used in this crate's own tests.
#![cfg_attr(test, allow(dead_code))]

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod application;
mod archive;
mod block;
mod clock;
mod config;
mod directory;
mod disk;
mod durable;
mod engine;
mod epochs;
mod executor;
mod feed;
mod final_blocks;
mod finality;
mod guard;
mod handle;
mod handovers;
mod history;
pub mod latest;
#[cfg(not(test))]
mod network;
#[cfg(not(test))]
mod node;
mod pace;
mod pool;
mod reader;
mod recent;
mod relay;
mod scheme;
mod sets;
#[cfg(test)]
mod simulation;
mod sound;
mod state;
mod store;
mod upgrade;
mod verification;
mod witness;

pub use block::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};
pub use clock::AdvanceTimeRefused;
pub use config::{Config, LONGEST_PAUSE, Peer, Role};
pub use directory::{DirectoryError, FORMAT, Held, hold, read_format, read_genesis};
pub use disk::{DiskFull, KEEP_FREE_BYTES};
pub use durable::write_durably;
pub use epochs::{ConsensusStatus, Part};
pub use guard::{GuardCopy, GuardError, check_guard, create_guard};
pub use handle::{Handle, Head, SubmitRefused};
#[cfg(not(test))]
pub use node::{Node, NodeFailed, StartError, start};
pub use pace::{MAX_DRIFT_MS, MAX_LAG_MS};
pub use pool::{Dropped, PoolLimits, PoolRefused};
pub use reader::{ReadError, ReceiptProof, TransactionProof};
pub use sound::{Soundness, check_file, store_files};
pub use upgrade::{UpgradeError, Upgraded, upgrade};
pub use utilidor_ledger::Inadmissible;
pub use witness::{Misconduct, Offence};
