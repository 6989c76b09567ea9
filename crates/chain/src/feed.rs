//! Following an epoch without a vote: certificates come in, are checked, and marshal fetches what they make final.
//!
//! It keeps no journal, has no timers and cannot vote. Marshal trusts what it is told, so everything is checked here.

use crate::{engine::Runtime, epochs::Marshal, scheme::Scheme};
use commonware_codec::Decode as _;
use commonware_consensus::{
    Epochable as _, Reporter as _, Viewable as _,
    simplex::types::{Activity, Certificate},
    types::{Epoch, View},
};
use commonware_cryptography::{certificate::Verifier as _, ed25519::PublicKey, sha256};
use commonware_p2p::{Blocker, Receiver, block};
use commonware_parallel::Rayon;
use std::sync::Arc;

/// What follows one epoch.
pub(crate) struct Feed<B> {
    pub epoch: Epoch,
    pub scheme: Arc<Scheme>,
    pub marshal: Marshal,
    pub blocker: B,
    pub strategy: Rayon,
}

impl<B: Blocker<PublicKey = PublicKey>> Feed<B> {
    /// Runs until the network ends. `silent` are the channels that it has nothing to say on; what comes there is left unread.
    pub async fn run<E: Runtime, S: Send, R: Receiver<PublicKey = PublicKey>, Silent: Send>(
        mut self,
        mut context: E,
        (_sender, mut certificates): (S, R),
        _silent: Silent,
    ) {
        let mut newest = View::zero();
        while let Ok((from, message)) = certificates.recv().await {
            let read =
                Certificate::<Scheme, sha256::Digest>::decode_cfg(message, &self.scheme.certificate_codec_config());
            let Ok(certificate) = read else {
                block!(self.blocker, from, "a certificate that cannot be read");
                continue;
            };
            let Certificate::Finalization(finalization) = certificate else { continue };
            if finalization.epoch() != self.epoch {
                block!(self.blocker, from, "a certificate of another epoch");
                continue;
            }
            if finalization.view() <= newest {
                continue;
            }
            if !finalization.verify(&mut context, &*self.scheme, &self.strategy) {
                block!(self.blocker, from, "a certificate with wrong signatures");
                continue;
            }
            newest = finalization.view();
            let _ = self.marshal.report(Activity::Finalization(finalization));
        }
        // The node is stopping; the epoch's run ends with it.
        std::future::pending().await
    }
}
