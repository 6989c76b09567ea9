//! What a simulated node sends, and what becomes of it: passed on, kept back, changed, added to, or sent to fewer.

use super::{PublicKey, behaviours::read_vote, context::Machine};
use bytes::Bytes;
use commonware_actor::{Feedback, Unreliable};
use commonware_consensus::{
    Viewable as _,
    simplex::types::{Proposal, Vote},
};
use commonware_cryptography::sha256;
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender};
use commonware_runtime::IoBufs;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::SystemTime,
};

/// The channels, by their places in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Votes,
    Certificates,
    Resolver,
    Backfill,
    Broadcast,
    Synchronisation,
    Probe,
    Handovers,
    Transactions,
    History,
}

pub const CHANNELS: [Channel; 10] = [
    Channel::Votes,
    Channel::Certificates,
    Channel::Resolver,
    Channel::Backfill,
    Channel::Broadcast,
    Channel::Synchronisation,
    Channel::Probe,
    Channel::Handovers,
    Channel::Transactions,
    Channel::History,
];

/// A message and who gets it.
pub type Sent = (Vec<PublicKey>, Bytes);

/// What a node does to what it sends. Nothing, if it is honest.
pub trait Conduct: Send + Sync + 'static {
    /// What is sent instead of a message.
    fn send(&self, _: Channel, to: Vec<PublicKey>, message: Bytes) -> Vec<Sent> {
        vec![(to, message)]
    }
}

/// Passes everything on.
pub struct Honest;
impl Conduct for Honest {}

/// What a node has voted in all its lives, by epoch, view and signer, before its conduct changes anything: what its engine says.
#[derive(Default)]
pub struct Votes(Mutex<BTreeMap<(u64, u64, u32), Cast>>);

/// The votes in a view.
#[derive(Default)]
struct Cast {
    proposals: Vec<Proposal<sha256::Digest>>,
    finalities: Vec<Proposal<sha256::Digest>>,
    against: bool,
}

impl Cast {
    fn contradicts_itself(&self) -> bool {
        let all = || self.proposals.iter().chain(&self.finalities);
        all().any(|one| all().any(|other| one != other)) || self.against && !self.finalities.is_empty()
    }
}

impl Votes {
    fn note(&self, message: &Bytes) {
        let Some((epoch, vote)) = read_vote(message) else { return };
        let signer = match &vote {
            Vote::Notarize(vote) => vote.attestation.signer,
            Vote::Nullify(vote) => vote.attestation.signer,
            Vote::Finalize(vote) => vote.attestation.signer,
        };
        let mut votes = self.0.lock().unwrap();
        let cast = votes.entry((epoch, vote.view().get(), signer.get())).or_default();
        match vote {
            Vote::Notarize(vote) => cast.proposals.push(vote.proposal),
            Vote::Nullify(_) => cast.against = true,
            Vote::Finalize(vote) => cast.finalities.push(vote.proposal),
        }
    }

    /// Epochs and views in which what was voted contradicts itself.
    pub fn contradictions(&self) -> Vec<(u64, u64)> {
        let votes = self.0.lock().unwrap();
        let contradictions = votes.iter().filter(|(_, cast)| cast.contradicts_itself());
        contradictions.map(|((epoch, view, _), _)| (*epoch, *view)).collect()
    }
}

/// The sending end of a channel.
#[derive(Clone)]
pub struct Wire<S> {
    pub inner: S,
    pub channel: Channel,
    pub conduct: Arc<dyn Conduct>,
    pub votes: Arc<Votes>,
    /// Whose clock the sender goes by.
    pub machine: Arc<Machine>,
}

impl<S: Sender<PublicKey = PublicKey>> LimitedSender for Wire<S> {
    type PublicKey = PublicKey;
    type Checked<'a> = Checked<S::Checked<'a>, S>;

    fn check(&mut self, recipients: Recipients<PublicKey>) -> Result<Self::Checked<'_>, SystemTime> {
        let wire = self.clone();
        // The network has a clock of its own. A sender that is told to wait until a time which its own clock has passed asks again
        // at once, for ever.
        let machine = self.machine.clone();
        let checked = self.inner.check(recipients).map_err(|until| machine.skewed(until));
        checked.map(|inner| Checked { inner, wire })
    }
}

/// A message that may be sent.
pub struct Checked<C, S> {
    inner: C,
    wire: Wire<S>,
}

impl<C, S> CheckedSender for Checked<C, S>
where
    C: CheckedSender<PublicKey = PublicKey>,
    S: Sender<PublicKey = PublicKey>,
{
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        self.inner.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let Self { inner, mut wire } = self;
        let message = Bytes::copy_from_slice(message.into().coalesce().as_ref());
        let to = inner.recipients();
        if wire.channel == Channel::Votes {
            wire.votes.note(&message);
        }
        let sent = wire.conduct.send(wire.channel, to.clone(), message.clone());
        if sent == [(to, message.clone())] {
            return inner.send(message, priority);
        }
        drop(inner);
        for (to, message) in sent {
            let _ = wire.inner.send(Recipients::Some(to), message, priority);
        }
        // Its engine believes that it has sent what it wished to.
        Unreliable::Outcome(Feedback::Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{EPOCH_MS, context::Node, key};
    use commonware_cryptography::Signer as _;
    use commonware_p2p::simulated;
    use commonware_runtime::{Clock as _, Quota, Runner as _, Supervisor as _, deterministic};
    use commonware_utils::{NZU32, NZUsize};
    use std::time::Duration;

    #[test]
    fn who_has_sent_too_much_is_told_by_its_own_clock_how_long_to_wait() {
        deterministic::Runner::default().start(|context| async move {
            let config = simulated::Config {
                max_size: 1_024,
                max_peers_per_set: NZUsize!(2),
                disconnect_on_block: true,
                tracked_peer_sets: NZUsize!(1),
            };
            let (network, oracle) = simulated::Network::new(context.child("network"), config);
            network.start();
            let control = oracle.control(key(0).public_key());
            let (inner, _receiver) = control.register(0, Quota::per_second(NZU32!(1))).await.unwrap();
            let machine = Arc::new(Machine::default());
            machine.set_skew(EPOCH_MS);
            let node = Node { inner: context, machine: machine.clone() };
            let (conduct, votes) = (Arc::new(Honest), Arc::default());
            let mut wire = Wire { inner, channel: Channel::Backfill, conduct, votes, machine };

            let one = || Recipients::One(key(1).public_key());
            assert!(wire.check(one()).is_ok());
            let until = wire.check(one()).err().expect("one message a second");
            assert_eq!(until.duration_since(node.current()).unwrap(), Duration::from_secs(1));
            node.sleep_until(until).await;
            assert!(wire.check(one()).is_ok());
        });
    }
}
