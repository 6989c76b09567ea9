//! A run in which a transaction cannot become final fails: it does not wait for it.
#![cfg(feature = "chain")]

use utilidor_bench::play::{Depth, play};
use utilidor_bench::workload::{Suite, TOGETHER, workload};
use utilidor_types::{AccountId, Action, Money, PrivateKey, Text, Transaction};

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "the pool takes what the workload signs")]
async fn a_transaction_that_the_node_does_not_take_ends_the_run() {
    let mut workload = workload(Suite::Transfer, 0.01, "integrated-energy-1", TOGETHER);
    let stranger = PrivateKey::ed25519([9; 32]);
    let signer = stranger.public_key();
    let action = Action::Transfer { to: AccountId::of(&signer), amount: Money(1), reference: Text::default() };
    let transaction = Transaction { chain: workload.genesis.chain(), signer, nonce: 0, expires: 1_000, action };
    let phase = workload.phases.last_mut().unwrap();
    phase.transactions.push(&transaction.sign(&stranger)).unwrap();
    phase.transactions.flush().unwrap();
    let folder = tempfile::tempdir().unwrap();
    play(&workload, Depth::Engine, folder.path(), None).await;
}
