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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use utilidor_chain::Handle;
use utilidor_index::{Interest, Questions, ReadError, Reader};
use utilidor_types::ChainId;
use utilidor_types::session::Category;
use utilidor_view::Viewer;
use utilidor_view::limits::MAX_SUBMISSION_BYTES;

/// Longest body of a request in bytes.
pub const MAX_BODY_BYTES: usize = MAX_SUBMISSION_BYTES + 64 * 1024;
/// Longest body that is a small one: what is held of it while it comes is no matter.
pub const SMALL_BODY_BYTES: u64 = 64 * 1024;
/// Longest time that a request's body may take to come.
pub const MAX_BODY_TIME: Duration = Duration::from_secs(60);
/// For how long a place is waited for that others give back soon.
const PATIENCE: Duration = Duration::from_secs(20);
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
    /// Requests whose small bodies are on their way; they have no place among the others before they are there.
    pub receiving: (usize, usize),
    /// The same of larger bodies, of which much is held while they come.
    pub receiving_large: (usize, usize),
    /// Requests that wait for transactions that the node holds.
    pub waiting: (usize, usize),
    /// Requests that wait for transactions that the node has never seen: another node may have them, or nobody.
    pub waiting_for_unknown: (usize, usize),
    /// Event streams.
    pub listening: (usize, usize),
    /// Lists that are read as tables in one go, which are held in memory until they are sent.
    pub tables: (usize, usize),
    /// Those that wait for it.
    pub waiting_tables: (usize, usize),
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            requests: (512, 256),
            receiving: (256, 64),
            receiving_large: (16, 8),
            waiting: (256, 64),
            waiting_for_unknown: (16, 8),
            listening: (64, 16),
            tables: (2, 1),
            waiting_tables: (16, 4),
        }
    }
}

/// Whether what stands beside a stopped node's index can be read: tokens of programs, and the log of oversight. Nothing is
/// changed; what is missing is none.
pub fn check_kept(chain: ChainId, index: &Path) -> [(&'static str, std::io::Result<()>); 2] {
    let beside = |name| index.with_file_name(name);
    let tokens = crate::admission::read_file(&beside(TOKENS_FILE)).map(|_| ());
    [(TOKENS_FILE, tokens), (LOG_FILE, Log::check(chain, &beside(LOG_FILE)))]
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
    receiving: Places,
    receiving_large: Places,
    waiting: Places,
    waiting_for_unknown: Places,
    listening: Places,
    tables: Places,
    waiting_tables: Places,
}

struct Readers {
    free: Mutex<Vec<Reader>>,
    permits: Arc<Semaphore>,
}

/// A reader that answers a question. It is given back however that ends, and before its permit is.
struct Busy {
    reader: Option<Reader>,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

impl Busy {
    fn take(readers: Arc<Readers>, permit: OwnedSemaphorePermit) -> Self {
        let reader = readers.free.lock().expect("no holder panics").pop();
        Self { reader, readers, _permit: permit }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.readers.free.lock().expect("no holder panics").extend(self.reader.take());
    }
}

/// Who waits for an answer. A request that is given up is dropped, and this with it.
struct Waits(Interest);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.lose();
    }
}

impl Readers {
    fn new(free: Vec<Reader>) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(free.len()));
        Arc::new(Self { free: Mutex::new(free), permits })
    }

    /// Answers a question; one that panics is answered as a failure of the node, and takes nothing from the others. When nobody
    /// waits for the answer any more, because its time is over or its client gone, the reader stops and is free for the next one.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        viewer: Viewer,
        question: impl FnOnce(&Questions<'_>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Problem> {
        let (readers, interest) = (Arc::clone(self), Interest::new());
        let _waits = Waits(interest.clone());
        let permit = Arc::clone(&readers.permits).acquire_owned().await.expect("the semaphore is never closed");
        let answer = tokio::task::spawn_blocking(move || {
            let busy = Busy::take(readers, permit);
            let reader = busy.reader.as_ref().expect("a permit stands for a reader");
            reader.questions_while(&interest, viewer).and_then(|questions| question(&questions))
        });
        Ok(answer.await.map_err(|error| Problem::internal(&error))??)
    }
}

/// Does what waits for the disk where it keeps no request from being answered.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Problem::internal(&error))?
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
            readers: Readers::new(free),
            names: Names::new(&settings.names),
            admission: Arc::new(admission),
            log: Arc::new(log),
            oversight: settings.oversight.clone().into(),
            compressed: Compressed::default(),
            seats: settings.seats.clone(),
            requests: places(clients.requests),
            receiving: places(clients.receiving),
            receiving_large: places(clients.receiving_large),
            waiting: places(clients.waiting),
            waiting_for_unknown: places(clients.waiting_for_unknown),
            listening: places(clients.listening),
            tables: places(clients.tables),
            waiting_tables: places(clients.waiting_tables),
        })
    }

    /// Answers a question from one state of the index as `viewer` may see it, on a thread that may block.
    pub async fn ask<T: Send + 'static>(
        &self,
        viewer: Viewer,
        question: impl FnOnce(&Questions<'_>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Problem> {
        self.readers.ask(viewer, question).await
    }

    /// A place among the requests in work.
    pub fn request_place(&self, peer: Peer) -> Result<Place, Problem> {
        self.requests.take(peer).map_err(|none| no_place(none, "requests in work"))
    }

    /// A place among the requests whose bodies are on their way. `most` is how long the body can be, if that is known.
    pub async fn receiving_place(&self, peer: Peer, most: Option<u64>) -> Result<Place, Problem> {
        let (places, what) = match most {
            Some(..=SMALL_BODY_BYTES) => (&self.receiving, "requests whose bodies are on their way"),
            _ => (&self.receiving_large, "requests whose bodies of more than 64 KiB are on their way"),
        };
        places.take_within(peer, PATIENCE).await.map_err(|none| no_place(none, what))
    }

    /// A place among those who wait for transactions that the node holds.
    pub fn wait_place(&self, peer: Peer) -> Result<Place, Problem> {
        self.waiting.take(peer).map_err(|none| no_place(none, "requests that wait"))
    }

    /// A place among those who wait for a transaction that the node has never seen.
    pub fn wait_for_unknown_place(&self, peer: Peer) -> Result<Place, Problem> {
        let what = "requests that wait for transactions which the node does not hold";
        self.waiting_for_unknown.take(peer).map_err(|none| no_place(none, what))
    }

    /// A place among the clients that listen.
    pub fn listen_place(&self, peer: Peer) -> Result<Place, Problem> {
        self.listening.take(peer).map_err(|none| no_place(none, "event streams"))
    }

    /// A place among the lists that are read as tables: whoever reads one after the other waits for the one before to be gone.
    pub async fn table_place(&self, peer: Peer) -> Result<Place, Problem> {
        let waits = self.waiting_tables.take(peer);
        let _waits = waits.map_err(|none| no_place(none, "lists that wait to be read as tables"))?;
        let place = self.tables.take_within(peer, PATIENCE).await;
        place.map_err(|none| no_place(none, "lists that are read as tables"))
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

fn no_place(none: NoPlace, what: &str) -> Problem {
    let detail = match none {
        NoPlace::All(limit) => format!("there are {limit} {what} already"),
        NoPlace::Share(limit) => format!("this client's address has {limit} {what} already"),
    };
    Problem::new(Code::TooManyClients, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_index::Index;
    use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
    use utilidor_types::{AccountId, Genesis, PrivateKey, Role, Roles, Timestamp};

    /// A single reader of an empty index.
    fn one_reader(folder: &Path) -> Arc<Readers> {
        let path = folder.join("index.sqlite");
        let [founder, node] = [3, 4].map(|seed| PrivateKey::ed25519([seed; 32]).public_key());
        let member = GenesisMember { account: AccountId::of(&founder), roles: Roles::of(&[Role::Validator]) };
        let (members, begins) = (vec![member].try_into().unwrap(), Timestamp(1_735_660_800_000));
        let genesis = Genesis::alone(ChainKind::Development, begins, node, members, Limits::DEFAULT);
        let _index = Index::open(&path, &genesis).unwrap();
        Readers::new(vec![Reader::open(&path).unwrap()])
    }

    #[tokio::test]
    async fn questions_that_panic_are_answered_as_failures_and_take_no_reader() {
        let folder = tempfile::tempdir().unwrap();
        let readers = one_reader(folder.path());
        for _ in 0..3 {
            let panicked = readers.ask(Viewer::Public, |_| -> Result<(), ReadError> { panic!("a fault") }).await;
            assert_eq!(panicked.unwrap_err().0.code, "node/internal");
        }
        assert_eq!(readers.ask(Viewer::Operator, |questions| Ok(questions.sees_everything())).await, Ok(true));
    }

    #[tokio::test]
    async fn a_question_that_nobody_waits_for_any_more_gives_its_reader_back() {
        let folder = tempfile::tempdir().unwrap();
        let readers = one_reader(folder.path());
        let (began, begun) = tokio::sync::oneshot::channel();
        let endless = readers.ask(Viewer::Operator, move |questions| -> Result<(), ReadError> {
            let _ = began.send(());
            loop {
                questions.height()?;
            }
        });
        tokio::select! {
            answer = endless => panic!("it has no end: {answer:?}"),
            begun = begun => begun.unwrap(),
        }
        assert_eq!(readers.ask(Viewer::Operator, |questions| questions.height()).await, Ok(0));
    }
}
