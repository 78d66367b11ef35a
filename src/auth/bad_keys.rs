//! Throttles addresses that try many different bad keys. It counts distinct keys, not requests, so that a misconfigured
//! client that retries is not mistaken for an attacker. Only bad keys are ever throttled: a valid key is accepted
//! before this check. All threads share the counts; addresses are spread over several maps, so that threads rarely wait
//! for each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::time::Duration;

use crate::model::client_address::Neighbourhood;
use crate::model::{ClientAddress, Digest};

const WINDOW: Duration = Duration::from_secs(60);
/// Maximum addresses (IPv6: /64s) per map at a time.
const MAX_ADDRESSES: usize = 256;
const MAPS: usize = 64;
const BITS: usize = 4096;
/// Up to this many keys per address are counted exactly; above it, their number is estimated in the same memory.
const MAX_EXACT: usize = 64;

pub struct BadKeyLimiter {
    /// Maximum distinct bad keys per minute from one address; 0 means no limit.
    limit: u32,
    /// The number of bits that `limit` keys set on average.
    threshold: u32,
    /// A keyed hasher, so that nobody outside can predict an address's map.
    hasher: RandomState,
    watched: [Mutex<HashMap<Neighbourhood, SuspectAddress>>; MAPS],
}

struct SuspectAddress {
    window: u64,
    seen: DistinctKeys,
}

enum DistinctKeys {
    /// The first eight bytes of each digest.
    Few(Vec<u64>),
    /// Linear counting: each key sets one of 4,096 bits; the number of set bits gives an estimate of the number of
    /// keys.
    Many { bits: Box<[u64; BITS / 64]>, set: u32 },
}

impl BadKeyLimiter {
    pub fn new(limit: u32) -> Self {
        BadKeyLimiter {
            limit,
            threshold: threshold(limit),
            hasher: RandomState::new(),
            watched: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Records a bad key; returns how long to wait if there were too many. This machine (loopback or a Unix
    /// socket) is never throttled: it is the operator, or a gateway for all clients. An unknown address can be
    /// throttled.
    pub fn note(
        &self,
        address: Option<ClientAddress>,
        digest: impl FnOnce() -> Digest,
        now: impl FnOnce() -> Duration,
    ) -> Option<Duration> {
        let from = address.filter(|address| self.limit > 0 && !address.is_local())?.neighbourhood();
        let now = now();
        let window = now.as_secs() / WINDOW.as_secs();
        // If the map is full or its lock is poisoned, nobody is throttled.
        let mut watched = self.watched[self.hasher.hash_one(from) as usize % MAPS].lock().ok()?;
        if watched.len() >= MAX_ADDRESSES && !watched.contains_key(&from) {
            watched.retain(|_, suspect| suspect.window == window);
            if watched.len() >= MAX_ADDRESSES {
                return None;
            }
        }
        let suspect = watched.entry(from).or_insert_with(|| SuspectAddress::new(window));
        if suspect.window != window {
            *suspect = SuspectAddress::new(window);
        }
        suspect.seen.add(&digest());
        let left = Duration::from_secs((window + 1) * WINDOW.as_secs()).saturating_sub(now);
        suspect.seen.are_more_than(self.limit, self.threshold).then_some(left)
    }
}

/// How many bits `keys` distinct keys set, on average.
fn threshold(keys: u32) -> u32 {
    let bits = BITS as f64;
    (bits * (1.0 - (-f64::from(keys) / bits).exp())).round() as u32
}

impl SuspectAddress {
    fn new(window: u64) -> Self {
        SuspectAddress { window, seen: DistinctKeys::Few(Vec::new()) }
    }
}

impl DistinctKeys {
    fn add(&mut self, digest: &Digest) {
        self.add_head(digest.head());
    }

    fn add_head(&mut self, head: u64) {
        match self {
            DistinctKeys::Few(heads) if heads.contains(&head) => {}
            DistinctKeys::Few(heads) if heads.len() < MAX_EXACT => heads.push(head),
            DistinctKeys::Few(heads) => {
                let heads = std::mem::take(heads);
                *self = DistinctKeys::Many { bits: Box::new([0; BITS / 64]), set: 0 };
                heads.into_iter().chain([head]).for_each(|head| self.add_head(head));
            }
            DistinctKeys::Many { bits, set } => {
                let bit = head as usize % BITS;
                let (word, mask) = (&mut bits[bit / 64], 1 << (bit % 64));
                if *word & mask == 0 {
                    *word |= mask;
                    *set += 1;
                }
            }
        }
    }

    /// Whether there were more than `limit` keys; `threshold` is the number of bits that `limit` keys set.
    fn are_more_than(&self, limit: u32, threshold: u32) -> bool {
        match self {
            DistinctKeys::Few(heads) => heads.len() > limit as usize,
            DistinctKeys::Many { set, .. } => limit as usize <= MAX_EXACT || *set > threshold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_distinct_keys_as_the_limit_allows_pass() {
        let from = Some(ClientAddress::read(b"192.0.2.1"));
        for limit in [1, 9, 10, 63, 64, 65, 100, 1000, 3000] {
            let strangers = BadKeyLimiter::new(limit);
            let note = |key: u32| strangers.note(from, || Digest::of(&key.to_le_bytes()), || Duration::ZERO);
            let through = (0..4 * limit).take_while(|key| note(*key).is_none() && note(*key / 2).is_none()).count();
            if limit as usize <= MAX_EXACT {
                assert_eq!(through, limit as usize);
            } else {
                let off = through.abs_diff(limit as usize);
                assert!(off * 20 <= limit as usize, "{through} of {limit}");
            }
        }
    }

    #[test]
    fn distinct_keys_count_and_repeated_ones_do_not() {
        let strangers = BadKeyLimiter::new(100);
        let note =
            |address, key: &[u8], second| strangers.note(address, || Digest::of(key), || Duration::from_secs(second));
        let at = |text: &str| Some(ClientAddress::read(text.as_bytes()));
        let (one, near, far) = (at("2001:db8::1"), at("2001:db8::2"), at("2001:db8:1::1"));
        for _ in 0..1000 {
            assert_eq!(note(one, b"the same", 0), None);
        }
        let held = (0..300_u32).filter(|n| note(one, &n.to_le_bytes(), 20).is_some()).count();
        assert!((150..250).contains(&held), "{held}");
        assert_eq!(note(near, b"x", 20), Some(Duration::from_secs(40)));
        assert_eq!(note(far, b"x", 20), None);
        assert_eq!(note(one, b"x", 60), None);
        let loopback = at("127.0.0.1");
        assert!((0..2000_u32).all(|n| note(loopback, &n.to_le_bytes(), 0).is_none()));
        assert!((0..300_u32).any(|n| note(at("unknown"), &n.to_le_bytes(), 0).is_some()));
    }
}
