//! Who asks, as far as the network tells, and the share of what is scarce that one peer may hold.
//!
//! *peer* an IPv4 address, or the half of an IPv6 address that a site is given: whoever has that has all addresses in it.
//! A machine has all its loopback addresses.
//! *place* one of a bounded number of things that can be held at a time; given back when it is dropped.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Peer(IpAddr);

impl Peer {
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
            IpAddr::V4(address) if address.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            address => address,
        })
    }
}

/// A request that came over no connection of the server's counts as this machine's own.
impl Default for Peer {
    fn default() -> Self {
        Self(Ipv4Addr::LOCALHOST.into())
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or_default())
    }
}

/// The address that a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalEnd(pub IpAddr);

impl LocalEnd {
    pub fn of(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }
}

impl<S: Sync> FromRequestParts<S> for LocalEnd {
    type Rejection = Infallible;

    /// What came over no connection of the server's came to this machine.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self(Ipv4Addr::LOCALHOST.into())))
    }
}

/// Places, so many in all and so many for each peer.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    limit: usize,
    per_peer: usize,
    held: Arc<Held>,
}

/// How many places each peer holds.
#[derive(Debug, Default)]
struct Held {
    by_peer: Mutex<HashMap<Peer, usize>>,
    given_back: Notify,
}

/// A place that is held.
#[derive(Debug)]
pub(crate) struct Place {
    peer: Peer,
    held: Arc<Held>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// All of them are held: so many.
    All(usize),
    /// The peer holds its share: so many.
    Share(usize),
}

impl Places {
    pub fn new(limit: usize, per_peer: usize) -> Self {
        Self { limit, per_peer, held: Arc::default() }
    }

    pub fn take(&self, peer: Peer) -> Result<Place, NoPlace> {
        let mut held = self.held.by_peer.lock().expect("no holder of this lock panics");
        if held.values().sum::<usize>() >= self.limit {
            return Err(NoPlace::All(self.limit));
        }
        let by_peer = held.entry(peer).or_default();
        if *by_peer >= self.per_peer {
            return Err(NoPlace::Share(self.per_peer));
        }
        *by_peer += 1;
        Ok(Place { peer, held: Arc::clone(&self.held) })
    }

    /// Waits for a place, no longer than `patience`.
    pub async fn take_within(&self, peer: Peer, patience: Duration) -> Result<Place, NoPlace> {
        let until = Instant::now() + patience;
        loop {
            // Whatever is given back from now on is heard of.
            let given_back = self.held.given_back.notified();
            match self.take(peer) {
                Ok(place) => return Ok(place),
                Err(none) => timeout_at(until, given_back).await.map_err(|_| none)?,
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.by_peer.lock().expect("no holder of this lock panics");
        match held.get_mut(&self.peer) {
            Some(by_peer) if *by_peer > 1 => *by_peer -= 1,
            _ => drop(held.remove(&self.peer)),
        }
        drop(held);
        self.held.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_has_the_place_that_is_given_back() {
        let places = Places::new(1, 1);
        let held = places.take(peer("192.0.2.1")).unwrap();
        let waits = places.take_within(peer("192.0.2.2"), Duration::from_secs(60));
        let (waited, ()) = tokio::join!(waits, async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(held);
        });
        let held = waited.unwrap();
        let none = places.take_within(peer("192.0.2.1"), Duration::from_millis(20)).await;
        assert_eq!(none.unwrap_err(), NoPlace::All(1));
        drop(held);
    }

    fn peer(address: &str) -> Peer {
        Peer::of(address.parse().unwrap())
    }

    #[test]
    fn one_peer_holds_its_share_and_all_hold_no_more_than_there_is() {
        let places = Places::new(3, 2);
        let [one, other] = [peer("192.0.2.1"), peer("192.0.2.2")];

        let held = [places.take(one).unwrap(), places.take(one).unwrap()];
        assert_eq!(places.take(one).unwrap_err(), NoPlace::Share(2));
        let third = places.take(other).unwrap();
        assert_eq!(places.take(other).unwrap_err(), NoPlace::All(3));
        drop(held);
        drop(third);
        assert!(places.held.by_peer.lock().unwrap().is_empty(), "nothing is remembered of who is gone");
        places.take(one).unwrap();
    }

    #[test]
    fn a_site_is_one_peer_whichever_of_its_addresses_it_uses() {
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8:0:1::1"), peer("2001:db8:0:2::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_eq!(peer("127.9.8.7"), peer("127.0.0.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }
}
