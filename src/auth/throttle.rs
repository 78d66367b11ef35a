//! How long a log-in must wait, given the failures in a row: pure. Three buckets count a try: the
//! account from this neighbourhood, the account from anywhere, and, for a browser that has logged in
//! to it before, that browser alone. So strangers slow themselves and each other down, not the owner.

use std::time::Duration;

use crate::model::{ClientAddress, Digest, Time};
use crate::store::Failures;

/// Failures that cost nothing.
const FREE: u32 = 5;
const LONGEST_NEARBY: Duration = Duration::from_secs(300);
/// From anywhere: generous, since a botnet spends them and the owner may be among its victims …
const FREE_ANYWHERE: u32 = 50;
/// … but never more than a hundred in a row (NIST SP 800-63B-4 §3.2.2): then one try an hour.
const MOST_ANYWHERE: u32 = 100;
const LONGEST_ANYWHERE: Duration = Duration::from_secs(3600);

/// What kind of failures a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    Nearby,
    Anywhere,
    KnownBrowser,
}

/// A bucket with the digest under which it is kept.
pub type Counted = (Bucket, Digest);

/// The buckets of one try. `account` is the canonical e-mail, or whatever stranger text was typed.
pub fn buckets(account: &str, address: Option<ClientAddress>, device: Option<&Digest>) -> Vec<Counted> {
    let name = |kind: &str, rest: &str| Digest::of(format!("{kind}\0{account}\0{rest}").as_bytes());
    match device {
        Some(device) => vec![(Bucket::KnownBrowser, name("device", &hex::encode(device.as_bytes())))],
        None => {
            let from = address.map_or_else(String::new, |address| address.neighbourhood().to_string());
            vec![(Bucket::Nearby, name("nearby", &from)), (Bucket::Anywhere, name("anywhere", ""))]
        }
    }
}

/// The wait that is left, if any.
pub fn wait(bucket: Bucket, failures: Failures, now: Time) -> Option<Duration> {
    let delay = delay(bucket, failures.count);
    // A clock set back must not make the wait longer than the delay itself.
    let left = delay.saturating_sub(now.since(failures.last_at));
    (!left.is_zero()).then_some(left)
}

fn delay(bucket: Bucket, failures: u32) -> Duration {
    let doubled = |over: u32, longest: Duration| Duration::from_secs(1 << over.min(20)).min(longest);
    match bucket {
        Bucket::Nearby | Bucket::KnownBrowser if failures < FREE => Duration::ZERO,
        Bucket::Nearby | Bucket::KnownBrowser => doubled(failures - FREE, LONGEST_NEARBY),
        Bucket::Anywhere if failures < FREE_ANYWHERE => Duration::ZERO,
        Bucket::Anywhere if failures >= MOST_ANYWHERE => LONGEST_ANYWHERE,
        Bucket::Anywhere => doubled(failures - FREE_ANYWHERE, LONGEST_NEARBY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_from_the_fifth_failure() {
        let seconds = |bucket, count| delay(bucket, count).as_secs();
        let nearby: Vec<u64> = [0, 4, 5, 6, 8, 13, 14, 1000].map(|n| seconds(Bucket::Nearby, n)).into();
        assert_eq!(nearby, [0, 0, 1, 2, 8, 256, 300, 300]);
        let anywhere: Vec<u64> = [0, 49, 50, 51, 99, 100, u32::MAX].map(|n| seconds(Bucket::Anywhere, n)).into();
        assert_eq!(anywhere, [0, 0, 1, 2, 300, 3600, 3600]);
    }

    #[test]
    fn waiting_is_from_the_last_try() {
        let last_at = Time::from_millis(1_000_000);
        let failures = Failures { count: 8, last_at };
        let left = |span| wait(Bucket::Nearby, failures, last_at.plus(span));
        assert_eq!(left(Duration::from_secs(3)), Some(Duration::from_secs(5)));
        assert_eq!(left(Duration::from_secs(8)), None);
        assert_eq!(
            wait(Bucket::Nearby, failures, last_at.minus(Duration::from_secs(999))),
            Some(Duration::from_secs(8))
        );
    }

    #[test]
    fn spellings_and_neighbours_share_a_bucket() {
        let of = |account: &str, address: &str| buckets(account, Some(ClientAddress::read(address.as_bytes())), None);
        assert_eq!(of("a@x.y", "2001:db8::1"), of("a@x.y", "2001:db8::2"));
        assert_ne!(of("a@x.y", "10.0.0.1")[0], of("a@x.y", "10.0.0.2")[0]);
        assert_eq!(of("a@x.y", "10.0.0.1")[1], of("a@x.y", "10.0.0.2")[1]);
        assert_eq!(of("a@x.y", "unknown"), of("a@x.y", "_hidden"));
        assert_ne!(of("a@x.y", "unknown")[0], buckets("a@x.y", None, None)[0]);
    }
}
