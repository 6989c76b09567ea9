//! Programs that parties have published.

use crate::money::CauseView;
use serde::{Deserialize, Serialize};
use utilidor_types::program::Manifest;
use utilidor_types::{AccountId, Digest, ProgramId};

/// A published program, without its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProgramView {
    /// The program: the hash of engine, code and manifest.
    pub id: ProgramId,
    /// The engine that runs it.
    pub engine: u16,
    /// Digest of its code.
    pub code: Digest,
    /// Length of its code.
    pub bytes: u32,
    /// What people are to know of it.
    pub manifest: Manifest,
    /// Who published it.
    pub publisher: AccountId,
    /// Where it was published.
    pub cause: CauseView,
}
