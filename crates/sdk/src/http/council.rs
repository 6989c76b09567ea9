//! The council: motions and votes, and the word of a validator's node that it is ready.

use super::account::{Account, Done, SubmitError};
use utilidor_types::{Action, Digest, Event, MeterId, Motion, MotionId, PrivateKey, Readiness};

/// A motion that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The motion.
    pub motion: MotionId,
    /// Its digest: what is voted on.
    pub digest: Digest,
    /// Whether it was carried at once, as in a council of one.
    pub carried: bool,
    /// The transaction.
    pub done: Done,
}

/// Whether what was done carried a motion.
pub fn carries(done: &Done) -> bool {
    done.events().iter().any(|event| matches!(event, Event::Decided { .. }))
}

impl Account {
    /// Moves that the council decide something, and is in favour of it. For council members.
    pub async fn propose(&self, motion: Motion) -> Result<Moved, SubmitError> {
        let (id, digest) = (MotionId::of(self.id(), motion.label), motion.digest());
        let done = self.submit(Action::ProposeMotion(motion)).await?.applied()?;
        Ok(Moved { motion: id, digest, carried: carries(&done), done })
    }

    /// Votes on a motion; the last vote of a member counts. For council members.
    pub async fn vote(&self, motion: MotionId, digest: Digest, in_favour: bool) -> Result<Done, SubmitError> {
        self.submit(Action::VoteOnMotion { motion, digest, in_favour }).await?.applied()
    }

    /// Brings the word of the node with this key that it is ready in an epoch.
    pub async fn prove_ready(&self, node: &PrivateKey, epoch: u64, after: Digest) -> Result<Done, SubmitError> {
        let readiness = Readiness::sign(self.chain(), epoch, after, node);
        self.submit(Action::ProveReady(readiness)).await?.applied()
    }

    /// Takes over meters that the council has handed to this account. For meter operators.
    pub async fn take_over_meters(&self, meters: Vec<MeterId>) -> Result<Done, SubmitError> {
        self.submit(Action::TakeOverMeters { meters: meters.try_into()? }).await?.applied()
    }
}
