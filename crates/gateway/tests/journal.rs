//! The journal under crashes: its files are copied after each step, as a power cut would leave them, and opened again.

use std::path::{Path, PathBuf};
use utilidor_gateway::journal::{
    ClockState, Entry, Event, Fate, Filter, Journal, JournalError, JournalReading, MAX_EVENTS_OF_A_METER, NewBatch,
    Recorded, State, Waiting,
};
use utilidor_gateway::reason::Sentence;
use utilidor_types::MeterId;

struct Desk {
    folder: tempfile::TempDir,
    copies: u32,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), copies: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("journal.sqlite")
    }

    /// The journal's bytes when each of these meters has a reading of this register that waits, and where the first one's stands in them.
    fn at_rest(&self, readings: &[(u8, u64)]) -> (Vec<u8>, Vec<usize>) {
        let mut journal = Journal::open(&self.path()).unwrap();
        let epoch = trusted(&mut journal);
        let waiting: Vec<_> = readings.iter().map(|(meter, register)| reading(*meter, 10, *register, epoch)).collect();
        journal.record(&waiting).unwrap();
        drop(journal);
        let sound = std::fs::read(self.path()).unwrap();
        let needle = readings[0].1.to_be_bytes();
        let places = (0..sound.len() - 8).filter(|place| sound[*place..place + 8] == needle).collect();
        (sound, places)
    }

    /// What a crash at this moment would leave: what is in the files now, nothing that only the process knows.
    fn after_a_crash(&mut self) -> Journal {
        self.copies += 1;
        let copy = self.folder.path().join(format!("copy-{}.sqlite", self.copies));
        for part in ["", "-wal"] {
            let from = PathBuf::from(format!("{}{part}", self.path().display()));
            if from.exists() {
                std::fs::copy(from, format!("{}{part}", copy.display())).unwrap();
            }
        }
        Journal::open(&copy).unwrap()
    }
}

fn reading(meter: u8, time_ms: u64, register: u64, epoch: i64) -> JournalReading {
    JournalReading {
        meter: MeterId([meter; 16]),
        time_ms,
        register,
        epoch,
        bus: "hall".into(),
        protocol: "dlt645".into(),
        request: vec![1],
        answer: vec![2, meter],
    }
}

fn trusted(journal: &mut Journal) -> i64 {
    let epoch = journal.begin_clock(0).unwrap();
    journal.judge_clock(epoch, ClockState::Trusted, 0).unwrap();
    epoch
}

fn batch(number: u8) -> NewBatch {
    NewBatch { bytes: vec![number; 10], hash: vec![number; 32], expires: 100 }
}

fn states(journal: &Journal) -> Vec<(u8, u64, State)> {
    let entries = journal.entries(&Filter::default(), 1_000).unwrap();
    entries.into_iter().map(|entry| (entry.reading.meter.0[0], entry.reading.time_ms, entry.state)).collect()
}

#[test]
fn each_step_is_on_the_disk_when_it_returns() {
    let mut desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    journal.record(&[reading(1, 10, 5, epoch), reading(2, 11, 6, epoch)]).unwrap();
    assert_eq!(states(&desk.after_a_crash()), [(1, 10, State::Read), (2, 11, State::Read)]);

    let waiting = journal.oldest_waiting(10).unwrap();
    let id = journal.seal(&waiting, &batch(1), 20).unwrap();
    let crashed = desk.after_a_crash();
    assert_eq!(states(&crashed), [(1, 10, State::InTransaction), (2, 11, State::InTransaction)]);
    let open = crashed.open_batches().unwrap();
    assert_eq!(
        (open[0].bytes.as_slice(), open[0].expires),
        ([1; 10].as_slice(), 100),
        "the bytes are there to be sent again"
    );
    assert!(crashed.oldest_waiting(10).unwrap().is_empty(), "nothing is sealed twice");

    let refused = Fate::Refused { code: "reading/went-back".into(), detail: went_back() };
    journal.close(id, 7, &[(waiting[0], Fate::Final), (waiting[1], refused)]).unwrap();
    let crashed = desk.after_a_crash();
    assert_eq!(states(&crashed), [(1, 10, State::Final), (2, 11, State::Refused)]);
    assert!(crashed.open_batches().unwrap().is_empty());
    let Entry { height, refusal, .. } = crashed.entries(&Filter::default(), 10).unwrap().remove(1);
    assert_eq!((height, refusal.unwrap().0.as_str()), (Some(7), "reading/went-back"));
}

#[test]
fn a_batch_that_was_taken_back_waits_again_and_is_sealed_anew() {
    let mut desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    journal.record(&[reading(1, 10, 5, epoch)]).unwrap();
    let waiting = journal.oldest_waiting(10).unwrap();
    let id = journal.seal(&waiting, &batch(1), 20).unwrap();
    assert_eq!(journal.take_back(id).unwrap(), 1);
    let mut crashed = desk.after_a_crash();
    assert_eq!(crashed.oldest_waiting(10).unwrap(), waiting);
    assert!(crashed.open_batches().unwrap().is_empty());
    crashed.seal(&waiting, &batch(2), 30).unwrap();
    assert_eq!(crashed.open_batches().unwrap()[0].bytes, [2; 10]);
}

#[test]
fn the_same_reading_stands_once_and_a_contradiction_is_refused() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    assert_eq!(journal.record(&[reading(1, 10, 5, epoch)]).unwrap(), [Recorded::New]);
    assert_eq!(
        journal.record(&[reading(1, 10, 5, epoch), reading(1, 11, 6, epoch)]).unwrap(),
        [Recorded::Known, Recorded::New]
    );
    let both = journal.record(&[reading(1, 12, 7, epoch), reading(1, 10, 6, epoch)]);
    assert!(matches!(both, Err(JournalError::Contradiction { known: 5, register: 6, .. })), "{both:?}");
    assert_eq!(states(&journal).len(), 2, "all or none");
}

#[test]
fn a_step_that_does_not_fit_changes_nothing() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    journal.record(&[reading(1, 10, 5, epoch), reading(2, 11, 6, epoch)]).unwrap();
    let waiting = journal.oldest_waiting(10).unwrap();
    let unknown = Waiting { time_ms: 99, ..waiting[0] };
    assert!(matches!(journal.seal(&[waiting[0], unknown], &batch(1), 20), Err(JournalError::WrongState { .. })));
    assert!(journal.open_batches().unwrap().is_empty());

    let id = journal.seal(&waiting, &batch(1), 20).unwrap();
    assert!(
        matches!(journal.seal(&waiting, &batch(2), 20), Err(JournalError::WrongState { .. })),
        "not in two batches"
    );
    let one = journal.close(id, 7, &[(waiting[0], Fate::Final)]);
    assert!(matches!(one, Err(JournalError::NotAnswered { fates: 1, .. })), "an answer for each reading");
    assert_eq!(states(&journal), [(1, 10, State::InTransaction), (2, 11, State::InTransaction)]);
}

#[test]
fn the_oldest_are_sent_first_and_none_before_its_meters_older_one() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let before = journal.begin_clock(0).unwrap();
    journal.record(&[reading(1, 10, 5, before)]).unwrap();
    let after = trusted(&mut journal);
    journal.record(&[reading(2, 30, 5, after), reading(1, 20, 6, after), reading(2, 15, 4, after)]).unwrap();
    let order = |journal: &Journal| -> Vec<_> {
        journal.oldest_waiting(10).unwrap().iter().map(|waiting| (waiting.meter.0[0], waiting.time_ms)).collect()
    };
    // Meter 1's first reading waits for its clock: once a newer one were certified, it would be refused for ever.
    assert_eq!(order(&journal), [(2, 15), (2, 30)]);
    journal.judge_clock(before, ClockState::Trusted, 3).unwrap();
    assert_eq!(order(&journal), [(1, 10), (2, 15), (1, 20), (2, 30)]);
    assert_eq!(journal.oldest_waiting(2).unwrap().len(), 2);
}

#[test]
fn readings_of_a_wrong_clock_are_refused_and_stay_as_evidence() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = journal.begin_clock(0).unwrap();
    journal.record(&[reading(1, 10, 5, epoch)]).unwrap();
    assert_eq!(journal.counts().unwrap().unverified, 1);
    assert_eq!(journal.judge_clock(epoch, ClockState::Wrong, -1_700_000_000_000).unwrap(), 1);
    let entry = journal.entries(&Filter::default(), 10).unwrap().remove(0);
    assert_eq!((entry.state, entry.refusal.unwrap().0.as_str()), (State::Refused, "clock/wrong"));
    assert_eq!(entry.reading.answer, [2, 1]);
    assert_eq!(journal.last_reading(MeterId([1; 16])).unwrap(), None, "nothing is compared with it");
}

#[test]
fn what_is_taken_back_of_a_clock_that_was_found_wrong_meanwhile_is_refused_and_waits_for_nothing() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let (first, second) = (trusted(&mut journal), trusted(&mut journal));
    journal.record(&[reading(1, 10, 5, first), reading(2, 20, 5, second)]).unwrap();
    let waiting = journal.oldest_waiting(10).unwrap();
    let id = journal.seal(&waiting, &batch(1), 30).unwrap();
    assert_eq!(journal.judge_clock(first, ClockState::Wrong, -90_000).unwrap(), 0, "it is on its way");
    assert_eq!(journal.take_back(id).unwrap(), 1);
    assert_eq!(states(&journal), [(1, 10, State::Refused), (2, 20, State::Read)]);
    assert_eq!(journal.last_reading(MeterId([1; 16])).unwrap(), None);
    let entry = journal.entries(&Filter::default(), 10).unwrap().remove(0);
    let Sentence { en, zh } = entry.refusal.unwrap().1;
    assert_eq!(en, "the gateway's clock was 90000 ms behind the chain's time");
    assert_eq!(zh, "网关时钟比链上时间慢 90000 毫秒");
}

#[test]
fn of_more_readings_than_are_asked_for_the_newest_are_shown_and_from_a_time_on_the_first() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    journal.record(&[10, 20, 30, 40].map(|time| reading(1, time, time, epoch))).unwrap();
    let times =
        |filter| journal.entries(&filter, 2).unwrap().iter().map(|entry| entry.reading.time_ms).collect::<Vec<_>>();
    assert_eq!(times(Filter::default()), [30, 40]);
    assert_eq!(times(Filter { from_ms: 15, ..Filter::default() }), [20, 30]);
    assert_eq!(times(Filter { open_only: true, ..Filter::default() }), [10, 20], "what waits is oldest first");
}

#[test]
fn a_clock_that_was_right_after_all_gives_back_what_was_refused_for_it_alone() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = journal.begin_clock(0).unwrap();
    journal.record(&[reading(1, 10, 5, epoch)]).unwrap();
    journal.judge_clock(epoch, ClockState::Wrong, -90_000).unwrap();
    journal.record(&[reading(1, 20, 6, epoch), reading(2, 20, 5, epoch)]).unwrap();
    assert_eq!(journal.forgive_clock(epoch, 3).unwrap(), 3);
    assert_eq!(journal.clock_state(epoch).unwrap(), ClockState::Trusted);
    let waiting = journal.oldest_waiting(10).unwrap();
    assert_eq!(waiting.iter().map(|reading| reading.register).collect::<Vec<_>>(), [5, 6, 5]);
    assert_eq!(journal.last_reading(MeterId([1; 16])).unwrap(), Some(waiting[1]));
    assert_eq!(journal.last_reading(MeterId([2; 16])).unwrap(), Some(waiting[2]));
    assert_eq!(journal.forgive_clock(epoch, 3).unwrap(), 0);
}

#[test]
fn what_a_clock_stamps_that_is_known_to_be_wrong_is_evidence_and_no_more() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = journal.begin_clock(0).unwrap();
    journal.judge_clock(epoch, ClockState::Wrong, 99).unwrap();
    journal.record(&[reading(1, 10, 5, epoch)]).unwrap();
    assert_eq!(states(&journal), [(1, 10, State::Refused)]);
    assert!(!journal.has_waiting().unwrap());
    assert_eq!(journal.last_reading(MeterId([1; 16])).unwrap(), None);
}

#[test]
fn a_refused_reading_is_not_its_meters_newest() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    journal.record(&[reading(1, 10, 5, epoch), reading(2, 10, 5, epoch)]).unwrap();
    let waiting = journal.oldest_waiting(10).unwrap();
    let id = journal.seal(&waiting, &batch(1), 20).unwrap();
    let refused = Fate::Refused { code: "reading/went-back".into(), detail: went_back() };
    journal.close(id, 7, &[(waiting[0], refused), (waiting[1], Fate::Final)]).unwrap();
    assert_eq!(journal.last_reading(MeterId([1; 16])).unwrap(), None);
    assert_eq!(journal.last_reading(MeterId([2; 16])).unwrap().map(|last| last.time_ms), Some(10));
    assert_eq!(journal.backlog().unwrap(), (0, None));
}

#[test]
fn a_stretch_that_ended_before_it_was_compared_is_judged_by_what_lies_around_it() {
    const NOW: u64 = 1_800_000_000_000;
    const BEFORE: u64 = NOW - 3_600_000;
    for (began, time, counts) in [
        (NOW - 500, NOW - 500, true),
        (BEFORE - 60_000, NOW + 60_000, true),
        (NOW - 500, NOW + 60_001, false),
        (5_000, 5_000, false),
        (BEFORE - 60_001, BEFORE - 60_001, false),
        // A collector hands in what it had kept: it has its device's time.
        (NOW - 500, BEFORE - 86_400_000, true),
    ] {
        let desk = Desk::new();
        let mut journal = Journal::open(&desk.path()).unwrap();
        let first = trusted(&mut journal);
        journal.record(&[reading(1, BEFORE, 5, first)]).unwrap();
        let killed = journal.begin_clock(began).unwrap();
        journal.record(&[reading(2, time, 5, killed)]).unwrap();
        let third = trusted(&mut journal);
        let judged = journal.judge_earlier_clocks(third, NOW).unwrap();
        assert_eq!(judged, if counts { (1, 0) } else { (0, 1) }, "{began} {time}");
        assert_eq!(journal.oldest_waiting(10).unwrap().len(), if counts { 2 } else { 1 });
    }
}

#[test]
fn one_gateway_writes_a_journal_and_others_look_into_it() {
    let desk = Desk::new();
    assert!(matches!(Journal::look(&desk.path()), Err(JournalError::Missing { .. })));
    let mut journal = Journal::open(&desk.path()).unwrap();
    assert!(matches!(Journal::open(&desk.path()), Err(JournalError::Held { .. })));
    let epoch = trusted(&mut journal);
    let mut looking = Journal::look(&desk.path()).unwrap();
    journal.record(&[reading(1, 10, 5, epoch)]).unwrap();
    assert_eq!(states(&looking).len(), 1);
    assert!(looking.record(&[reading(1, 11, 5, epoch)]).is_err(), "whoever looks changes nothing");
    drop(journal);
    assert_eq!(states(&Journal::open(&desk.path()).unwrap()).len(), 1, "opening again is the same journal");
}

#[test]
fn a_journal_has_one_writer_by_whatever_name_it_is_called() {
    let desk = Desk::new();
    let journal = Journal::open(&desk.path()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.sqlite");
    std::os::unix::fs::symlink(desk.path(), &link).unwrap();
    assert!(matches!(Journal::open(&link), Err(JournalError::Held { .. })));
    drop(journal);
    drop(Journal::open(&link).unwrap());
    // Its log would stand beside either name.
    let second = desk.path().with_extension("second");
    std::fs::hard_link(desk.path(), &second).unwrap();
    for name in [&second, &desk.path()] {
        assert!(matches!(Journal::open(name), Err(JournalError::SecondName { .. })));
    }
    std::fs::remove_file(second).unwrap();
    Journal::open(&desk.path()).unwrap();
    std::fs::remove_file(desk.path()).unwrap();
    assert!(matches!(Journal::open(&link), Err(JournalError::Open { .. })), "it leads nowhere");
}

#[test]
fn a_journal_beside_which_nothing_can_be_written_is_read_where_no_log_stands_beside_it() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    journal.record(&[reading(1, 10, 5, epoch)]).unwrap();
    // What SQLite has to write beside it leads nowhere, whoever runs this.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("a copy#1 of 100%.sqlite");
    let beside = |part: &str| std::path::PathBuf::from(format!("{}{part}", copy.display()));
    std::os::unix::fs::symlink("/nowhere/at/all", beside("-shm")).unwrap();
    let at_work = desk.path().with_file_name("journal.sqlite-wal");
    std::fs::copy(desk.path(), &copy).unwrap();
    std::fs::copy(at_work, beside("-wal")).unwrap();
    assert!(matches!(Journal::look(&copy), Err(JournalError::ReadOnly { .. })));
    drop(journal);
    std::fs::remove_file(beside("-wal")).unwrap();
    std::fs::copy(desk.path(), &copy).unwrap();
    assert_eq!(states(&Journal::look(&copy).unwrap()), [(1, 10, State::Read)]);
}

#[test]
fn a_journal_is_of_one_chain_and_one_account() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    journal.belongs_to("chain", "aa").unwrap();
    journal.belongs_to("chain", "aa").unwrap();
    assert!(matches!(journal.belongs_to("chain", "bb"), Err(JournalError::Foreign { .. })));
}

#[test]
fn only_what_is_certified_is_deleted_and_each_meters_newest_stays_known() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    let all: Vec<_> = (1..=4).map(|time| reading(1, time * 10, time, epoch)).collect();
    journal.record(&all[..3]).unwrap();
    let waiting = journal.oldest_waiting(10).unwrap();
    let id = journal.seal(&waiting, &batch(1), 20).unwrap();
    let fates: Vec<_> = waiting.iter().map(|waiting| (*waiting, Fate::Final)).collect();
    journal.close(id, 7, &fates).unwrap();
    assert_eq!(journal.prune(25).unwrap(), 2);
    assert_eq!(states(&journal), [(1, 30, State::Final)]);
    journal.record(&all[3..]).unwrap();
    assert_eq!(journal.prune(1_000).unwrap(), 1);
    assert_eq!(states(&journal), [(1, 40, State::Read)], "what waits is never deleted");
    let waiting = journal.oldest_waiting(10).unwrap();
    let id = journal.seal(&waiting, &batch(2), 50).unwrap();
    assert_eq!(journal.prune(1_000).unwrap(), 0, "nor what is on its way");
    journal.close(id, 8, &[(waiting[0], Fate::Final)]).unwrap();
    assert_eq!(journal.prune(1_000).unwrap(), 1);
    assert_eq!(journal.last_reading(MeterId([1; 16])).unwrap().map(|last| last.time_ms), Some(40));
}

#[test]
fn what_was_refused_is_deleted_after_as_long_as_what_was_certified() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let wrong = journal.begin_clock(5).unwrap();
    journal.record(&[reading(3, 5, 1, wrong)]).unwrap();
    journal.judge_clock(wrong, ClockState::Wrong, -1_000).unwrap();
    assert_eq!(journal.prune(1_000_000).unwrap(), 0, "no right clock has said since how long ago that was");
    let right = journal.begin_clock(1_000).unwrap();
    journal.judge_clock(right, ClockState::Trusted, 0).unwrap();
    journal.record(&[reading(1, 1_000, 5, right), reading(2, 1_000, 5, right)]).unwrap();
    let waiting = journal.oldest_waiting(10).unwrap();
    let id = journal.seal(&waiting, &batch(1), 1_001).unwrap();
    let refused = Fate::Refused { code: "reading/went-back".into(), detail: went_back() };
    journal.close(id, 7, &[(waiting[0], refused), (waiting[1], Fate::Final)]).unwrap();
    assert_eq!((journal.prune(1_000).unwrap(), states(&journal).len()), (0, 3));
    assert_eq!((journal.prune(1_001).unwrap(), states(&journal).len()), (3, 0));
}

#[test]
fn what_the_ledger_does_not_have_after_all_is_kept_with_its_evidence() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    let all = [1, 2, 3].into_iter().flat_map(|meter| [10, 20].map(|time| reading(meter, time, time, epoch)));
    journal.record(&all.collect::<Vec<_>>()).unwrap();
    let waiting = journal.oldest_waiting(10).unwrap();
    let id = journal.seal(&waiting, &batch(1), 20).unwrap();
    let fates: Vec<_> = waiting.iter().map(|waiting| (*waiting, Fate::Final)).collect();
    journal.close(id, 7, &fates).unwrap();
    let known = [(1, r#"{"last_ms":10}"#), (2, r#"{"last_ms":20}"#), (3, "of another release")];
    for (meter, registration) in known {
        journal.set_registration(MeterId([meter; 16]), registration).unwrap();
    }
    journal.prune(1_000).unwrap();
    assert_eq!(states(&journal), [(1, 20, State::Final)]);
}

#[test]
fn a_full_disk_is_told_and_loses_nothing_that_was_recorded() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    // SQLite's own bound on pages stands for the disk's.
    journal.limit_pages(40).unwrap();
    let mut kept = 0;
    let full = loop {
        match journal.record(&[JournalReading { answer: vec![0; 1_000], ..reading(1, kept + 1, kept, epoch) }]) {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1_000, "the bound is reached");
    };
    assert!(full.is_disk_full(), "{full:?}");
    assert_eq!(states(&journal).len() as u64, kept);
}

#[test]
fn a_journal_that_has_lost_its_bytes_is_no_new_one() {
    let desk = tempfile::tempdir().unwrap();
    let path = desk.path().join("journal.sqlite");
    drop(Journal::open(&path).unwrap());
    std::fs::write(&path, b"no database, but bytes enough that somebody might take it for one; ".repeat(64)).unwrap();
    assert!(Journal::open(&path).unwrap_err().is_damaged());
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(Journal::open(&path).unwrap_err(), JournalError::Empty { .. }));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "nothing was begun in it");
}

#[test]
fn a_value_that_can_be_none_is_damage_and_no_number() {
    let damages = [
        "UPDATE reading SET register = -5",
        "UPDATE meter SET last_register = -5",
        "UPDATE reading SET time_ms = -5",
        "UPDATE reading SET meter = x'01'",
    ];
    for damage in damages {
        let desk = Desk::new();
        let mut journal = Journal::open(&desk.path()).unwrap();
        let epoch = trusted(&mut journal);
        journal.record(&[reading(1, 10, 5, epoch)]).unwrap();
        rusqlite::Connection::open(desk.path()).unwrap().execute(damage, []).unwrap();
        let found = if damage.contains("last_register") {
            journal.known(MeterId([1; 16])).map(drop)
        } else {
            journal.oldest_waiting(10).map(drop)
        };
        let error = found.unwrap_err();
        assert!(error.is_damaged() && matches!(error, JournalError::Damaged(_)), "{damage}: {error:?}");
    }
}

#[test]
fn a_register_that_has_changed_on_the_disk_is_not_sealed() {
    const REGISTER: u64 = 0x0123_4567_89ab_cdef;
    let desk = Desk::new();
    let (sound, places) = desk.at_rest(&[(1, REGISTER), (2, 7)]);
    assert_eq!(places.len(), 3, "the reading, the list of what waits, the meter's newest");
    // The same bit of the reading and of the list of what waits, so that the two agree.
    let mut damaged = sound.clone();
    for place in &places {
        damaged[place + 7] ^= 1;
    }
    std::fs::write(desk.path(), damaged).unwrap();
    let error = Journal::open(&desk.path()).unwrap().oldest_waiting(10).unwrap_err();
    assert!(error.is_damaged() && matches!(error, JournalError::Changed { time_ms: 10, .. }), "{error:?}");
    let mut refused = 0;
    for place in places {
        let mut damaged = sound.clone();
        damaged[place + 7] ^= 1;
        std::fs::write(desk.path(), damaged).unwrap();
        let mut journal = Journal::open(&desk.path()).unwrap();
        match journal.oldest_waiting(10).and_then(|waiting| journal.seal(&waiting, &batch(1), 20).map(|_| waiting)) {
            Err(error) => {
                assert!(error.is_damaged(), "{error:?}");
                assert_eq!(journal.open_batches().unwrap(), []);
                refused += 1;
            }
            Ok(waiting) => assert_eq!(waiting[0].register, REGISTER),
        }
    }
    assert_eq!(refused, 2);
}

#[test]
fn no_bit_before_a_register_makes_of_a_reading_that_waits_one_that_does_not() {
    const REGISTER: u64 = 0x0123_4567_89ab_cdef;
    let desk = Desk::new();
    let (sound, places) = desk.at_rest(&[(1, REGISTER)]);
    for place in places.into_iter().flat_map(|place| place - 36..place) {
        for bit in 0..8 {
            let mut damaged = sound.clone();
            damaged[place] ^= 1 << bit;
            std::fs::write(desk.path(), damaged).unwrap();
            let journal = Journal::open(&desk.path());
            let found = journal.and_then(|journal| journal.examine().and_then(|()| journal.oldest_waiting(10)));
            match found {
                Err(error) => assert!(error.is_damaged(), "byte {place}, bit {bit}: {error:?}"),
                Ok(waiting) => assert_eq!(waiting.len(), 1, "byte {place}, bit {bit}"),
            }
        }
    }
}

#[test]
fn what_waits_in_a_journal_of_the_release_before_is_sent() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    journal.record(&[reading(1, 10, 5, epoch), reading(2, 10, 7, epoch)]).unwrap();
    drop(journal);
    to_layout_3(&desk.path());
    let before = "DROP INDEX reading_waiting; ALTER TABLE reading DROP COLUMN sum; PRAGMA user_version = 2;
        CREATE INDEX reading_waiting ON reading (time_ms, meter, epoch, register) WHERE batch IS NULL AND code IS NULL;";
    rusqlite::Connection::open(desk.path()).unwrap().execute_batch(before).unwrap();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let waiting = journal.oldest_waiting(10).unwrap();
    assert_eq!(waiting.iter().map(|waiting| waiting.register).collect::<Vec<_>>(), [5, 7]);
    journal.seal(&waiting, &batch(1), 20).unwrap();
}

#[test]
fn what_an_operator_is_told_stays_in_both_languages_through_a_crash() {
    let mut desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let (epoch, meter) = (trusted(&mut journal), MeterId([1; 16]));
    journal.record(&[reading(1, 10, 5, epoch)]).unwrap();
    let waiting = journal.oldest_waiting(10).unwrap();
    let id = journal.seal(&waiting, &batch(1), 20).unwrap();
    let refused = Fate::Refused { code: "reading/went-back".into(), detail: went_back() };
    journal.close(id, 7, &[(waiting[0], refused)]).unwrap();
    journal.stop_meter(meter, &went_back()).unwrap();
    let event =
        Event { time_ms: 9, meter: Some(meter), code: "meter/silent".into(), detail: went_back(), answer: None };
    journal.note(&event).unwrap();

    let mut crashed = desk.after_a_crash();
    let entry = crashed.entries(&Filter::default(), 10).unwrap().remove(0);
    assert_eq!(entry.refusal, Some(("reading/went-back".into(), went_back())));
    assert_eq!(crashed.events(10).unwrap(), [event]);
    assert_eq!(crashed.stopped().unwrap(), [(meter, went_back())]);
    assert_eq!(crashed.known(meter).unwrap().stopped, Some(went_back()));
    assert!(crashed.accept(meter).unwrap());
    assert_eq!(crashed.known(meter).unwrap().stopped, None);

    // What a clock that is known to be wrong stamps is refused in both, too.
    crashed.judge_clock(epoch, ClockState::Wrong, -90_000).unwrap();
    crashed.record(&[reading(2, 30, 6, epoch)]).unwrap();
    let (_, detail) = crashed.entries(&Filter::default(), 10).unwrap().remove(1).refusal.unwrap();
    assert_eq!((detail.en.as_str(), detail.is_in_both()), ("the gateway's clock was known to be wrong", true));
}

#[test]
fn what_a_journal_of_the_release_before_tells_is_told_in_english_in_both_languages() {
    let desk = Desk::new();
    let mut journal = Journal::open(&desk.path()).unwrap();
    let (epoch, meter) = (trusted(&mut journal), MeterId([1; 16]));
    journal.record(&[reading(1, 10, 5, epoch), reading(2, 11, 6, epoch)]).unwrap();
    let waiting = journal.oldest_waiting(1).unwrap();
    let id = journal.seal(&waiting, &batch(1), 20).unwrap();
    let refused = Fate::Refused { code: "reading/went-back".into(), detail: went_back() };
    journal.close(id, 7, &[(waiting[0], refused)]).unwrap();
    journal.stop_meter(meter, &went_back()).unwrap();
    let event = |time_ms| Event { time_ms, meter: None, code: "uplink/up".into(), detail: went_back(), answer: None };
    journal.note(&event(9)).unwrap();
    drop(journal);
    to_layout_3(&desk.path());
    let error = Journal::look(&desk.path()).unwrap_err();
    assert!(error.is_older() && !error.is_newer(), "who only looks changes nothing: {error:?}");

    let mut journal = Journal::open(&desk.path()).unwrap();
    let english = Sentence::alike("it went back");
    let entries = journal.entries(&Filter::default(), 10).unwrap();
    assert_eq!(entries[0].refusal, Some(("reading/went-back".into(), english.clone())));
    assert_eq!((entries[1].state, &entries[1].refusal), (State::Read, &None));
    assert_eq!(journal.stopped().unwrap(), [(meter, english.clone())]);
    assert_eq!(journal.events(10).unwrap()[0].detail, english);
    journal.examine().unwrap();
    // From now on in both.
    journal.note(&event(10)).unwrap();
    drop(journal);
    let journal = Journal::look(&desk.path()).unwrap();
    assert_eq!(
        journal.events(10).unwrap().iter().map(|event| event.detail.clone()).collect::<Vec<_>>(),
        [went_back(), english]
    );
    assert_eq!(journal.oldest_waiting(10).unwrap().len(), 1);
}

#[test]
fn a_journal_of_another_release_is_not_touched() {
    let desk = Desk::new();
    drop(Journal::open(&desk.path()).unwrap());
    set_layout(&desk.path(), 99);
    assert!(matches!(Journal::open(&desk.path()), Err(JournalError::Layout { found: 99 })));
    assert!(matches!(Journal::look(&desk.path()), Err(JournalError::Layout { found: 99 })));
}

#[test]
fn what_is_no_journal_is_refused_by_name_and_left_as_it_is() {
    let desk = Desk::new();
    let both = |path: &Path| [Journal::open(path).unwrap_err(), Journal::look(path).unwrap_err()];
    for error in both(desk.folder.path()) {
        assert!(matches!(error, JournalError::NotAFile { .. }), "{error:?}");
    }
    std::fs::write(desk.path(), "[site]\nkey = \"gateway\"\n".repeat(100)).unwrap();
    let text = std::fs::read(desk.path()).unwrap();
    for error in both(&desk.path()) {
        assert!(error.is_damaged(), "{error:?}");
    }
    assert!(std::fs::read(desk.path()).unwrap() == text);

    let other = desk.folder.path().join("other.sqlite");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE meta (a)").unwrap();
    for layout in [2, 4] {
        set_layout(&other, layout);
        for error in both(&other) {
            assert!(matches!(error, JournalError::Strange { .. }), "others number theirs as well: {error:?}");
        }
    }
    set_layout(&other, 0);
    let before = std::fs::read(&other).unwrap();
    for error in both(&other) {
        assert!(matches!(error, JournalError::Strange { .. }), "{error:?}");
    }
    assert!(std::fs::read(&other).unwrap() == before, "not even its way of writing is changed");

    drop(Journal::open(&desk.folder.path().join("own.sqlite")).unwrap());
    let own = desk.folder.path().join("own.sqlite");
    for layout in [-3, 1, 5] {
        set_layout(&own, layout);
        for error in both(&own) {
            assert!(matches!(error, JournalError::Layout { found } if found == layout), "{error:?}");
            assert_eq!((error.is_newer(), error.is_older()), (layout == 5, false));
        }
    }
    set_layout(&own, 0);
    for error in both(&own) {
        assert!(matches!(error, JournalError::Strange { .. }), "its tables are there, and no layout is: {error:?}");
    }
}

/// A journal with so many readings, and its file's bytes.
fn filled(desk: &Desk, readings: u64) -> Vec<u8> {
    let mut journal = Journal::open(&desk.path()).unwrap();
    let epoch = trusted(&mut journal);
    let all: Vec<_> = (0..readings).map(|number| reading((number % 200) as u8, number, number, epoch)).collect();
    for some in all.chunks(1_000) {
        journal.record(some).unwrap();
    }
    drop(journal);
    std::fs::read(desk.path()).unwrap()
}

#[test]
fn a_page_that_is_damaged_is_found_however_little_of_the_journal_is_used() {
    let desk = Desk::new();
    let sound = filled(&desk, 3_000);
    Journal::look(&desk.path()).unwrap().examine().unwrap();
    const PAGE: usize = 4_096;
    let pages = sound.len() / PAGE;
    assert!(pages > 20);
    let mut opened = 0;
    for page in 1..pages {
        let mut damaged = sound.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0);
        std::fs::write(desk.path(), damaged).unwrap();
        if let Ok(journal) = Journal::open(&desk.path()) {
            opened += 1;
            let error = journal.examine().unwrap_err();
            assert!(error.is_damaged(), "page {page}: {error:?}");
        }
    }
    assert!(opened > pages / 2, "most damage is not seen by who only opens it");
}

#[test]
#[ignore = "writes a journal of a million readings: how long looking through it takes"]
fn a_million_readings_are_looked_through() {
    let desk = Desk::new();
    let bytes = filled(&desk, 1_000_000).len();
    let began = std::time::Instant::now();
    Journal::look(&desk.path()).unwrap().examine().unwrap();
    println!("{} MiB: {:?}", bytes >> 20, began.elapsed());
}

fn went_back() -> Sentence {
    Sentence { en: "it went back".into(), zh: "表底倒退".into() }
}

/// Makes a journal what the release before has written.
fn to_layout_3(path: &Path) {
    let before = "ALTER TABLE reading DROP COLUMN detail_zh; ALTER TABLE meter DROP COLUMN stopped_zh;
        ALTER TABLE event DROP COLUMN detail_zh; PRAGMA user_version = 3;";
    rusqlite::Connection::open(path).unwrap().execute_batch(before).unwrap();
}

fn set_layout(path: &Path, layout: i32) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.pragma_update(None, "user_version", layout).unwrap();
}

#[test]
fn what_is_told_of_one_meter_again_and_again_does_not_drive_out_what_is_told_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(&folder.path().join("journal.sqlite")).unwrap();
    let [quiet, loud] = [1, 2].map(|number| MeterId([number; 16]));
    let mut note = |time_ms, meter| {
        let detail = Sentence::alike("told");
        journal
            .note(&Event { time_ms, meter: Some(meter), code: "meter/silent".into(), detail, answer: None })
            .unwrap();
    };
    (0..10).for_each(|time_ms| note(time_ms, quiet));
    (10..1_500).for_each(|time_ms| note(time_ms, loud));
    let events = journal.events(2_000).unwrap();
    let of = |meter| events.iter().filter(|event| event.meter == Some(meter)).count() as u64;
    assert_eq!(of(quiet), 10);
    assert!((MAX_EVENTS_OF_A_METER..MAX_EVENTS_OF_A_METER + 128).contains(&of(loud)), "{}", of(loud));
    assert_eq!(events[0].time_ms, 1_499);
}
