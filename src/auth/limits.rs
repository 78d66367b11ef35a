//! Per-key rate limits: a leaky bucket (GCRA) in memory for each key that has a limit. Each of several nodes grants its
//! share.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use governor::clock::Clock as GovernorClock;
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DashMapStateStore, ShrinkableKeyedStateStore};
use governor::{NotUntil, Quota, RateLimiter};

use crate::ambient::Clock;
use crate::model::{KeyId, RateLimit};

type Limiter<S> = RateLimiter<KeyId, S, Steady, StateInformationMiddleware>;

/// What keys with the same limit have used of it.
#[derive(Clone, Default)]
struct Allowances(Arc<DashMapStateStore<KeyId>>);

impl StateStore for Allowances {
    type Key = KeyId;

    fn measure_and_replace<T, F, E>(&self, key: &KeyId, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, f)
    }
}

impl ShrinkableKeyedStateStore<KeyId> for Allowances {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        DashMapStateStore::shrink_to_fit(&self.0);
    }

    fn len(&self) -> usize {
        DashMapStateStore::len(&self.0)
    }

    fn is_empty(&self) -> bool {
        DashMapStateStore::is_empty(&self.0)
    }
}

/// The same, for a limiter that takes nothing.
struct Untouched(Allowances);

impl StateStore for Untouched {
    type Key = KeyId;

    fn measure_and_replace<T, F, E>(&self, key: &KeyId, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // An error leaves the state as it is; a key without a state has its full allowance.
        let read = |state| Err::<((), Nanos), _>(state);
        let is_known = self.0.0.contains_key(key);
        let state = if is_known { self.0.measure_and_replace(key, read).err().flatten() } else { None };
        f(state).map(|(outcome, _)| outcome)
    }
}

/// One limiter for all keys with the same limit, and one that only looks.
struct LimiterPair {
    taking: Limiter<Allowances>,
    looking: Limiter<Untouched>,
}

impl LimiterPair {
    fn new(limit: RateLimit, clock: &Steady) -> Self {
        let allowances = Allowances::default();
        LimiterPair {
            taking: limiter(limit, allowances.clone(), clock),
            looking: limiter(limit, Untouched(allowances), clock),
        }
    }
}

fn limiter<S: StateStore<Key = KeyId>>(limit: RateLimit, store: S, clock: &Steady) -> Limiter<S> {
    RateLimiter::<_, _, _, NoOpMiddleware<Duration>>::new(quota(limit), store, clock.clone())
        .with_middleware::<StateInformationMiddleware>()
}

/// A key's remaining allowance after a request; for the RateLimit headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub limit: RateLimit,
    /// Number of requests that this node would allow right now.
    pub remaining: u32,
    /// Seconds until the full burst is available or, after a refusal, until the next request is allowed.
    pub reset: u64,
}

pub struct Limits {
    by_limit: ArcSwap<HashMap<RateLimit, Arc<LimiterPair>>>,
    clock: Steady,
    /// How many nodes share each limit.
    nodes: Arc<AtomicU32>,
}

impl Limits {
    pub fn new(clock: Arc<dyn Clock>, nodes: Arc<AtomicU32>) -> Self {
        Limits { by_limit: ArcSwap::default(), clock: Steady(clock), nodes }
    }

    /// Takes one request from the key's allowance; the error says when the next one is allowed.
    pub fn take(&self, key: KeyId, limit: RateLimit) -> Result<Allowance, Allowance> {
        let share = self.share(limit);
        self.allowance(&self.limiters(share).taking, key, limit, share)
    }

    /// What [`Limits::take`] would return, without taking anything.
    pub fn look(&self, key: KeyId, limit: RateLimit) -> Result<Allowance, Allowance> {
        let share = self.share(limit);
        self.allowance(&self.limiters(share).looking, key, limit, share)
    }

    fn share(&self, limit: RateLimit) -> RateLimit {
        limit.share(self.nodes.load(Ordering::Relaxed))
    }

    fn allowance<S: StateStore<Key = KeyId>>(
        &self,
        limiter: &Limiter<S>,
        key: KeyId,
        limit: RateLimit,
        share: RateLimit,
    ) -> Result<Allowance, Allowance> {
        let refill = Duration::from_secs(u64::from(share.window)) / share.requests;
        match limiter.check_key(&key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let missing = share.burst.saturating_sub(remaining);
                Ok(Allowance { limit, remaining, reset: ceil(refill * missing) })
            }
            Err(not_until) => Err(Allowance { limit, remaining: 0, reset: ceil(self.wait(&not_until)).max(1) }),
        }
    }

    /// Forgets keys with a full allowance: their next request starts with a full allowance anyway.
    pub fn prune(&self) {
        for limiters in self.by_limit.load().values() {
            limiters.taking.retain_recent();
            limiters.taking.shrink_to_fit();
        }
    }

    fn limiters(&self, limit: RateLimit) -> Arc<LimiterPair> {
        if let Some(limiters) = self.by_limit.load().get(&limit) {
            return Arc::clone(limiters);
        }
        let fresh = Arc::new(LimiterPair::new(limit, &self.clock));
        self.by_limit.rcu(|limits| {
            let mut limits = HashMap::clone(limits);
            limits.entry(limit).or_insert_with(|| Arc::clone(&fresh));
            limits
        });
        // Another thread may have been first; all must use the same limiter.
        self.by_limit.load().get(&limit).map_or(fresh, Arc::clone)
    }

    fn wait(&self, not_until: &NotUntil<Duration>) -> Duration {
        not_until.wait_time_from(self.clock.now())
    }
}

fn quota(limit: RateLimit) -> Quota {
    let refill = (Duration::from_secs(u64::from(limit.window)) / limit.requests).max(Duration::from_nanos(1));
    let burst = NonZero::new(limit.burst).unwrap_or(NonZero::<u32>::MIN);
    Quota::with_period(refill).unwrap_or(Quota::per_second(burst)).allow_burst(burst)
}

fn ceil(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// Our steady clock, for governor.
#[derive(Clone)]
struct Steady(Arc<dyn Clock>);

impl GovernorClock for Steady {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.steady()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::ManualClock;
    use crate::model::Time;

    impl Limits {
        /// Number of keys whose allowance is held in memory.
        fn keys(&self) -> usize {
            self.by_limit.load().values().map(|limiters| limiters.taking.len()).sum()
        }
    }

    #[test]
    fn a_key_has_its_burst_and_then_its_rate() {
        let clock = Arc::new(ManualClock::at(Time::from_millis(1_000_000)));
        let limits = Limits::new(clock.clone(), Arc::new(AtomicU32::new(1)));
        let (one, other) = (KeyId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));
        let limit = RateLimit::new(60, 60, Some(3)).unwrap();
        let remaining: Vec<u32> = (0..3).map(|_| limits.take(one, limit).unwrap().remaining).collect();
        assert_eq!(remaining, [2, 1, 0]);
        assert_eq!(limits.look(one, limit).unwrap_err().reset, 1);
        assert_eq!([limits.look(other, limit), limits.look(other, limit)].map(|left| left.unwrap().remaining), [2, 2]);
        assert_eq!(limits.take(one, limit).unwrap_err().reset, 1);
        assert!(limits.take(other, limit).is_ok());
        clock.advance(Duration::from_secs(1));
        assert!(limits.take(one, limit).is_ok());
        assert!(limits.take(one, limit).is_err());
        clock.advance(Duration::from_secs(60));
        assert_eq!(limits.keys(), 2);
        limits.prune();
        assert_eq!(limits.keys(), 0);
        assert_eq!(limits.take(one, limit).unwrap().remaining, 2);
    }

    #[test]
    fn nodes_together_grant_no_more_than_the_limit() {
        let clock = Arc::new(ManualClock::at(Time::from_millis(1_000_000)));
        let nodes: Vec<_> = (0..3).map(|_| Limits::new(clock.clone(), Arc::new(AtomicU32::new(3)))).collect();
        let (key, limit) = (KeyId::from_bytes([1; 16]), RateLimit::new(60, 60, Some(10)).unwrap());
        let granted =
            || nodes.iter().map(|node| (0..20).take_while(|_| node.take(key, limit).is_ok()).count()).sum::<usize>();
        assert_eq!(granted(), 9, "the burst of 10, divided by three");
        clock.advance(Duration::from_secs(3));
        assert_eq!(granted(), 3, "one per second");
        let single = RateLimit::new(1, 60, None).unwrap();
        assert_eq!(nodes[0].take(key, single).map(|left| left.limit), Ok(single), "at least one, and the whole limit");
    }
}
