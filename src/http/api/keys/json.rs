//! The JSON that creates a key, changes it and describes it. A new setting must be added to all three types here.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::last_used::{LastUsedJson, MAX_LAST_USED};
use super::new_expiry::{NewExpiry, expires_at};
use super::rate_limit::{RateLimitBody, RateLimitSchema};
use crate::auth::{KeyRequest, LeftOpen, VerifiedKey};
use crate::error::{Error, Result};
use crate::http::api::idempotency::RepeatableBody;
use crate::http::json_value::{Fields, List, given};
use crate::http::schema::field;
use crate::model::expiry::DEFAULT_LIFETIME;
use crate::model::key_clients::KeyClient;
use crate::model::key_settings::Description;
use crate::model::{
    Email, Expiry, KeyChange, KeyId, KeyName, KeyPrefix, KeyRecord, KeySettings, KeyState, Metadata, Networks,
    RateLimit, ScopeSet, Submission, Time, UserId,
};

/// A new key. `null` means the same as an absent field, because generated clients send it for fields that are not set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub struct NewKeyBody {
    /// The purpose of the key.
    #[schema(value_type = field::Name)]
    name: String,
    /// What the key is for, in plain text.
    #[schema(value_type = Option<field::Description>, required = false)]
    description: Option<String>,
    /// The owner's email or ID. Default: the owner of the calling key.
    #[schema(value_type = Option<String>, required = false)]
    pub owner: Option<String>,
    /// One of the server's prefixes. Default: the first of them, or the prefix of the calling key.
    #[schema(value_type = Option<field::Prefix>, required = false)]
    prefix: Option<String>,
    /// What the key can do. The caller can grant only what it has itself.
    #[schema(value_type = Option<field::Scopes>, required = false)]
    scopes: Option<List<{ ScopeSet::MAX }>>,
    /// Must be in the future, max 100 years. Send one of `expires_at`, `expires_in` and `expires`. Default: 90 days.
    #[schema(value_type = Option<field::Moment>, required = false)]
    expires_at: Option<String>,
    /// A duration such as `90d`, `12h`, `15m` or `30s`.
    #[schema(value_type = Option<field::Span>, required = false)]
    expires_in: Option<String>,
    /// A time, a duration or `never`, as in the command line.
    #[schema(value_type = Option<field::Expiry>, required = false)]
    expires: Option<String>,
    /// The addresses that can use the key; empty means any address. Default: those of the calling key.
    #[schema(value_type = Option<field::Ranges>, required = false)]
    allowed_ips: Option<List<{ Networks::MAX }>>,
    /// Default: the rate limit of the calling key.
    #[schema(value_type = Option<RateLimitBody>, required = false)]
    rate_limit: Option<Fields<RateLimitBody>>,
    #[schema(value_type = Option<field::Metadata>, required = false)]
    metadata: Option<Box<RawValue>>,
}

impl RepeatableBody for NewKeyBody {}

impl NewKeyBody {
    pub fn expiry(&self) -> NewExpiry<'_> {
        let (expires_at, expires_in) = (self.expires_at.as_deref(), self.expires_in.as_deref());
        NewExpiry { expires_at, expires_in, expires: self.expires.as_deref() }
    }

    pub fn request(&self, owner: UserId, submission: Option<Submission>, now: Time) -> Result<KeyRequest> {
        let expiry = self.expiry().parse(now)?;
        let left_open = LeftOpen { expiry: expiry.is_none(), allowed_ips: self.allowed_ips.is_none() };
        Ok(KeyRequest {
            owner,
            prefix: self.prefix.as_deref().map(prefix).transpose()?,
            settings: KeySettings {
                name: KeyName::parse(&self.name)?,
                description: Description::parse(self.description.as_deref().unwrap_or_default())?,
                scopes: self.scopes.as_ref().map_or_else(|| Ok(ScopeSet::default()), scopes)?,
                expires_at: expiry.map_or_else(|| Expiry::after(DEFAULT_LIFETIME, now), Ok)?.time(),
                allowed_ips: self.allowed_ips.as_ref().map_or_else(|| Ok(Networks::default()), networks)?,
                rate_limit: self.rate_limit.as_ref().map(|Fields(limit)| limit.parse()).transpose()?,
                metadata: metadata(self.metadata.as_deref())?,
            },
            left_open,
            submission,
        })
    }
}

/// A change to a key. An absent field is unchanged; `null` clears it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyChange)]
pub struct KeyChangeBody {
    /// The new owner's email or ID: transfers the key. Only for admins.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    pub owner: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = field::Name, required = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<field::Description>, required = false)]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<field::Scopes>, required = false)]
    scopes: Option<Option<List<{ ScopeSet::MAX }>>>,
    /// Must be in the future, max 100 years; `null` means it never expires.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<field::Moment>, required = false)]
    expires_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<field::Ranges>, required = false)]
    allowed_ips: Option<Option<List<{ Networks::MAX }>>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<RateLimitBody>, required = false)]
    rate_limit: Option<Option<Fields<RateLimitBody>>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<field::Metadata>, required = false)]
    metadata: Option<Option<Box<RawValue>>>,
}

impl KeyChangeBody {
    /// `owner` is the user whom the body names.
    pub fn change(self, owner: Option<UserId>, now: Time) -> Result<KeyChange> {
        Ok(KeyChange {
            owner,
            name: self.name.as_deref().map(KeyName::parse).transpose()?,
            description: self.description.map(|text| Description::parse(&text.unwrap_or_default())).transpose()?,
            scopes: self.scopes.map(|list| scopes(&list.unwrap_or_default())).transpose()?,
            expiry: self.expires_at.map(|time| expires_at(time.as_deref(), now)).transpose()?,
            enabled: self.enabled,
            allowed_ips: self.allowed_ips.map(|list| networks(&list.unwrap_or_default())).transpose()?,
            rate_limit: match self.rate_limit {
                None => None,
                Some(None) => Some(None),
                Some(Some(Fields(limit))) => Some(Some(limit.parse()?)),
            },
            metadata: self.metadata.map(|object| metadata(object.as_deref())).transpose()?,
        })
    }
}

/// A key's record, without the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyJson<'a> {
    #[schema(value_type = field::Id)]
    id: KeyId,
    name: &'a str,
    /// What the key is for; `null` means nobody wrote anything.
    #[schema(value_type = Option<String>, required = true)]
    description: Option<&'a str>,
    /// The prefix of the key; `null` for an imported key.
    #[schema(value_type = Option<String>, required = true)]
    prefix: Option<&'a str>,
    /// Parts of the key, enough to recognise it but not to use it.
    hint: &'a str,
    #[schema(value_type = OwnerSchema)]
    owner: OwnerJson<'a>,
    /// What the key can do.
    #[schema(value_type = Vec<String>)]
    scopes: &'a ScopeSet,
    enabled: bool,
    /// `active`, or why every request with the key is refused.
    #[schema(value_type = KeyStateSchema)]
    state: &'static str,
    #[schema(value_type = field::Moment)]
    created_at: Time,
    /// `null` means it never expires.
    #[schema(value_type = Option<field::Moment>, required = true)]
    expires_at: Option<Time>,
    /// `null` means it has not been used yet.
    #[schema(value_type = Option<field::Moment>, required = true)]
    last_used_at: Option<Time>,
    /// The latest clients, with their uses in the last 90 days; only in the response of `getKey`, max 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<LastUsedJson>>, required = false)]
    last_used: Option<Vec<LastUsedJson<'a>>>,
    /// The addresses that can use the key; empty means any address.
    #[schema(value_type = Vec<String>)]
    allowed_ips: &'a Networks,
    #[schema(value_type = Option<RateLimitSchema>, required = true)]
    rate_limit: Option<RateLimit>,
    /// The metadata as sent, including how its numbers are written.
    #[schema(value_type = Object)]
    metadata: &'a RawValue,
    /// The key that this one was rotated from, even if that one has been revoked. Absent where a key reads its own
    /// record or is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<field::Id>, required = false)]
    rotated_from: Option<Option<KeyId>>,
    /// The key that replaces this one. Absent where a key reads its own record or is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<field::Id>, required = false)]
    rotated_to: Option<Option<KeyId>>,
    /// Only in a damaged record: the fields whose stored values cannot be read. They are empty here.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Option<Vec<String>>, required = false)]
    unreadable: &'a [&'static str],
}

#[derive(Serialize)]
struct OwnerJson<'a> {
    id: UserId,
    email: &'a Email,
}

/// The owner of the key.
#[derive(ToSchema)]
#[schema(as = Owner)]
#[expect(dead_code, reason = "the schema of `OwnerJson`, which borrows")]
struct OwnerSchema {
    #[schema(value_type = field::Id)]
    id: String,
    email: String,
}

/// `active`, or why every request with the key is refused.
struct KeyStateSchema;

impl utoipa::PartialSchema for KeyStateSchema {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::Schema::from(field::one_of(KeyState::ALL.map(KeyState::name))).into()
    }
}

impl ToSchema for KeyStateSchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "KeyState".into()
    }
}

impl<'a> KeyJson<'a> {
    pub fn of(record: &'a KeyRecord, now: Time) -> Self {
        let KeySettings { name, description, scopes, expires_at, allowed_ips, rate_limit, metadata } = &record.settings;
        KeyJson {
            id: record.id,
            name: name.as_str(),
            description: description.filled(),
            prefix: record.prefix.as_deref(),
            hint: &record.hint,
            owner: OwnerJson { id: record.owner.id, email: &record.owner.email },
            scopes,
            enabled: record.enabled,
            state: record.state(now).name(),
            created_at: record.created_at,
            expires_at: *expires_at,
            last_used_at: record.last_use.as_ref().map(|last| last.at),
            last_used: None,
            allowed_ips,
            rate_limit: *rate_limit,
            metadata: metadata.raw(),
            rotated_from: Some(record.rotated_from),
            rotated_to: Some(record.rotated_to),
            unreadable: &record.unreadable,
        }
    }
}

impl<'a> KeyJson<'a> {
    /// The same with these clients, of which the record names the first few.
    pub fn used_by(self, clients: &'a [KeyClient]) -> Self {
        let last_used = clients.iter().take(MAX_LAST_USED).map(LastUsedJson::from).collect();
        KeyJson { last_used: Some(last_used), ..self }
    }
}

impl<'a> From<&'a VerifiedKey> for KeyJson<'a> {
    fn from(key: &'a VerifiedKey) -> Self {
        let (owner, grant, rest) = (&key.owner, &key.grant, key.rest.unpack());
        KeyJson {
            id: key.id,
            name: rest.name,
            description: filled(rest.description),
            prefix: filled(rest.prefix),
            hint: rest.hint,
            owner: OwnerJson { id: owner.id, email: &owner.email },
            scopes: &grant.scopes,
            enabled: grant.enabled,
            state: KeyState::Active.name(),
            created_at: rest.created_at,
            expires_at: key.expires_at,
            last_used_at: Some(key.last_used_at),
            last_used: None,
            allowed_ips: &grant.allowed_ips,
            rate_limit: grant.rate_limit,
            metadata: serde_json::from_str(rest.metadata).expect("metadata that was read is JSON"),
            rotated_from: None,
            rotated_to: None,
            unreadable: &key.unreadable,
        }
    }
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn prefix(text: &str) -> Result<KeyPrefix> {
    KeyPrefix::parse(text).map_err(|error| Error { field: Some("prefix"), ..error })
}

fn scopes(List(texts): &List<{ ScopeSet::MAX }>) -> Result<ScopeSet> {
    ScopeSet::parse(texts.iter().map(String::as_str))
}

fn networks(List(texts): &List<{ Networks::MAX }>) -> Result<Networks> {
    Networks::parse(texts.iter().map(String::as_str))
}

fn metadata(object: Option<&RawValue>) -> Result<Metadata> {
    object.map_or_else(|| Ok(Metadata::default()), |object| Metadata::parse(object.get()))
}
