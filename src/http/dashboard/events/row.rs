//! One event, as pages show it.

use std::collections::HashSet;

use super::sentence::{Sentence, SentenceContext};
use crate::http::dashboard::frame::When;
use crate::model::{Action, DetailItem, Event};

pub struct EventRow {
    pub seq: i64,
    pub at: When,
    /// The heading of a new day, if this is its first row.
    pub day: Option<String>,
    pub sentence: Sentence,
    pub address: Option<String>,
    pub is_refused: bool,
    /// The action's code, as the API and the command line name it.
    pub action: String,
    /// The whole texts and ids.
    pub facts: Vec<(&'static str, String)>,
    pub detail: Vec<DetailItem>,
}

impl EventRow {
    fn of(event: Event, context: &SentenceContext<'_>) -> Self {
        let sentence = Sentence::of(&event, context);
        let actor = if event.actor.is_empty() { event.actor_kind.clone() } else { event.actor.clone() };
        let facts = [
            ("Time", Some(event.at.to_the_second())),
            ("Actor", Some(actor)),
            ("Actor ID", event.actor_id),
            ("Target", Some(event.object).filter(|object| !object.is_empty())),
            ("Target ID", event.object_id),
            ("Address", event.address.clone()),
            ("Request ID", event.request_id),
        ];
        EventRow {
            seq: event.seq,
            at: When { iso: event.at.to_string(), text: event.at.clock() },
            day: Some(event.at.weekday()),
            sentence,
            address: event.address,
            is_refused: Action::parse(&event.action).is_ok_and(Action::is_refusal),
            action: event.action,
            facts: facts.into_iter().filter_map(|(name, text)| text.map(|text| (name, text))).collect(),
            detail: event.detail.as_deref().map(DetailItem::all).unwrap_or_default(),
        }
    }

    /// The rows of a list, with a heading above the first of each day in UTC; the script moves the headings to the days of
    /// the reader's zone.
    pub fn by_day(events: Vec<Event>, pages: &HashSet<String>) -> Vec<Self> {
        let context = SentenceContext { has_page: &|id| pages.contains(id), this: None };
        let mut rows: Vec<_> = events.into_iter().map(|event| EventRow::of(event, &context)).collect();
        let mut shown = None;
        for row in &mut rows {
            if row.day == shown {
                row.day = None;
            } else {
                shown.clone_from(&row.day);
            }
        }
        rows
    }
}

/// What happened to the key or the person of a page, newest first.
pub fn history(events: Vec<Event>, this: &str) -> Vec<EventRow> {
    let context = SentenceContext { has_page: &|_| false, this: Some(this) };
    let row = |event: Event| {
        let at = event.at.into();
        EventRow { at, day: None, ..EventRow::of(event, &context) }
    };
    events.into_iter().map(row).collect()
}
