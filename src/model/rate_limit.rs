//! A key's own limit: a number of requests per window, with a burst.

use crate::error::{Error, Result};

/// `requests` per `window` seconds; up to `burst` at once (by default the requests of one window).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub struct RateLimit {
    pub requests: u32,
    pub window: u32,
    pub burst: u32,
}

impl RateLimit {
    pub const MAX_REQUESTS: u32 = 10_000_000;
    pub const MAX_WINDOW: u32 = 86_400;

    pub fn new(requests: u32, window: u32, burst: Option<u32>) -> Result<Self> {
        let burst = burst.unwrap_or(requests);
        let sound = (1..=Self::MAX_REQUESTS).contains(&requests)
            && (1..=Self::MAX_WINDOW).contains(&window)
            && (1..=Self::MAX_REQUESTS).contains(&burst);
        if sound {
            return Ok(RateLimit { requests, window, burst });
        }
        Err(Error::invalid(
            "rate_limit",
            "A rate limit must be 1 to 10,000,000 requests per 1 to 86,400 seconds, with a burst of 1 or more.",
        ))
    }

    /// Parses `100/60` or `100/60/20`: requests, seconds, burst. This is the form of the database and the command line.
    pub fn parse(text: &str) -> Result<Self> {
        let numbers: Option<Vec<u32>> = text.split('/').map(|part| part.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some([requests, window]) => Self::new(*requests, *window, None),
            Some([requests, window, burst]) => Self::new(*requests, *window, Some(*burst)),
            _ => {
                Err(Error::invalid("rate_limit", "Use REQUESTS/SECONDS or REQUESTS/SECONDS/BURST, for example 100/60."))
            }
        }
    }

    /// Whether it allows no more than `outer`, at once and over time.
    pub fn is_within(&self, outer: &RateLimit) -> bool {
        let rate = u64::from(self.requests) * u64::from(outer.window);
        rate <= u64::from(outer.requests) * u64::from(self.window) && self.burst <= outer.burst
    }

    /// What each of `nodes` servers may grant by itself, so that together they grant no more than this: the same burst
    /// and rate divided among them, but at least one request.
    pub fn share(&self, nodes: u32) -> RateLimit {
        let nodes = nodes.max(1);
        RateLimit { window: self.window.saturating_mul(nodes), burst: (self.burst / nodes).max(1), ..*self }
    }

    pub fn text(&self) -> String {
        format!("{}/{}/{}", self.requests, self.window, self.burst)
    }
}
