//! The audit log, for admins.

use actix_web::HttpResponse;
use actix_web::web::Query;

use super::pages::{EventRow, EventsPage, Nav, Pager};
use super::signed_in::{Admin, Gate};
use super::view::{self, ListQuery, ROWS, when};
use crate::error::Error;
use crate::model::{Event, EventFilter};

pub async fn list(admin: Admin, query: Query<ListQuery>) -> Result<HttpResponse, Gate> {
    let who = admin.0;
    let before = match query.after.as_deref().map(str::parse) {
        None => None,
        Some(Ok(seq)) => Some(seq),
        Some(Err(_)) => {
            return Err(Error::invalid("after", "This cursor is not one of ours. Start again without it.").into());
        }
    };
    let filter = EventFilter { search: query.search(), before, limit: ROWS, ..EventFilter::default() };
    let events = who.site.auth.events(&who.asking(), filter).await?;
    let older = events.next.map(EventFilter::line);
    let link = |after: Option<i64>| {
        let mut parts = form_urlencoded::Serializer::new(String::from("/events?"));
        if !query.q.is_empty() {
            parts.append_pair("q", &query.q);
        }
        if let Some(after) = after {
            parts.append_pair("after", &after.to_string());
        }
        parts.finish()
    };
    Ok(view::ok(&EventsPage {
        shell: who.shell("Audit log", Nav::Events)?,
        q: query.q.clone(),
        pager: Pager { newer: before.map(|_| link(None)), older: older.map(|seq| link(Some(seq))) },
        events: events.rows.into_iter().map(row).collect(),
    })?)
}

fn row(event: Event) -> EventRow {
    let is_success = !matches!(event.action.as_str(), "session.refused" | "token.reused");
    let object_url = match (&event.object_id, event.action.split('.').next()) {
        (Some(id), Some("key")) if event.action != "key.revoked" => Some(format!("/keys/{id}")),
        (Some(id), Some("user")) if event.action != "user.removed" => Some(format!("/users/{id}")),
        _ => None,
    };
    EventRow {
        at: when(event.at),
        who: if event.actor.is_empty() { event.actor_kind } else { event.actor },
        action: event.action,
        object: event.object,
        object_url,
        address: event.address,
        outcome: if is_success { "done" } else { "refused" }.to_owned(),
        is_success,
    }
}
