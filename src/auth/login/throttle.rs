//! How long a sign-in must wait, given the failures so far. Each attempt is counted in several buckets: the account
//! from this address, the account from anywhere, and this address for any account. A visitor who has signed in to the
//! account before, with this browser or from this address, is throttled only by their own failures. Attackers therefore
//! slow down themselves and each other, not the owner.

use std::time::Duration;

use crate::error::Result as Outcome;
use crate::model::{ClientAddress, Digest, Email, Time};
use crate::store::{Failures, Tx};

/// A bucket without a failure for this long is forgotten.
const FAILURE_RETENTION: Duration = Duration::from_secs(24 * 3600);
/// Maximum number of buckets, so that invented emails cannot fill the table; the oldest are deleted first.
const MAX_BUCKETS: i64 = 200_000;
const PRUNED_AT_ONCE: i64 = 1000;

/// Failures that are allowed without a wait.
const FREE: u32 = 5;
const MAX_WAIT: Duration = Duration::from_secs(300);
/// Failures from anywhere that are allowed without a wait: many, because a botnet can use them up and so affect the
/// owner.
const FREE_ANYWHERE: u32 = 50;
/// Max failures from anywhere in a row (NIST SP 800-63B-4 §3.2.2); after them, one attempt per hour is allowed.
const MAX_ANYWHERE: u32 = 100;
const MAX_WAIT_ANYWHERE: Duration = Duration::from_secs(3600);
/// Failures from one address, for all accounts together, that are allowed without a wait: many people may share it.
const FREE_AT_ADDRESS: u32 = 50;
/// An address's failures are forgiven one by one over time; a success does not clear them, because an attacker may have
/// an account too.
const FORGIVEN_AFTER: Duration = Duration::from_secs(30);
/// Slightly longer than that, so that an address's failures do not decrease while it makes one attempt per wait.
const MAX_WAIT_AT_ADDRESS: Duration = Duration::from_secs(32);
/// What one failure adds to an address's bucket, which counts the milliseconds until all are forgiven.
const ONE: u32 = FORGIVEN_AFTER.as_millis() as u32;

/// The failures that a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// Failures for an account, from one network.
    Nearby,
    /// Failures for an account.
    Anywhere,
    /// Failures from a network, for all accounts.
    Address,
    /// Failures of a browser that has signed in to the account before.
    KnownBrowser,
}

/// The evidence that the visitor has signed in to the account before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    No,
    /// The digest of the browser's cookie.
    Browser(Digest),
    Address,
}

/// What a success does to the buckets in which its attempt was counted.
#[derive(Debug, Clone, Default)]
pub struct Cleared {
    forgotten: Vec<Digest>,
    /// Buckets, and how much to subtract from their counts.
    taken_back: Vec<(Digest, u32)>,
}

/// The buckets of one attempt.
#[derive(Debug, Clone)]
pub struct Buckets {
    counted: Vec<(Bucket, Digest)>,
    known: Known,
}

impl Buckets {
    /// `account` is `None` for a text that is not an email address. It may be a password, so no bucket is named after
    /// it.
    pub fn of(account: Option<&Email>, address: ClientAddress, known: Known) -> Self {
        let account = account.map_or("", Email::as_str);
        let name = |kind: &str, account: &str, rest: &str| Digest::of(format!("{kind}\0{account}\0{rest}").as_bytes());
        let from = address.neighbourhood().to_string();
        let counted = match known {
            Known::Browser(device) => {
                vec![(Bucket::KnownBrowser, name("device", account, &hex::encode(device.as_bytes())))]
            }
            Known::Address | Known::No => {
                let nearby = (Bucket::Nearby, name("nearby", account, &from));
                let anywhere = (Bucket::Anywhere, name("anywhere", account, ""));
                let of_account = [nearby, anywhere].into_iter().filter(|_| !account.is_empty());
                of_account.chain([(Bucket::Address, name("address", "", &from))]).collect()
            }
        };
        Buckets { counted, known }
    }

    /// The counts after one more failure, or how long to wait instead.
    pub fn judge(&self, failures: &[Failures], now: Time) -> Result<Vec<u32>, Duration> {
        let waits = self.counted.iter().zip(failures);
        let held_back = waits.filter(|((bucket, _), _)| self.holds_back(*bucket));
        match held_back.filter_map(|((bucket, _), failures)| wait(*bucket, *failures, now)).max() {
            Some(wait) => Err(wait),
            None => {
                Ok(self.counted.iter().zip(failures).map(|((bucket, _), held)| count(*bucket, *held, now)).collect())
            }
        }
    }

    /// How long an unknown visitor would wait here. A known visitor's failure gets this answer too: otherwise the
    /// answer would tell everyone at this address whether the account exists.
    pub fn hidden_wait(&self, failures: &[Failures], now: Time) -> Option<Duration> {
        self.counted.iter().zip(failures).filter_map(|((bucket, _), failures)| wait(*bucket, *failures, now)).max()
    }

    /// What a success does to the buckets.
    pub fn cleared(&self) -> Cleared {
        let (mut forgotten, mut taken_back) = (Vec::new(), Vec::new());
        for (bucket, digest) in &self.counted {
            match bucket {
                Bucket::Nearby | Bucket::KnownBrowser => forgotten.push(*digest),
                Bucket::Anywhere if self.known == Known::No => forgotten.push(*digest),
                // A program that signs in every hour must not give attackers a fresh start each time.
                Bucket::Anywhere => taken_back.push((*digest, 1)),
                Bucket::Address => taken_back.push((*digest, ONE)),
            }
        }
        Cleared { forgotten, taken_back }
    }

    fn holds_back(&self, bucket: Bucket) -> bool {
        self.known == Known::No || matches!(bucket, Bucket::Nearby | Bucket::KnownBrowser)
    }
}

/// The current counts of the buckets.
pub(super) fn held(tx: &Tx<'_>, buckets: &Buckets, now: Time) -> Outcome<Vec<Failures>> {
    let held = |digest: &Digest| {
        let found = tx.failures(digest)?.filter(|failures| now.since(failures.last_at) < FAILURE_RETENTION);
        Ok(found.unwrap_or(Failures { count: 0, last_at: now }))
    };
    buckets.counted.iter().map(|(_, digest)| held(digest)).collect()
}

/// Counts one attempt in each bucket before its password is checked, unless it has to wait. Check and count are one
/// transaction, so parallel attempts cannot slip through. Returns the previous counts, or the wait.
pub(super) fn count_try(tx: &Tx<'_>, buckets: &Buckets, now: Time) -> Outcome<Result<Vec<Failures>, Duration>> {
    prune(tx, now)?;
    let failures = held(tx, buckets, now)?;
    let counts = match buckets.judge(&failures, now) {
        Ok(counts) => counts,
        Err(wait) => return Ok(Err(wait)),
    };
    for ((_, digest), count) in buckets.counted.iter().zip(counts) {
        tx.put_failures(digest, Failures { count, last_at: now })?;
    }
    Ok(Ok(failures))
}

pub(in crate::auth) fn clear(tx: &Tx<'_>, cleared: &Cleared) -> Outcome<()> {
    cleared.forgotten.iter().try_for_each(|bucket| tx.delete_failures(bucket))?;
    cleared.taken_back.iter().try_for_each(|(bucket, count)| tx.subtract_failures(bucket, *count))
}

fn prune(tx: &Tx<'_>, now: Time) -> Outcome<()> {
    // Failures that were counted while the clock was ahead are treated as if they were counted now.
    tx.clamp_failures(now)?;
    tx.delete_failures_before(now.minus(FAILURE_RETENTION))?;
    if tx.has_more_buckets_than(MAX_BUCKETS)? { tx.delete_oldest_failures(PRUNED_AT_ONCE) } else { Ok(()) }
}

/// The mark by which an address that signed in to an account is remembered. `None` if the address could not be read:
/// otherwise everyone who sends an unreadable address would be known.
pub fn address_mark(account: &Email, address: ClientAddress) -> Option<Digest> {
    address.known()?;
    Some(Digest::of(format!("known address\0{account}\0{}", address.neighbourhood()).as_bytes()))
}

/// What is cleared when an admin sets a password: the failures of unknown visitors anywhere.
pub fn cleared_for(account: &Email) -> Cleared {
    let buckets = Buckets::of(Some(account), ClientAddress::Unknown, Known::No).counted;
    let anywhere = buckets.into_iter().filter(|(bucket, _)| *bucket == Bucket::Anywhere);
    Cleared { forgotten: anywhere.map(|(_, digest)| digest).collect(), taken_back: Vec::new() }
}

/// The remaining wait, if any.
fn wait(bucket: Bucket, failures: Failures, now: Time) -> Option<Duration> {
    let left = delay(bucket, failures.count).saturating_sub(now.since(failures.last_at));
    (!left.is_zero()).then_some(left)
}

fn delay(bucket: Bucket, count: u32) -> Duration {
    let doubled = |over: u32, longest: Duration| Duration::from_secs(1 << over.min(20)).min(longest);
    match bucket {
        Bucket::Nearby | Bucket::KnownBrowser if count < FREE => Duration::ZERO,
        Bucket::Nearby | Bucket::KnownBrowser => doubled(count - FREE, MAX_WAIT),
        Bucket::Anywhere if count < FREE_ANYWHERE => Duration::ZERO,
        Bucket::Anywhere if count >= MAX_ANYWHERE => MAX_WAIT_ANYWHERE,
        Bucket::Anywhere => doubled(count - FREE_ANYWHERE, MAX_WAIT),
        // The count is rounded up: otherwise, what is forgiven while fifty people fail would allow one more failure
        // without a wait.
        Bucket::Address => match count.div_ceil(ONE) {
            failures if failures < FREE_AT_ADDRESS => Duration::ZERO,
            failures => doubled(failures - FREE_AT_ADDRESS, MAX_WAIT_AT_ADDRESS),
        },
    }
}

/// The bucket's count after one more failure.
fn count(bucket: Bucket, held: Failures, now: Time) -> u32 {
    match bucket {
        Bucket::Address => {
            let forgiven = u32::try_from(now.since(held.last_at).as_millis()).unwrap_or(u32::MAX);
            held.count.saturating_sub(forgiven).saturating_add(ONE)
        }
        _ => held.count.saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn start() -> Time {
        Time::from_millis(1_000_000_000)
    }

    fn address(text: &str) -> ClientAddress {
        ClientAddress::read(text.as_bytes())
    }

    #[test]
    fn delays_grow_from_the_fifth_failure() {
        let seconds = |bucket, count| delay(bucket, count).as_secs();
        let nearby: Vec<u64> = [0, 4, 5, 6, 8, 13, 14, 1000].map(|n| seconds(Bucket::Nearby, n)).into();
        assert_eq!(nearby, [0, 0, 1, 2, 8, 256, 300, 300]);
        let anywhere: Vec<u64> = [0, 49, 50, 51, 99, 100, u32::MAX].map(|n| seconds(Bucket::Anywhere, n)).into();
        assert_eq!(anywhere, [0, 0, 1, 2, 300, 3600, 3600]);
        let at_address: Vec<u64> = [0, 49, 50, 51, 54, 55, 1000].map(|n| seconds(Bucket::Address, n * ONE)).into();
        assert_eq!(at_address, [0, 0, 1, 2, 16, 32, 32]);
    }

    #[test]
    fn the_wait_starts_at_the_last_attempt_and_never_exceeds_the_delay() {
        let failures = Failures { count: 8, last_at: start() };
        let left = |span| wait(Bucket::Nearby, failures, start().plus(span));
        assert_eq!(left(Duration::from_secs(3)), Some(Duration::from_secs(5)));
        assert_eq!(left(Duration::from_secs(8)), None);
        let before = start().minus(Duration::from_secs(999));
        assert_eq!(wait(Bucket::Nearby, failures, before), Some(Duration::from_secs(8)));
    }

    /// Makes attempts as often as allowed for a day, and counts how many are checked.
    #[test]
    fn an_address_may_fail_fifty_times_and_then_twice_per_minute() {
        let (mut now, mut held, mut heard) = (start(), Failures { count: 0, last_at: start() }, 0_u32);
        let end = start().plus(Duration::from_secs(86_400));
        while now < end {
            match wait(Bucket::Address, held, now) {
                Some(wait) => now = now.plus(wait),
                None => {
                    held = Failures { count: count(Bucket::Address, held, now), last_at: now };
                    heard += 1;
                }
            }
        }
        assert!((86_400 / 32..86_400 / 30 + 60).contains(&heard), "{heard}");
        let calm = now.plus(FORGIVEN_AFTER * 70);
        assert_eq!(count(Bucket::Address, held, calm), ONE, "half an hour later, all failures are forgiven");
    }

    #[test]
    fn addresses_in_one_network_share_buckets_and_others_do_not() {
        let ada = Email::parse("ada@example.com").unwrap();
        let grace = Email::parse("grace@example.com").unwrap();
        let of = |account: &Email, from: &str| {
            let counted = Buckets::of(Some(account), address(from), Known::No).counted;
            (counted[0].1, counted[1].1, counted[2].1)
        };
        let (nearby, anywhere, whole_address) = of(&ada, "2001:db8::1");
        assert_eq!(of(&ada, "2001:db8::ffff:2"), (nearby, anywhere, whole_address));
        let elsewhere = of(&ada, "2001:db8:0:1::1");
        assert!(elsewhere.0 != nearby && elsewhere.1 == anywhere && elsewhere.2 != whole_address);
        let other = of(&grace, "2001:db8::1");
        assert!(other.0 != nearby && other.1 != anywhere && other.2 == whole_address);
        assert_eq!(of(&ada, "unknown"), of(&ada, "_hidden"));
        assert_ne!(of(&ada, "unknown").2, of(&ada, "127.0.0.1").2);
    }

    #[test]
    fn known_visitors_wait_only_for_their_own_failures() {
        let ada = Email::parse("ada@example.com").unwrap();
        let full = |buckets: &Buckets, own: u32| -> Vec<Failures> {
            let held = |bucket| if matches!(bucket, Bucket::Nearby | Bucket::KnownBrowser) { own } else { u32::MAX };
            buckets.counted.iter().map(|(bucket, _)| Failures { count: held(*bucket), last_at: start() }).collect()
        };
        for known in [Known::Address, Known::Browser(Digest::of(b"x"))] {
            let buckets = Buckets::of(Some(&ada), address("10.0.0.1"), known);
            assert!(buckets.judge(&full(&buckets, 4), start()).is_ok(), "{known:?}");
            assert_eq!(buckets.judge(&full(&buckets, 5), start()), Err(Duration::from_secs(1)), "{known:?}");
        }
        let known = Buckets::of(Some(&ada), address("10.0.0.1"), Known::Address);
        let stranger = Buckets::of(Some(&ada), address("10.0.0.1"), Known::No);
        let hidden = known.hidden_wait(&full(&known, 0), start());
        assert_eq!(stranger.judge(&full(&stranger, 0), start()).err(), hidden, "a failure looks like a stranger's");
    }

    proptest! {
        #[test]
        fn no_wait_exceeds_an_hour_whatever_is_stored_and_whatever_the_clock_says(held: u32, last: i64, now: i64) {
            let (held, now) = (Failures { count: held, last_at: Time::from_millis(last) }, Time::from_millis(now));
            for bucket in [Bucket::Nearby, Bucket::Anywhere, Bucket::Address, Bucket::KnownBrowser] {
                prop_assert!(wait(bucket, held, now).is_none_or(|wait| wait <= MAX_WAIT_ANYWHERE));
                prop_assert!(count(bucket, held, now) > 0);
            }
        }
    }
}
