//! The response to a form that created or rotated a key: the only page that ever holds a key's text.

use askama::Template;

use super::in_words::rate;
use crate::error::Result;
use crate::http::dashboard::frame::{Nav, Shell, SignedIn, When};
use crate::model::{KeyRecord, KeySettings, PlainKey};

/// It has no `Debug` and no `Clone`, so that the key cannot leak or be copied.
#[derive(Template)]
#[template(path = "keys/shown_once.html")]
pub struct ShownKeyPage {
    pub shell: Shell,
    pub id: String,
    pub name: String,
    pub key: String,
    /// Without a trailing slash.
    pub public_url: String,
    /// Whose key it is, if not the signed-in user's own.
    pub owner: Option<String>,
    /// What was granted, in words: scopes, expiry, addresses.
    pub granted: Granted,
    /// The old key, after a rotation.
    pub replaces: Option<ReplacedKey>,
}

/// What the new key can do.
pub struct Granted {
    pub scopes: Vec<String>,
    pub expires: Option<When>,
    pub allowed_ips: Vec<String>,
    pub rate_limit: Option<String>,
}

/// A key that was rotated.
pub struct ReplacedKey {
    pub hint: String,
    /// `None` if it was revoked at once.
    pub until: Option<When>,
}

impl ShownKeyPage {
    pub fn new(who: &SignedIn, key: &PlainKey, record: &KeyRecord) -> Result<Self> {
        Ok(ShownKeyPage {
            shell: who.shell("Key created", Nav::Keys)?,
            id: record.id.to_string(),
            name: record.settings.name.to_string(),
            key: key.expose().to_owned(),
            public_url: who.site.settings.public_url.as_str().to_owned(),
            owner: (record.owner.id != who.user().id).then(|| record.owner.email.to_string()),
            granted: Granted::of(&record.settings),
            replaces: None,
        })
    }
}

impl Granted {
    fn of(settings: &KeySettings) -> Self {
        Granted {
            scopes: settings.scopes.iter().map(ToString::to_string).collect(),
            expires: settings.expires_at.map(When::from),
            allowed_ips: settings.allowed_ips.iter().map(ToString::to_string).collect(),
            rate_limit: settings.rate_limit.map(rate),
        }
    }
}
