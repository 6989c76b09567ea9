//! What a simulated node sends, and what becomes of it: passed on, kept back, changed, added to, or sent to fewer.

use super::PublicKey;
use bytes::Bytes;
use commonware_actor::{Feedback, Unreliable};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender};
use commonware_runtime::IoBufs;
use std::{sync::Arc, time::SystemTime};

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

/// The sending end of a channel.
#[derive(Clone)]
pub struct Wire<S> {
    pub inner: S,
    pub channel: Channel,
    pub conduct: Arc<dyn Conduct>,
}

impl<S: Sender<PublicKey = PublicKey>> LimitedSender for Wire<S> {
    type PublicKey = PublicKey;
    type Checked<'a> = Checked<S::Checked<'a>, S>;

    fn check(&mut self, recipients: Recipients<PublicKey>) -> Result<Self::Checked<'_>, SystemTime> {
        let wire = self.clone();
        self.inner.check(recipients).map(|inner| Checked { inner, wire })
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
        let sent = wire.conduct.send(wire.channel, to.clone(), message.clone());
        if sent == [(to, message.clone())] {
            return inner.send(message, priority);
        }
        drop(inner);
        for (to, message) in sent {
            let _ = wire.inner.send(Recipients::Some(to), message, priority);
        }
        Unreliable::Rejected
    }
}
