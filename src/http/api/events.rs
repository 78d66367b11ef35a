//! `GET /api/v1/events`: the audit log, for an admin's key with `keybearer:events`.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::manager::EventsManager;
use super::parameters::Parameters;
use crate::error::{Error, Result as Outcome};
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::{Action, Cursor, Event, EventFilter, EventOutcome, EventStart, KeyId, Time};

#[derive(Serialize, ToSchema)]
pub struct EventPage {
    /// The events, newest first. There can be fewer than `limit`, even none, before the last page: a page searches a
    /// bounded part of the log.
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
    /// `user`, `key`, `operator`, `server`, `leak_report` or `anonymous`.
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
    /// What changed: fields with an array of the value before and the value after, and facts about the act. `null` if
    /// there is nothing to say, and for events of earlier versions.
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>, required = true)]
    detail: String,
}

/// docs/api.md describes the same search.
const SEARCHED: &str = "Part of the actor, action, target, address, request ID or detail. A whole ID, or the hint of an \
    existing key, finds the events by and about it.";

/// The actions and their families, as the filter names them.
fn actions() -> impl Iterator<Item = &'static str> {
    let families = Action::FAMILIES.map(|(family, _)| family);
    Action::ALL.map(Action::as_str).into_iter().chain(families)
}

pub fn operation() -> Operation {
    Operation::new("People", "listEvents", "Read the audit log, newest first")
        .query("search", field::search(), SEARCHED)
        .query("action", field::one_of(actions()), "Only events with this action, or of this family of actions.")
        .query("outcome", field::one_of(EventOutcome::WORDS), "Only what was done, or only what was refused.")
        .query(
            "person",
            field::search(),
            "Events by or about this user: email or ID, or part of a removed user's email.",
        )
        .query("actor_id", field::id(), "Events by this user or key.")
        .query("object_id", field::id(), "Events about this key, user or session.")
        .query("since", field::time(), "Events at or after this time.")
        .query("until", field::time(), "Events before this time.")
        .paged()
        .answers::<EventPage>(200, "One page.", &[])
}

pub async fn list(manager: EventsManager, query: Parameters) -> Result<HttpResponse, Problem> {
    let query = query.only(&[
        "search",
        "action",
        "outcome",
        "person",
        "actor_id",
        "object_id",
        "since",
        "until",
        "limit",
        "cursor",
    ])?;
    let asking = manager.asking().await?;
    let filter = EventFilter {
        search: query.search()?,
        actions: query.text("action").map(Action::parse_filter).transpose()?,
        outcome: query.text("outcome").map(EventOutcome::parse).transpose()?,
        person: query.sought("person")?,
        actor: query.text("actor_id").map(|text| id("actor_id", text)).transpose()?,
        object: query.text("object_id").map(|text| id("object_id", text)).transpose()?,
        since: query.text("since").map(|text| time("since", text)).transpose()?,
        until: query.text("until").map(|text| time("until", text)).transpose()?,
        start: match query.filled("cursor").map(Cursor::parse).transpose()? {
            Some(cursor) => EventStart::Before(EventFilter::line(cursor)),
            None => EventStart::Newest,
        },
        limit: query.limit()?,
    };
    let page = manager.site.auth.events(&asking, filter).await?;
    let page = EventPage { events: page.rows, next_cursor: page.older.map(|seq| EventFilter::cursor(seq).text()) };
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
