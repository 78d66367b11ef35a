//! Limits how many reports of leaks come from one address. Reports are anonymous, so nothing else can be counted.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::model::ClientAddress;
use crate::model::client_address::Neighbourhood;

/// Reports that an address may send at once, and how long one takes to be free again.
const BURST: u32 = 60;
const INTERVAL: Duration = Duration::from_secs(60);
/// Maximum addresses (IPv6: /64s) that are remembered; if there are more, the others are not limited.
const MAX_ADDRESSES: usize = 16_384;

#[derive(Default)]
pub struct ReportLimiter {
    /// When all reports of an address are free again, by the steady clock.
    free_at: Mutex<HashMap<Neighbourhood, Duration>>,
}

impl ReportLimiter {
    /// How long this address has to wait; counts nothing.
    pub fn wait(&self, from: ClientAddress, now: Duration) -> Option<Duration> {
        let free_at = self.free_at.lock().ok()?;
        free_at.get(&from.neighbourhood()).and_then(|at| wait_until_free(*at, now))
    }

    /// Counts a report; if there were too many, returns how long to wait.
    pub fn take(&self, from: ClientAddress, now: Duration) -> Option<Duration> {
        let from = from.neighbourhood();
        let mut free_at = self.free_at.lock().ok()?;
        if free_at.len() >= MAX_ADDRESSES && !free_at.contains_key(&from) {
            free_at.retain(|_, at| *at > now);
            if free_at.len() >= MAX_ADDRESSES {
                return None;
            }
        }
        let at = free_at.entry(from).or_insert(now);
        let wait = wait_until_free(*at, now);
        if wait.is_none() {
            *at = (*at).max(now) + INTERVAL;
        }
        wait
    }
}

/// How long until one more report is free, if all are free at this time.
fn wait_until_free(all_at: Duration, now: Duration) -> Option<Duration> {
    let wait = (all_at.max(now) + INTERVAL).saturating_sub(now).saturating_sub(INTERVAL * BURST);
    (wait > Duration::ZERO).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_send_sixty_reports_at_once_and_then_one_per_minute() {
        let limiter = ReportLimiter::default();
        let take = |address: &str, second| {
            limiter
                .take(ClientAddress::read(address.as_bytes()), Duration::from_secs(second))
                .map(|wait| wait.as_secs())
        };
        assert!((0..60).all(|_| take("2001:db8::1", 1000).is_none()));
        assert_eq!(take("2001:db8::2", 1000), Some(60), "the same /64");
        assert_eq!(take("2001:db8:0:1::1", 1000), None);
        assert_eq!(take("2001:db8::1", 1050), Some(10));
        let from = |address: &str| ClientAddress::read(address.as_bytes());
        assert_eq!(limiter.wait(from("2001:db8::9"), Duration::from_secs(1050)), Some(Duration::from_secs(10)));
        assert_eq!(limiter.wait(from("192.0.2.1"), Duration::from_secs(1050)), None);
        assert_eq!((take("2001:db8::1", 1060), take("2001:db8::1", 1060)), (None, Some(60)));
        assert!((0..60).all(|_| take("2001:db8::1", 10_000).is_none()), "after a pause all are free again");
    }
}
