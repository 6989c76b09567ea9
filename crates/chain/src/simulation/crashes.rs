//! A member's machine ends at a storage operation: what was told to be final is there again, nobody sees a second vote, and the
//! node goes on.

use super::*;
use commonware_glue::simulate::exit::ExitCondition;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

/// Nodes of the reference scenario: with each epoch one leaves the set of validators and one joins it.
const NODES: u8 = 5;
const EPOCH: u64 = 10;
/// Blocks of the reference scenario.
const HEIGHT: u64 = 45;
/// Points that it must have at least.
const LEAST_POINTS: u64 = 10_000;
/// The member whose machine ends in the tests that take less than hours.
const ENDS: u8 = 2;
/// Operations of a member in its first blocks.
const FIRST: u64 = 40;

fn reference() -> Consortium {
    Consortium { epoch_length: EPOCH, nodes: NODES, stride: 1, ..Consortium::new() }
}

/// Ends nodes' machines, each at an operation of its own, and lets them start again.
fn end_at(points: &[(u8, u64)], height: u64) {
    let consortium = reference();
    for (node, operation) in points {
        consortium.places[usize::from(*node)].machine.end_first_life_at(*operation);
    }
    let places = consortium.places.clone();
    let followable = super::succession::Followable { epoch_length: EPOCH, from: 1, height };
    run_one(31, plan(consortium, height).property(followable));
    for (node, operation) in points {
        let lives = places[usize::from(*node)].lives.load(Ordering::Relaxed);
        assert_eq!(lives, 2, "node {node}'s machine ended at operation {operation}");
    }
}

/// Ends a run at a height, and takes down how many operations each machine has done.
#[derive(Clone)]
struct Counting {
    height: ProcessedHeightAtLeast,
    places: Arc<[Place; MAX_NODES]>,
    counts: Arc<Mutex<Vec<u64>>>,
}

impl ExitCondition<PublicKey, Member> for Counting {
    fn name(&self) -> &str {
        "counting"
    }

    fn requires_polling(&self) -> bool {
        true
    }

    fn reached<'a>(
        &'a self,
        tracker: &'a ProgressTracker<PublicKey>,
        members: &'a [&'a Member],
        target_count: usize,
    ) -> Pin<Box<dyn Future<Output = Result<bool, String>> + Send + 'a>> {
        Box::pin(async move {
            let reached = self.height.reached(tracker, members, target_count).await?;
            if reached {
                let nodes = self.places.iter().take(usize::from(NODES));
                *self.counts.lock().unwrap() = nodes.map(|place| place.machine.operations()).collect();
            }
            Ok(reached)
        })
    }
}

/// How many operations each node does in the reference scenario.
fn operations() -> Vec<u64> {
    let (consortium, counts) = (reference(), Arc::new(Mutex::default()));
    let height = ProcessedHeightAtLeast::new(HEIGHT);
    let counting = Counting { height, places: consortium.places.clone(), counts: counts.clone() };
    run_one(31, plan(consortium, HEIGHT).exit_condition(counting));
    let counts = counts.lock().unwrap().clone();
    let points: u64 = counts.iter().sum();
    println!("{points} crash points: the nodes' storage operations are {counts:?}");
    assert!(points >= LEAST_POINTS, "the scenario is too short");
    counts
}

/// The points of a run: one of each node, a fifth of all apart, so that a quorum is up at every moment. All runs together have every
/// operation of every node.
fn points(counts: &[u64], run: u64) -> Vec<(u8, u64)> {
    let most = counts.iter().copied().max().unwrap_or(1);
    let of = |(node, count): (u8, &u64)| {
        let operation = (run + u64::from(node) * most / u64::from(NODES)) % most;
        (operation < *count).then_some((node, operation))
    };
    (0..).zip(counts).filter_map(of).collect()
}

#[test]
fn the_runs_together_have_every_operation_of_every_node_once() {
    let counts = [7, 5, 9, 1, 8];
    let mut all: Vec<_> = (0..9).flat_map(|run| points(&counts, run)).collect();
    all.sort_unstable();
    let every = (0..).zip(counts).flat_map(|(node, count)| (0..count).map(move |operation| (node, operation)));
    assert_eq!(all, every.collect::<Vec<_>>());
}

#[test]
fn a_member_goes_on_after_its_machine_has_ended_at_any_of_some_operations() {
    on_a_stack(|| (FIRST..600).step_by(80).for_each(|operation| end_at(&[(ENDS, operation)], 35)));
}

/// Ends the machines of some when a block is durable and its certificate is not. Every second block is the last of an epoch, and
/// an epoch is handed over by that certificate.
fn lose_a_certificate(nodes: impl Iterator<Item = u8> + Clone + Send + 'static) {
    on_a_stack(move || {
        for number in 4..8 {
            let consortium = Consortium { epoch_length: 2, ..Consortium::new() };
            let places = consortium.places.clone();
            nodes.clone().for_each(|node| places[usize::from(node)].machine.end_first_life_at_certificate(number));
            run_one(31, plan(consortium, 30));
            for node in nodes.clone() {
                assert_eq!(places[usize::from(node)].lives.load(Ordering::Relaxed), 2, "certificate {number}");
            }
        }
    });
}

#[test]
fn a_member_that_lost_the_certificate_of_an_epochs_last_block_gets_it_from_the_others() {
    lose_a_certificate(std::iter::once(ENDS));
}

#[test]
fn members_that_have_all_lost_the_certificate_of_an_epochs_last_block_go_on() {
    lose_a_certificate(0..MEMBERS);
}

/// `UTILIDOR_RUNS` runs of those that have every operation of all nodes, from number `UTILIDOR_FROM` on; prints what came of each point.
/// Where a run fails, each of its points is played alone.
#[test]
#[ignore = "takes hours"]
fn a_member_goes_on_after_its_machine_has_ended_at_any_operation() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    on_a_stack(move || {
        let counts = operations();
        let (from, runs) = (number("UTILIDOR_FROM").unwrap_or(0), number("UTILIDOR_RUNS").unwrap_or(u64::MAX));
        let mut failed = 0;
        let goes_on = |points: &[(u8, u64)]| catch_unwind(AssertUnwindSafe(|| end_at(points, HEIGHT))).is_ok();
        for run in (from..counts.iter().copied().max().unwrap_or(0)).take(usize::try_from(runs).unwrap_or(usize::MAX)) {
            let points = points(&counts, run);
            let all_went_on = goes_on(&points);
            for point in points {
                let came_of_it = match all_went_on {
                    true => "went on",
                    false if goes_on(&[point]) => "went on alone",
                    false => "FAILED",
                };
                println!("point of run {run}: node {}, operation {}: {came_of_it}", point.0, point.1);
            }
            failed += u64::from(!all_went_on);
            println!("run {run} is over");
        }
        assert_eq!(failed, 0, "see above what failed, and why");
    });
}
