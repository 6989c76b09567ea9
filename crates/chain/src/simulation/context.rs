//! The runtime of one simulated node: its own clock, which may be wrong, and its own disk, which may end the node at any
//! operation. All nodes of a run share one deterministic runtime below.

use commonware_runtime::{
    Blob, BlobVersion, Clock, Error, Handle, IoBufs, IoBufsMut, Metrics, Name, ReadOptions, Spawner, Storage,
    Supervisor, WriteOptions,
    signal::Signal,
    telemetry::metrics::{Metric, Registered},
};
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use rand_core::{TryCryptoRng, TryRng};
use std::{
    future::{Future, pending},
    ops::RangeInclusive,
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::sync::Notify;

/// What is wrong with a node's machine.
pub struct Machine {
    /// How far its clock is ahead, in milliseconds.
    skew: AtomicI64,
    /// Writing storage operations so far.
    operations: AtomicU64,
    /// The operation at which the node ends; `u64::MAX` for none.
    ends_at: AtomicU64,
    /// How often its archive of certificates may still be made durable, in part, before the node ends; `u64::MAX` for ever.
    certificates_left: AtomicU64,
    /// Told when it has.
    pub ended: Notify,
    /// What each operation waits for, if the disk is slow, as long as the node's life holds it: a machine outlives its run, and
    /// must hold nothing of the runtime.
    slow: Mutex<Option<Weak<Pause>>>,
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Makes waits of the same length.
pub type Pause = dyn Fn() -> Wait + Send + Sync;

impl Default for Machine {
    fn default() -> Self {
        let ends_at = AtomicU64::new(u64::MAX);
        Self {
            skew: AtomicI64::default(),
            operations: AtomicU64::default(),
            ends_at,
            certificates_left: AtomicU64::new(u64::MAX),
            ended: Notify::new(),
            slow: Mutex::default(),
        }
    }
}

impl Machine {
    pub fn set_skew(&self, milliseconds: i64) {
        self.skew.store(milliseconds, Ordering::Relaxed);
    }

    /// Ends the node's first life at an operation.
    pub fn end_first_life_at(&self, operation: u64) {
        self.ends_at.store(operation, Ordering::Relaxed);
    }

    /// Ends the node's first life when its archive of certificates is to be made durable, in part, for this time: what belongs to
    /// the same blocks in the other archive is durable already.
    pub fn end_first_life_at_certificate(&self, number: u64) {
        self.certificates_left.store(number, Ordering::Relaxed);
    }

    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// Whether it has ended the node, which has not started again.
    pub fn has_ended(&self) -> bool {
        self.operations() > self.ends_at.load(Ordering::Relaxed)
    }

    /// The node starts again: its next operation is done, and the count goes on.
    pub fn revive(&self) {
        if self.operations() > 0 {
            self.ends_at.store(u64::MAX, Ordering::Relaxed);
        }
        if self.certificates_left.load(Ordering::Relaxed) == 0 {
            self.certificates_left.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// From now on each operation takes this long, until what this gives is dropped.
    pub fn slow_down(&self, clock: impl Clock, by: Duration) -> Arc<Pause> {
        let pause: Arc<Pause> = Arc::new(move || -> Wait { Box::pin(clock.sleep(by)) });
        *self.slow.lock().unwrap() = Some(Arc::downgrade(&pause));
        pause
    }

    /// Counts a part of the archive of certificates that is about to be made durable.
    fn certify(&self) {
        let left = self.certificates_left.load(Ordering::Relaxed);
        if left == u64::MAX || left == 0 {
            return;
        }
        self.certificates_left.store(left - 1, Ordering::Relaxed);
        if left == 1 {
            self.ends_at.store(self.operations(), Ordering::Relaxed);
        }
    }

    /// Counts an operation. The one at which the node ends never answers, and none after it.
    async fn operate(&self) {
        let operation = self.operations.fetch_add(1, Ordering::Relaxed);
        let ends_at = self.ends_at.load(Ordering::Relaxed);
        if operation == ends_at {
            self.ended.notify_one();
        }
        if operation >= ends_at {
            pending::<()>().await;
        }
        let pause = self.slow.lock().unwrap().as_ref().and_then(Weak::upgrade);
        if let Some(wait) = pause.map(|pause| pause()) {
            wait.await;
        }
    }

    /// What its clock shows at a time.
    pub fn skewed(&self, time: SystemTime) -> SystemTime {
        self.shift(time, self.skew.load(Ordering::Relaxed))
    }

    fn unskewed(&self, time: SystemTime) -> SystemTime {
        self.shift(time, -self.skew.load(Ordering::Relaxed))
    }

    fn shift(&self, time: SystemTime, milliseconds: i64) -> SystemTime {
        let by = Duration::from_millis(milliseconds.unsigned_abs());
        if milliseconds < 0 { time - by } else { time + by }
    }
}

/// A node's runtime over `E`.
pub struct Node<E> {
    pub inner: E,
    pub machine: Arc<Machine>,
}

impl<E: Clock> Node<E> {
    /// Time since the run began, whatever the node's own clock shows.
    pub fn elapsed(&self) -> Duration {
        self.inner.current().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

impl<E: Supervisor> Supervisor for Node<E> {
    fn name(&self) -> Name {
        self.inner.name()
    }

    fn child(&self, label: &'static str) -> Self {
        Self { inner: self.inner.child(label), machine: self.machine.clone() }
    }

    fn with_attribute(self, key: &'static str, value: impl std::fmt::Display) -> Self {
        Self { inner: self.inner.with_attribute(key, value), machine: self.machine }
    }
}

impl<E: Spawner> Spawner for Node<E> {
    fn shared(self, blocking: bool) -> Self {
        Self { inner: self.inner.shared(blocking), machine: self.machine }
    }

    fn dedicated(self) -> Self {
        Self { inner: self.inner.dedicated(), machine: self.machine }
    }

    fn spawn<F, Fut, T>(self, f: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let machine = self.machine;
        self.inner.spawn(move |inner| f(Self { inner, machine }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.inner.stop(value, timeout).await
    }

    fn stopped(&self) -> Signal {
        self.inner.stopped()
    }
}

impl<E: Clock> Clock for Node<E> {
    fn current(&self) -> SystemTime {
        self.machine.skewed(self.inner.current())
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.inner.sleep(duration)
    }

    fn sleep_until(&self, deadline: SystemTime) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.inner.sleep_until(self.machine.unskewed(deadline))
    }
}

impl<E: Clock> GovernorClock for Node<E> {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.current()
    }
}

impl<E: Clock> ReasonablyRealtime for Node<E> {}

impl<E: Metrics> Metrics for Node<E> {
    fn register<N: Into<String>, H: Into<String>, M: Metric>(&self, name: N, help: H, metric: M) -> Registered<M> {
        self.inner.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.inner.encode()
    }
}

impl<E: TryRng> TryRng for Node<E> {
    type Error = E::Error;

    fn try_next_u32(&mut self) -> Result<u32, E::Error> {
        self.inner.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, E::Error> {
        self.inner.try_next_u64()
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), E::Error> {
        self.inner.try_fill_bytes(dest)
    }
}

impl<E: TryCryptoRng> TryCryptoRng for Node<E> {}

impl<E: Storage> Storage for Node<E> {
    type Blob = Disk<E::Blob>;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(Disk<E::Blob>, u64, BlobVersion), Error> {
        self.machine.operate().await;
        let (inner, len, version) = self.inner.open_versioned(partition, name, versions).await?;
        let certificates = partition.ends_with("-finalizations-values") && !partition.contains("-cache-");
        Ok((Disk { inner, machine: self.machine.clone(), certificates }, len, version))
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        self.machine.operate().await;
        self.inner.remove(partition, name).await
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.inner.scan(partition).await
    }
}

/// A file of a node.
pub struct Disk<B> {
    inner: B,
    machine: Arc<Machine>,
    /// Whether it is of the archive of certificates.
    certificates: bool,
}

impl<B: Blob> Blob for Disk<B> {
    async fn read_at_buf(
        &self,
        offset: u64,
        len: usize,
        bufs: impl Into<IoBufsMut> + Send,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        self.inner.read_at_buf(offset, len, bufs, options).await
    }

    async fn read_at(&self, offset: u64, len: usize, options: ReadOptions) -> Result<IoBufsMut, Error> {
        self.inner.read_at(offset, len, options).await
    }

    async fn write_at(&self, offset: u64, bufs: impl Into<IoBufs> + Send, options: WriteOptions) -> Result<(), Error> {
        self.machine.operate().await;
        self.inner.write_at(offset, bufs, options).await
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        self.machine.operate().await;
        self.inner.resize(len).await
    }

    async fn sync(&self) -> Result<(), Error> {
        if self.certificates {
            self.machine.certify();
        }
        self.machine.operate().await;
        self.inner.sync().await
    }

    async fn start_sync(&self) -> Handle<()> {
        if self.certificates {
            self.machine.certify();
        }
        self.machine.operate().await;
        self.inner.start_sync().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{EPOCH_MS, QUOTA};
    use commonware_runtime::{KeyedRateLimiter, Runner as _, deterministic};

    /// What a node may send is counted by its clock, so an operator does not set it back while the node runs (docs/operating.md).
    #[test]
    fn a_node_whose_clock_is_set_back_sends_nothing_until_it_has_caught_up() {
        deterministic::Runner::default().start(|context| async move {
            let machine = Arc::new(Machine::default());
            machine.set_skew(EPOCH_MS);
            let node = Node { inner: context.child("node"), machine: machine.clone() };
            let limits = KeyedRateLimiter::hashmap_with_clock(QUOTA, node);
            context.sleep(Duration::from_secs(100)).await;
            assert!(limits.check_key(&1).is_ok());
            machine.set_skew(EPOCH_MS - 60_000);
            assert!(limits.check_key(&1).is_err());
            context.sleep(Duration::from_secs(59)).await;
            assert!(limits.check_key(&1).is_err());
            context.sleep(Duration::from_secs(1)).await;
            assert!(limits.check_key(&1).is_ok());
        });
    }
}
