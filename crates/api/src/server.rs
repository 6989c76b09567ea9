//! Connections: how many there may be, and how long they may take.
//!
//! ```text
//! accept --(a place: in all, for the peer)--> connection --> request (its two ends noted) --> router
//! ```
//!
//! A connection that sends no whole request header in time, or takes no byte of an answer in time, is closed; so is one on
//! which nothing happens between two requests. There are never so many that storage lacks file descriptors.
//!
//! Deliberately absent: TLS, which a gateway before the node ends, and HTTP/2.

use crate::peer::{LocalEnd, Peer, Places};
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// Bounds on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Most connections at a time; fewer if the process may not open twice as many files.
    pub connections: usize,
    /// How long a request's header may take from the moment it could begin, and with it how long a connection may be idle.
    pub header: Duration,
    /// How long an answer may wait for the client to take a byte of it.
    pub write: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { connections: 1_024, header: Duration::from_secs(30), write: Duration::from_secs(30) }
    }
}

impl ConnectionLimits {
    /// Most connections, as far as file descriptors reach: the other half is storage's.
    fn most(&self) -> usize {
        let files = descriptors().unwrap_or(usize::MAX);
        self.connections.min(files / 2).max(1)
    }
}

/// The most that the process asks the system to let it open.
#[cfg(unix)]
const WANTED_DESCRIPTORS: u64 = 65_536;

/// How long answers under way may take when the server stops.
const STOP_TIME: Duration = Duration::from_secs(10);

/// The pause after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many files the process may open.
#[cfg(unix)]
fn descriptors() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

#[cfg(not(unix))]
fn descriptors() -> Option<usize> {
    None
}

/// Asks the system to let the process open as many files as a node may need.
pub(crate) fn raise_descriptors() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let wanted = maximum.map_or(WANTED_DESCRIPTORS, |maximum| maximum.min(WANTED_DESCRIPTORS));
        if current.is_some_and(|current| current < wanted)
            && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
        {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
    }
}

/// Serves `router` on `listener` until `stopping` becomes true, and then lets answers under way end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    mut stopping: watch::Receiver<bool>,
) {
    let most = limits.most();
    // Whoever has taken his share leaves room for others.
    let places = Places::new(most, most - most / 4);
    let mut connections = JoinSet::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stopped(&mut stopping) => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, address)) => (stream, Peer::of(address.ip())),
            Err(error) => {
                // One that went away meanwhile is no matter; where files are lacking, some are soon closed.
                tracing::warn!(%error, "could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.take(peer) else {
            tracing::debug!(?peer, "closed a connection: as many as allowed are open");
            continue;
        };
        let (http, router, stopping) = (http.clone(), router.clone(), stopping.clone());
        connections.spawn(async move {
            converse(&http, stream, limits.write, peer, router, stopping).await;
            drop(place);
        });
    }
    drop(listener);
    let ended = tokio::time::timeout(STOP_TIME, async { while connections.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::warn!(connections = connections.len(), "cut off answers that took too long when the node stopped");
    }
}

/// Returns once the server is to stop, or is gone.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Answers what comes over one connection until it ends.
async fn converse(
    http: &http1::Builder,
    stream: TcpStream,
    write: Duration,
    peer: Peer,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection sends in larger pieces");
    }
    let local = match stream.local_addr() {
        Ok(address) => LocalEnd::of(address.ip()),
        Err(error) => {
            tracing::debug!(?peer, %error, "a connection ended early");
            return;
        }
    };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(local);
        router.call(request)
    });
    let connection = http.serve_connection(TokioIo::new(Patient::new(stream, write)), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(?peer, %error, "a connection ended early");
    }
}

/// A stream whose writing fails once the other side has taken nothing for a while.
struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Set while bytes wait to be taken.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    const fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, patience, deadline: None }
    }

    /// What writing came to: a failure if it has waited too long.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let end = Instant::now() + self.patience;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(end)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of the answer")))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, buf);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bufs);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, shut)
    }
}
