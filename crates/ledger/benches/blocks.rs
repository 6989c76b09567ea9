//! What the rules cost, a block at a time: payments, and readings under one gateway's signature.

#[path = "../tests/world/mod.rs"]
mod world;

use divan::Bencher;
use divan::counter::ItemsCount;
use rand::SeedableRng as _;
use utilidor_types::transaction::verify_batch;
use utilidor_types::{Action, Carrier, Money, SignedTransaction, Text, VerifiedTransaction};
use world::{World, account, at};

fn main() {
    divan::main();
}

fn verified(world: &World, transactions: Vec<SignedTransaction>) -> Vec<VerifiedTransaction> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let chain = world.state.genesis().chain();
    let verdicts = verify_batch(chain, transactions, &mut rng, &commonware_parallel::Sequential);
    verdicts.into_iter().map(|verdict| verdict.expect("the benchmark signs well")).collect()
}

#[divan::bench(args = [1, 100, 1_000])]
fn payments(bencher: Bencher<'_, '_>, count: usize) {
    let mut world = World::new();
    let transfer = Action::Transfer { to: account("bob"), amount: Money(1), reference: Text::default() };
    let signed = (0..count).map(|_| world.sign("alice", transfer.clone())).collect();
    let transactions = verified(&world, signed);
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| (world.state.clone(), transactions.clone()))
        .bench_local_values(|(mut state, transactions)| state.execute(world.now, transactions));
}

#[divan::bench(args = [1, 24, 96])]
fn readings(bencher: Bencher<'_, '_>, count: usize) {
    let mut world = World::new();
    let hours: Vec<_> = (1..=count as u64).map(|hour| (at(1, 1, hour), hour)).collect();
    world.now = at(1, 20, 0);
    let action = world.readings(&format!("alice/{}", Carrier::Electricity), &hours);
    let signed = vec![world.sign("gateway", action)];
    let transactions = verified(&world, signed);
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| (world.state.clone(), transactions.clone()))
        .bench_local_values(|(mut state, transactions)| state.execute(world.now, transactions));
}
