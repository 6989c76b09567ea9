//! What all handlers share: the node, read-only connections to the index, and the bounds on what clients may hold.

use crate::problem::{Code, Problem};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use utilidor_chain::Handle;
use utilidor_index::{Questions, ReadError, Reader};
use utilidor_view::Asker;
use utilidor_view::limits::MAX_SUBMISSION_BYTES;

/// Longest body of a request in bytes.
pub const MAX_BODY_BYTES: usize = MAX_SUBMISSION_BYTES + 64 * 1024;
/// Clients that may wait for transactions at a time.
pub const MAX_WAITING_CLIENTS: usize = 256;
/// Clients that may listen to the event stream at a time.
pub const MAX_LISTENING_CLIENTS: usize = 64;
/// Requests in work at a time, waiting ones included; the event stream is bounded apart.
pub const MAX_REQUESTS: usize = 512;
/// Longest time that an answer may take, waiting included.
pub const MAX_ANSWER_TIME: Duration = Duration::from_secs(60);
/// Longest time that advancing a development chain may take: a year's due work may wait there.
pub const MAX_ADVANCE_TIME: Duration = Duration::from_secs(600);
/// Read-only connections to the index.
const READERS: usize = 4;

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub chain: Handle,
    pub indexed: watch::Receiver<u64>,
    pub stopping: watch::Receiver<bool>,
    readers: Arc<Readers>,
    waiting: Arc<Semaphore>,
    listening: Arc<Semaphore>,
    pub requests: Arc<Semaphore>,
}

struct Readers {
    free: Mutex<Vec<Reader>>,
    permits: Arc<Semaphore>,
}

impl App {
    pub fn new(
        chain: Handle,
        index: &Path,
        indexed: watch::Receiver<u64>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, ReadError> {
        let free = (0..READERS).map(|_| Reader::open(index)).collect::<Result<_, _>>()?;
        Ok(Self {
            chain,
            indexed,
            stopping,
            readers: Arc::new(Readers { free: Mutex::new(free), permits: Arc::new(Semaphore::new(READERS)) }),
            waiting: Arc::new(Semaphore::new(MAX_WAITING_CLIENTS)),
            listening: Arc::new(Semaphore::new(MAX_LISTENING_CLIENTS)),
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
        })
    }

    /// Answers a question of `asker` from one state of the index, on a thread that may block.
    pub async fn ask<T: Send + 'static>(
        &self,
        asker: Asker,
        question: impl FnOnce(&Questions<'_>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Problem> {
        let readers = Arc::clone(&self.readers);
        let permit = Arc::clone(&readers.permits).acquire_owned().await.expect("the semaphore is never closed");
        let answer = tokio::task::spawn_blocking(move || {
            let reader = readers.free.lock().expect("no holder panics").pop().expect("a permit stands for a reader");
            let answer = reader.questions(asker).and_then(|questions| question(&questions));
            readers.free.lock().expect("no holder panics").push(reader);
            drop(permit);
            answer
        });
        Ok(answer.await.map_err(|error| Problem::internal(&error))??)
    }

    /// A place among the clients that wait.
    pub fn wait_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        place(&self.waiting, MAX_WAITING_CLIENTS, "wait")
    }

    /// A place among the clients that listen.
    pub fn listen_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        place(&self.listening, MAX_LISTENING_CLIENTS, "listen")
    }

    /// Waits until blocks up to `height` can be read from the index, or the node stops.
    pub async fn indexed(&self, height: u64) -> Result<(), Problem> {
        let (mut indexed, mut stopping) = (self.indexed.clone(), self.stopping.clone());
        let stopped = || Problem::new(Code::Stopping, "the node stops following the chain");
        tokio::select! {
            reached = indexed.wait_for(|indexed| *indexed >= height) => reached.map(|_| ()).map_err(|_| stopped()),
            _ = stopping.wait_for(|stopping| *stopping) => Err(stopped()),
        }
    }
}

fn place(places: &Arc<Semaphore>, max: usize, verb: &str) -> Result<OwnedSemaphorePermit, Problem> {
    let full = |_| Problem::new(Code::TooManyClients, format!("{max} clients {verb} already"));
    Arc::clone(places).try_acquire_owned().map_err(full)
}
