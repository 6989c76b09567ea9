//! Misconduct that can be proved: a validator that has signed two votes which contradict each other.
//!
//! Consensus blocks the connection by itself. What remains is the proof: the two votes, whose signatures anybody can verify.
//! It is said in the log and kept until the node stops.

use crate::scheme::Scheme;
use commonware_actor::Feedback;
use commonware_codec::Encode as _;
use commonware_consensus::{
    Epochable as _, Reporter, Viewable as _,
    simplex::types::{Activity, Attributable as _},
};
use commonware_cryptography::{certificate::Scheme as _, sha256};
use commonware_parallel::Sequential;
use commonware_utils::{Participant, sys_rng};
use std::sync::{Arc, Mutex};
use tracing::error;

/// Proofs that are kept.
const MAX_KEPT: usize = 256;

/// What a validator has signed against the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// Votes for two proposals in a view.
    TwoProposals,
    /// Votes for the finality of two proposals in a view.
    TwoFinalities,
    /// A vote for finality, and one for the end of the same view without a proposal.
    FinalityAndNone,
}

/// A proof of misconduct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misconduct {
    /// What was done.
    pub offence: Offence,
    /// The validator's Ed25519 public key.
    pub validator: [u8; 32],
    /// The epoch.
    pub epoch: u64,
    /// The view.
    pub view: u64,
    /// The two votes, as the engine encodes them.
    pub votes: Vec<u8>,
}

/// The proofs that a node has come upon. Cheap to clone; clones share everything.
#[derive(Clone, Default)]
pub(crate) struct Proofs(Arc<Mutex<Vec<Misconduct>>>);

impl Proofs {
    /// All that are kept, as they came.
    pub fn all(&self) -> Vec<Misconduct> {
        self.0.lock().expect("no holder of this lock panics").clone()
    }

    fn keep(&self, found: Misconduct) {
        let mut kept = self.0.lock().expect("no holder of this lock panics");
        let same = |known: &Misconduct| {
            (known.validator, known.epoch, known.view, known.offence)
                == (found.validator, found.epoch, found.view, found.offence)
        };
        if kept.len() < MAX_KEPT && !kept.iter().any(same) {
            let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            error!(
                validator = hexadecimal(&found.validator), epoch = found.epoch, view = found.view,
                offence = ?found.offence, votes = hexadecimal(&found.votes),
                "a validator has signed two votes that contradict each other; the votes are the proof"
            );
            kept.push(found);
        }
    }
}

/// Takes note of misconduct in what consensus reports to `R`.
#[derive(Clone)]
pub(crate) struct Witness<R> {
    pub inner: R,
    pub scheme: Scheme,
    pub proofs: Proofs,
}

impl<R: Reporter<Activity = Activity<Scheme, sha256::Digest>>> Reporter for Witness<R> {
    type Activity = Activity<Scheme, sha256::Digest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        let (scheme, mut rng) = (&self.scheme, sys_rng());
        match &activity {
            Activity::ConflictingNotarize(found) if found.verify(&mut rng, scheme, &Sequential) => {
                let place = (found.epoch().get(), found.view().get());
                self.note(Offence::TwoProposals, found.signer(), place, found.encode().to_vec());
            }
            Activity::ConflictingFinalize(found) if found.verify(&mut rng, scheme, &Sequential) => {
                let place = (found.epoch().get(), found.view().get());
                self.note(Offence::TwoFinalities, found.signer(), place, found.encode().to_vec());
            }
            Activity::NullifyFinalize(found) if found.verify(&mut rng, scheme, &Sequential) => {
                let place = (found.epoch().get(), found.view().get());
                self.note(Offence::FinalityAndNone, found.signer(), place, found.encode().to_vec());
            }
            _ => {}
        }
        self.inner.report(activity)
    }
}

impl<R> Witness<R> {
    fn note(&self, offence: Offence, signer: Participant, (epoch, view): (u64, u64), votes: Vec<u8>) {
        let place = usize::try_from(signer.get()).unwrap_or(usize::MAX);
        let Some(validator) = self.scheme.participants().get(place) else { return };
        let Ok(validator) = validator.as_ref().try_into() else { return };
        self.proofs.keep(Misconduct { offence, validator, epoch, view, votes });
    }
}
