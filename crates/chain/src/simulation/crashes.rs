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
const LEAST_POINTS: usize = 10_000;
/// The member whose machine ends in the tests that take less than hours.
const ENDS: u8 = 2;
/// Operations of a member in its first blocks.
const FIRST: u64 = 40;

fn reference() -> Consortium {
    Consortium { epoch_length: EPOCH, nodes: NODES, stride: 1, ..Consortium::new() }
}

/// Ends a node's machine at an operation, and lets it start again.
fn ends_at(node: u8, operation: u64, height: u64) {
    let consortium = reference();
    consortium.places[usize::from(node)].machine.end_first_life_at(operation);
    let places = consortium.places.clone();
    let followable = super::succession::Followable { epoch_length: EPOCH, from: 1, height };
    run_one(31, plan(consortium, height).property(followable));
    let lives = places[usize::from(node)].lives.load(Ordering::Relaxed);
    assert_eq!(lives, 2, "node {node}'s machine ended at operation {operation}");
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

/// Every operation of every node in the reference scenario: the first of all, then the second of all, and so on.
fn points() -> Vec<(u64, u8)> {
    let (consortium, counts) = (reference(), Arc::new(Mutex::default()));
    let height = ProcessedHeightAtLeast::new(HEIGHT);
    let counting = Counting { height, places: consortium.places.clone(), counts: counts.clone() };
    run_one(31, plan(consortium, HEIGHT).exit_condition(counting));
    let counts = counts.lock().unwrap().clone();
    let points = (0..).zip(&counts).flat_map(|(node, count)| (0..*count).map(move |operation| (operation, node)));
    let mut points: Vec<_> = points.collect();
    points.sort_unstable();
    println!("{} crash points: the nodes' storage operations are {counts:?}", points.len());
    assert!(points.len() >= LEAST_POINTS, "the scenario is too short");
    points
}

#[test]
fn a_member_goes_on_after_its_machine_has_ended_at_any_of_some_operations() {
    on_a_stack(|| (FIRST..600).step_by(80).for_each(|operation| ends_at(ENDS, operation, 35)));
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

/// `UTILIDOR_POINTS` of the operations of all nodes, from number `UTILIDOR_FROM` on; prints what came of each.
#[test]
#[ignore = "takes hours"]
fn a_member_goes_on_after_its_machine_has_ended_at_any_operation() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    on_a_stack(move || {
        let (from, most) = (number("UTILIDOR_FROM").unwrap_or(0), number("UTILIDOR_POINTS").unwrap_or(usize::MAX));
        let mut failed = 0;
        for (point, (operation, node)) in points().into_iter().enumerate().skip(from).take(most) {
            let ended = catch_unwind(AssertUnwindSafe(|| ends_at(node, operation, HEIGHT)));
            let came_of_it = if ended.is_ok() { "went on" } else { "FAILED" };
            println!("point {point}: node {node}, operation {operation}: {came_of_it}");
            failed += u64::from(ended.is_err());
        }
        assert_eq!(failed, 0, "see above what failed, and why");
    });
}
