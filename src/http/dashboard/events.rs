//! `/events`: the audit log, for admins.

use actix_web::HttpResponse;
use actix_web::web::Query;
use askama::Template;

use super::frame::{Admin, ListQuery, Nav, PageError, Pager, ROWS, Shell, When};
use crate::error::Error;
use crate::model::{Action, Event, EventFilter};

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    shell: Shell,
    /// The search text; empty if there is no search.
    q: String,
    events: Vec<EventRow>,
    pager: Pager,
}

/// A line of the audit log.
struct EventRow {
    at: When,
    who: String,
    /// The action in words.
    label: String,
    /// Its code, as the API and the command line name it.
    action: String,
    object: String,
    /// The object's page, if it has one and may still exist.
    object_url: Option<String>,
    address: Option<String>,
    outcome: String,
    is_success: bool,
}

impl From<Event> for EventRow {
    fn from(event: Event) -> Self {
        let is_success = !matches!(event.action.as_str(), "session.refused" | "token.reused");
        let object_url = match (&event.object_id, event.action.split('.').next()) {
            (Some(id), Some("key")) if event.action != "key.revoked" => Some(format!("/keys/{id}")),
            (Some(id), Some("user")) if event.action != "user.removed" => Some(format!("/users/{id}")),
            _ => None,
        };
        EventRow {
            at: When::to_the_second(event.at),
            who: if event.actor.is_empty() { "Unknown".to_owned() } else { event.actor },
            label: Action::parse(&event.action).map_or("Unknown action", label).to_owned(),
            action: event.action,
            object: event.object,
            object_url,
            address: event.address,
            outcome: if is_success { "Succeeded" } else { "Refused" }.to_owned(),
            is_success,
        }
    }
}

fn label(action: Action) -> &'static str {
    match action {
        Action::KeyCreated => "Key created",
        Action::KeyRevoked => "Key revoked",
        Action::KeyRotated => "Key rotated",
        Action::KeyDisabled => "Key disabled",
        Action::KeyEnabled => "Key enabled",
        Action::KeyChanged => "Key updated",
        Action::KeysImported => "Keys imported",
        Action::KeyRevived => "Key restored",
        Action::UserAdded => "Person added",
        Action::UserChanged => "Person updated",
        Action::UserDeactivated => "Person deactivated",
        Action::UserActivated => "Person activated",
        Action::UserRemoved => "Person removed",
        Action::PasswordSet => "Password set",
        Action::LinkCreated => "Password link created",
        Action::SignedIn => "Signed in",
        Action::LogInFailed => "Sign-in failed",
        Action::SignedOut => "Signed out",
        Action::SessionEnded => "Session ended",
        Action::SigningKeysRotated => "Signing keys rotated",
        Action::SigningKeysReplaced => "Signing keys replaced",
        Action::TokenIssued => "Token issued",
        Action::TokenRefreshed => "Token refreshed",
        Action::TokenRevoked => "Token revoked",
        Action::TokenReused => "Refresh token reused",
        Action::DatabaseReplaced => "Database replaced",
        Action::DatabaseMoved => "Database moved",
        Action::DatabaseRestored => "Database restored",
    }
}

pub async fn page(admin: Admin, query: Query<ListQuery>) -> Result<HttpResponse, PageError> {
    let who = admin.0;
    let before = match query.after.as_deref().map(str::parse) {
        None => None,
        Some(Ok(seq)) => Some(seq),
        Some(Err(_)) => {
            return Err(Error::invalid("after", "This page link is no longer valid. Go back to the list.").into());
        }
    };
    let filter = EventFilter { search: query.search(), before, limit: ROWS, ..EventFilter::default() };
    let events = who.site.auth.events(&who.asking(), filter).await?;
    let older = events.next.map(EventFilter::line);
    who.ok(&EventsPage {
        shell: who.shell("Audit log", Nav::Events)?,
        q: query.q.clone(),
        pager: query.pager("/events", older.map(|seq| seq.to_string())),
        events: events.rows.into_iter().map(EventRow::from).collect(),
    })
}
