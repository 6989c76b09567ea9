use super::*;
use commonware_consensus::types::{Epoch, View};
use std::sync::Arc;

/// Copies in memory, which a test can lose, damage and keep from being written.
#[derive(Clone, Default)]
pub(crate) struct InMemory(pub Arc<Mutex<[Option<Vec<u8>>; 2]>>, pub Arc<Mutex<bool>>);

impl InMemory {
    /// The guard of a new key.
    pub fn new(key: [u8; 32]) -> Self {
        let copies = Self::default();
        *copies.0.lock().unwrap() = [0, 1].map(|_| Some(State::new(key, ChainId([0; 16])).encode()));
        copies
    }

    /// Both copies are gone.
    pub fn lose(&self) {
        *self.0.lock().unwrap() = [None, None];
    }
}

impl Copies for InMemory {
    fn read(&mut self, copy: usize) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap()[copy].clone())
    }

    fn append(&mut self, copy: usize, bytes: &[u8]) -> io::Result<()> {
        if *self.1.lock().unwrap() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.lock().unwrap()[copy].as_mut().unwrap().extend(bytes);
        Ok(())
    }

    fn replace(&mut self, copy: usize, bytes: &[u8]) -> io::Result<()> {
        if *self.1.lock().unwrap() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.lock().unwrap()[copy] = Some(bytes.to_vec());
        Ok(())
    }
}

const KEY: [u8; 32] = [7; 32];
const CHAIN: ChainId = ChainId([8; 16]);
const ONE: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];

fn view(view: u64) -> Round {
    Round::new(Epoch::new(3), View::new(view))
}

fn open(copies: &InMemory) -> Guard {
    Guard::open(Box::new(copies.clone()), Path::new("guard"), KEY, CHAIN).unwrap()
}

#[test]
fn a_view_gets_one_proposal_finality_only_for_it_and_never_both_finality_and_none() {
    use Vote::*;
    // What is cast in one view, one after the other, and whether each is given.
    let cases: &[&[(Vote, bool)]] = &[
        &[(Proposal(ONE), true), (Proposal(ONE), true), (Proposal(OTHER), false), (Finality(OTHER), false)],
        &[(Proposal(ONE), true), (Finality(ONE), true), (Without, false), (Finality(ONE), true)],
        &[(Proposal(ONE), true), (Without, true), (Without, true), (Finality(ONE), false), (Proposal(OTHER), false)],
        &[(Finality(ONE), true), (Proposal(OTHER), false), (Proposal(ONE), true), (Without, false)],
        &[(Without, true), (Finality(ONE), false), (Proposal(ONE), true)],
    ];
    for votes in cases {
        let copies = InMemory::new(KEY);
        for (vote, given) in *votes {
            // Restarted before every vote.
            assert_eq!(open(&copies).allows(view(9), *vote), *given, "{vote:?} of {votes:?}");
        }
    }
}

#[test]
fn any_changed_byte_of_a_copy_is_found_and_the_other_copy_counts() {
    let copies = InMemory::new(KEY);
    let guard = open(&copies);
    for number in 1..20 {
        assert!(guard.allows(view(number), Vote::Proposal(ONE)));
    }
    let sound = copies.0.lock().unwrap().clone();
    let bytes = sound[0].clone().unwrap();
    for copy in 0..2 {
        for at in 0..bytes.len() {
            let damaged = InMemory(Arc::new(Mutex::new(sound.clone())), Arc::default());
            damaged.0.lock().unwrap()[copy].as_mut().unwrap()[at] ^= 1 << (at % 8);
            let guard = open(&damaged);
            assert!(!guard.allows(view(19), Vote::Proposal(OTHER)), "byte {at} of copy {copy}");
            assert!(guard.allows(view(20), Vote::Proposal(ONE)));
            let mended = damaged.0.lock().unwrap().clone();
            assert_eq!(mended[0], mended[1], "byte {at} of copy {copy} is mended");
        }
        for len in 0..bytes.len() {
            let cut = InMemory(Arc::new(Mutex::new(sound.clone())), Arc::default());
            cut.0.lock().unwrap()[copy].as_mut().unwrap().truncate(len);
            assert!(!open(&cut).allows(view(19), Vote::Proposal(OTHER)), "copy {copy} cut to {len} bytes");
        }
    }
}

#[test]
fn a_guard_that_is_lost_allows_nothing_until_it_is_renewed() {
    let copies = InMemory::new(KEY);
    assert!(open(&copies).allows(view(4), Vote::Proposal(ONE)));
    copies.lose();

    let guard = open(&copies);
    assert!(guard.lost());
    assert!(!guard.allows(view(5), Vote::Proposal(ONE)));
    assert!(guard.renew(view(6)));
    assert!(!guard.allows(view(6), Vote::Without));
    assert!(guard.allows(view(7), Vote::Without));
    assert!(!open(&copies).lost());
}

#[test]
fn a_vote_that_cannot_be_recorded_is_not_given() {
    let copies = InMemory::new(KEY);
    let guard = open(&copies);
    assert!(guard.allows(view(1), Vote::Proposal(ONE)));
    *copies.1.lock().unwrap() = true;
    assert!(!guard.allows(view(2), Vote::Proposal(ONE)));
    assert!(!guard.allows(view(2), Vote::Proposal(ONE)), "nor is it remembered as given");
    assert!(guard.allows(view(1), Vote::Proposal(ONE)), "what is on record may be repeated");
    *copies.1.lock().unwrap() = false;
    assert!(guard.allows(view(2), Vote::Proposal(OTHER)));
    assert!(!open(&copies).allows(view(2), Vote::Proposal(ONE)));
}

#[test]
fn records_below_the_last_final_view_are_left_out() {
    let copies = InMemory::new(KEY);
    let guard = open(&copies);
    for number in 1..=MAX_RECORDS + 10 {
        guard.finalized(view(number - 1));
        assert!(guard.allows(view(number), Vote::Proposal(ONE)));
    }
    let bytes = copies.0.lock().unwrap()[0].clone().unwrap();
    assert!(bytes.len() < HEADER + 20 * RECORD, "{} bytes", bytes.len());
    let guard = open(&copies);
    assert!(!guard.allows(view(MAX_RECORDS - 1), Vote::Proposal(OTHER)));
    assert!(!guard.allows(view(MAX_RECORDS + 10), Vote::Proposal(OTHER)));
    assert!(guard.allows(view(MAX_RECORDS + 11), Vote::Proposal(OTHER)));
}

#[test]
fn a_guard_is_of_one_key_and_one_chain_and_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    create_guard(&path, &KEY).unwrap();
    assert!(matches!(create_guard(&path, &KEY), Err(GuardError::Exists { .. })));
    let open = |key, chain| Guard::open(Box::new(Files::at(&path)), &path, key, chain);
    assert!(open(KEY, CHAIN).unwrap().allows(view(1), Vote::Proposal(ONE)));
    assert!(open(KEY, CHAIN).unwrap().allows(view(2), Vote::Proposal(ONE)));
    assert!(matches!(open([6; 32], CHAIN), Err(GuardError::OtherKey { .. })));
    assert!(matches!(open(KEY, ChainId([9; 16])), Err(GuardError::OtherChain { .. })));
    assert!(!open(KEY, CHAIN).unwrap().allows(view(2), Vote::Proposal(OTHER)));
}
