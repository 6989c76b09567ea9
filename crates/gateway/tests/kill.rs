//! A gateway's process is killed while it writes its journal: what it was told is on the disk is there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use utilidor_gateway::journal::{ClockState, Fate, Filter, Journal, JournalReading, NewBatch, State};
use utilidor_types::MeterId;

/// Names the journal to the process that is to be killed.
const JOURNAL: &str = "UTILIDOR_TEST_JOURNAL";

/// The step after which the process stands still until it is killed; none lets it go on.
const STEP: &str = "UTILIDOR_TEST_STEP";

/// Counts the steps of a journal, says each, and stands still after the one that is wanted.
struct Steps {
    done: u32,
    last: Option<u32>,
}

impl Steps {
    fn done(&mut self, step: &str) {
        println!("{step}");
        self.done += 1;
        if Some(self.done) == self.last {
            println!("stands still");
            loop {
                std::thread::park();
            }
        }
    }
}

/// Not a test: what the killed process does. It says what has returned.
#[test]
fn write_until_killed() {
    let Some(path) = std::env::var_os(JOURNAL) else { return };
    let last = std::env::var(STEP).ok().map(|step| step.parse().unwrap());
    let mut steps = Steps { done: 0, last };
    let mut journal = Journal::open(Path::new(&path)).unwrap();
    steps.done("opened");
    let epoch = journal.begin_clock(0).unwrap();
    steps.done("begun");
    journal.judge_clock(epoch, ClockState::Trusted, 0).unwrap();
    steps.done("judged");
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
        steps.done(&format!("read {time_ms}"));
        if time_ms % 3 == 0 {
            let waiting = journal.oldest_waiting(100).unwrap();
            let newest = waiting.last().unwrap().time_ms;
            let batch = NewBatch { bytes: vec![3; 1_000], hash: time_ms.to_be_bytes().to_vec(), expires: 9 };
            let id = journal.seal(&waiting, &batch, time_ms).unwrap();
            steps.done(&format!("sealed {newest}"));
            if last.is_some() && time_ms % 2 == 0 {
                // As if it had never entered a block: what it carried waits again, and is sealed anew.
                journal.take_back(id).unwrap();
                steps.done("taken back");
                continue;
            }
            let fates: Vec<_> = waiting.into_iter().map(|reading| (reading, Fate::Final)).collect();
            journal.close(id, 5, &fates).unwrap();
            steps.done(&format!("final {newest}"));
        }
    }
}

fn start(path: &Path, step: Option<u32>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "write_until_killed", "--nocapture", "--test-threads=1"]).env(JOURNAL, path);
    command
        .envs(step.map(|step| (STEP, step.to_string())))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_after_any_step_the_journal_holds_what_the_step_did_and_the_next_life_goes_on_from_there() {
    // Opened, begun, judged; three readings, sealed, final; three readings, sealed, taken back; and once more.
    for step in 1..=18 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite");
        let (mut read, mut sealed, mut certified) = (0u64, 0u64, 0u64);
        for _ in 0..2 {
            let mut child = start(&path, Some(step));
            let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            for line in lines.take_while(|line| line != "stands still") {
                match line.split_once(' ').map(|(what, time)| (what, time.parse())) {
                    Some(("read", Ok(time))) => read = time,
                    Some(("sealed", Ok(time))) => sealed = time,
                    Some(("final", Ok(time))) => certified = time,
                    Some(("taken", _)) => sealed = certified,
                    _ => {}
                }
            }
            child.kill().unwrap();
            child.wait().unwrap();
            let mut journal = Journal::open(&path).unwrap();
            let entries = journal.entries(&Filter::default(), usize::MAX >> 1).unwrap();
            let newest = |states: &[State]| {
                let of = entries.iter().filter(|entry| states.contains(&entry.state));
                of.map(|entry| entry.reading.time_ms).max().unwrap_or_default()
            };
            // The process stood still: exactly what it had said is there, no more and no less.
            let times: Vec<_> = entries.iter().map(|entry| entry.reading.time_ms).collect();
            assert!(times.iter().copied().eq(1..=read), "after step {step}: {times:?}, not 1 to {read}");
            assert_eq!(newest(&[State::InTransaction, State::Final]), sealed, "after step {step}");
            assert_eq!(newest(&[State::Final]), certified, "after step {step}");
            for batch in journal.open_batches().unwrap() {
                journal.take_back(batch.id).unwrap();
                sealed = certified;
            }
        }
    }
}

#[test]
fn what_had_returned_when_the_process_was_killed_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    for life in 1..=8 {
        let mut child = start(&path, None);
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
