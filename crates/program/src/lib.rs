//! What contracts do [M15]: one pure interface for every program.
//!
//! ```text
//! ledger: event ──> wants(terms, event, state) ──> ledger reads ──> act(event, case) ──> Step { state, effects } | Fault
//!                                                                        |
//!                             ledger checks the whole list of effects, and carries out all of it or nothing
//! ```
//!
//! * *program*: the code that an agreement runs. It is given an [`Event`], its own terms and [`State`], and [`Facts`]; it
//!   answers with its new state and [`Effect`]s. It holds no money, reads no records and knows no clock.
//! * *state*: a head and up to 16 slots of bytes that only the program reads; its digest stands in every statement.
//! * *binding*: a meter that serves the agreement. The ledger sums readings natively by what the binding says
//!   ([`Sum`]); the program is told of whole [`Segment`]s between marks, never of single readings.
//! * *mark*: a time at which a program wants to know how far a meter is. *level*: the same for an amount.
//!
//! | file | what it is |
//! |---|---|
//! | [`contract`] | the interface: events, facts, effects |
//! | [`backlog`] | what waits for a program that fails |
//! | [`bands`] | cutting an interval at the edges of time-of-use bands |
//! | [`purchase`] | a volume in a window |
//! | [`subscription`] | an Energy Package; `estimate` tells what a running month comes to |
//! | [`clauses`] | clause sheets: what a lawyer and an engineer read alike |
//! | [`coded`], [`wasm`] | programs that parties have published: what they reach, and the engine that runs them |
//! | [`host`] | one agreement played without a ledger, for tests and simulations of contracts |
//! | [`package`] | what a package must satisfy to be published |
//! | `exact` | shares as money, half to even |
//! | [`native`] | which program an agreement runs |
//!
//! Deliberately absent: records, money, storage, clocks, randomness, floats.

pub mod backlog;
pub mod bands;
pub mod clauses;
pub mod coded;
pub mod contract;
mod exact;
pub mod host;
pub mod native;
pub mod package;
pub mod purchase;
pub mod subscription;
#[cfg(feature = "toy")]
pub mod toy;
pub mod wasm;

pub use contract::{
    Binding, Case, Draft, Effect, Event, Facts, Fault, Notice, Segment, Standing, State, Step, Sum, Sums, Volume, Wants,
};
pub use native::{act, allowances, check, check_amendment, hard_end, reserve, volumes, wants};
