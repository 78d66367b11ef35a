//! The filter of the audit log, as its URL has it.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::model::expiry::UtcOffset;
use crate::model::{Action, EventFilter, EventOutcome, EventStart, KeyId, Time};

/// Longest text that is searched for, in characters.
const MAX_SEARCH: usize = 200;

/// The query of the page and of an export. Unknown parameters are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct EventQuery {
    pub q: String,
    /// The first and the last day.
    pub from: String,
    pub to: String,
    /// Minutes from UTC to the reader's zone, which the script fills in.
    pub utc_offset: String,
    pub action: String,
    pub person: String,
    pub outcome: String,
    pub object: String,
    pub before: String,
    pub after: String,
}

impl EventQuery {
    /// UTC if the reader's zone is not known.
    fn offset(&self) -> UtcOffset {
        UtcOffset::parse(&self.utc_offset).unwrap_or_default()
    }

    pub fn filter(&self, limit: usize) -> Result<EventFilter> {
        let filled =
            |text: &str| Some(text.trim().chars().take(MAX_SEARCH).collect::<String>()).filter(|it| !it.is_empty());
        let offset = self.offset();
        let day = |field: &'static str, text: &str| -> Result<Option<Time>> {
            let wrong = || Error::invalid(field, "Enter a date such as 2026-11-28.");
            filled(text).map(|day| offset.start_of(&day).ok_or_else(wrong)).transpose()
        };
        let until = match filled(&self.to) {
            None => None,
            // The end of the last day is the start of the next.
            Some(_) => day("to", &self.to)?.map(|start| start.plus(std::time::Duration::from_secs(86_400))),
        };
        let line = |text: &str| -> Result<Option<i64>> {
            let wrong = || Error::invalid("before", "This page link is no longer valid. Go back to the list.");
            filled(text).map(|text| text.parse().map_err(|_| wrong())).transpose()
        };
        let object = match filled(&self.object) {
            None => None,
            Some(text) => {
                let wrong = |_| Error::invalid("object", "This is not an ID. Remove it, or search for a text instead.");
                Some(*KeyId::parse(&text).map_err(wrong)?.as_bytes())
            }
        };
        Ok(EventFilter {
            search: filled(&self.q),
            actions: filled(&self.action).map(|text| Action::parse_filter(&text)).transpose()?,
            outcome: filled(&self.outcome).map(|text| EventOutcome::parse(&text)).transpose()?,
            person: filled(&self.person),
            actor: None,
            object,
            since: day("from", &self.from)?,
            until,
            start: match (line(&self.before)?, line(&self.after)?) {
                (Some(seq), _) => EventStart::Before(seq),
                (None, Some(seq)) => EventStart::After(seq),
                (None, None) => EventStart::Newest,
            },
            limit,
        })
    }

    /// Whether it narrows the list.
    pub fn is_set(&self) -> bool {
        [&self.q, &self.from, &self.to, &self.action, &self.person, &self.outcome, &self.object]
            .iter()
            .any(|text| !text.trim().is_empty())
    }

    /// The filter's part of a URL with one more parameter.
    fn with(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let fields = [
            ("q", &self.q),
            ("from", &self.from),
            ("to", &self.to),
            ("utc_offset", &self.utc_offset),
            ("action", &self.action),
            ("person", &self.person),
            ("outcome", &self.outcome),
            ("object", &self.object),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        query.append_pair(name, value).finish()
    }

    /// The URL of the page of this list that starts before or after a line.
    pub fn page(&self, side: &str, line: i64) -> String {
        format!("/events?{}", self.with(side, &line.to_string()))
    }

    pub fn export(&self, format: &str) -> String {
        format!("/events/export?{}", self.with("format", format))
    }

    /// The URL of all events from the day `days` before today.
    pub fn days(&self, days: u64, now: Time) -> String {
        let start = self.offset().shift(now).minus(std::time::Duration::from_secs(days * 86_400));
        let query = EventQuery { utc_offset: self.utc_offset.clone(), ..EventQuery::default() };
        format!("/events?{}", query.with("from", &start.day()))
    }
}
