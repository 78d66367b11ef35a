//! A key's settings as programs send them: for a new key, and for a change.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::idempotency::RepeatableBody;
use crate::auth::KeyRequest;
use crate::error::{Error, Result};
use crate::http::json_value::{Fields, List, given};
use crate::http::openapi::field;
use crate::model::key::{Expiry, Metadata, parse_span};
use crate::model::{KeyChange, KeyName, KeyPrefix, Networks, RateLimit, ScopeSet, Time, UserId};
use crate::store::Submission;

/// What every door gives to a key when nothing else is said.
const USUAL_LIFE: Duration = Duration::from_secs(90 * 86_400);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub struct NewKeyBody {
    /// What it is for.
    #[schema(value_type = field::Name)]
    name: String,
    /// E-mail or id; the caller's owner without it.
    #[schema(value_type = Option<String>, required = false)]
    pub owner: Option<String>,
    /// One of the server's; the first of them without it.
    #[schema(value_type = Option<field::Prefix>, required = false)]
    prefix: Option<String>,
    /// What it may do; only what the caller may pass on.
    #[serde(default)]
    #[schema(value_type = field::Scopes, required = false)]
    scopes: List<{ ScopeSet::MAX }>,
    /// In the future, at most 100 years; `null`: never. One of `expires_at`, `expires_in` and `expires`; 90 days
    /// without any.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<field::Moment>, required = false)]
    expires_at: Option<Option<String>>,
    /// Such as `90d`, `12h`, `15m`, `30s`.
    #[schema(value_type = Option<field::Span>, required = false)]
    expires_in: Option<String>,
    /// Either, or `never`: what the dashboard and the command line take.
    #[schema(value_type = Option<field::Expiry>, required = false)]
    expires: Option<String>,
    /// Where it may be used from; empty: anywhere.
    #[serde(default)]
    #[schema(value_type = field::Ranges, required = false)]
    allowed_ips: List<{ Networks::MAX }>,
    #[schema(value_type = Option<RateLimitBody>, required = false)]
    rate_limit: Option<Fields<RateLimitBody>>,
    #[schema(value_type = Option<field::Metadata>, required = false)]
    metadata: Option<Box<RawValue>>,
}

/// So many requests in a window of seconds.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRateLimit)]
pub struct RateLimitBody {
    #[schema(minimum = 1, maximum = 10_000_000)]
    requests: u32,
    /// In seconds.
    #[schema(minimum = 1, maximum = 86_400)]
    window: u32,
    /// So many at once; as many as a window holds without it.
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 10_000_000)]
    burst: Option<u32>,
}

impl RepeatableBody for NewKeyBody {}

impl NewKeyBody {
    pub fn request(self, owner: UserId, submission: Option<Submission>, now: Time) -> Result<KeyRequest> {
        let expiry = match (&self.expires_at, &self.expires_in, &self.expires) {
            (None, None, None) => Expiry::after(USUAL_LIFE, now)?,
            (Some(time), None, None) => expires_at(time.as_deref(), now)?,
            (None, Some(span), None) => expires_in(span, now)?,
            (None, None, Some(text)) => Expiry::parse(text, now)?,
            _ => return Err(Error::invalid("expires", "Send one of expires_at, expires_in and expires.")),
        };
        Ok(KeyRequest {
            owner,
            name: KeyName::parse(&self.name)?,
            prefix: self.prefix.as_deref().map(prefix).transpose()?,
            scopes: scopes(&self.scopes)?,
            expiry,
            allowed_ips: networks(&self.allowed_ips)?,
            rate_limit: self.rate_limit.map(|Fields(limit)| limit.parse()).transpose()?,
            metadata: metadata(self.metadata.as_deref())?,
            submission,
        })
    }
}

/// An absent field stays as it is, `null` clears it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyChange)]
pub struct KeyChangeBody {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = field::Name, required = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<field::Scopes>, required = false)]
    scopes: Option<Option<List<{ ScopeSet::MAX }>>>,
    /// In the future, at most 100 years; `null`: never.
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
    pub fn change(self, now: Time) -> Result<KeyChange> {
        Ok(KeyChange {
            name: self.name.as_deref().map(KeyName::parse).transpose()?,
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

impl RateLimitBody {
    fn parse(&self) -> Result<RateLimit> {
        RateLimit::new(self.requests, self.window, self.burst)
    }
}

fn expires_at(time: Option<&str>, now: Time) -> Result<Expiry> {
    let expiry = time.map_or(Ok(Expiry::Never), |time| Expiry::at(Time::parse(time)?, now));
    expiry.map_err(|error| Error { field: Some("expires_at"), ..error })
}

fn expires_in(span: &str, now: Time) -> Result<Expiry> {
    let wrong = || Error::invalid("expires_in", "Write a span of time as 90d, 12h, 15m or 30s.");
    let expiry = parse_span(span).ok_or_else(wrong).and_then(|span| Expiry::after(span, now));
    expiry.map_err(|error| Error { field: Some("expires_in"), ..error })
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
