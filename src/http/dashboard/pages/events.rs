//! The audit log, for admins.

use askama::Template;

use super::shell::{Pager, Shell, When};

/// `GET /events?q=…`.
#[derive(Template)]
#[template(path = "events.html")]
pub struct EventsPage {
    pub shell: Shell,
    /// What was searched for; empty: nothing.
    pub q: String,
    pub events: Vec<EventRow>,
    pub pager: Pager,
}

/// A line of the audit log.
pub struct EventRow {
    pub at: When,
    pub who: String,
    pub action: String,
    pub object: String,
    /// Where the object can be seen, while it exists.
    pub object_url: Option<String>,
    pub address: Option<String>,
    pub outcome: String,
    pub is_success: bool,
}
