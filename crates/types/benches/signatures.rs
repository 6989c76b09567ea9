//! What a signature costs, alone and in batches, with keys read before and not.

use commonware_parallel::Sequential;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use utilidor_types::key::KeyRing;
use utilidor_types::transaction::verify_batch_with;
use utilidor_types::{AccountId, Action, ChainId, Money, PrivateKey, SignedTransaction, Text, Transaction};

const CHAIN: ChainId = ChainId([1; 16]);

fn main() {
    divan::main();
}

fn transfers(count: usize) -> Vec<SignedTransaction> {
    let transfer = |number: usize| {
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&(number as u64 % 64).to_le_bytes());
        let key = PrivateKey::ed25519(secret);
        let action = Action::Transfer { to: AccountId::default(), amount: Money(1), reference: Text::default() };
        Transaction { chain: CHAIN, signer: key.public_key(), nonce: number as u64, expires: 9, action }.sign(&key)
    };
    (0..count).map(transfer).collect()
}

#[divan::bench(args = [1, 64, 1_024])]
fn keys_read_before(bencher: Bencher<'_, '_>, count: usize) {
    let (transactions, keys, mut rng) = (transfers(count), KeyRing::default(), StdRng::seed_from_u64(1));
    verify_batch_with(&keys, CHAIN, transactions.clone(), &mut rng, &Sequential);
    bencher.counter(ItemsCount::new(count)).with_inputs(|| transactions.clone()).bench_local_values(|transactions| {
        verify_batch_with(&keys, CHAIN, black_box(transactions), &mut rng, &Sequential)
    });
}

#[divan::bench(args = [1, 64, 1_024])]
fn keys_new(bencher: Bencher<'_, '_>, count: usize) {
    let (transactions, mut rng) = (transfers(count), StdRng::seed_from_u64(1));
    bencher.counter(ItemsCount::new(count)).with_inputs(|| transactions.clone()).bench_local_values(|transactions| {
        verify_batch_with(&KeyRing::default(), CHAIN, black_box(transactions), &mut rng, &Sequential)
    });
}

#[divan::bench(args = [1, 64, 1_024])]
fn decoding(bencher: Bencher<'_, '_>, count: usize) {
    let encoded: Vec<Vec<u8>> = transfers(count).iter().map(utilidor_types::encode).collect();
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        encoded.iter().map(|bytes| SignedTransaction::decode(black_box(bytes)).unwrap()).collect::<Vec<_>>()
    });
}
