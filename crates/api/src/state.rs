//! What all handlers share: the node, read-only connections to the index, and the bounds on what clients may hold.

use crate::access::Names;
use crate::admission::Admission;
use crate::oversight::Log;
use crate::peer::{NoPlace, Peer, Place, Places};
use crate::problem::{Code, Problem};
use crate::web::Compressed;
use crate::{ServeError, Settings};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use utilidor_chain::Handle;
use utilidor_index::{Questions, ReadError, Reader};
use utilidor_types::session::Category;
use utilidor_view::Viewer;
use utilidor_view::limits::MAX_SUBMISSION_BYTES;

/// Longest body of a request in bytes.
pub const MAX_BODY_BYTES: usize = MAX_SUBMISSION_BYTES + 64 * 1024;
/// Longest time that an answer may take, waiting included.
pub const MAX_ANSWER_TIME: Duration = Duration::from_secs(60);
/// Longest time that advancing a development chain may take: a year's due work may wait there.
pub const MAX_ADVANCE_TIME: Duration = Duration::from_secs(600);
/// Read-only connections to the index.
const READERS: usize = 4;

/// Read tokens of programs, beside the index.
const TOKENS_FILE: &str = "tokens.json";
/// The log of oversight, beside the index.
const LOG_FILE: &str = "oversight.jsonl";

/// Bounds on what clients hold at a time, in all and for each peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Requests in work, waiting ones included; the event stream is bounded apart.
    pub requests: (usize, usize),
    /// Requests that wait for transactions that the node holds.
    pub waiting: (usize, usize),
    /// Requests that wait for transactions that the node has never seen: another node may have them, or nobody.
    pub waiting_for_unknown: (usize, usize),
    /// Event streams.
    pub listening: (usize, usize),
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self { requests: (512, 256), waiting: (256, 64), waiting_for_unknown: (16, 8), listening: (64, 16) }
    }
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub chain: Handle,
    pub indexed: watch::Receiver<u64>,
    pub stopping: watch::Receiver<bool>,
    readers: Arc<Readers>,
    pub names: Names,
    pub admission: Arc<Admission>,
    pub log: Arc<Log>,
    /// What supervisors may see at this node.
    pub oversight: Arc<[Category]>,
    pub compressed: Compressed,
    pub seats: Option<Arc<str>>,
    requests: Places,
    waiting: Places,
    waiting_for_unknown: Places,
    listening: Places,
}

struct Readers {
    free: Mutex<Vec<Reader>>,
    permits: Arc<Semaphore>,
}

impl App {
    pub fn new(
        chain: Handle,
        index: &Path,
        settings: &Settings,
        indexed: watch::Receiver<u64>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, ServeError> {
        let free = (0..READERS).map(|_| Reader::open(index)).collect::<Result<_, _>>().map_err(ServeError::Readers)?;
        let id = chain.genesis().chain();
        let beside = |name| index.with_file_name(name);
        let kept = |path: PathBuf| move |source| ServeError::Kept { path, source };
        let (tokens, log) = (beside(TOKENS_FILE), beside(LOG_FILE));
        let admission = Admission::open(id, &tokens).map_err(kept(tokens))?;
        let log = Log::open(id, &log).map_err(kept(log))?;
        let places = |(all, per_peer)| Places::new(all, per_peer);
        let clients = settings.clients;
        Ok(Self {
            chain,
            indexed,
            stopping,
            readers: Arc::new(Readers { free: Mutex::new(free), permits: Arc::new(Semaphore::new(READERS)) }),
            names: Names::new(&settings.names),
            admission: Arc::new(admission),
            log: Arc::new(log),
            oversight: settings.oversight.clone().into(),
            compressed: Compressed::default(),
            seats: settings.seats.clone(),
            requests: places(clients.requests),
            waiting: places(clients.waiting),
            waiting_for_unknown: places(clients.waiting_for_unknown),
            listening: places(clients.listening),
        })
    }

    /// Answers a question from one state of the index as `viewer` may see it, on a thread that may block.
    pub async fn ask<T: Send + 'static>(
        &self,
        viewer: Viewer,
        question: impl FnOnce(&Questions<'_>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Problem> {
        let readers = Arc::clone(&self.readers);
        let permit = Arc::clone(&readers.permits).acquire_owned().await.expect("the semaphore is never closed");
        let answer = tokio::task::spawn_blocking(move || {
            let reader = readers.free.lock().expect("no holder panics").pop().expect("a permit stands for a reader");
            let answer = reader.questions(viewer).and_then(|questions| question(&questions));
            readers.free.lock().expect("no holder panics").push(reader);
            drop(permit);
            answer
        });
        Ok(answer.await.map_err(|error| Problem::internal(&error))??)
    }

    /// A place among the requests in work.
    pub fn request_place(&self, peer: Peer) -> Result<Place, Problem> {
        place(&self.requests, peer, "requests in work")
    }

    /// A place among those who wait for transactions that the node holds.
    pub fn wait_place(&self, peer: Peer) -> Result<Place, Problem> {
        place(&self.waiting, peer, "requests that wait")
    }

    /// A place among those who wait for a transaction that the node has never seen.
    pub fn wait_for_unknown_place(&self, peer: Peer) -> Result<Place, Problem> {
        place(&self.waiting_for_unknown, peer, "requests that wait for transactions which the node does not hold")
    }

    /// A place among the clients that listen.
    pub fn listen_place(&self, peer: Peer) -> Result<Place, Problem> {
        place(&self.listening, peer, "event streams")
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

fn place(places: &Places, peer: Peer, what: &str) -> Result<Place, Problem> {
    places.take(peer).map_err(|none| {
        let detail = match none {
            NoPlace::All(limit) => format!("there are {limit} {what} already"),
            NoPlace::Share(limit) => format!("this client's address has {limit} {what} already"),
        };
        Problem::new(Code::TooManyClients, detail)
    })
}
