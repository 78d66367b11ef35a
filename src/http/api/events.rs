//! `GET /api/v1/events`: the audit log, for an admin's key with `keybearer:events`.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::manager::EventsManager;
use super::parameters::Parameters;
use crate::error::{Error, Result as Outcome};
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::{Action, Cursor, Event, EventFilter, KeyId, Time};

#[derive(Serialize, ToSchema)]
pub struct EventPage {
    /// The events, newest first.
    #[schema(value_type = Vec<EventSchema>)]
    events: Vec<Event>,
    /// The cursor of the next page; `null` on the last page.
    #[schema(value_type = Option<String>, required = true)]
    next_cursor: Option<String>,
}

/// An entry in the audit log.
#[derive(ToSchema)]
#[schema(as = Event)]
#[expect(dead_code, reason = "the schema of the model's Event, which must not depend on OpenAPI")]
struct EventSchema {
    /// Sequence number: 1, 2, 3 and so on.
    seq: i64,
    #[schema(value_type = field::Moment)]
    at: String,
    /// `user`, `key`, `operator` or `anonymous`.
    actor_kind: String,
    #[schema(value_type = Option<field::Id>, required = true)]
    actor_id: String,
    /// The actor's email or, for a key, its hint.
    actor: String,
    action: String,
    /// The ID of the key, user or session that the event is about.
    #[schema(value_type = Option<field::Id>, required = true)]
    object_id: String,
    object: String,
    #[schema(value_type = Option<String>, required = true)]
    address: String,
    #[schema(value_type = Option<String>, required = true)]
    request_id: String,
}

pub fn operation() -> Operation {
    Operation::new("People", "listEvents", "Read the audit log, newest first")
        .query("search", field::search(), "Part of the actor, action, target or address.")
        .query("action", field::one_of(Action::ALL.map(Action::as_str)), "Only events with this action.")
        .query("actor_id", field::id(), "Events by this user or key.")
        .query("object_id", field::id(), "Events about this key, user or session.")
        .query("since", field::time(), "Events at or after this time.")
        .query("until", field::time(), "Events before this time.")
        .paged()
        .answers::<EventPage>(200, "One page.", &[])
}

pub async fn list(manager: EventsManager, query: Parameters) -> Result<HttpResponse, Problem> {
    let query = query.only(&["search", "action", "actor_id", "object_id", "since", "until", "limit", "cursor"])?;
    let asking = manager.asking().await?;
    let filter = EventFilter {
        search: query.search()?,
        action: query.text("action").map(Action::parse).transpose()?,
        actor: query.text("actor_id").map(|text| id("actor_id", text)).transpose()?,
        object: query.text("object_id").map(|text| id("object_id", text)).transpose()?,
        since: query.text("since").map(|text| time("since", text)).transpose()?,
        until: query.text("until").map(|text| time("until", text)).transpose()?,
        before: query.filled("cursor").map(Cursor::parse).transpose()?.map(EventFilter::line),
        limit: query.limit()?,
    };
    let page = manager.site.auth.events(&asking, filter).await?;
    let page = EventPage { events: page.rows, next_cursor: page.next.map(|cursor| cursor.text()) };
    Ok(HttpResponse::Ok().json(page))
}

/// Parses the ID of a key, a user or a session; all have the same form.
fn id(field: &'static str, text: &str) -> Outcome<[u8; 16]> {
    let wrong = |_| Error::invalid(field, "Write an ID as 01890a5d-ac96-774b-bcce-b302099a8057.");
    KeyId::parse(text).map(|id| *id.as_bytes()).map_err(wrong)
}

fn time(field: &'static str, text: &str) -> Outcome<Time> {
    Time::parse(text).map_err(|error| Error { field: Some(field), ..error })
}
