//! The benchmarks: the side-by-side workload, played on each layer of the platform.
//!
//! A suite is a list of phases of signed transactions ([`workload`]); a layer plays them and measures the phases that
//! count. Signing is never measured. Every unit must succeed, and what settlements come to is checked.

#[cfg(feature = "chain")]
pub mod consortium;
#[cfg(feature = "chain")]
pub mod drive;
pub mod execute;
#[cfg(feature = "chain")]
pub mod figure;
#[cfg(feature = "chain")]
pub mod follower;
#[cfg(feature = "chain")]
pub mod gateway;
mod keccak;
#[cfg(feature = "chain")]
mod line;
pub mod measure;
#[cfg(feature = "chain")]
pub mod play;
pub mod program;
#[cfg(feature = "chain")]
pub mod report;
pub mod spool;
pub mod tally;
pub mod workload;
