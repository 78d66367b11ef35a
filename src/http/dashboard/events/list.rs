//! `/events`: the audit log, for admins.

use std::collections::HashSet;

use actix_web::HttpResponse;
use actix_web::web::Query;
use askama::Template;

use super::filter::EventQuery;
use super::row::EventRow;
use crate::http::dashboard::frame::{Admin, Nav, PageError, Shell, SignedIn, When, unprocessable};
use crate::model::event::hyphenated;
use crate::model::{Action, ChainReport, Event, EventFilter, EventStart, FoundEvents, KeyId, counted};

/// Rows per page.
const ROWS: usize = 50;

#[derive(Template)]
#[template(path = "events/list.html")]
struct EventsPage {
    shell: Shell,
    query: EventQuery,
    /// The families with their actions.
    families: Vec<ActionFamily>,
    /// Why the filter cannot be used.
    problem: Option<String>,
    chain: Chain,
    events: Vec<EventRow>,
    newer: Option<String>,
    older: Option<String>,
    /// `1–50 of 1,515`, if that is cheap to know.
    position: Option<String>,
    /// The search stopped here.
    searched_to: Option<When>,
    today: String,
    week: String,
}

struct ActionFamily {
    /// Its code, such as `key.*`.
    code: &'static str,
    name: &'static str,
    actions: Vec<&'static str>,
}

/// The state of the chain, as the background check last found it.
enum Chain {
    Unchecked,
    Intact { lines: String, at: When },
    Broken { line: i64 },
}

impl Chain {
    fn of(who: &SignedIn) -> Self {
        match who.site.auth.chain_state() {
            None => Chain::Unchecked,
            Some(state) => match state.report {
                ChainReport::Whole { lines: 1 } => Chain::Intact { lines: counted(1, "line"), at: state.at.into() },
                ChainReport::Whole { lines } => {
                    Chain::Intact { lines: format!("{} lines", grouped(lines)), at: state.at.into() }
                }
                ChainReport::Broken { seq } => Chain::Broken { line: seq },
            },
        }
    }
}

/// `1,515`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn families() -> Vec<ActionFamily> {
    let family = |(code, name)| {
        let actions = Action::ALL.into_iter().filter(|action| action.family() == code).map(Action::as_str).collect();
        ActionFamily { code, name, actions }
    };
    Action::FAMILIES.into_iter().map(family).collect()
}

pub async fn page(admin: Admin, query: Query<EventQuery>) -> Result<HttpResponse, PageError> {
    let (who, query) = (admin.0, query.into_inner());
    let mut page = EventsPage {
        shell: who.shell("Audit log", Nav::Events)?,
        families: families(),
        problem: None,
        chain: Chain::of(&who),
        events: Vec::new(),
        newer: None,
        older: None,
        position: None,
        searched_to: None,
        today: query.days(0, who.site.auth.now()),
        week: query.days(6, who.site.auth.now()),
        query,
    };
    let filter = match page.query.filter(ROWS) {
        Ok(filter) => filter,
        Err(error) => {
            page.problem = Some(error.message.to_string());
            return Ok(unprocessable(&page)?);
        }
    };
    let (auth, asking) = (&who.site.auth, who.asking());
    let is_upwards = matches!(filter.start, EventStart::After(_));
    let mut found = auth.events(&asking, filter.clone()).await?;
    if is_upwards && found.newer.is_none() {
        // There are no newer ones: this is the first page, which is full.
        found = auth.events(&asking, EventFilter { start: EventStart::Newest, ..filter }).await?;
    }
    if !page.query.is_set() {
        page.position = position(&found, auth.event_count(&asking).await?);
    }
    let ids = ids(&found.rows);
    let pages: HashSet<_> = auth.ids_in_use(&asking, ids).await?.into_iter().map(hyphenated).collect();
    page.newer = found.newer.map(|seq| page.query.page("after", seq));
    page.older = found.older.map(|seq| page.query.page("before", seq));
    // Towards newer events, the button leads on.
    page.searched_to = found.searched_to.filter(|_| !is_upwards).map(When::from);
    page.events = EventRow::by_day(found.rows, &pages);
    who.ok(&page)
}

fn position(found: &FoundEvents, newest: i64) -> Option<String> {
    let (first, last) = (found.rows.first()?.seq, found.rows.last()?.seq);
    let place = |seq: i64| grouped((newest - seq + 1).unsigned_abs());
    Some(format!("{}–{} of {}", place(first), place(last), grouped(newest.unsigned_abs())))
}

/// The ids in these events that can be those of keys or people.
fn ids(events: &[Event]) -> Vec<[u8; 16]> {
    let mut ids: Vec<_> = events
        .iter()
        .flat_map(|event| [&event.actor_id, &event.object_id])
        .flatten()
        .filter_map(|id| KeyId::parse(id).ok().map(|id| *id.as_bytes()))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
