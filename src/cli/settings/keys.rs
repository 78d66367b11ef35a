//! Settings of keys and their usage counts.

use clap::{ArgAction, Args};
use serde::Deserialize;

use super::given::{Given, set};
use crate::auth::AuthSettings;
use crate::error::Result;
use crate::model::KeyPrefix;

#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct KeysSection {
    /// Prefix for keys (repeatable); the first is the default [default: kb]
    #[arg(long, env = "KEYBEARER_KEY_PREFIX", value_name = "P", action = ArgAction::Append)]
    key_prefix: Option<Given>,
    /// Maximum distinct bad keys per minute and address; further ones get 429; 0 means no limit. Loopback addresses are
    /// exempt [default: 1000]
    #[arg(long, env = "KEYBEARER_BAD_KEY_LIMIT", value_name = "N")]
    bad_key_limit: Option<Given>,
    /// Memory for the records of keys that programs verify over the API, in MiB; without it, each such answer reads the
    /// database; 0 turns it off [default: 16]
    #[arg(long, env = "KEYBEARER_RECORD_CACHE", value_name = "MIB")]
    record_cache: Option<Given>,
    /// How long hourly usage counts are kept [default: 90d]
    #[arg(long, env = "KEYBEARER_USAGE_RETENTION", value_name = "SPAN")]
    usage_retention: Option<Given>,
}

impl KeysSection {
    /// Commands other than `serve` need these too.
    pub fn prefixes(&self) -> Result<Vec<KeyPrefix>> {
        let mut prefixes = vec![KeyPrefix::parse("kb")?];
        set(&mut prefixes, &self.key_prefix, |given| given.parse_entries(KeyPrefix::parse))?;
        Ok(prefixes)
    }

    pub fn apply(&self, auth: &mut AuthSettings) -> Result<()> {
        auth.prefixes = self.prefixes()?;
        set(&mut auth.bad_key_limit, &self.bad_key_limit, |given| given.number(0..=u32::MAX))?;
        set(&mut auth.record_cache, &self.record_cache, |given| Ok(given.number(0..=1 << 20)? << 20))?;
        set(&mut auth.usage_retention, &self.usage_retention, |given| {
            given.span(|_| true, "write a time span, such as 90d.")
        })
    }
}
