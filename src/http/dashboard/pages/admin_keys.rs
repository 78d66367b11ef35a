//! Everybody's keys, for admins.

use askama::Template;

use super::keys::{KeyRow, KeyState};
use super::shell::{Pager, Shell};

/// `GET /admin/keys?q=…`; every row has its owner.
#[derive(Template)]
#[template(path = "admin_keys.html")]
pub struct AdminKeysPage {
    pub shell: Shell,
    /// What was searched for; empty: nothing.
    pub q: String,
    pub keys: Vec<KeyRow>,
    pub pager: Pager,
}
