//! Limits how many connections of a listener one address (IPv6: one /64) holds, so that it cannot take all of them.
//! They are counted when a connection is accepted and when it ends, not at each request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::HttpSettings;
use crate::model::client_address::Neighbourhood;
use crate::model::{ClientAddress, Networks};

/// The counts of one listener, shared by its workers.
#[derive(Debug)]
pub struct Seats {
    listener: &'static str,
    /// Maximum per address; 0 means no limit.
    most: usize,
    /// Exempt, because they connect for many clients.
    trusted_proxies: Networks,
    /// Whether the peers at Unix sockets are such proxies too.
    trusts_unix_sockets: bool,
    taken: Mutex<HashMap<Neighbourhood, usize>>,
    refused: AtomicU64,
}

/// The seat of one connection, released when this is dropped.
#[derive(Debug)]
pub struct Seat(Option<(Arc<Seats>, Neighbourhood)>);

impl Seats {
    /// `connections` is the maximum of the whole listener. One address gets max three quarters of it, even if the
    /// settings allow more: they may be meant for a larger listener.
    pub fn new(listener: &'static str, settings: &HttpSettings, connections: usize) -> Arc<Self> {
        let most = match settings.connections_per_address {
            0 => 0,
            most => most.min((connections * 3 / 4).max(1)),
        };
        Arc::new(Seats {
            listener,
            most,
            trusted_proxies: settings.trusted_proxies.clone(),
            trusts_unix_sockets: settings.trusts_unix_sockets,
            taken: Mutex::default(),
            refused: AtomicU64::new(0),
        })
    }

    /// `None` if the address has reached its maximum.
    pub fn take(self: &Arc<Self>, peer: ClientAddress) -> Option<Seat> {
        let is_proxy = match peer {
            ClientAddress::Known(address) => self.trusted_proxies.contains(address),
            ClientAddress::Unix => self.trusts_unix_sockets,
            ClientAddress::Unknown => false,
        };
        if self.most == 0 || is_proxy {
            return Some(Seat(None));
        }
        let from = peer.neighbourhood();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(from).or_default();
        if *count >= self.most {
            drop(taken);
            self.report(from);
            return None;
        }
        *count += 1;
        Some(Seat(Some((Arc::clone(self), from))))
    }

    /// Logs only the first, tenth, hundredth … refusal, because a refused client tries again.
    fn report(&self, from: Neighbourhood) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if 10_u64.pow(refused.ilog10()) == refused {
            tracing::warn!(
                listener = self.listener,
                address = %from,
                refused,
                "an address has reached its maximum of connections (--connections-per-address); further ones are closed"
            );
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((seats, from)) = &self.0 else { return };
        let mut taken = seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(from) {
            *count -= 1;
            if *count == 0 {
                taken.remove(from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::settings::PublicUrl;

    fn seats(most: usize, connections: usize) -> Arc<Seats> {
        let public_url = PublicUrl::parse("http://127.0.0.1").unwrap();
        let settings = HttpSettings {
            connections_per_address: most,
            trusted_proxies: Networks::parse(["10.0.0.0/8"]).unwrap(),
            ..HttpSettings::new(std::net::SocketAddr::from(([127, 0, 0, 1], 0)), public_url)
        };
        Seats::new("test", &settings, connections)
    }

    #[test]
    fn an_address_gets_its_share_and_proxies_get_every_seat() {
        let seats = seats(2, 100);
        let take = |address: &str| seats.take(ClientAddress::read(address.as_bytes()));
        let mut held = vec![take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap()];
        assert!(take("2001:db8::3").is_none() && take("2001:db8:0:1::3").is_some());
        held.pop();
        assert!(take("2001:db8::3").is_some());
        let proxies: Vec<_> = (0..50).map(|_| take("10.1.2.3")).collect();
        assert!(proxies.iter().all(Option::is_some));
        let unknown: Vec<_> = (0..3).map(|_| take("unknown")).collect();
        assert_eq!(unknown.iter().flatten().count(), 2);
        drop((held, proxies, unknown));
        assert!(seats.taken.lock().unwrap().is_empty());
    }

    #[test]
    fn no_address_gets_every_seat_of_a_small_listener() {
        for (most, connections, share) in [(100, 64, 48), (100, 1, 1), (0, 4, 10), (3, 100, 3)] {
            let seats = seats(most, connections);
            let held: Vec<_> = (0..10.max(share * 2))
                .map_while(|_| seats.take("::1".parse::<std::net::IpAddr>().unwrap().into()))
                .collect();
            assert_eq!(held.len().min(share), share, "{most} {connections}");
            assert!(most == 0 || held.len() == share, "{most} {connections}: {}", held.len());
        }
    }
}
