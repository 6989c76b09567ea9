//! The set of validators changes while nodes crash, lose messages, are away and join late.

use super::*;
use commonware_codec::Encode as _;
use commonware_glue::simulate::action::{Action as Event, Crash, Schedule};
use commonware_p2p::simulated::Link;
use commonware_utils::probability;
use utilidor_proof::{FinalHeader, Members};

/// Blocks in an epoch of these simulations.
const EPOCH: u64 = 10;

/// Whoever knows the genesis document alone can verify every final header, by the handovers that any node tells.
#[derive(Clone)]
pub(super) struct Followable {
    pub epoch_length: u64,
    pub from: u64,
    pub height: u64,
}

impl Property<PublicKey, Member> for Followable {
    fn name(&self) -> &str {
        "followable"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, members: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move {
            for (place, member) in members.iter().enumerate() {
                let mut known = Members::of(member.now().handle.genesis()).unwrap();
                loop {
                    let handovers = member.now().handle.handovers(known.newest().version);
                    let mut changes =
                        handovers.iter().filter(|next| next.set.version > known.newest().version).peekable();
                    if changes.peek().is_none() {
                        break;
                    }
                    for handover in changes.cloned().collect::<Vec<_>>() {
                        let refused = |error| format!("node {place} tells a handover that does not verify: {error}");
                        known.follow(&handover).map_err(refused)?;
                    }
                }
                for height in self.from..=self.height {
                    let at = Height::new(height);
                    let boundary = height % self.epoch_length == self.epoch_length - 1;
                    let Some(finalization) = member.now().marshal.get_finalization(at).await else {
                        if boundary {
                            return Err(format!("node {place} lacks the certificate of boundary {height}"));
                        }
                        continue;
                    };
                    let Some(block) = member.now().marshal.get_block(Identifier::Height(at)).await else {
                        return Err(format!("node {place} lacks block {height}"));
                    };
                    let header = block.inner().header().clone();
                    let finalization = finalization.encode().to_vec();
                    let verified =
                        FinalHeader { header, descendants: Vec::new(), finalization }.verify(&known).map(|_| ());
                    verified.map_err(|error| format!("node {place}, block {height}: {error}"))?;
                }
            }
            Ok(())
        })
    }
}

fn changing(nodes: u8, stride: u8) -> Consortium {
    Consortium { nodes, stride, epoch_length: EPOCH, ..Consortium::new() }
}

fn changing_plan(consortium: Consortium, height: u64) -> PlanBuilder<Consortium> {
    let epoch_length = consortium.epoch_length;
    plan(consortium, height).property(Followable { epoch_length, from: 1, height })
}

#[test]
fn epochs_pass_while_the_set_stays() {
    run(|| changing_plan(changing(4, 0), 65));
}

#[test]
fn one_of_four_is_replaced_each_epoch() {
    run(|| changing_plan(changing(6, 1), 65));
}

#[test]
fn all_four_are_replaced_each_epoch() {
    run(|| changing_plan(changing(8, 4), 65));
}

#[test]
fn nodes_crash_while_the_set_changes() {
    let crash = Crash::Random { frequency: Duration::from_secs(3), downtime: Duration::from_secs(2), count: 1 };
    run(move || changing_plan(changing(6, 1), 150).crash(crash.clone()));
}

#[test]
fn a_node_that_joins_late_follows_the_sets_from_the_first() {
    let late = || Crash::DelayRound {
        participants: vec![key(5).public_key()],
        round: Round::new(Epoch::new(4), View::new(5)),
    };
    run(move || changing_plan(changing(6, 1), 90).crash(late()));
}

#[test]
fn a_member_is_away_for_several_epochs() {
    let away = key(2).public_key();
    let schedule = Schedule::new()
        .at(Duration::from_secs(2), Event::Crash(away.clone()))
        .at(Duration::from_secs(20), Event::Restart(away));
    run(move || changing_plan(changing(6, 1), 110).crash(Crash::Schedule(schedule.clone())));
}

#[test]
fn all_nodes_stop_at_once_again_and_again_near_boundaries() {
    let mut schedule = Schedule::new();
    for round in 0..4u64 {
        let at = Duration::from_millis(2_800 + round * 5_130);
        for index in 0..6 {
            schedule = schedule.at(at, Event::Crash(key(index).public_key()));
        }
        for index in 0..6 {
            schedule = schedule.at(at + Duration::from_secs(1), Event::Restart(key(index).public_key()));
        }
    }
    run(move || changing_plan(changing(6, 1), 80).crash(Crash::Schedule(schedule.clone())));
}

#[test]
fn all_are_replaced_over_a_lossy_network() {
    let link = Link {
        latency: Duration::from_millis(100),
        jitter: Duration::from_millis(80),
        success_rate: probability!(0.7),
    };
    run(move || {
        let consortium = Consortium { epoch_length: 5, ..changing(8, 4) };
        changing_plan(consortium, 22).link(link.clone())
    });
}
