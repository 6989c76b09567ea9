//! The demonstration on several members: who runs the nodes, how their council votes, and what happens to the nodes meanwhile.
//!
//! *station* the energy station: its node is the one that is played on. *host* an organisation that runs a node and has a seat in
//! the council, and trades nothing. One host is killed about a third of the way and comes back a little later; about halfway an
//! organisation *joins*: it is admitted, its node follows, is appointed, proves that it is ready, and takes part.
//!
//! All of that is done when a day is over. The play then moves time to an instant of its own, so that the blocks in between
//! change no instant of the play, and every bill is that of one member. An interrupted run goes on from what the chain says.

use crate::cast::{STATION, account_id, account_key, genesis, genesis_time, secret};
use crate::node::Node;
use crate::platform::{Executed, Platform, PlatformError};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};
use utilidor_sdk::http::council::carries;
use utilidor_sdk::{Account, Client, SubmitError};
use utilidor_types::action::NewAccount;
use utilidor_types::genesis::GenesisMember;
use utilidor_types::{
    AccountId, ChainId, Decision, Genesis, MemberId, Motion, NodeAddress, OfferId, PrivateKey, Role, Roles,
    SealedQuote, SignedTransaction, Timestamp, TransactionHash, Validator,
};
use utilidor_view::{CouncilView, MotionFilter, MotionStatus};

/// The hosts, in the order in which they are taken.
pub const HOSTS: [&str; 4] = ["park-management", "grid-company", "heat-works", "water-works"];
/// Who joins.
pub const JOINS: &str = "neighbouring-park";
/// The host that is killed.
pub const IS_KILLED: &str = HOSTS[1];
/// Fewest members of a demonstration on several: with fewer the loss of one would stop the chain.
pub const FEWEST_MEMBERS: usize = 4;
/// Most members at the beginning.
pub const MOST_MEMBERS: usize = HOSTS.len() + 1;
/// Fewest days in which all of it finds time.
pub const FEWEST_DAYS: usize = 14;

/// Blocks of an epoch: so few that who joins takes part within days.
const EPOCH_LENGTH: u64 = 12;
/// How long the nodes may take until they have a block.
const BEGINS_WITHIN: Duration = Duration::from_secs(120);
/// How long who joins is waited for on a day, to have come to the chain's end. If it takes longer, it is tried on the next day.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(10);
/// How long the nodes may take at the end until all hold the same block.
const AGREE_WITHIN: Duration = Duration::from_secs(90);
/// After which time a block is asked for, so that who was away hears of the chain's end.
const STIR_AFTER: Duration = Duration::from_secs(5);
/// Between two looks at a node.
const PAUSE: Duration = Duration::from_millis(100);

/// The machines that the nodes run on.
pub trait Machines {
    /// Starts an organisation's node, unless it runs.
    fn start(&self, who: &str) -> Result<(), PlatformError>;
    /// Ends an organisation's node as a power cut would.
    fn kill(&self, who: &str) -> impl Future<Output = Result<(), PlatformError>>;
    /// Where the interface of an organisation's node is.
    fn api(&self, who: &str) -> String;
    /// Where the other nodes reach an organisation's node.
    fn address(&self, who: &str) -> NodeAddress;
}

/// What happened to the members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// Whose nodes began the chain.
    pub members: Vec<String>,
    /// Whose node was killed ...
    pub killed: String,
    /// ... on which day of the play, none if that was in an earlier run ...
    pub killed_on_day: Option<usize>,
    /// ... and on which it was started again.
    pub back_on_day: Option<usize>,
    /// Who joined.
    pub joined: String,
    /// The day on which the council admitted it, none if that was in an earlier run.
    pub admitted_on_day: Option<usize>,
    /// Whether its node takes part in consensus at the end.
    pub takes_part: bool,
    /// The epoch that the chain is in at the end.
    pub epoch: u64,
    /// Height of the block that all nodes hold at the end; none if they do not agree.
    pub agreed_height: Option<u64>,
    /// What of the report is not as in the run with one member; none if it was not compared.
    pub differs_from_one_member: Option<Vec<String>>,
}

/// The organisations whose nodes begin a chain of so many members: the station first.
pub fn organisations(members: usize) -> impl Iterator<Item = &'static str> {
    std::iter::once(STATION).chain(HOSTS).take(members)
}

/// The secret of the consensus key of an organisation's node.
pub fn node_secret(who: &str) -> [u8; 32] {
    secret("validator", who)
}

fn node_key(who: &str) -> PrivateKey {
    PrivateKey::ed25519(node_secret(who))
}

fn member(who: &str) -> MemberId {
    MemberId::of(account_id(who))
}

/// The genesis document of a chain of several members: that of one, with the hosts and the places of all nodes.
pub fn genesis_of(members: usize, address: impl Fn(&str) -> NodeAddress) -> Genesis {
    let alone = genesis();
    let host = |who: &str| GenesisMember { account: account_id(who), roles: Roles::of(&[Role::Validator]) };
    let hosts = organisations(members).filter(|who| *who != STATION).map(host);
    let validator =
        |who: &str| Validator { key: node_key(who).public_key(), member: member(who), address: Some(address(who)) };
    let all: Vec<GenesisMember> = alone.members.iter().cloned().chain(hosts).collect();
    let validators: Vec<Validator> = organisations(members).map(validator).collect();
    Genesis {
        members: all.try_into().expect("the park's members are within the bound"),
        validators: validators.try_into().expect("there are few nodes"),
        epoch_length: EPOCH_LENGTH,
        ..alone
    }
}

/// Whether a chain was begun by the demonstration, on one member or several.
pub fn began_by_the_demonstration(genesis: &Genesis) -> bool {
    genesis.time == genesis_time() && genesis.has_validator(&node_key(STATION).public_key())
}

/// What happens on which day.
struct Plan {
    killed: usize,
    back: usize,
    joins: usize,
}

impl Plan {
    fn of(days: usize) -> Self {
        let killed = days / 3;
        Self { killed, back: killed + (days / 10).max(1), joins: days / 2 }
    }
}

/// A platform of several members, asked through the station's node.
pub(crate) struct Consortium<'a, M> {
    node: Node,
    machines: &'a M,
    /// The organisations besides the station that can vote, once they have a seat.
    voters: BTreeMap<&'static str, Account>,
    story: RefCell<Story>,
}

impl<'a, M: Machines> Consortium<'a, M> {
    pub(crate) fn new(node: Node, machines: &'a M, members: usize) -> Self {
        let account = |who| Account::on_chain(node.client.clone(), node.chain(), account_key(who));
        let hosts = organisations(members).filter(|who| *who != STATION);
        let voters = hosts.chain([JOINS]).map(|who| (who, account(who))).collect();
        let story = Story {
            members: organisations(members).map(Into::into).collect(),
            killed: IS_KILLED.into(),
            joined: JOINS.into(),
            ..Story::default()
        };
        Self { node, machines, voters, story: RefCell::new(story) }
    }

    /// Waits until the nodes have made the first block: before it nobody is a member.
    pub(crate) async fn begun(&self) -> Result<(), PlatformError> {
        let began = Instant::now();
        while self.node.client.status().await?.indexed_height == 0 {
            if began.elapsed() > BEGINS_WITHIN {
                let seconds = BEGINS_WITHIN.as_secs();
                return Err(PlatformError(
                    format!("the nodes made no block in {seconds} s: see their node.log").into(),
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Moves that the council decide something, and lets it.
    async fn decide(&self, decision: Decision) -> Result<(), PlatformError> {
        self.voters[HOSTS[0]].propose(Motion::of(decision)).await.map_err(failed)?;
        self.council_votes().await
    }

    /// Goes a step further with who joins: as far as the chain allows today.
    async fn join(&self, day: usize) -> Result<(), PlatformError> {
        // What an interrupted run has moved is decided first.
        self.council_votes().await?;
        if !self.council().await?.seats.contains(&member(JOINS)) {
            let account = NewAccount::first(self.chain(), &account_key(JOINS));
            self.decide(Decision::AdmitMember { account, roles: Roles::of(&[Role::Validator]) }).await?;
            self.story.borrow_mut().admitted_on_day = Some(day);
        }
        self.machines.start(JOINS)?;
        let appointed =
            |council: &CouncilView| council.appointed.iter().find(|one| one.validator.member == member(JOINS)).cloned();
        let before = appointed(&self.council().await?);
        if before.as_ref().is_some_and(|joins| joins.in_force) || !self.follows(JOINS).await? {
            return Ok(());
        }
        if before.is_none() {
            let address = Some(self.machines.address(JOINS));
            let key = node_key(JOINS).public_key();
            self.decide(Decision::AppointValidator { member: member(JOINS), key, address }).await?;
        }
        let council = self.council().await?;
        let (Some(joins), Some(epoch)) = (appointed(&council), council.epoch) else { return Ok(()) };
        if !joins.in_force && joins.ready_epoch != Some(epoch.number) {
            match self.voters[JOINS].prove_ready(&node_key(JOINS), epoch.number, epoch.after).await {
                // The epoch has ended meanwhile: its word counts in the next one.
                Err(SubmitError::Refused { .. }) | Ok(_) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    async fn council(&self) -> Result<CouncilView, PlatformError> {
        Ok(self.node.client.council().await?)
    }

    /// Whether a node comes to where the chain stands, within a while.
    async fn follows(&self, who: &str) -> Result<bool, PlatformError> {
        let (head, began) = (self.node.client.status().await?.height, Instant::now());
        let follower = Client::new(&self.machines.api(who))?;
        while began.elapsed() < FOLLOWS_WITHIN {
            // It may not listen yet.
            if follower.status().await.is_ok_and(|status| status.height >= head) {
                return Ok(true);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(false)
    }

    /// Waits until all nodes hold the same last block; tells its height.
    async fn agreed(&self) -> Result<Option<u64>, PlatformError> {
        let (began, mut stirred) = (Instant::now(), Instant::now());
        while began.elapsed() < AGREE_WITHIN {
            let head = self.node.client.status().await?;
            let mut agree = true;
            for who in self.voters.keys() {
                let status = Client::new(&self.machines.api(who))?.status().await;
                agree &= status.is_ok_and(|status| status.block == head.block);
            }
            if agree {
                return Ok(Some(head.height));
            }
            if stirred.elapsed() > STIR_AFTER {
                self.node.advance(Timestamp(head.time_ms.0 + 1)).await?;
                stirred = Instant::now();
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(None)
    }

    /// Ends the story: who takes part, and whether all hold the same chain.
    pub(crate) async fn end(self) -> Result<Story, PlatformError> {
        let agreed_height = self.agreed().await?;
        let council = self.council().await?;
        let mut story = self.story.into_inner();
        story.takes_part = council.validators.keys().any(|key| *key == node_key(JOINS).public_key());
        story.epoch = council.epoch.map_or(0, |epoch| epoch.number);
        story.agreed_height = agreed_height;
        Ok(story)
    }
}

fn failed(error: SubmitError) -> PlatformError {
    PlatformError(error.into())
}

impl<M: Machines> Platform for Consortium<'_, M> {
    fn chain(&self) -> ChainId {
        self.node.chain()
    }

    async fn time(&self) -> Result<Timestamp, PlatformError> {
        self.node.time().await
    }

    async fn next_nonce(&self, account: AccountId) -> Result<u64, PlatformError> {
        self.node.next_nonce(account).await
    }

    async fn advance(&self, to: Timestamp) -> Result<(), PlatformError> {
        self.node.advance(to).await
    }

    async fn submit(&self, transactions: Vec<SignedTransaction>) -> Result<Vec<Executed>, PlatformError> {
        self.node.submit(transactions).await
    }

    async fn executed(&self, transaction: TransactionHash) -> Result<Executed, PlatformError> {
        self.node.executed(transaction).await
    }

    async fn quotes(&self, offer: OfferId) -> Result<Vec<(AccountId, SealedQuote)>, PlatformError> {
        self.node.quotes(offer).await
    }

    async fn council_votes(&self) -> Result<(), PlatformError> {
        let seats = self.council().await?.seats;
        let open = MotionFilter { status: Some(MotionStatus::Open) };
        for motion in self.node.client.motions(&open).await? {
            for (who, account) in &self.voters {
                let has_voted = motion.votes.iter().any(|vote| vote.member == member(who));
                if has_voted || !seats.contains(&member(who)) {
                    continue;
                }
                let done = account.vote(motion.motion, motion.digest, true).await.map_err(failed)?;
                if carries(&done) {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn day_is_over(&self, day: usize, days: usize) -> Result<(), PlatformError> {
        let plan = Plan::of(days);
        if day == plan.killed {
            self.machines.kill(IS_KILLED).await?;
            self.story.borrow_mut().killed_on_day = Some(day);
        }
        if day == plan.back {
            self.machines.start(IS_KILLED)?;
            self.story.borrow_mut().back_on_day = Some(day);
        }
        if day >= plan.joins {
            self.join(day).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somewhere(_: &str) -> NodeAddress {
        "127.0.0.1:4700".parse().unwrap()
    }

    #[test]
    fn a_chain_of_several_members_begins_with_a_sound_document_and_is_known_as_the_demonstrations() {
        for members in FEWEST_MEMBERS..=MOST_MEMBERS {
            let several = genesis_of(members, somewhere);
            assert_eq!(several.check(), Ok(()));
            assert_eq!(several.validators.len(), members);
            assert_eq!(several.council().count(), members);
            assert!(began_by_the_demonstration(&several));
        }
        assert!(began_by_the_demonstration(&genesis()));
    }

    #[test]
    fn who_is_killed_comes_back_before_somebody_joins_and_both_before_the_end() {
        for days in FEWEST_DAYS..=crate::data::DAYS {
            let Plan { killed, back, joins } = Plan::of(days);
            assert!(0 < killed && killed < back && back <= joins && joins < days, "{days} days");
        }
    }
}
