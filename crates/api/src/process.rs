//! A whole node in one process: the chain, its index and this interface, started and stopped together.
//!
//! ```text
//! start: chain (recovers what is on disk) -> index (opened; caught up while it serves) -> listener
//! stop:  listener (answers cut short) -> index (after a whole block) -> chain
//! ```

use crate::{ServeError, Settings, serve, server};
use futures::future::BoxFuture;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use utilidor_chain::{Handle, Node, NodeFailed};
use utilidor_index::{Index, OpenError};

/// What a whole node is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The chain's node.
    pub chain: utilidor_chain::Config,
    /// The index's file; its folder is the caller's to create.
    pub index: PathBuf,
    /// Where to listen. Port 0 takes any free port.
    pub listen: SocketAddr,
    /// How the interface is served.
    pub settings: Settings,
}

/// Why a whole node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The chain's node did not.
    #[error("the chain's node did not start")]
    Chain(#[from] utilidor_chain::StartError),
    /// The index could not be opened.
    #[error("the index {path} could not be opened")]
    Index {
        /// Its file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: OpenError,
    },
    /// The address could not be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Why a whole node ended otherwise than it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ProcessFailed {
    /// The interface or the index failed.
    #[error("the interface failed")]
    Serve(#[from] ServeError),
    /// The chain's node failed.
    #[error("the chain's node failed")]
    Chain(#[from] NodeFailed),
}

/// A running whole node. Dropping it stops it without waiting for answers under way.
pub struct Process {
    address: SocketAddr,
    chain: Handle,
    node: Option<Node>,
    stop: Option<oneshot::Sender<()>>,
    ended: watch::Receiver<bool>,
    serving: JoinHandle<Result<(), ServeError>>,
}

/// Starts a whole node and returns once it listens. The index may still be catching up: `/v1/status` tells.
pub fn start(config: Config) -> BoxFuture<'static, Result<Process, StartError>> {
    Box::pin(starting(config))
}

async fn starting(config: Config) -> Result<Process, StartError> {
    server::raise_descriptors();
    // First, so that a taken port is noticed before anything is written.
    let listen = |source| StartError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let (chain, path, settings) = (config.chain, config.index, config.settings);
    let started = tokio::task::spawn_blocking(move || {
        let genesis = chain.genesis.clone();
        let node = utilidor_chain::start(chain)?;
        let index = Index::open(&path, &genesis).map_err(|source| StartError::Index { path, source })?;
        Ok::<_, StartError>((node, index))
    });
    let (node, index) = started.await.expect("starting a node does not panic")?;
    let chain = node.handle();
    let (stop, stopped) = oneshot::channel();
    let (has_ended, ended) = watch::channel(false);
    let serving = tokio::spawn({
        let chain = chain.clone();
        async move {
            // A dropped sender asks for a stop as well.
            let stopped = async move { drop(stopped.await) };
            let served = serve(listener, chain, index, &settings, stopped).await;
            has_ended.send_replace(true);
            served
        }
    });
    Ok(Process { address, chain, node: Some(node), stop: Some(stop), ended, serving })
}

impl Process {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The chain's node.
    pub fn chain(&self) -> Handle {
        self.chain.clone()
    }

    /// Waits until the node has ended by itself, which is always a failure. Stop it afterwards to learn which.
    pub async fn failed(&mut self) {
        let node = self.node.as_ref().expect("a process that runs has a node");
        tokio::select! {
            () = node.wait() => {}
            _ = self.ended.wait_for(|ended| *ended) => {}
        }
    }

    /// Stops it and waits until all that was final is on disk.
    pub async fn stop(mut self) -> Result<(), ProcessFailed> {
        drop(self.stop.take());
        let served = (&mut self.serving).await.expect("serving does not panic");
        let node = self.node.take().expect("a process that runs has a node");
        let stopped = tokio::task::spawn_blocking(|| node.stop()).await.expect("stopping a node does not panic");
        stopped?;
        Ok(served?)
    }
}
