//! What a member that does not play by the rules does: to what it sends, on which channel, to whom.
//!
//! One table for the tests of each behaviour (`hostile`) and for the scenarios in which they come together (`scenario`).

use super::wire::{Channel, Sent};
use super::*;
use crate::block::{Body, merkle_root};
use bytes::{BufMut as _, Bytes, BytesMut};
use commonware_codec::{DecodeExt as _, Encode as _, varint::UInt};
use commonware_consensus::simplex::types::{Finalize, Notarize, Nullify, Proposal, Vote};
use commonware_cryptography::{certificate::Attestation, sha256};
use commonware_p2p::utils::mux;
use commonware_utils::Participant;
use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex},
};
use utilidor_types::{Digest, block::consensus_namespace, operator::AdvanceTime};

pub type Peers = Vec<PublicKey>;
pub type SignedVote = Vote<Scheme, sha256::Digest>;

/// The member that misbehaves, and the consortium that it belongs to.
#[derive(Clone)]
pub struct Hostile {
    pub consortium: Consortium,
    pub index: u8,
}

/// A behaviour, for a member.
pub type Behaviour = fn(&Hostile) -> Arc<dyn Conduct>;

/// All behaviours but those of a clock, which `skew` has.
pub const BEHAVIOURS: [(&str, Behaviour); 28] = [
    ("votes for two proposals in a view", votes_for_two_proposals),
    ("votes for finality and against it", votes_for_finality_and_against),
    ("votes for finality of what nobody proposed", votes_for_finality_of_nothing),
    ("forges its votes' signatures", forges_votes),
    ("votes in another's name", votes_as_another),
    ("votes for another chain", votes_for_another_chain),
    ("votes for distant views", votes_for_distant_views),
    ("votes against every view", votes_against_every_view),
    ("repeats old votes", repeats_old_votes),
    ("votes late", votes_late),
    ("votes before some only", votes_before_some),
    ("keeps its votes for finality back", withholds_finality),
    ("sorts votes under later epochs", hints_at_later_epochs),
    ("forges certificates", forges_certificates),
    ("keeps certificates back", withholds_certificates),
    ("proposes one block to some, another to others", proposes_two_blocks),
    ("proposes a block with a wrong state root", proposes_a_wrong_root),
    ("proposes a block of a time to come", proposes_a_wrong_time),
    ("proposes a block without one of its transactions", proposes_wrong_transactions),
    ("keeps its blocks back", withholds_blocks),
    ("shows its blocks to one other only", shows_blocks_to_one),
    ("sends old blocks for new ones", repeats_old_blocks),
    ("answers nobody", answers_nobody),
    ("misleads who catches up", misleads_who_catches_up),
    ("sends junk on every channel", sends_junk),
    ("sends everything four times", repeats_everything),
    ("wishes to move the chain's time", wishes_to_move_time),
    ("is silent", is_silent),
];

/// A conduct that is a function of what it is to send.
struct Does<F>(F);

impl<F: Fn(Channel, Peers, Bytes) -> Vec<Sent> + Send + Sync + 'static> Conduct for Does<F> {
    fn send(&self, channel: Channel, to: Peers, message: Bytes) -> Vec<Sent> {
        (self.0)(channel, to, message)
    }
}

pub fn does(conduct: impl Fn(Channel, Peers, Bytes) -> Vec<Sent> + Send + Sync + 'static) -> Arc<dyn Conduct> {
    Arc::new(Does(conduct))
}

/// Does this to votes, and to nothing else.
fn to_votes(conduct: impl Fn(Peers, Bytes, u64, SignedVote) -> Vec<Sent> + Send + Sync + 'static) -> Arc<dyn Conduct> {
    does(move |channel, to, message| match (channel == Channel::Votes).then(|| read_vote(&message)).flatten() {
        Some((epoch, vote)) => conduct(to, message, epoch, vote),
        None => vec![(to, message)],
    })
}

/// A vote on its channel: the epoch by which it is sorted, and what it says.
pub fn read_vote(message: &Bytes) -> Option<(u64, SignedVote)> {
    let (epoch, vote) = mux::parse(message.clone().into()).ok()?;
    Some((epoch, Vote::decode(vote).ok()?))
}

pub fn sorted_under(epoch: u64, message: impl AsRef<[u8]>) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_slice(&UInt(epoch).encode());
    bytes.put_slice(message.as_ref());
    bytes.freeze()
}

fn of_vote(epoch: u64, vote: &SignedVote) -> Bytes {
    sorted_under(epoch, vote.encode())
}

/// As the message is, with one bit of its last byte changed.
fn last_bit_changed(message: &Bytes) -> Bytes {
    let mut bytes = message.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes.into()
}

/// A proposal that nobody made.
fn another(proposal: &Proposal<sha256::Digest>) -> Proposal<sha256::Digest> {
    Proposal::new(proposal.round, proposal.parent, sha256::Digest([9; 32]))
}

impl Hostile {
    /// Its scheme in an epoch, with no guard to hold it back. It signs nothing in one whose set it is not in.
    fn scheme(&self, epoch: u64) -> Scheme {
        self.scheme_of(&consensus_namespace(self.consortium.genesis.chain()), epoch)
    }

    fn scheme_of(&self, namespace: &[u8], epoch: u64) -> Scheme {
        let voter = Voter { key: key(self.index), guard: None };
        Scheme::new(namespace, self.consortium.set(epoch), Some(&voter))
    }
}

pub fn votes_for_two_proposals(hostile: &Hostile) -> Arc<dyn Conduct> {
    let hostile = hostile.clone();
    to_votes(move |to, message, epoch, vote| {
        let mut sent = vec![(to.clone(), message)];
        if let Vote::Notarize(vote) = vote {
            let other = Notarize::sign(&hostile.scheme(epoch), another(&vote.proposal));
            sent.extend(other.map(|other| (to, of_vote(epoch, &Vote::Notarize(other)))));
        }
        sent
    })
}

pub fn votes_for_finality_and_against(hostile: &Hostile) -> Arc<dyn Conduct> {
    let hostile = hostile.clone();
    to_votes(move |to, message, epoch, vote| {
        let mut sent = vec![(to.clone(), message)];
        if let Vote::Finalize(vote) = vote {
            let against = Nullify::sign::<sha256::Digest>(&hostile.scheme(epoch), vote.proposal.round);
            sent.extend(against.map(|against| (to, of_vote(epoch, &Vote::Nullify(against)))));
        }
        sent
    })
}

pub fn votes_for_finality_of_nothing(hostile: &Hostile) -> Arc<dyn Conduct> {
    let hostile = hostile.clone();
    to_votes(move |to, message, epoch, vote| {
        let Vote::Finalize(vote) = vote else { return vec![(to, message)] };
        let other = Finalize::sign(&hostile.scheme(epoch), another(&vote.proposal));
        other.map(|other| (to, of_vote(epoch, &Vote::Finalize(other)))).into_iter().collect()
    })
}

pub fn forges_votes(_: &Hostile) -> Arc<dyn Conduct> {
    to_votes(|to, message, _, _| vec![(to, last_bit_changed(&message))])
}

/// The vote that is its own, said to be of the member after it.
fn votes_as_another(hostile: &Hostile) -> Arc<dyn Conduct> {
    let members = u32::from(hostile.consortium.members);
    to_votes(move |to, _, epoch, mut vote| {
        let attestation: &mut Attestation<Scheme> = match &mut vote {
            Vote::Notarize(vote) => &mut vote.attestation,
            Vote::Nullify(vote) => &mut vote.attestation,
            Vote::Finalize(vote) => &mut vote.attestation,
        };
        attestation.signer = Participant::new((attestation.signer.get() + 1) % members);
        vec![(to, of_vote(epoch, &vote))]
    })
}

fn votes_for_another_chain(hostile: &Hostile) -> Arc<dyn Conduct> {
    let hostile = hostile.clone();
    to_votes(move |to, message, epoch, vote| {
        let Vote::Notarize(vote) = vote else { return vec![(to, message)] };
        let scheme = hostile.scheme_of(b"another chain", epoch);
        let other = Notarize::sign(&scheme, vote.proposal);
        other.map(|other| (to, of_vote(epoch, &Vote::Notarize(other)))).into_iter().collect()
    })
}

fn votes_for_distant_views(hostile: &Hostile) -> Arc<dyn Conduct> {
    let hostile = hostile.clone();
    to_votes(move |to, message, epoch, vote| {
        let mut sent = vec![(to.clone(), message)];
        if let Vote::Notarize(vote) = vote {
            for ahead in [1, 20, 1_000, u64::MAX / 2] {
                let round =
                    Round::new(vote.proposal.round.epoch(), View::new(vote.proposal.round.view().get() + ahead));
                let scheme = hostile.scheme(epoch);
                let against = Nullify::sign::<sha256::Digest>(&scheme, round).map(Vote::Nullify);
                let proposal = Proposal::new(round, vote.proposal.parent, vote.proposal.payload);
                let other = Finalize::sign(&scheme, proposal).map(Vote::Finalize).filter(|_| ahead > 1);
                let votes = against.filter(|_| ahead == 1).into_iter().chain(other);
                sent.extend(votes.map(|vote| (to.clone(), of_vote(epoch, &vote))));
            }
        }
        sent
    })
}

/// With each vote for a proposal comes one against its view, and none for finality: nothing that contradicts itself.
fn votes_against_every_view(hostile: &Hostile) -> Arc<dyn Conduct> {
    let hostile = hostile.clone();
    to_votes(move |to, message, epoch, vote| match vote {
        Vote::Notarize(vote) => {
            let against = Nullify::sign::<sha256::Digest>(&hostile.scheme(epoch), vote.proposal.round);
            let against = against.map(|against| (to.clone(), of_vote(epoch, &Vote::Nullify(against))));
            std::iter::once((to, message)).chain(against).collect()
        }
        Vote::Finalize(_) => Vec::new(),
        Vote::Nullify(_) => vec![(to, message)],
    })
}

pub fn repeats_old_votes(_: &Hostile) -> Arc<dyn Conduct> {
    let old = Mutex::new(Vec::new());
    to_votes(move |to, message, _, _| {
        let mut sent = vec![(to.clone(), message.clone())];
        let mut old = old.lock().unwrap();
        sent.extend(old.iter().rev().take(3).map(|vote: &Bytes| (to.clone(), vote.clone())));
        sent.extend(old.first().map(|vote| (to, vote.clone())));
        old.push(message);
        sent
    })
}

/// Each vote goes out when the fifth after it should.
fn votes_late(_: &Hostile) -> Arc<dyn Conduct> {
    let kept = Mutex::new(std::collections::VecDeque::new());
    to_votes(move |to, message, _, _| {
        let mut kept = kept.lock().unwrap();
        kept.push_back((to, message));
        if kept.len() > 5 { kept.pop_front().into_iter().collect() } else { Vec::new() }
    })
}

/// Every other node, and those between them.
fn halves(to: Peers) -> (Peers, Peers) {
    static EVEN: LazyLock<BTreeSet<PublicKey>> =
        LazyLock::new(|| (0..MAX_NODES as u8).step_by(2).map(|index| key(index).public_key()).collect());
    to.into_iter().partition(|peer| EVEN.contains(peer))
}

fn votes_before_some(_: &Hostile) -> Arc<dyn Conduct> {
    to_votes(|to, message, _, _| vec![(halves(to).0, message)])
}

fn withholds_finality(_: &Hostile) -> Arc<dyn Conduct> {
    to_votes(|to, message, _, vote| if matches!(vote, Vote::Finalize(_)) { Vec::new() } else { vec![(to, message)] })
}

pub fn hints_at_later_epochs(_: &Hostile) -> Arc<dyn Conduct> {
    does(|channel, to, message| {
        let mut sent = vec![(to.clone(), message.clone())];
        if matches!(channel, Channel::Votes | Channel::Certificates) {
            for epoch in [1, 7, u64::MAX] {
                sent.push((to.clone(), sorted_under(epoch, &message)));
            }
        }
        sent
    })
}

fn forges_certificates(_: &Hostile) -> Arc<dyn Conduct> {
    does(|channel, to, message| match channel {
        Channel::Certificates => vec![(to, last_bit_changed(&message))],
        _ => vec![(to, message)],
    })
}

fn withholds_certificates(_: &Hostile) -> Arc<dyn Conduct> {
    does(|channel, to, message| match channel {
        Channel::Certificates => Vec::new(),
        _ => vec![(to, message)],
    })
}

/// Changes the blocks that it proposes itself, and its votes for them, for all peers or for some only.
fn reseals(hostile: &Hostile, to_some: bool, change: fn(&mut Header, &mut Vec<Body>) -> bool) -> Arc<dyn Conduct> {
    let hostile = hostile.clone();
    let own: [u8; 32] = key(hostile.index).public_key().as_ref().try_into().unwrap();
    // By the digest of the block that its engine made: the changed one's.
    let changed = Mutex::new(BTreeMap::new());
    let split = move |to: Peers, message: Bytes, other: Bytes| {
        if !to_some {
            return vec![(to, other)];
        }
        let (some, others) = halves(to);
        vec![(some, other), (others, message)]
    };
    does(move |channel, to, message| {
        if channel == Channel::Broadcast
            && let Ok(block) = Block::decode(message.clone())
            && block.header().proposer == own
        {
            let (mut header, mut bodies) = (block.header().clone(), block.transactions().to_vec());
            if change(&mut header, &mut bodies) {
                header.transaction_count = u32::try_from(bodies.len()).unwrap();
                header.transactions_root = merkle_root(bodies.iter().map(|body| Digest(body.hash.0)));
                let other = Block::new(header, bodies, block.next_validators().cloned());
                changed.lock().unwrap().insert(block.digest(), other.digest());
                return split(to, message, other.encode());
            }
        }
        if channel == Channel::Votes
            && let Some((epoch, Vote::Notarize(vote))) = read_vote(&message)
            && let Some(digest) = changed.lock().unwrap().get(&vote.proposal.payload)
        {
            let proposal = Proposal::new(vote.proposal.round, vote.proposal.parent, *digest);
            let other = Notarize::sign(&hostile.scheme(epoch), proposal).map(Vote::Notarize);
            return other.map(|other| split(to, message, of_vote(epoch, &other))).unwrap_or_default();
        }
        vec![(to, message)]
    })
}

fn other_root(header: &mut Header, _: &mut Vec<Body>) -> bool {
    header.state_root.0[0] ^= 1;
    true
}

fn proposes_two_blocks(hostile: &Hostile) -> Arc<dyn Conduct> {
    reseals(hostile, true, |header, bodies| bodies.pop().is_some() || other_root(header, bodies))
}

fn proposes_a_wrong_root(hostile: &Hostile) -> Arc<dyn Conduct> {
    reseals(hostile, false, other_root)
}

pub fn proposes_a_wrong_time(hostile: &Hostile) -> Arc<dyn Conduct> {
    reseals(hostile, false, |header, _| {
        header.time.0 += 3_600_000;
        true
    })
}

fn proposes_wrong_transactions(hostile: &Hostile) -> Arc<dyn Conduct> {
    reseals(hostile, false, |_, bodies| bodies.pop().is_some())
}

pub fn withholds_blocks(_: &Hostile) -> Arc<dyn Conduct> {
    does(|channel, to, message| match channel {
        Channel::Broadcast | Channel::Backfill => Vec::new(),
        _ => vec![(to, message)],
    })
}

/// To the last node.
pub fn shows_blocks_to_one(hostile: &Hostile) -> Arc<dyn Conduct> {
    let chosen = key(hostile.consortium.members - 1).public_key();
    does(move |channel, to, message| match channel {
        Channel::Broadcast => vec![(to.into_iter().filter(|peer| *peer == chosen).collect(), message)],
        _ => vec![(to, message)],
    })
}

fn repeats_old_blocks(_: &Hostile) -> Arc<dyn Conduct> {
    let first = Mutex::new(None);
    does(move |channel, to, message| match channel {
        Channel::Broadcast => vec![(to, first.lock().unwrap().get_or_insert(message).clone())],
        _ => vec![(to, message)],
    })
}

fn answers_nobody(_: &Hostile) -> Arc<dyn Conduct> {
    does(|channel, to, message| match channel {
        Channel::Resolver | Channel::Backfill | Channel::Synchronisation | Channel::Probe | Channel::History => {
            Vec::new()
        }
        _ => vec![(to, message)],
    })
}

/// Changes what is sent on a channel.
pub fn garbles(channel: Channel, message: &Bytes) -> Option<Bytes> {
    use Channel::{Backfill, Handovers, History, Probe, Synchronisation};
    if !matches!(channel, Synchronisation | Backfill | Probe | Handovers | History) || message.is_empty() {
        return None;
    }
    let mut bytes = message.to_vec();
    let at = bytes.len() * 2 / 3;
    bytes[at] ^= 0x55;
    Some(bytes.into())
}

pub fn misleads_who_catches_up(_: &Hostile) -> Arc<dyn Conduct> {
    does(|channel, to, message| vec![(to, garbles(channel, &message).unwrap_or(message))])
}

/// Junk that differs from message to message.
pub fn junk(count: &AtomicU64) -> Bytes {
    let junk = count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    sorted_under(0, [&junk[..], &[0xff; 40]].concat())
}

fn sends_junk(_: &Hostile) -> Arc<dyn Conduct> {
    let count = AtomicU64::new(0);
    does(move |_, to, message| vec![(to.clone(), message), (to, junk(&count))])
}

fn repeats_everything(_: &Hostile) -> Arc<dyn Conduct> {
    does(|_, to, message| vec![(to, message); 4])
}

pub fn wishes_to_move_time(hostile: &Hostile) -> Arc<dyn Conduct> {
    let to = Timestamp(u64::try_from(EPOCH_MS).unwrap() + 3_600_000);
    let wish = AdvanceTime::sign(hostile.consortium.genesis.chain(), to, &client());
    let wish = Bytes::from([&[0][..], &encode(&wish)[..]].concat());
    does(move |channel, to, message| {
        let mut sent = vec![(to.clone(), message)];
        if channel == Channel::Transactions {
            sent.push((to, wish.clone()));
        }
        sent
    })
}

pub fn is_silent(_: &Hostile) -> Arc<dyn Conduct> {
    does(|_, _, _| Vec::new())
}
