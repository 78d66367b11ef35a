//! The operator's settings for keys, tokens, usage and signing: plain values with their defaults.

use std::time::Duration;

use crate::model::KeyPrefix;
use crate::model::token::{REFRESH_REUSE, TOKEN_LIFETIME};
use crate::signing::SigningSettings;

/// Default maximum of distinct bad keys per minute and address.
pub const BAD_KEY_LIMIT: u32 = 1000;
/// Default size of the record cache: about 145,000 records.
const RECORD_CACHE: u64 = 16 << 20;
/// Default retention of hourly counts.
const USAGE_RETENTION: Duration = Duration::from_secs(90 * 86_400);

#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// Prefixes for keys; the first is the default.
    pub prefixes: Vec<KeyPrefix>,
    /// Maximum distinct bad keys per minute and address; 0 means no limit.
    pub bad_key_limit: u32,
    /// Maximum bytes of records in memory, for programs that verify keys over the API; 0 keeps none.
    pub record_cache: u64,
    /// How long hourly usage counts are kept.
    pub usage_retention: Duration,
    /// Lifetime of the tokens of `POST /api/v1/tokens`.
    pub token_lifetime: Duration,
    /// How long a reused refresh token still gets the same answer; zero means never.
    pub refresh_reuse: Duration,
    pub signing: SigningSettings,
}

impl Default for AuthSettings {
    fn default() -> Self {
        AuthSettings {
            prefixes: Vec::new(),
            bad_key_limit: BAD_KEY_LIMIT,
            record_cache: RECORD_CACHE,
            usage_retention: USAGE_RETENTION,
            token_lifetime: TOKEN_LIFETIME,
            refresh_reuse: REFRESH_REUSE,
            signing: SigningSettings::default(),
        }
    }
}
