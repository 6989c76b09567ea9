//! A chain of one member, over its public interface: what it keeps, proves and refuses.

mod common;

use common::{START, advance, development, genesis, issuer, signed, transaction, validator_key};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use utilidor_chain::{
    AdvanceTimeRefused, Config, DirectoryError, Dropped, Handle, Inadmissible, PoolLimits, PoolRefused, ReadError,
    StartError, SubmitRefused, start,
};
use utilidor_ledger::record::{AccountRecord, Record as _};
use utilidor_proof::Members;
use utilidor_types::{
    AccountId, Action, Bounded, Carrier, DecodeError, Genesis, Key, Label, MemberId, Meter, MeterAuthority, MeterId,
    Money, PrivateKey, Quantity, Reading, Text, Timestamp, Transaction, TransactionHash,
    action::NewAccount,
    cell::from_cells,
    council::Threshold,
    encode,
    genesis::{ChainKind, GenesisRefused},
    meter::MeterRun,
    transaction::{MAX_TRANSACTION_BYTES, VerifyError},
};

/// Submits transactions and waits for the block that holds the last of them.
async fn commit(handle: &Handle, transactions: Vec<Vec<u8>>) -> Vec<TransactionHash> {
    commit_after(handle, handle.head().height, transactions).await
}

/// The same for transactions that a block above `height` may hold already: a node that comes back may still finish one.
async fn commit_after(handle: &Handle, mut height: u64, transactions: Vec<Vec<u8>>) -> Vec<TransactionHash> {
    let hashes: Vec<_> = handle.submit(transactions).await.into_iter().map(Result::unwrap).collect();
    let mut missing = hashes.clone();
    while !missing.is_empty() {
        height += 1;
        handle.reached(height).await.unwrap();
        let block = handle.finalized(height).await.unwrap().unwrap();
        missing.retain(|hash| block.transactions.iter().all(|transaction| transaction.hash != *hash));
    }
    hashes
}

async fn nonces(handle: &Handle, range: std::ops::Range<u64>) -> Vec<TransactionHash> {
    let genesis = handle.genesis().clone();
    commit(handle, range.map(|nonce| transaction(&genesis, nonce)).collect()).await
}

#[tokio::test]
async fn a_transaction_enters_a_final_block_with_its_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());
    let handle = node.handle();

    let hashes = nonces(&handle, 0..3).await;

    let head = handle.head();
    let block = handle.finalized(head.height).await.unwrap().unwrap();
    assert_eq!(block.transactions.iter().map(|transaction| transaction.hash).collect::<Vec<_>>(), hashes);
    assert_eq!(block.header.receipt_count as usize, block.receipts.len());
    assert_eq!(block.header.digest(), head.digest);
    assert_eq!(handle.finalized(head.height + 1).await.unwrap(), None);
    assert_eq!(head.pooled, 0);
    node.stop().unwrap();
}

#[tokio::test]
async fn a_restarted_node_continues_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());
    nonces(&node.handle(), 0..5).await;
    advance(&node.handle(), Timestamp(START.0 + 1_000_000)).await.unwrap();
    let head = node.handle().head();
    let digest = node.handle().state_digest().await.unwrap();
    node.stop().unwrap();

    let node = development(dir.path());
    assert_eq!(node.handle().head(), head);
    assert_eq!(node.handle().state_digest().await.unwrap(), digest);
    nonces(&node.handle(), 5..8).await;
    let after = node.handle().head();
    assert!(after.height > head.height);
    assert_eq!(after.time.0, head.time.0 + after.height - head.height);
    node.stop().unwrap();
}

#[tokio::test]
async fn a_node_can_be_started_again_while_handles_of_its_last_run_are_held() {
    for kind in [ChainKind::Development, ChainKind::Production] {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::alone(dir.path(), genesis(kind, 1), validator_key(0));
        let node = start(config.clone()).unwrap();
        let held = node.handle();
        nonces(&held, 0..1).await;
        let head = held.head();
        node.stop().unwrap();

        // Where it cannot, it waits for ever: so it has a thread that the test does not join.
        let (sender, started) = std::sync::mpsc::channel();
        std::thread::spawn(move || drop(sender.send(start(config))));
        let node = started.recv_timeout(Duration::from_secs(60)).expect("the node starts again").unwrap();

        assert!(node.handle().head().height >= head.height);
        nonces(&node.handle(), 1..2).await;
        assert_eq!(held.finalized(1).await, Err(ReadError::Stopped));
        node.stop().unwrap();
    }
}

#[tokio::test]
async fn the_same_transactions_lead_to_the_same_state_root() {
    let mut heads = Vec::new();
    for _ in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        let node = development(dir.path());
        let handle = node.handle();
        handle.reached(1).await.unwrap();
        for batch in 0..5 {
            nonces(&handle, batch * 10..(batch + 1) * 10).await;
            advance(&handle, Timestamp(START.0 + (batch + 1) * 60_000)).await.unwrap();
        }
        let head = handle.head();
        heads.push((head.height, head.time, head.state_root, handle.state_digest().await.unwrap()));
        node.stop().unwrap();
    }

    assert_eq!(heads[0], heads[1]);
}

#[tokio::test]
async fn every_proof_verifies_and_fails_with_one_byte_changed() {
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());
    let handle = node.handle();
    let hashes = nonces(&handle, 0..7).await;
    let height = handle.head().height;
    advance(&handle, Timestamp(START.0 + 60_000)).await.unwrap();
    let members = Members::of(handle.genesis()).unwrap();

    let proof = handle.prove_transaction(height, 4).await.unwrap();
    let header = proof.block.verify(&members).unwrap();
    assert_eq!(proof.transaction.signed.hash(), hashes[4]);
    let inclusion = &proof.transaction.inclusion;
    inclusion.verify_transaction(header, hashes[4]).unwrap();
    assert!(inclusion.verify_transaction(header, hashes[3]).is_err());
    changed(inclusion, |inclusion| inclusion.verify_transaction(header, hashes[4]).is_ok());
    changed(&proof.block, |block| block.verify(&members).is_ok());

    let proof = handle.prove_receipt(height, 2).await.unwrap();
    let header = proof.block.verify(&members).unwrap();
    proof.inclusion.verify_receipt(header, &proof.receipt).unwrap();
    changed(&proof.inclusion, |inclusion| inclusion.verify_receipt(header, &proof.receipt).is_ok());
    changed(&proof.receipt, |receipt| proof.inclusion.verify_receipt(header, receipt).is_ok());

    assert_eq!(handle.prove_transaction(height, 7).await, Err(ReadError::NoSuchItem { height, count: 7, index: 7 }));
    assert!(matches!(handle.prove_transaction(height + 9, 0).await, Err(ReadError::NotFinal { .. })));
    node.stop().unwrap();
}

#[tokio::test]
async fn state_is_proven_present_and_absent() {
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());
    let handle = node.handle();
    nonces(&handle, 0..3).await;
    let members = Members::of(handle.genesis()).unwrap();
    let account = AccountId::of(&issuer().public_key());
    let present = Key::of(AccountRecord::TABLE, &encode(&account));
    let absent = Key([7; 32]);

    let earlier = handle.prove_state(present).await.unwrap();
    nonces(&handle, 3..4).await;
    let proof = handle.prove_state(present).await.unwrap();
    let header = proof.block.verify(&members).unwrap();
    let cell = proof.cell.unwrap();
    let record: AccountRecord = borsh::from_slice(&from_cells(&[cell]).unwrap()).unwrap();
    assert_eq!((record.nonce, record.free), (4, Money(4_000_000)));
    proof.inclusion.verify(header, present, Some(&cell)).unwrap();
    changed(&proof.inclusion, |inclusion| inclusion.verify(header, present, Some(&cell)).is_ok());
    changed(&cell, |cell| proof.inclusion.verify(header, present, Some(cell)).is_ok());
    changed(&present, |key| proof.inclusion.verify(header, *key, Some(&cell)).is_ok());
    proof.inclusion.verify(header, present, None).unwrap_err();
    // What the account held before, it does not hold any more; but it did, after that block, for ever.
    let before = earlier.block.verify(&members).unwrap();
    assert_ne!(earlier.cell, proof.cell);
    earlier.inclusion.verify(before, present, earlier.cell.as_ref()).unwrap();
    earlier.inclusion.verify(header, present, earlier.cell.as_ref()).unwrap_err();
    proof.inclusion.verify(before, present, Some(&cell)).unwrap_err();

    let proof = handle.prove_state(absent).await.unwrap();
    let header = proof.block.verify(&members).unwrap();
    assert_eq!(proof.cell, None);
    proof.inclusion.verify(header, absent, None).unwrap();
    proof.inclusion.verify(header, present, None).unwrap_err();
    changed(&proof.inclusion, |inclusion| inclusion.verify(header, absent, None).is_ok());
    node.stop().unwrap();
}

/// Any action that the issuer could ask for, to an account.
fn transfer(to: AccountId) -> Action {
    Action::Transfer { to, amount: Money(1), reference: Text::default() }
}

#[tokio::test]
async fn certificates_are_proven_at_their_place_in_the_log() {
    const QUARTER_MS: u64 = 900_000;
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());
    let handle = node.handle();
    let (genesis, operator) = (handle.genesis().clone(), AccountId::of(&issuer().public_key()));
    let members = Members::of(&genesis).unwrap();
    let label = Label::of_text("the meter");
    let meter = MeterId::of(operator, label);
    let registration = Action::RegisterMeter(Meter {
        label,
        carrier: Carrier::Electricity,
        holder: operator,
        authority: MeterAuthority::Gateway(operator),
        register_modulus: Quantity(1_000_000_000_000),
        capacity_per_hour: Quantity(1_000_000_000),
        register: Quantity::ZERO,
        since: START,
    });
    let readings = |numbers: std::ops::RangeInclusive<u64>| {
        let reading = |number: u64| Reading {
            time: Timestamp(START.0 + number * QUARTER_MS),
            register: Quantity(number * 1_000_000),
        };
        let readings = Bounded::new(numbers.map(reading).collect()).unwrap();
        Action::RecordReadings { runs: Bounded::new(vec![MeterRun { meter, readings, signature: None }]).unwrap() }
    };

    commit(&handle, vec![encode(&signed(&genesis, 0, registration))]).await;
    advance(&handle, Timestamp(START.0 + 3 * QUARTER_MS)).await.unwrap();
    commit(&handle, vec![encode(&signed(&genesis, 1, readings(1..=3)))]).await;
    let first = handle.head().height;
    advance(&handle, Timestamp(START.0 + 5 * QUARTER_MS)).await.unwrap();
    commit(&handle, vec![encode(&signed(&genesis, 2, readings(4..=5)))]).await;
    let second = handle.head().height;
    let mut certified = Vec::new();
    let mut blocks = Vec::new();
    for height in [first, second] {
        let block = handle.finalized(height).await.unwrap().unwrap();
        // The block's last operation in the log is its commit.
        let positions = block.header.certification.end - 1 - block.certified.len() as u64..;
        certified.extend(positions.zip(block.certified.clone()));
        blocks.push(block);
    }
    let ids: Vec<_> = certified.iter().flat_map(|(_, entry)| entry.run().certificates()).map(|one| one.id.0).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);

    let positions: Vec<_> = certified.iter().map(|(position, _)| *position).collect();
    let proof = handle.prove_certified(positions.clone(), None).await.unwrap();
    let header = proof.block.verify(&members).unwrap();
    for ((position, expected), (entry, inclusion)) in certified.iter().zip(&proof.entries) {
        assert_eq!((inclusion.position, entry), (*position, expected));
        for certificate in entry.run().certificates() {
            assert_eq!(certificate.register, Quantity((certificate.id.0 + 1) * 1_000_000));
            assert_eq!(certificate.interval.to.0, START.0 + (certificate.id.0 + 1) * QUARTER_MS);
            assert_eq!(certificate.interval.ms(), QUARTER_MS);
        }
        inclusion.verify(header, entry).unwrap();
        changed(inclusion, |inclusion| inclusion.verify(header, entry).is_ok());
        changed(entry, |entry| inclusion.verify(header, entry).is_ok());
    }
    // A run stands in one place only, and a path leads to the root of one block only.
    let [(one, at_one), (other, at_other)] = [&proof.entries[0], &proof.entries[1]];
    at_one.verify(header, other).unwrap_err();
    at_other.verify(header, one).unwrap_err();

    let old = handle.prove_certified(positions[..1].to_vec(), Some(first)).await.unwrap();
    let old_header = old.block.verify(&members).unwrap();
    let (run, inclusion) = &old.entries[0];
    inclusion.verify(old_header, run).unwrap();
    inclusion.verify(header, run).unwrap_err();
    at_one.verify(old_header, run).unwrap_err();
    // Neither a later run nor a block's commit is a run of that block.
    for position in [positions[1], positions[0] + 1, u64::MAX] {
        assert_eq!(
            handle.prove_certified(vec![position], Some(first)).await,
            Err(ReadError::NoSuchRun { position, height: first })
        );
    }
    node.stop().unwrap();

    // What was told from memory is what the disk holds.
    let node = development(dir.path());
    for block in blocks {
        assert_eq!(node.handle().finalized(block.header.height).await.unwrap(), Some(block));
    }
    node.stop().unwrap();
}

#[tokio::test]
async fn what_no_block_could_carry_is_refused_and_makes_no_block() {
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());
    let handle = node.handle();
    let genesis = handle.genesis().clone();
    nonces(&handle, 0..1).await;
    let height = handle.head().height;
    let stranger = PrivateKey::ed25519([66; 32]);
    let account = AccountId::of(&stranger.public_key());
    let sign = |key: &PrivateKey, nonce, expires, action| {
        let chain = genesis.chain();
        encode(&Transaction { chain, signer: key.public_key(), nonce, expires, action }.sign(key))
    };
    let signed = |key: &PrivateKey, nonce, expires| sign(key, nonce, expires, transfer(account));
    let refused = async |bytes: Vec<u8>| match handle.submit(vec![bytes]).await.remove(0) {
        Err(SubmitRefused::Pool(reason)) => reason,
        other => panic!("not refused by the pool: {other:?}"),
    };

    for nonce in 0..50 {
        let reason = refused(signed(&stranger, nonce, 90_000)).await;
        assert_eq!(reason, Inadmissible::UnknownAccount(account).into());
    }
    let height_ahead = height + 1;
    for expires in [height, 500_000] {
        let reason = refused(signed(&issuer(), 1, expires)).await;
        assert_eq!(reason, Inadmissible::Expired { expires, height: height_ahead }.into());
    }
    assert_eq!(refused(signed(&issuer(), 0, 90_000)).await, PoolRefused::NonceTooOld { nonce: 0, next: 1 });
    assert_eq!((handle.head().height, handle.head().pooled), (height, 0));

    // The reason may pass: once the account is open, the same transaction is taken, by the next block already.
    let member = MemberId::of(AccountId::of(&issuer().public_key()));
    let opened = Action::OpenAccount { account: NewAccount::sign(genesis.chain(), member, &stranger) };
    commit(&handle, vec![sign(&issuer(), 1, 90_000, opened)]).await;
    commit(&handle, vec![signed(&stranger, 0, 90_000)]).await;
    assert_eq!(handle.head().height, height + 2, "what was refused made no blocks");
    node.stop().unwrap();

    // A node that has just come back remembers no account, and asks the state.
    let node = development(dir.path());
    let again = node.handle().submit(vec![signed(&issuer(), 1, 80_000)]).await.remove(0);
    assert_eq!(again, Err(SubmitRefused::Pool(PoolRefused::NonceTooOld { nonce: 1, next: 2 })));
    node.stop().unwrap();
}

#[tokio::test]
async fn what_was_taken_and_expires_is_dropped_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());
    let handle = node.handle();
    let genesis = handle.genesis().clone();
    nonces(&handle, 0..1).await;
    let expires = handle.head().height + 1;
    let mut drops = handle.drops();
    let action = transfer(AccountId([7; 32]));
    let ahead = Transaction { chain: genesis.chain(), signer: issuer().public_key(), nonce: 9, expires, action };
    let hash = handle.submit(vec![encode(&ahead.sign(&issuer()))]).await.remove(0).unwrap();

    nonces(&handle, 1..2).await;

    drops.changed().await.unwrap();
    let expired = Inadmissible::Expired { expires, height: expires + 1 };
    assert_eq!(handle.dropped(hash), Some(Dropped::from(expired)));
    node.stop().unwrap();
}

#[tokio::test]
async fn the_first_block_holds_no_transactions_however_early_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());

    nonces(&node.handle(), 0..25).await;

    let first = node.handle().finalized(1).await.unwrap().unwrap();
    assert_eq!((first.header.transaction_count, first.receipts.len()), (0, 1));
    node.stop().unwrap();
}

/// Asserts that `value` with any one byte changed either does not decode or does not verify.
fn changed<T: borsh::BorshSerialize + borsh::BorshDeserialize>(value: &T, verifies: impl Fn(&T) -> bool) {
    let bytes = encode(value);
    for index in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[index] ^= 1;
        if let Ok(changed) = borsh::from_slice::<T>(&bytes) {
            assert!(!verifies(&changed), "byte {index} may be changed");
        }
    }
}

#[tokio::test]
async fn development_time_only_moves_forward() {
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());
    let handle = node.handle();

    assert_eq!(advance(&handle, Timestamp(START.0 + 500)).await, Ok(Timestamp(START.0 + 500)));
    let height = handle.head().height;
    assert_eq!(advance(&handle, Timestamp(START.0 + 500)).await, Ok(Timestamp(START.0 + 500)));
    assert_eq!(handle.head().height, height, "asking for the present time makes no block");
    assert_eq!(
        advance(&handle, Timestamp(START.0 + 499)).await,
        Err(AdvanceTimeRefused::InThePast { to: Timestamp(START.0 + 499), now: Timestamp(START.0 + 500) })
    );
    node.stop().unwrap();
}

#[tokio::test]
async fn a_production_chain_refuses_to_be_advanced_and_keeps_its_own_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::alone(dir.path(), genesis(ChainKind::Production, 1), validator_key(0));
    config.idle_interval = Duration::from_millis(20);
    let node = start(config).unwrap();
    let handle = node.handle();

    assert_eq!(advance(&handle, Timestamp(u64::MAX)).await, Err(AdvanceTimeRefused::Production));
    let first = handle.reached(1).await.unwrap();
    let later = handle.reached(4).await.unwrap();
    assert!(first.time.0 > 1_750_000_000_000, "the time is the system's");
    assert!(later.time > first.time);
    node.stop().unwrap();
}

#[tokio::test]
async fn the_pool_answers_each_refusal_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = genesis(ChainKind::Development, 1);
    let mut config = Config::alone(dir.path(), genesis.clone(), validator_key(0));
    config.pool = PoolLimits { member_ahead: 3, ..config.pool };
    let node = start(config).unwrap();
    let handle = node.handle();
    let submit = async |bytes: Vec<u8>| handle.submit(vec![bytes]).await.remove(0);
    commit(&handle, vec![transaction(&genesis, 0)]).await;

    // Nonces after a gap wait; few may.
    let waiting = submit(transaction(&genesis, 2)).await.unwrap();
    assert_eq!(submit(transaction(&genesis, 2)).await, Ok(waiting), "a repeated submission has no effect");
    let other = encode(&signed(&genesis, 2, transfer(Default::default())));
    assert_eq!(submit(other).await, Err(SubmitRefused::Pool(PoolRefused::DuplicateNonce { nonce: 2, waiting })));
    let used = encode(&signed(&genesis, 0, transfer(Default::default())));
    assert_eq!(submit(used).await, Err(SubmitRefused::Pool(PoolRefused::NonceTooOld { nonce: 0, next: 1 })));
    submit(transaction(&genesis, 3)).await.unwrap();
    submit(transaction(&genesis, 4)).await.unwrap();
    assert_eq!(
        submit(transaction(&genesis, 5)).await,
        Err(SubmitRefused::Pool(PoolRefused::TooFarAhead { nonce: 5, missing: 1, held: 3, limit: 3 }))
    );
    assert_eq!(handle.head().pooled, 3);

    let oversize = vec![0; MAX_TRANSACTION_BYTES + 1];
    assert!(matches!(submit(oversize).await, Err(SubmitRefused::Malformed(DecodeError::Oversize { .. }))));
    let mut trailing = transaction(&genesis, 6);
    trailing.push(0);
    assert!(matches!(submit(trailing).await, Err(SubmitRefused::Malformed(DecodeError::Malformed { .. }))));
    let mut forged = transaction(&genesis, 6);
    *forged.last_mut().unwrap() ^= 1;
    assert!(matches!(submit(forged).await, Err(SubmitRefused::Unverified(VerifyError::BadSignature { .. }))));
    let other_chain = common::genesis(ChainKind::Production, 1);
    assert!(matches!(
        submit(transaction(&other_chain, 6)).await,
        Err(SubmitRefused::Unverified(VerifyError::WrongChain { .. }))
    ));
    node.stop().unwrap();
}

#[tokio::test]
async fn transactions_that_came_in_any_order_enter_blocks_in_the_order_of_their_nonces() {
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());
    let handle = node.handle();
    let genesis = handle.genesis().clone();

    for nonce in [3, 1, 2] {
        handle.submit(vec![transaction(&genesis, nonce)]).await.remove(0).unwrap();
    }
    assert_eq!(handle.head().pooled, 3);
    commit(&handle, vec![transaction(&genesis, 0)]).await;
    let mut seen = Vec::new();
    for height in 1.. {
        if seen.len() == 4 {
            break;
        }
        // The pool lets go of a block's transactions a moment before the block is durable: its height is what to wait for.
        handle.reached(height).await.unwrap();
        let block = handle.finalized(height).await.unwrap().unwrap();
        seen.extend(block.transactions.iter().map(|transaction| transaction.signed.transaction.nonce));
    }
    assert_eq!(seen, [0, 1, 2, 3]);
    node.stop().unwrap();
}

#[tokio::test]
async fn an_idle_development_chain_makes_no_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());
    let handle = node.handle();
    let genesis_block = handle.reached(1).await.unwrap();

    let next = tokio::time::timeout(Duration::from_millis(500), handle.reached(genesis_block.height + 1)).await;

    assert!(next.is_err());
    node.stop().unwrap();
}

#[test]
fn a_node_begins_no_chain_that_its_genesis_document_could_not_carry() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&mut Genesis)| {
        let mut genesis = genesis(ChainKind::Development, 1);
        change(&mut genesis);
        match start(Config::alone(dir.path(), genesis, validator_key(0))) {
            Err(StartError::Genesis(refused)) => refused,
            Err(error) => panic!("refused for another reason: {error}"),
            Ok(_) => panic!("not refused"),
        }
    };
    assert_eq!(refused(&|genesis| genesis.epoch_length = 1), GenesisRefused::EpochLength { length: 1 });
    let unsound = Threshold { votes: 1, of: 2 };
    assert_eq!(refused(&|genesis| genesis.threshold = unsound), GenesisRefused::Threshold(unsound));
    let twice = refused(&|genesis| {
        let first = genesis.members[0].clone();
        genesis.members.push(first).unwrap();
    });
    assert_eq!(twice, GenesisRefused::MemberTwice(AccountId::of(&issuer().public_key())));
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "nothing was written");
}

#[tokio::test]
async fn a_data_directory_is_refused_when_it_is_not_this_chains() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = genesis(ChainKind::Development, 1);
    let node = development(dir.path());
    let refusal = |result: Result<utilidor_chain::Node, StartError>| match result {
        Err(StartError::Directory(error)) => error,
        Err(error) => panic!("refused for another reason: {error}"),
        Ok(_) => panic!("not refused"),
    };
    let alone = |dir: &Path| Config::alone(dir, genesis.clone(), validator_key(0));

    assert!(matches!(refusal(start(alone(dir.path()))), DirectoryError::InUse { .. }));
    node.stop().unwrap();
    let other = Config::alone(dir.path(), common::genesis(ChainKind::Production, 1), validator_key(0));
    assert!(matches!(refusal(start(other)), DirectoryError::OtherChain { .. }));
    std::fs::write(dir.path().join("format"), "1\n").unwrap();
    assert!(matches!(refusal(start(alone(dir.path()))), DirectoryError::OtherFormat { .. }));
    let strange = tempfile::tempdir().unwrap();
    std::fs::write(strange.path().join("letter.txt"), "keep me").unwrap();
    assert!(matches!(refusal(start(alone(strange.path()))), DirectoryError::NotADirectory { .. }));
}

const CHILD_DIR: &str = "UTILIDOR_CHAIN_TEST_DIR";
const CHILD_TRANSACTIONS: u64 = 5;

/// Runs only in the process that the kill test starts: commits until it is killed, printing each durable height.
#[tokio::test]
async fn child_of_the_kill_test() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let node = development(Path::new(&dir));
    let handle = node.handle();
    let (genesis, mut head) = (handle.genesis().clone(), handle.head());
    let mut nonce = 0;
    for height in 1..=head.height {
        nonce += u64::from(handle.finalized(height).await.unwrap().unwrap().header.transaction_count);
    }
    loop {
        let transactions = (nonce..nonce + CHILD_TRANSACTIONS).map(|nonce| transaction(&genesis, nonce)).collect();
        commit_after(&handle, head.height, transactions).await;
        nonce += CHILD_TRANSACTIONS;
        head = handle.head();
        println!("durable {} {}", head.height, head.digest);
    }
}

fn spawn_child(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_of_the_kill_test", "--nocapture", "--test-threads", "1"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_node_killed_at_any_moment_loses_nothing_that_it_reported() {
    use std::io::{BufRead as _, BufReader};
    let dir = tempfile::tempdir().unwrap();
    let mut reported = std::collections::BTreeMap::new();
    for round in 0..8u64 {
        let mut child = spawn_child(dir.path());
        let stdout = child.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        // The first report of a round shows that the node came back; then it is killed at a moment that varies.
        let mut seen = 0;
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some(rest) = line.split("durable ").nth(1) {
                let (height, digest) = rest.split_once(' ').unwrap();
                reported.insert(height.parse::<u64>().unwrap(), digest.to_owned());
                seen += 1;
                if seen > round % 4 {
                    break;
                }
            }
        }
        assert!(seen > 0, "round {round}: the node did not come back");
        std::thread::sleep(Duration::from_micros(round * 1_700));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some((height, digest)) = line.split("durable ").nth(1).and_then(|rest| rest.split_once(' ')) {
                reported.insert(height.parse().unwrap(), digest.to_owned());
            }
        }
    }

    let node = development(dir.path());
    let handle = node.handle();
    assert!(reported.len() >= 8);
    assert!(handle.head().height >= *reported.keys().last().unwrap());
    for (height, digest) in reported {
        assert_eq!(handle.finalized(height).await.unwrap().unwrap().header.digest().to_string(), digest);
    }
    // Each nonce is there once, in order, and every block can still be proven final.
    let members = Members::of(handle.genesis()).unwrap();
    let mut nonce = 0;
    for height in 1..=handle.head().height {
        for transaction in &handle.finalized(height).await.unwrap().unwrap().transactions {
            assert_eq!(transaction.signed.transaction.nonce, nonce);
            nonce += 1;
        }
        handle.final_header(height).await.unwrap().verify(&members).unwrap();
    }
    node.stop().unwrap();
}

#[tokio::test]
async fn a_node_stops_cleanly_while_there_is_room_left_and_goes_on_when_there_is_more() {
    let dir = tempfile::tempdir().unwrap();
    let alone = || Config::alone(dir.path(), genesis(ChainKind::Development, 1), validator_key(0));
    let full = Config { keep_free: u64::MAX, ..alone() };
    let refused = start(full.clone()).err().expect("there is never so much room");
    assert!(matches!(&refused, StartError::DiskFull(full) if full.kept == u64::MAX), "{refused}");
    assert!(refused.to_string().contains("is full: ") && refused.to_string().contains("Make room"), "{refused}");

    let node = start(alone()).unwrap();
    nonces(&node.handle(), 0..3).await;
    let head = node.handle().head();
    node.stop().unwrap();
    assert!(start(full).is_err());
    let node = start(alone()).unwrap();
    assert_eq!(node.handle().head(), head);
    node.stop().unwrap();
}

/// Files below a folder whose path contains `part`.
fn files(folder: &Path, part: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| self::files(folder, part));
    let mut found: Vec<_> = files.into_iter().filter(|path| path.to_str().unwrap().contains(part)).collect();
    found.extend(below);
    found
}

#[tokio::test]
async fn a_damaged_block_fails_the_requests_that_need_it_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let node = development(dir.path());
    for batch in 0..20 {
        nonces(&node.handle(), batch * 5..(batch + 1) * 5).await;
    }
    let head = node.handle().head().height;
    node.stop().unwrap();
    // The engine takes what it wrote since its last start for unfinished, and drops what does not read; after a start it is the past.
    development(dir.path()).stop().unwrap();
    let archive = files(dir.path(), "chain-blocks-values");
    let [file] = &archive[..] else { panic!("one file holds so few blocks: {archive:?}") };
    let mut bytes = std::fs::read(file).unwrap();
    let place = bytes.len() / 3;
    bytes[place] ^= 1;
    std::fs::write(file, bytes).unwrap();

    let node = development(dir.path());
    let handle = node.handle();
    let mut damaged = Vec::new();
    for height in 1..=head {
        match handle.prove_receipt(height, 0).await {
            Ok(_) => {}
            Err(ReadError::Damaged { height, reason }) => {
                assert!(reason.contains("chain-blocks-values/0000000000000000"), "it names the file: {reason}");
                damaged.push(height);
            }
            Err(error) => panic!("block {height}: {error}"),
        }
    }
    assert!(!damaged.is_empty() && damaged.len() <= 2, "one block is damaged: {damaged:?}");
    // The node goes on.
    nonces(&handle, 100..105).await;
    assert!(handle.head().height > head);
    node.stop().unwrap();
}
