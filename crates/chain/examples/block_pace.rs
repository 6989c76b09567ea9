//! Measures how long a block takes on a development chain of one member: `block_pace [blocks] [transactions a block]`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;
use utilidor_types::Timestamp;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let blocks = arguments.next().unwrap_or(200);
    let transactions = arguments.next().unwrap_or(1);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let node = common::development(dir.path());
    let handle = node.handle();
    let genesis = handle.genesis().clone();

    let begin = Instant::now();
    for block in 1..=blocks {
        common::advance(&handle, Timestamp(common::START.0 + block * 3_600_000)).await.expect("a development chain");
    }
    println!("empty block: {:.2} ms", begin.elapsed().as_secs_f64() * 1_000.0 / blocks as f64);

    let mut nonce = 0;
    let mut submitting = 0.0;
    let mut signing = 0.0;
    let begin = Instant::now();
    for _ in 0..blocks {
        let signed = Instant::now();
        let batch: Vec<_> = (nonce..nonce + transactions).map(|nonce| common::transaction(&genesis, nonce)).collect();
        signing += signed.elapsed().as_secs_f64();
        nonce += transactions;
        let height = handle.head().height;
        let submitted = Instant::now();
        for answer in handle.submit(batch).await {
            answer.expect("the pool has room");
        }
        submitting += submitted.elapsed().as_secs_f64();
        handle.reached(height + 1).await.expect("the node runs");
    }
    let elapsed = begin.elapsed().as_secs_f64() - signing;
    println!(
        "block of {transactions}: {:.2} ms, of which {:.2} ms for submitting",
        elapsed * 1_000.0 / blocks as f64,
        submitting * 1_000.0 / blocks as f64
    );
    println!("head: {:?}", handle.head());
    node.stop().expect("a clean stop");
}
