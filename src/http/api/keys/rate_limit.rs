//! A key's rate limit in JSON, as sent and as returned.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::error::Result;
use crate::model::RateLimit;

/// A rate limit: requests per window, and the maximum at once.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRateLimit)]
pub struct RateLimitBody {
    #[schema(minimum = 1, maximum = 10_000_000)]
    requests: u32,
    /// The window in seconds.
    #[schema(minimum = 1, maximum = 86_400)]
    window: u32,
    /// The number of requests allowed at once. Default: `requests`.
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 10_000_000)]
    burst: Option<u32>,
}

impl RateLimitBody {
    pub fn parse(&self) -> Result<RateLimit> {
        RateLimit::new(self.requests, self.window, self.burst)
    }
}

/// A rate limit: requests per window of seconds, and the maximum at once.
#[derive(ToSchema)]
#[schema(as = RateLimit)]
#[expect(dead_code, reason = "the schema of the model's RateLimit, which must not depend on OpenAPI")]
pub struct RateLimitSchema {
    requests: u32,
    window: u32,
    burst: u32,
}
