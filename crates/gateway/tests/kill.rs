//! A gateway's process is killed while it writes its journal: what it was told is on the disk is there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use utilidor_gateway::journal::{ClockState, Fate, Filter, Journal, JournalReading, NewBatch, State};
use utilidor_types::MeterId;

/// Names the journal to the process that is to be killed.
const JOURNAL: &str = "UTILIDOR_TEST_JOURNAL";

/// Not a test: what the killed process does. It says what has returned.
#[test]
fn write_until_killed() {
    let Some(path) = std::env::var_os(JOURNAL) else { return };
    let mut journal = Journal::open(Path::new(&path)).unwrap();
    let epoch = journal.begin_clock(0).unwrap();
    journal.judge_clock(epoch, ClockState::Trusted, 0).unwrap();
    let begin = journal.newest_ms().unwrap().unwrap_or_default();
    for time_ms in begin + 1.. {
        let reading = JournalReading {
            meter: MeterId([1; 16]),
            time_ms,
            register: time_ms,
            epoch,
            bus: "hall".into(),
            protocol: "dlt645".into(),
            request: vec![1; 20],
            answer: vec![2; 200],
        };
        journal.record(&[reading]).unwrap();
        println!("read {time_ms}");
        if time_ms % 3 == 0 {
            let waiting = journal.oldest_waiting(100).unwrap();
            let newest = waiting.last().unwrap().time_ms;
            let batch = NewBatch { bytes: vec![3; 1_000], hash: time_ms.to_be_bytes().to_vec(), expires: 9 };
            let id = journal.seal(&waiting, &batch, time_ms).unwrap();
            println!("sealed {newest}");
            let fates: Vec<_> = waiting.into_iter().map(|reading| (reading, Fate::Final)).collect();
            journal.close(id, 5, &fates).unwrap();
            println!("final {newest}");
        }
    }
}

#[test]
fn what_had_returned_when_the_process_was_killed_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    for life in 1..=8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "write_until_killed", "--nocapture", "--test-threads=1"])
            .env(JOURNAL, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut told = (0, 0, 0);
        let mut note = |line: String| match line.split_once(' ').map(|(what, time)| (what, time.parse::<u64>())) {
            Some(("read", Ok(time))) => told.0 = time,
            Some(("sealed", Ok(time))) => told.1 = time,
            Some(("final", Ok(time))) => told.2 = time,
            _ => {}
        };
        // Each time a little later in its work; then what it had still said.
        lines.by_ref().take(10 + life * 7).for_each(&mut note);
        child.kill().unwrap();
        child.wait().unwrap();
        lines.for_each(&mut note);

        let journal = Journal::open(&path).unwrap();
        let entries = journal.entries(&Filter::default(), usize::MAX >> 1).unwrap();
        let newest = |states: &[State]| {
            let of = entries.iter().filter(|entry| states.contains(&entry.state));
            of.map(|entry| entry.reading.time_ms).max().unwrap_or_default()
        };
        let times: Vec<_> = entries.iter().map(|entry| entry.reading.time_ms).collect();
        assert!(times.iter().copied().eq(1..=times.len() as u64), "none is missing, none is there twice");
        assert!(times.len() as u64 >= told.0, "life {life}: {told:?}");
        assert!(newest(&[State::InTransaction, State::Final]) >= told.1, "life {life}: {told:?}");
        assert!(newest(&[State::Final]) >= told.2, "life {life}: {told:?}");
        assert!(journal.open_batches().unwrap().len() <= 1, "what was sealed is there to be sent again");
        // The next life begins without it, as if the ledger had never seen it.
        drop(journal);
        let mut journal = Journal::open(&path).unwrap();
        for batch in journal.open_batches().unwrap() {
            journal.take_back(batch.id).unwrap();
        }
    }
}
