//! A voter that loses its disk, its vote guard, or both, and is back at once: it never contradicts what it has signed, and its
//! peers never block it.

use super::*;
use commonware_glue::simulate::action::{Action as Event, Crash, Schedule};

/// The voter that loses something.
const VOTER: u8 = 2;

/// Loses it at `steps` different moments of a few views.
fn loses(loss: Loss, synchronise: Option<u64>, steps: impl Iterator<Item = u64> + Send + 'static) {
    on_a_stack(move || {
        for step in steps {
            let mut consortium = Consortium { synchronise, ..Consortium::new() };
            consortium.loss[usize::from(VOTER)] = loss;
            let at = Duration::from_millis(1_500 + step * 13);
            let voter = || key(VOTER).public_key();
            let schedule = Schedule::new()
                .at(at, Event::Crash(voter()))
                .at(at + Duration::from_millis(1), Event::Restart(voter()));
            let from = if synchronise.is_some() { 60 } else { 1 };
            let places = consortium.places.clone();
            let plan = PlanBuilder::new(consortium)
                .timeout(Duration::from_secs(240))
                .crash(Crash::Schedule(schedule))
                .exit_condition(ProcessedHeightAtLeast::new(220))
                .property(OneHistory { height: 220, from })
                .property(NobodyBlocked { except: BTreeSet::new() })
                .property(NoContradiction { places })
                .property(Votes { all: true });
            run_one(11 + step, plan);
        }
    });
}

/// All nodes vote.
#[derive(Clone)]
struct Votes {
    all: bool,
}

impl Property<PublicKey, Member> for Votes {
    fn name(&self) -> &str {
        "votes"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, members: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move {
            for (place, member) in members.iter().enumerate() {
                let status = member.now().status.borrow().clone();
                let part = status.map(|status| status.part);
                if self.all && part != Some(crate::epochs::Part::Votes) {
                    return Err(format!("node {place} does not vote: {part:?}"));
                }
            }
            Ok(())
        })
    }
}

#[test]
fn a_voter_without_its_data_never_contradicts_itself() {
    loses(Loss::Data, None, 0..6);
}

#[test]
fn a_voter_without_its_guard_never_contradicts_itself() {
    loses(Loss::Guard, None, 6..10);
}

#[test]
fn a_voter_without_both_never_contradicts_itself() {
    loses(Loss::Everything, None, 10..16);
}

#[test]
fn a_voter_without_both_that_synchronises_never_contradicts_itself() {
    loses(Loss::Everything, Some(4), 16..20);
}

/// The sweep over more moments.
#[test]
#[ignore = "takes minutes"]
fn a_voter_never_contradicts_itself_at_48_moments() {
    loses(Loss::Data, None, 0..48);
    loses(Loss::Guard, None, 0..48);
    loses(Loss::Everything, None, 0..48);
    loses(Loss::Everything, Some(4), 0..48);
}
