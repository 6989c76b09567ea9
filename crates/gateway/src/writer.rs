//! The one thread that writes the journal. Pollers and the sender hand it their work and wait until it is on the disk; readings
//! that come together share one write.

use crate::journal::{Journal, JournalError, JournalReading, Recorded};
use tokio::sync::{mpsc, oneshot};

/// Most readings that share one write.
const GROUP: usize = 512;
/// Most jobs that wait.
const WAITING: usize = 1_024;

type Call = Box<dyn FnOnce(&mut Journal) + Send>;

enum Job {
    Record(Box<JournalReading>, oneshot::Sender<Result<Recorded, JournalError>>),
    Call(Call),
}

/// A handle to the thread that writes the journal. The thread ends when the last handle is gone.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Gives a journal to a thread of its own. The thread's end is the journal's.
    pub fn start(mut journal: Journal) -> (Self, std::thread::JoinHandle<()>) {
        let (jobs, mut waiting) = mpsc::channel(WAITING);
        let thread = std::thread::spawn(move || {
            let mut batch = Vec::with_capacity(GROUP);
            while waiting.blocking_recv_many(&mut batch, GROUP) > 0 {
                let mut readings = Vec::new();
                // Whoever calls waits for the answer. Whoever hands readings in may hand in those of several meters before it waits
                // for them, and sees each only then: none comes before another. What is only asked need not wait for a disk, and all
                // readings share one write.
                for job in batch.drain(..) {
                    match job {
                        Job::Record(reading, answer) => readings.push((*reading, answer)),
                        Job::Call(call) => call(&mut journal),
                    }
                }
                record(&mut journal, readings);
            }
        });
        (Self { jobs }, thread)
    }

    /// Records a reading. It is on the disk when this returns.
    pub async fn record(&self, reading: JournalReading) -> Result<Recorded, JournalError> {
        self.hand_in(reading).await.recorded().await
    }

    /// Hands a reading in. It is on the disk when what this returns says so; meanwhile another meter can be read.
    pub async fn hand_in(&self, reading: JournalReading) -> HandedIn {
        let (answer, answered) = oneshot::channel();
        let sent = self.jobs.send(Job::Record(Box::new(reading), answer)).await;
        assert!(sent.is_ok(), "the journal's thread lives as long as its handles");
        HandedIn(answered)
    }

    /// Does something with the journal, in its turn.
    pub async fn call<T: Send + 'static>(&self, call: impl FnOnce(&mut Journal) -> T + Send + 'static) -> T {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |journal| {
            // Whoever asked may be gone: what was done is done.
            let _ = answer.send(call(journal));
        });
        let sent = self.jobs.send(Job::Call(call)).await;
        assert!(sent.is_ok(), "the journal's thread lives as long as its handles");
        answered.await.expect("the journal's thread answers every job")
    }
}

/// A reading on its way to the disk.
#[derive(Debug)]
#[must_use = "until it says so, the reading is not on the disk"]
pub struct HandedIn(oneshot::Receiver<Result<Recorded, JournalError>>);

impl HandedIn {
    /// Waits until the reading is on the disk.
    pub async fn recorded(self) -> Result<Recorded, JournalError> {
        self.0.await.expect("the journal's thread answers every job")
    }
}

type Asked = (JournalReading, oneshot::Sender<Result<Recorded, JournalError>>);

fn record(journal: &mut Journal, asked: Vec<Asked>) {
    if asked.is_empty() {
        return;
    }
    let (readings, answers): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    if let Ok(recorded) = journal.record(&readings) {
        for (answer, recorded) in answers.into_iter().zip(recorded) {
            let _ = answer.send(Ok(recorded));
        }
        return;
    }
    // One reading spoils the write that they share: each for itself, so that each gets its own answer.
    for (answer, reading) in answers.into_iter().zip(readings) {
        let recorded = journal.record(std::slice::from_ref(&reading)).map(|recorded| recorded[0]);
        let _ = answer.send(recorded);
    }
}
