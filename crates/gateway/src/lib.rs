//! Meters in, signed readings out.
//!
//! ```text
//! device ──line──> protocol ──> profile ──> guard ──> journal ──> uplink ──> ledger
//!          one poller a bus, which knows nothing of the uplink      │
//!                                            evidence stays here <──┘
//! ```
//!
//! | file | answers |
//! |---|---|
//! | [`number`] | what a device's number is: an exact ratio with a unit |
//! | [`protocol`] | what devices say |
//! | [`profile`] | which of a device's registers counts, and how |
//! | [`config`] | which node, which buses, which meters |
//! | [`reason`] | what people are told, in both languages |
//! | [`clock`] | what time it is, and whether that can be trusted |
//! | [`serial`] | adapters on this machine |
//! | [`line`] | one request, one answer, nothing left over |
//! | [`device`] | how a meter is asked for its register |
//! | [`guard`] | whether a register can be believed |
//! | [`poller`] | when meters are read |
//! | [`mqtt`] | meters that publish by themselves |
//! | [`ocpp`] | charging stations that tell their meters |
//! | [`signed`] | the records that devices sign, until they are handed in |
//! | [`told`] | what is told without being asked |
//! | [`computed`] | meters that are sums and differences of others |
//! | [`kept`] | what is known of a meter between two readings |
//! | [`journal`], [`writer`] | every reading, until long after the ledger has it |
//! | [`sender`], [`uplink`] | how readings come to the ledger |
//! | [`probe`] | how a meter is taken into service |
//! | [`check`] | what the ledger would refuse |
//! | [`causes`] | what an error says with its causes |
//! | [`metrics`] | how it does, for a monitoring system |
//! | [`run`] | all of it together |
//! | [`view`] | what a telegram says, for programs |
//! | [`search`] | which devices are on an M-Bus |
//! | [`simulate`] | devices that are not there |

pub mod causes;
pub mod check;
pub mod clock;
pub mod computed;
pub mod config;
pub mod device;
pub mod guard;
pub mod journal;
pub mod kept;
pub mod line;
pub mod metrics;
pub mod mqtt;
pub mod number;
pub mod ocpp;
pub mod poller;
pub mod probe;
pub mod profile;
pub mod protocol;
pub mod reason;
pub mod run;
pub mod search;
pub mod sender;
pub mod serial;
pub mod signed;
pub mod simulate;
pub mod told;
pub mod uplink;
pub mod view;
pub mod writer;
