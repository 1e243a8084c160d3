//! Who may connect: bounds on connections, in all, of an address, of a user, and of those that nobody knows yet.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::LiveConfig;

/// Counts of what is there now. Touched when a connection comes or goes, never on the way of a position.
#[derive(Debug)]
pub(crate) struct Admission {
    connections: Arc<Count<()>>,
    of_address: Arc<Count<IpAddr>>,
    of_user: Arc<Count<Arc<str>>>,
    unauthenticated: Arc<Count<()>>,
}

/// How many of each key there are, and how many there may be.
#[derive(Debug)]
struct Count<K> {
    bound: usize,
    held: Mutex<HashMap<K, usize>>,
}

/// One place that is taken, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Place<K: Hash + Eq> {
    count: Arc<Count<K>>,
    key: K,
}

impl<K: Hash + Eq + Clone> Count<K> {
    fn new(bound: usize) -> Arc<Self> {
        Arc::new(Self { bound, held: Mutex::default() })
    }

    fn take(self: &Arc<Self>, key: K) -> Option<Place<K>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let of_key = held.entry(key.clone()).or_default();
        if *of_key >= self.bound {
            return None;
        }
        *of_key += 1;
        drop(held);
        Some(Place { count: Arc::clone(self), key })
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let mut held = self.count.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_key) = held.get_mut(&self.key) {
            *of_key -= 1;
            if *of_key == 0 {
                held.remove(&self.key);
            }
        }
    }
}

/// An address as connections of it are counted: of IPv6 its first 64 bits, since one household has them all.
pub(crate) fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

impl Admission {
    pub(crate) fn new(config: &LiveConfig) -> Self {
        Self {
            connections: Count::new(config.max_connections),
            of_address: Count::new(config.max_connections_per_address),
            of_user: Count::new(config.max_connections_per_user),
            unauthenticated: Count::new(config.max_unauthenticated),
        }
    }

    pub(crate) fn connection(&self) -> Option<Place<()>> {
        self.connections.take(())
    }

    pub(crate) fn address(&self, address: IpAddr) -> Option<Place<IpAddr>> {
        self.of_address.take(counted_address(address))
    }

    pub(crate) fn user(&self, user: &Arc<str>) -> Option<Place<Arc<str>>> {
        self.of_user.take(Arc::clone(user))
    }

    pub(crate) fn unauthenticated(&self) -> Option<Place<()>> {
        self.unauthenticated.take(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_when_it_is_dropped() {
        let config = LiveConfig { max_connections_per_address: 2, ..LiveConfig::default() };
        let admission = Admission::new(&config);
        let (a, b) = ("10.0.0.1".parse().unwrap(), "::ffff:10.0.0.1".parse().unwrap());
        let first = admission.address(a);
        let _second = admission.address(b).unwrap();
        assert!(admission.address(a).is_none(), "one address in both families");
        assert!(admission.address("10.0.0.2".parse().unwrap()).is_some());
        drop(first);
        assert!(admission.address(a).is_some());
        let neighbours = ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(|a| a.parse().unwrap());
        let held: Vec<_> = neighbours.into_iter().map(|a| admission.address(a)).collect();
        assert!(held[2].is_none());
        drop(held);
        assert_eq!(admission.of_address.held.lock().unwrap().len(), 1, "nothing is kept of who has gone");
    }
}
