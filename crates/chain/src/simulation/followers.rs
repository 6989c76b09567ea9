//! Nodes without a vote: they follow, synchronise, and pass on what their clients submit.

use super::succession::Followable;
use super::*;
use commonware_glue::simulate::action::Crash;

fn late(index: u8, epoch: u64, view: u64) -> Crash<PublicKey> {
    Crash::DelayRound {
        participants: vec![key(index).public_key()],
        round: Round::new(Epoch::new(epoch), View::new(view)),
    }
}

#[test]
fn a_follower_passes_its_clients_transactions_to_the_validators() {
    run(|| {
        let consortium = Consortium { nodes: 5, client_at_last: true, ..Consortium::new() };
        plan(consortium, 60)
    });
}

#[test]
fn a_node_that_joins_late_synchronises_its_state_with_proofs() {
    run(|| {
        let consortium = Consortium { nodes: 5, synchronise: Some(30), ..Consortium::new() };
        PlanBuilder::new(consortium)
            .timeout(Duration::from_secs(600))
            .crash(late(4, 0, 60))
            .exit_condition(ProcessedHeightAtLeast::new(100))
            .property(OneHistory { height: 100, from: 95 })
            .property(ServesFrom { above: 30, height: 100 })
            .property(NobodyBlocked { except: BTreeSet::new() })
    });
}

#[test]
fn a_node_that_knows_the_genesis_document_alone_synchronises_into_a_later_epoch() {
    run(|| {
        let consortium =
            Consortium { nodes: 6, stride: 1, epoch_length: 10, synchronise: Some(30), ..Consortium::new() };
        PlanBuilder::new(consortium)
            .timeout(Duration::from_secs(600))
            .crash(late(5, 7, 5))
            .exit_condition(ProcessedHeightAtLeast::new(115))
            .property(OneHistory { height: 115, from: 110 })
            .property(Followable { epoch_length: 10, from: 110, height: 115 })
            .property(ServesFrom { above: 30, height: 115 })
            .property(NobodyBlocked { except: BTreeSet::new() })
    });
}

/// The last node did not execute the chain's first blocks, and knows from which on it holds them; the others it has from its
/// peers.
#[derive(Clone)]
struct ServesFrom {
    above: u64,
    height: u64,
}

impl Property<PublicKey, Member> for ServesFrom {
    fn name(&self) -> &str {
        "serves_from"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, members: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move {
            let mut late = None;
            for member in members {
                let first = member.now().handle.first_held().await.map_err(|error| error.to_string())?;
                if first > 1 {
                    late = Some((member, first));
                }
            }
            let Some((member, first)) = late else { return Err("no node synchronised".into()) };
            if first <= self.above {
                return Err(format!("it begins with block {first}"));
            }
            let other = members.iter().find(|other| other.index != member.index).unwrap().now().handle;
            for height in 1..=self.height {
                let block = member.now().handle.finalized(height).await.map_err(|error| error.to_string())?;
                let other = other.finalized(height).await.map_err(|error| error.to_string())?;
                if block != other {
                    return Err(format!("block {height} is told otherwise"));
                }
            }
            Ok(())
        })
    }
}
