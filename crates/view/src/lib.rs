//! What a node answers, defined once: served by the interface, read by clients, described in the OpenAPI document.
//!
//! ```text
//! index --questions--> answers --JSON--> interface --HTTP--> client --JSON--> the same answers
//! ```
//!
//! An answer holds the ledger's own values (`utilidor_types`) in their JSON form, and around them what the node knows
//! besides. Money is a decimal string, a quantity a decimal string of base units; ids, hashes and keys are hex; times are Unix
//! milliseconds, in fields whose names end in `_ms`. A field that is not known is ignored, so that a newer node can say more.
//!
//! | file | answers |
//! |---|---|
//! | [`node`], [`summary`] | where the node stands; the chain in figures; the reference of codes |
//! | [`block`], [`transaction`] | blocks, receipts, and what became of a transaction |
//! | [`account`], [`money`] | members, accounts, and every movement of money |
//! | [`offer`], [`agreement`], [`trace`] | the trade: offers, quotes, agreements, and one of these from offer to payment |
//! | [`package`], [`statement`] | packages, subscriptions with what was prepaid, statements |
//! | [`price_index`] | published indices and their values |
//! | [`program`] | programs that parties have published |
//! | [`series`] | what flowed by hour, day or month, with gaps marked |
//! | [`meter`], [`event`] | meters and certified readings; segments, corrections, notices and whatever else receipts tell |
//! | [`council`] | who decides, what is decided, who the validators are |
//! | [`refusal`] | what the ledger refused |
//! | [`search`] | ids that are found by their beginning |
//! | `proof` | what a node proves (feature `proof`) |
//! | [`show`] | quantities, prices and times as people read them |
//! | [`problem`] | what it answers when it does not do what was asked |
//! | [`page`], [`limits`], [`viewer`] | how lists are cut, how much can be asked for at once, and by whom |
//!
//! Deliberately absent: HTTP, SQL, rules.

pub mod account;
pub mod agreement;
pub mod block;
pub mod council;
pub mod event;
pub mod limits;
pub mod meter;
pub mod money;
pub mod node;
pub mod offer;
pub mod package;
pub mod page;
pub mod price_index;
pub mod problem;
pub mod program;
#[cfg(feature = "proof")]
pub mod proof;
pub mod refusal;
pub mod search;
pub mod series;
pub mod show;
pub mod statement;
pub mod summary;
pub mod trace;
pub mod transaction;
pub mod viewer;

pub use account::{AccountView, CapacityView, MemberView};
pub use agreement::{AgreementFilter, AgreementView, AmendmentView, DebtView, Kind, StepKind, StepView};
pub use block::{BlockDetail, BlockFilter, BlockView, ReceiptView};
pub use council::{AppointedView, CouncilView, EpochView, MotionFilter, MotionStatus, MotionView, VoteView};
pub use event::{EventFilter, EventKind, EventView};
pub use meter::{CertificateView, MeterFilter, MeterView, SignedBy, TimeFilter};
pub use money::{CauseView, DueView, Held, MovementKind, MovementView};
pub use node::{ChainTime, Codes, NodeStatus, ProblemCode, RefusalCode};
pub use offer::{OfferFilter, OfferStatus, OfferView, QuoteStatus, QuoteView};
pub use package::{PackageView, SubscriptionView, TrancheOpened, TrancheView};
pub use page::{Format, Order, Page, PageQuery};
pub use price_index::{IndexValueView, PriceIndexView};
pub use problem::{Code, Problem};
pub use program::ProgramView;
#[cfg(feature = "proof")]
pub use proof::{ProofDocument, StateProof};
pub use refusal::{RefusalCount, RefusalView, RefusedAwardView, RefusedReadingView};
pub use search::{FoundId, FoundIds, IdKind};
pub use series::{Known, SeriesPoint, SeriesQuery, SeriesView, Step};
pub use statement::{StatementFilter, StatementView};
pub use summary::{AgreementCount, MoneySummary, Summary};
pub use trace::{SignatureView, Trace};
pub use transaction::{Submission, SubmissionResult, Submitted, TransactionView};
pub use viewer::{ChallengeView, NewToken, OversightView, Scope, SessionView, TokenKind, TokenView, TokenWish, Viewer};
