//! A key's record as the API shows it. Never its digest, never its text.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::openapi::field;
use crate::model::{KeyId, KeyRecord, KeySettings, Metadata, Networks, Owner, RateLimit, ScopeSet, Time};

/// A key, without its text.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyJson {
    #[schema(value_type = field::Id)]
    id: KeyId,
    name: String,
    /// What the key begins with; null for one of another system.
    #[schema(value_type = Option<String>, required = true)]
    prefix: Option<String>,
    /// Enough to recognise the key, useless as one.
    hint: String,
    #[schema(value_type = OwnerSchema)]
    owner: Owner,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    scopes: ScopeSet,
    enabled: bool,
    #[schema(value_type = field::Moment)]
    created_at: Time,
    /// null: never.
    #[schema(value_type = Option<field::Moment>, required = true)]
    expires_at: Option<Time>,
    /// null: never yet.
    #[schema(value_type = Option<field::Moment>, required = true)]
    last_used_at: Option<Time>,
    /// Where it may be used from; empty: anywhere.
    #[schema(value_type = Vec<String>)]
    allowed_ips: Networks,
    #[schema(value_type = Option<RateLimitSchema>, required = true)]
    rate_limit: Option<RateLimit>,
    /// As it was sent, numbers too.
    #[schema(value_type = Object)]
    metadata: Metadata,
    /// Only in a record that is damaged: the fields whose stored value cannot be read. They are empty here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<String>>, required = false)]
    unreadable: Vec<&'static str>,
}

/// Whose key it is.
#[derive(ToSchema)]
#[schema(as = Owner)]
#[expect(dead_code, reason = "the shape of the model's Owner, which knows no OpenAPI")]
struct OwnerSchema {
    #[schema(value_type = field::Id)]
    id: String,
    email: String,
}

/// So many requests in a window of seconds, so many at once.
#[derive(ToSchema)]
#[schema(as = RateLimit)]
#[expect(dead_code, reason = "the shape of the model's RateLimit, which knows no OpenAPI")]
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
