//! A member's machine ends at a storage operation: what was told to be final is there again, nobody sees a second vote, and the
//! node goes on.

use super::*;

/// The member whose machine ends.
const ENDS: u8 = 2;
/// Operations of a member in its first blocks.
const FIRST: u64 = 40;

/// Ends the machine at an operation, and lets it start again.
fn ends_at(operation: u64) {
    let consortium = Consortium { epoch_length: 10, nodes: 5, stride: 1, ..Consortium::new() };
    consortium.places[usize::from(ENDS)].machine.end_first_life_at(operation);
    let ended = consortium.places.clone();
    let plan = plan(consortium, 35).property(super::succession::Followable { epoch_length: 10, from: 1, height: 35 });
    run_one(31, plan);
    let lives = ended[usize::from(ENDS)].lives.load(Ordering::Relaxed);
    assert_eq!(lives, 2, "the machine ended at operation {operation}");
}

#[test]
fn a_member_goes_on_after_its_machine_has_ended_at_any_of_some_operations() {
    on_a_stack(|| (FIRST..600).step_by(80).for_each(ends_at));
}

/// Every operation of the scenario; prints how many there were.
#[test]
#[ignore = "takes hours"]
fn a_member_goes_on_after_its_machine_has_ended_at_any_operation() {
    on_a_stack(|| {
        let consortium = Consortium { epoch_length: 10, nodes: 5, stride: 1, ..Consortium::new() };
        let places = consortium.places.clone();
        run_one(31, plan(consortium, 35));
        let operations = places[usize::from(ENDS)].machine.operations();
        let from = std::env::var("UTILIDOR_FROM").ok().and_then(|from| from.parse().ok()).unwrap_or(0);
        println!("{operations} storage operations");
        for operation in from..operations {
            println!("operation {operation}");
            ends_at(operation);
        }
    });
}
