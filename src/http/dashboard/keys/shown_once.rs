//! The response to a form that created or rotated a key: the only page that ever holds a key's text.

use askama::Template;

use crate::error::Result;
use crate::http::dashboard::frame::{Nav, Shell, SignedIn, When};
use crate::model::{KeyRecord, PlainKey};

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
    /// The old key, after a rotation.
    pub replaces: Option<ReplacedKey>,
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
            replaces: None,
        })
    }
}
