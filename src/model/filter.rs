//! Which rows a list contains: all of them, unless a field narrows it.

use super::event::EventOutcome;
use super::{Action, Cursor, Event, KeyRecord, Page, Role, Time, UserId};

#[derive(Debug, Clone)]
pub struct KeyFilter {
    pub owner: Option<UserId>,
    /// Matches any part of a name, a hint or the owner's email among the newest 10,000 keys after the cursor; among
    /// older keys, the beginning of a name or an email, or a whole hint. A whole id is always found. Letters beyond
    /// ASCII are case-sensitive.
    pub search: Option<String>,
    pub enabled: Option<bool>,
    pub after: Option<Cursor>,
    pub limit: usize,
}

impl Default for KeyFilter {
    fn default() -> Self {
        KeyFilter { owner: None, search: None, enabled: None, after: None, limit: Page::<KeyRecord>::MAX }
    }
}

#[derive(Debug, Clone)]
pub struct UserFilter {
    /// Matches part of an email, or a whole id.
    pub search: Option<String>,
    pub role: Option<Role>,
    pub active: Option<bool>,
    pub after: Option<Cursor>,
    pub limit: usize,
}

/// Which events a list contains, newest first.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Matches part of the actor, the action, the object, the address, the request id or the detail. A whole id and the
    /// hint of an existing key find the events by and about what they name.
    pub search: Option<String>,
    /// `None` means every action.
    pub actions: Option<Vec<Action>>,
    pub outcome: Option<EventOutcome>,
    /// Events by or about this person: an id, an email, or part of the email of somebody who was removed.
    pub person: Option<String>,
    /// Id of the user or key that acted.
    pub actor: Option<[u8; 16]>,
    /// Id of the key, user or session that the event is about.
    pub object: Option<[u8; 16]>,
    pub since: Option<Time>,
    /// The end of the time range, exclusive.
    pub until: Option<Time>,
    pub start: EventStart,
    pub limit: usize,
}

/// Where a page of events begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventStart {
    #[default]
    Newest,
    /// With the newest event older than this number.
    Before(i64),
    /// It ends with the oldest event newer than this number.
    After(i64),
}

/// A page of events, newest first.
#[derive(Debug, Clone, Default)]
pub struct FoundEvents {
    pub rows: Vec<Event>,
    /// Older events may follow: a page that starts before this number has them.
    pub older: Option<i64>,
    /// Newer events may precede: a page that starts after this number has them.
    pub newer: Option<i64>,
    /// The time up to which the log was searched, if the search stopped before it had filled the page.
    pub searched_to: Option<Time>,
}

impl EventFilter {
    pub fn cursor(seq: i64) -> Cursor {
        Cursor(i128::from(seq).to_be_bytes())
    }

    /// The event number that a cursor stands for; a forged cursor stands for some event too.
    pub fn line(cursor: Cursor) -> i64 {
        i64::try_from(i128::from_be_bytes(cursor.0)).unwrap_or(i64::MAX)
    }

    /// The actions that it lets pass; `None` means all.
    pub fn wanted_actions(&self) -> Option<Vec<Action>> {
        let by_outcome = |action: &Action| match self.outcome {
            None => true,
            Some(EventOutcome::Done) => !action.is_refusal(),
            Some(EventOutcome::Refused) => action.is_refusal(),
        };
        match (&self.actions, self.outcome) {
            (None, None) => None,
            (Some(actions), _) => Some(actions.iter().copied().filter(by_outcome).collect()),
            (None, Some(_)) => Some(Action::ALL.into_iter().filter(by_outcome).collect()),
        }
    }
}
