//! A key's record as the API shows it. Never its digest, never its text.

use serde::Serialize;

use crate::model::key::Metadata;
use crate::model::{KeyId, KeyRecord, Networks, Owner, RateLimit, ScopeSet, Time};

#[derive(Serialize)]
pub struct KeyJson {
    id: KeyId,
    name: String,
    prefix: Option<String>,
    hint: String,
    owner: Owner,
    scopes: ScopeSet,
    enabled: bool,
    created_at: Time,
    expires_at: Option<Time>,
    last_used_at: Option<Time>,
    allowed_ips: Networks,
    rate_limit: Option<RateLimit>,
    metadata: Metadata,
}

impl From<KeyRecord> for KeyJson {
    fn from(record: KeyRecord) -> Self {
        KeyJson {
            id: record.id,
            name: record.name,
            prefix: record.prefix,
            hint: record.hint,
            owner: record.owner,
            scopes: record.scopes,
            enabled: record.enabled,
            created_at: record.created_at,
            expires_at: record.expires_at,
            last_used_at: record.last_use.map(|last| last.at),
            allowed_ips: record.allowed_ips,
            rate_limit: record.rate_limit,
            metadata: record.metadata,
        }
    }
}
