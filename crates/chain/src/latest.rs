//! The latest value of something: one side changes it, others read it and wait until it changes.
//!
//! Like `tokio::sync::watch`, except that who waits is woken in the order in which they began to: tokio draws that order by
//! chance, and then a simulated run does not follow from its seed.

use std::{
    collections::BTreeMap,
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
    task::{Context, Poll, Waker},
};

struct Shared<T> {
    value: RwLock<T>,
    /// Taken after the value's lock where both are.
    turns: Mutex<Turns>,
}

struct Turns {
    /// Rises with every change.
    version: u64,
    senders: usize,
    /// Number of the next who waits.
    next: u64,
    /// Who waits, by number: who came first is woken first.
    waiting: BTreeMap<u64, Waker>,
}

impl<T> Shared<T> {
    fn read(&self) -> RwLockReadGuard<'_, T> {
        self.value.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes the value. Cheap to clone.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// Reads the value and waits for its changes. Cheap to clone; a clone has seen what the original has.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

/// All senders are gone: the value changes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what is waited for can change no more")]
pub struct Closed;

/// A look at the value. While it lasts nobody can change the value, so it should be short.
pub struct Ref<'a, T>(RwLockReadGuard<'a, T>);

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The two ends of a new value. The receiver has seen `value`.
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    /// A value that nobody waits for yet.
    pub fn new(value: T) -> Self {
        let turns = Turns { version: 0, senders: 1, next: 0, waiting: BTreeMap::new() };
        Self { shared: Arc::new(Shared { value: RwLock::new(value), turns: Mutex::new(turns) }) }
    }

    /// A receiver that has seen the present value.
    pub fn subscribe(&self) -> Receiver<T> {
        let seen = self.shared.turns().version;
        Receiver { shared: self.shared.clone(), seen }
    }

    /// The present value.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref(self.shared.read())
    }

    /// Changes the value and returns the one before.
    pub fn send_replace(&self, value: T) -> T {
        let mut value = value;
        self.send_if_modified(|current| {
            std::mem::swap(current, &mut value);
            true
        });
        value
    }

    /// Lets `modify` change the value; those who wait are told if it says that it has. Returns what it says.
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let woken = {
            let mut value = self.shared.value.write().unwrap_or_else(PoisonError::into_inner);
            if !modify(&mut value) {
                return false;
            }
            let mut turns = self.shared.turns();
            turns.version += 1;
            std::mem::take(&mut turns.waiting)
        };
        woken.into_values().for_each(Waker::wake);
        true
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.turns().senders += 1;
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let woken = {
            let mut turns = self.shared.turns();
            turns.senders -= 1;
            if turns.senders > 0 {
                return;
            }
            std::mem::take(&mut turns.waiting)
        };
        woken.into_values().for_each(Waker::wake);
    }
}

impl<T> Receiver<T> {
    /// The present value, which may still count as not seen.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref(self.shared.read())
    }

    /// The present value, which counts as seen.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let value = self.shared.read();
        self.seen = self.shared.turns().version;
        Ref(value)
    }

    /// Whether there is a value that was not seen yet.
    pub fn has_changed(&self) -> Result<bool, Closed> {
        let turns = self.shared.turns();
        if turns.senders == 0 { Err(Closed) } else { Ok(turns.version != self.seen) }
    }

    /// Waits for a value that was not seen yet; it then counts as seen. An end of all senders is told after the last value.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        self.seen = Changed { shared: &self.shared, seen: self.seen, number: None }.await?;
        Ok(())
    }

    /// Waits until the value is as wanted; it may be so already.
    pub async fn wait_for(&mut self, wanted: impl Fn(&T) -> bool) -> Result<Ref<'_, T>, Closed> {
        let mut closed = false;
        loop {
            {
                let value = self.shared.read();
                self.seen = self.shared.turns().version;
                if wanted(&value) {
                    return Ok(Ref(value));
                }
            }
            if closed {
                return Err(Closed);
            }
            closed = Changed { shared: &self.shared, seen: self.seen, number: None }.await.is_err();
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), seen: self.seen }
    }
}

/// A wait for a change. Given up, it leaves nothing behind.
struct Changed<'a, T> {
    shared: &'a Shared<T>,
    seen: u64,
    /// Its number among those who wait.
    number: Option<u64>,
}

impl<T> Future for Changed<'_, T> {
    /// The version of what there is now.
    type Output = Result<u64, Closed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut turns = this.shared.turns();
        if turns.version != this.seen {
            return Poll::Ready(Ok(turns.version));
        }
        if turns.senders == 0 {
            return Poll::Ready(Err(Closed));
        }
        let number = *this.number.get_or_insert_with(|| {
            turns.next += 1;
            turns.next
        });
        turns.waiting.insert(number, context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Changed<'_, T> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.shared.turns().waiting.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::task::Wake;

    /// Notes its name when it is woken.
    struct Named(u32, Arc<Mutex<Vec<u32>>>);

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn whoever_waits_is_woken_in_the_order_in_which_they_began_to() {
        let woken = Arc::new(Mutex::new(Vec::new()));
        let (sender, receiver) = channel(0);
        let mut receivers: Vec<_> = (0..20).map(|_| receiver.clone()).collect();
        let mut waits: Vec<_> = receivers.iter_mut().map(|receiver| Box::pin(receiver.changed())).collect();
        let named = |name| Waker::from(Arc::new(Named(name, woken.clone())));
        for (wait, name) in waits.iter_mut().zip(0..) {
            assert!(wait.as_mut().poll(&mut Context::from_waker(&named(name))).is_pending());
        }
        // Who asks again keeps its turn, and who gives up is not woken.
        assert!(waits[3].as_mut().poll(&mut Context::from_waker(&named(103))).is_pending());
        drop(waits.remove(5));
        sender.send_replace(1);
        let expected: Vec<_> =
            (0..20).filter(|name| *name != 5).map(|name| if name == 3 { 103 } else { name }).collect();
        assert_eq!(*woken.lock().unwrap(), expected);
        assert!(waits.into_iter().all(|wait| wait.now_or_never() == Some(Ok(()))));
    }

    #[test]
    fn a_change_is_told_once_and_the_last_value_is_never_missed() {
        let (sender, mut receiver) = channel(0);
        assert_eq!(receiver.changed().now_or_never(), None);
        sender.send_replace(1);
        assert_eq!(sender.send_replace(2), 1);
        assert_eq!(receiver.has_changed(), Ok(true));
        assert_eq!(receiver.changed().now_or_never(), Some(Ok(())));
        assert_eq!(*receiver.borrow(), 2);
        assert_eq!(receiver.changed().now_or_never(), None);

        assert!(!sender.send_if_modified(|_| false));
        assert_eq!(receiver.has_changed(), Ok(false));
        assert!(sender.send_if_modified(|value| std::mem::replace(value, 3) == 2));
        assert_eq!(*receiver.borrow_and_update(), 3);
        assert_eq!(receiver.has_changed(), Ok(false));
    }

    #[test]
    fn the_end_of_the_last_sender_is_told_after_its_last_value() {
        let (sender, mut receiver) = channel(0);
        let other = sender.clone();
        drop(sender);
        assert_eq!(receiver.changed().now_or_never(), None);
        other.send_replace(1);
        drop(other);
        assert_eq!(receiver.changed().now_or_never(), Some(Ok(())));
        assert_eq!(receiver.changed().now_or_never(), Some(Err(Closed)));
        assert_eq!(receiver.has_changed(), Err(Closed));
        assert_eq!(*receiver.borrow(), 1);
        assert_eq!(receiver.wait_for(|value| *value == 1).now_or_never().unwrap().map(|value| *value), Ok(1));
        assert!(matches!(receiver.wait_for(|value| *value == 2).now_or_never(), Some(Err(Closed))));
    }

    #[test]
    fn who_waits_for_a_value_gets_it_although_it_was_seen_already() {
        let (sender, mut receiver) = channel(5);
        assert_eq!(receiver.wait_for(|value| *value >= 5).now_or_never().unwrap().map(|value| *value), Ok(5));
        let mut other = receiver.clone();
        let mut wait = Box::pin(async move { other.wait_for(|value| *value >= 7).await.map(|value| *value) });
        assert_eq!((&mut wait).now_or_never(), None);
        sender.send_replace(6);
        assert_eq!((&mut wait).now_or_never(), None);
        sender.send_replace(7);
        assert_eq!((&mut wait).now_or_never(), Some(Ok(7)));
        assert!(sender.shared.turns().waiting.is_empty());
    }

    #[test]
    fn a_sender_outlives_its_receivers() {
        let (sender, receiver) = channel(0);
        drop(receiver);
        assert_eq!(sender.send_replace(1), 0);
        assert_eq!(*sender.subscribe().borrow(), 1);
    }
}
