//! A changed bit anywhere in a node's data: it is harmless, mended, told, or the node does not start. It is never a wrong answer.

mod common;

use common::{genesis, transaction, validator_key};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};
use utilidor_chain::{Config, Handle, ReadError, Soundness, check_file, start, store_files};
use utilidor_types::{Digest, block::FinalBlock, genesis::ChainKind};

/// Transactions of the chain that is damaged, each in a block of its own.
const TRANSACTIONS: u64 = 12;
/// How long a node may take to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a line begins with that tells of a flip, and of nothing else: such lines are counted, to go on where one stopped. The
/// harness of the tests may have left the line before it unfinished.
const FLIP: &str = "\nflip ";

/// What came of a flip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Everything is as it was.
    Same,
    /// Part of the past is told to be damaged.
    Told,
    /// The node does not start, or ends with a reason.
    Refused,
    /// The node waits for something that never comes.
    Stands,
    /// It tells what is not so.
    Wrong,
}

/// What is known of the chain before it is damaged.
struct Reference {
    blocks: Vec<FinalBlock>,
    state: Digest,
}

fn config(data: &Path) -> Config {
    Config::alone(data, genesis(ChainKind::Development, 1), validator_key(0))
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(all_files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(|_| ()).unwrap()
        }
    }
}

async fn make(data: &Path) -> Reference {
    let node = start(config(data)).unwrap();
    let handle = node.handle();
    for nonce in 0..TRANSACTIONS {
        let height = handle.head().height;
        handle.submit(vec![transaction(handle.genesis(), nonce)]).await.remove(0).unwrap();
        handle.reached(height + 1).await.unwrap();
    }
    let mut blocks = Vec::new();
    for height in 1..=handle.head().height {
        blocks.push((*handle.finalized(height).await.unwrap().unwrap()).clone());
    }
    let (_, state) = handle.state_digest().await.unwrap();
    node.stop().unwrap();
    Reference { blocks, state }
}

/// Asks a node for everything.
async fn ask(handle: &Handle, reference: &Reference) -> Outcome {
    let mut outcome = Outcome::Same;
    for block in &reference.blocks {
        let height = block.header.height;
        match handle.finalized(height).await {
            Ok(Some(told)) => assert_eq!(*told, *block, "block {height} is told otherwise"),
            Ok(None) => panic!("block {height} is gone"),
            Err(ReadError::Damaged { .. } | ReadError::Storage(_) | ReadError::NotHeld { .. }) => {
                outcome = Outcome::Told
            }
            Err(ReadError::Stopped) => return Outcome::Refused,
            Err(other) => panic!("block {height}: {other}"),
        }
    }
    let next = transaction(handle.genesis(), TRANSACTIONS);
    match handle.state_digest().await {
        Ok((_, state)) => assert_eq!(state, reference.state, "another state"),
        Err(_) => return Outcome::Refused,
    }
    let height = handle.head().height;
    let goes_on = async {
        handle.submit(vec![next]).await.remove(0).ok()?;
        handle.reached(height + 1).await.ok()
    };
    match tokio::time::timeout(PATIENCE, goes_on).await {
        Ok(Some(_)) => outcome,
        Ok(None) => Outcome::Refused,
        Err(_) => Outcome::Stands,
    }
}

/// Starts a node on damaged data, in a thread of its own: it may never come back.
fn starts(data: PathBuf, reference: &'static Reference) -> Outcome {
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let outcome = match start(config(&data)) {
            Err(_) => Outcome::Refused,
            Ok(node) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                let outcome = runtime.block_on(ask(&node.handle(), reference));
                if node.stop().is_ok() || outcome == Outcome::Stands { outcome } else { Outcome::Refused }
            }
        };
        let _ = sender.send(outcome);
    });
    match ended.recv_timeout(2 * PATIENCE) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => Outcome::Stands,
        // Its thread has said above what is wrong.
        Err(mpsc::RecvTimeoutError::Disconnected) => Outcome::Wrong,
    }
}

/// Flips `count` bits, one at a time, spread over all files by kind; prints of each its number, file, byte, bit, and what came of it.
async fn flips(count: u64) {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("original");
    let reference: &'static Reference = Box::leak(Box::new(make(&original).await));
    let kind = |file: &Path| file.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    let mut kinds: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in all_files(&original.join("storage")) {
        if fs::metadata(&file).unwrap().len() > 0 {
            kinds.entry(kind(&file)).or_default().push(file);
        }
    }
    let kinds: Vec<_> = kinds.into_iter().collect();
    let from = std::env::var("UTILIDOR_FROM").ok().and_then(|from| from.parse().ok()).unwrap_or(0);
    let (mut found, mut wrong) = (BTreeMap::<Outcome, u64>::new(), 0);
    for number in from..from + count {
        let (kind, files) = &kinds[number as usize % kinds.len()];
        let spread = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let file = &files[(spread >> 48) as usize % files.len()];
        let data = folder.path().join("damaged");
        let _ = fs::remove_dir_all(&data);
        copy(&original, &data);
        let damaged = data.join(file.strip_prefix(&original).unwrap());
        let mut bytes = fs::read(&damaged).unwrap();
        let at = (spread >> 16) as usize % bytes.len();
        let bit = number / kinds.len() as u64 % 8;
        bytes[at] ^= 1 << bit;
        fs::write(&damaged, bytes).unwrap();

        let outcome = starts(data, reference);
        let name = file.file_name().unwrap().to_string_lossy();
        println!("{FLIP}{number}: {kind}/{name}, byte {at}, bit {bit}: {outcome:?}");
        wrong += u64::from(matches!(outcome, Outcome::Stands | Outcome::Wrong));
        *found.entry(outcome).or_default() += 1;
    }
    println!("{count} flips: {found:?}");
    assert_eq!(wrong, 0, "see above which flips are told wrongly, or stop a node for ever");
}

/// The checksums alone tell of every changed byte of what stores have written, before anything opens them.
#[tokio::test]
async fn a_stopped_nodes_files_are_sound_and_a_changed_byte_of_any_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    make(&data).await;
    let mut changed = 0;
    for file in store_files(&data).unwrap() {
        let sound = check_file(&file).unwrap();
        assert!(matches!(sound, Soundness::Good | Soundness::Values), "{}: {sound:?}", file.display());
        let mut bytes = fs::read(&file).unwrap();
        let first = bytes.iter().enumerate().skip(4_096).find(|(_, byte)| **byte != 0);
        let Some((at, _)) = first.filter(|_| sound == Soundness::Good) else { continue };
        bytes[at] ^= 1;
        fs::write(&file, bytes).unwrap();
        let found = check_file(&file).unwrap();
        assert!(matches!(found, Soundness::Damaged { at: 4_096, .. }), "{}: byte {at}: {found:?}", file.display());
        changed += 1;
    }
    assert!(changed > 10, "{changed} files hold something");
}

#[tokio::test]
async fn a_flipped_bit_is_never_a_wrong_answer() {
    flips(8).await;
}

/// `UTILIDOR_FLIPS` of them, from number `UTILIDOR_FROM` on.
#[tokio::test]
#[ignore = "takes hours"]
async fn many_flipped_bits_are_never_wrong_answers() {
    let count = std::env::var("UTILIDOR_FLIPS").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    flips(count).await;
}
