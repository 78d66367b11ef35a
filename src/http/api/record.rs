//! A key's record as the API returns it, without the key and its digest.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::openapi::field;
use crate::model::{KeyId, KeyRecord, KeySettings, Metadata, Networks, Owner, RateLimit, ScopeSet, Time};

/// A key's record, without the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyJson {
    #[schema(value_type = field::Id)]
    id: KeyId,
    name: String,
    /// The prefix of the key; `null` for an imported key.
    #[schema(value_type = Option<String>, required = true)]
    prefix: Option<String>,
    /// Parts of the key, enough to recognise it but not to use it.
    hint: String,
    #[schema(value_type = OwnerSchema)]
    owner: Owner,
    /// What the key can do.
    #[schema(value_type = Vec<String>)]
    scopes: ScopeSet,
    enabled: bool,
    #[schema(value_type = field::Moment)]
    created_at: Time,
    /// `null` means it never expires.
    #[schema(value_type = Option<field::Moment>, required = true)]
    expires_at: Option<Time>,
    /// `null` means it has not been used yet.
    #[schema(value_type = Option<field::Moment>, required = true)]
    last_used_at: Option<Time>,
    /// The addresses that can use the key; empty means any address.
    #[schema(value_type = Vec<String>)]
    allowed_ips: Networks,
    #[schema(value_type = Option<RateLimitSchema>, required = true)]
    rate_limit: Option<RateLimit>,
    /// The metadata as sent, including how its numbers are written.
    #[schema(value_type = Object)]
    metadata: Metadata,
    /// Only in a damaged record: the fields whose stored values cannot be read. They are empty here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<String>>, required = false)]
    unreadable: Vec<&'static str>,
}

/// The owner of the key.
#[derive(ToSchema)]
#[schema(as = Owner)]
#[expect(dead_code, reason = "the schema of the model's Owner, which must not depend on OpenAPI")]
struct OwnerSchema {
    #[schema(value_type = field::Id)]
    id: String,
    email: String,
}

/// A rate limit: requests per window of seconds, and the maximum at once.
#[derive(ToSchema)]
#[schema(as = RateLimit)]
#[expect(dead_code, reason = "the schema of the model's RateLimit, which must not depend on OpenAPI")]
struct RateLimitSchema {
    requests: u32,
    window: u32,
    burst: u32,
}

impl From<KeyRecord> for KeyJson {
    fn from(record: KeyRecord) -> Self {
        let KeySettings { name, scopes, expires_at, allowed_ips, rate_limit, metadata } = record.settings;
        KeyJson {
            id: record.id,
            name: name.to_string(),
            prefix: record.prefix,
            hint: record.hint,
            owner: record.owner,
            scopes,
            enabled: record.enabled,
            created_at: record.created_at,
            expires_at,
            last_used_at: record.last_use.map(|last| last.at),
            allowed_ips,
            rate_limit,
            metadata,
            unreadable: record.unreadable,
        }
    }
}
