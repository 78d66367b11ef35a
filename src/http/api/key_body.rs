//! The settings that programs send to create or change a key.

use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::idempotency::RepeatableBody;
use crate::auth::{KeyRequest, LeftOpen};
use crate::error::{Error, Result};
use crate::http::json_value::{Fields, List, given};
use crate::http::openapi::field;
use crate::model::expiry::{USUAL_LIFETIME, parse_span};
use crate::model::{
    Expiry, KeyChange, KeyName, KeyPrefix, KeySettings, Metadata, Networks, RateLimit, ScopeSet, Submission, Time,
    UserId,
};

/// A new key. `null` means the same as an absent field, because generated clients send it for fields that are not set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub struct NewKeyBody {
    /// The purpose of the key.
    #[schema(value_type = field::Name)]
    name: String,
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

impl RepeatableBody for NewKeyBody {}

/// The expiry of a new key, sent in one of three ways.
pub struct End<'a> {
    pub expires_at: Option<&'a str>,
    pub expires_in: Option<&'a str>,
    pub expires: Option<&'a str>,
}

impl End<'_> {
    pub fn parse(&self, now: Time) -> Result<Option<Expiry>> {
        match (self.expires_at, self.expires_in, self.expires) {
            (None, None, None) => Ok(None),
            (Some(time), None, None) => expires_at(Some(time), now).map(Some),
            (None, Some(span), None) => expires_in(span, now).map(Some),
            (None, None, Some(text)) => Expiry::parse(text, now).map(Some),
            _ => Err(Error::invalid("expires", "Send only one of expires_at, expires_in and expires.")),
        }
    }

    /// Attributes the error to the field that was sent.
    pub fn name(&self, error: Error) -> Error {
        let field = match (self.expires_at, self.expires_in) {
            (Some(_), _) => "expires_at",
            (_, Some(_)) => "expires_in",
            _ => "expires",
        };
        Error { field: error.field.map(|own| if own == "expires_at" { field } else { own }), ..error }
    }
}

impl NewKeyBody {
    pub fn end(&self) -> End<'_> {
        let (expires_at, expires_in) = (self.expires_at.as_deref(), self.expires_in.as_deref());
        End { expires_at, expires_in, expires: self.expires.as_deref() }
    }

    pub fn request(&self, owner: UserId, submission: Option<Submission>, now: Time) -> Result<KeyRequest> {
        let expiry = self.end().parse(now)?;
        let left_open = LeftOpen { expiry: expiry.is_none(), allowed_ips: self.allowed_ips.is_none() };
        Ok(KeyRequest {
            owner,
            prefix: self.prefix.as_deref().map(prefix).transpose()?,
            settings: KeySettings {
                name: KeyName::parse(&self.name)?,
                scopes: self.scopes.as_ref().map_or_else(|| Ok(ScopeSet::default()), scopes)?,
                expires_at: expiry.map_or_else(|| Expiry::after(USUAL_LIFETIME, now), Ok)?.time(),
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
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = field::Name, required = false)]
    name: Option<String>,
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
    let wrong = || Error::invalid("expires_in", "Write a duration as 90d, 12h, 15m or 30s.");
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
