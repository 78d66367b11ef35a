//! Which rows a list contains: all of them, unless a field narrows it.

use std::time::Duration;

use super::event::EventOutcome;
use super::key_set::{KeySet, ListedState, SOON, UNUSED};
use super::{
    Action, Cursor, Event, KeyPrefix, KeyRecord, KeySort, ListCursor, ListMark, MAX_ROWS, Role, Scope, Time, UserId,
    UserSet, expiry,
};
use crate::error::{Error, Result};

#[derive(Debug, Clone)]
pub struct KeyFilter {
    pub owner: Option<UserId>,
    /// Matches any part of a name, a hint or the owner's email. If more than 20,000 keys are searched: among the newest
    /// 10,000 keys after the cursor; among older keys, the beginning of a name or an email, or a whole hint. A whole id
    /// is always found. Letters beyond ASCII are case-sensitive.
    pub search: Option<String>,
    pub enabled: Option<bool>,
    pub state: Option<ListedState>,
    /// Keys that have this scope, or one that covers it.
    pub scope: Option<Scope>,
    /// Keys that end within this time from now.
    pub expiring_within: Option<Duration>,
    pub never_expires: Option<bool>,
    /// Keys that were neither used nor created within this time.
    pub unused_for: Option<Duration>,
    pub prefix: Option<KeyPrefix>,
    pub sort: KeySort,
    pub at: Option<ListCursor>,
    pub limit: usize,
}

impl Default for KeyFilter {
    fn default() -> Self {
        KeyFilter {
            owner: None,
            search: None,
            enabled: None,
            state: None,
            scope: None,
            expiring_within: None,
            never_expires: None,
            unused_for: None,
            prefix: None,
            sort: KeySort::NEWEST,
            at: None,
            limit: MAX_ROWS,
        }
    }
}

impl KeyFilter {
    /// Which list it is, whatever the page. The struct is destructured, so that a forgotten field does not compile.
    pub fn mark(&self) -> ListMark {
        let KeyFilter {
            owner,
            search,
            enabled,
            state,
            scope,
            expiring_within,
            never_expires,
            unused_for,
            prefix,
            sort,
            at: _,
            limit: _,
        } = self;
        let seconds = |span: &Option<Duration>| span.map_or_else(String::new, |span| span.as_secs().to_string());
        ListMark::of(&[
            &owner.map_or_else(String::new, |id| id.to_string()),
            search.as_deref().unwrap_or_default(),
            &enabled.map_or_else(String::new, |enabled| enabled.to_string()),
            state.map_or("", ListedState::as_str),
            scope.as_ref().map_or("", Scope::as_str),
            &seconds(expiring_within),
            &never_expires.map_or_else(String::new, |never| never.to_string()),
            &seconds(unused_for),
            prefix.as_ref().map_or("", KeyPrefix::as_str),
            &sort.text(),
        ])
    }

    /// The keys of this filter that are in the set.
    pub fn within(self, set: KeySet) -> Self {
        let active = KeyFilter { state: Some(ListedState::Active), ..self.clone() };
        match set {
            KeySet::All => self,
            KeySet::Active => active,
            KeySet::Expiring => KeyFilter { expiring_within: Some(SOON), ..active },
            KeySet::Unused => KeyFilter { unused_for: Some(UNUSED), ..active },
            KeySet::NeverExpiring => KeyFilter { never_expires: Some(true), ..active },
            KeySet::Expired => KeyFilter { state: Some(ListedState::Expired), ..self },
            KeySet::Disabled => KeyFilter { state: Some(ListedState::Disabled), ..self },
        }
    }

    /// Whether the record still matches, as far as that depends on the present moment: its state, and its last use, of
    /// which the database knows only a little later.
    pub fn still_admits(&self, record: &KeyRecord, now: Time) -> bool {
        let unused = |span: Duration| {
            let cutoff = now.minus(span);
            record.created_at <= cutoff && record.last_use.as_ref().is_none_or(|last| last.at <= cutoff)
        };
        self.state.is_none_or(|state| state.is(record.state(now))) && self.unused_for.is_none_or(unused)
    }
}

pub fn parse_filter_prefix(text: &str) -> Result<KeyPrefix> {
    KeyPrefix::parse(text).map_err(|error| Error { field: Some("prefix"), ..error })
}

pub fn parse_filter_scope(text: &str) -> Result<Scope> {
    Scope::parse(text).map_err(|error| Error { field: Some("scope"), ..error })
}

/// Parses the span of a filter, such as `7d`.
pub fn parse_filter_span(name: &'static str, text: &str) -> Result<Duration> {
    let longest = Duration::from_secs(36_525 * 86_400);
    expiry::parse_span(text)
        .filter(|span| *span <= longest)
        .ok_or_else(|| Error::invalid(name, "Use a span such as 7d, 12h, 15m or 30s, up to 100 years."))
}

#[derive(Debug, Clone)]
pub struct UserFilter {
    /// Matches part of an email, or a whole id.
    pub search: Option<String>,
    pub role: Option<Role>,
    pub active: Option<bool>,
    /// Whether the record says how many keys a user has even if there are more than 10,000, which takes long.
    pub counts_all_keys: bool,
    pub at: Option<ListCursor>,
    pub limit: usize,
}

impl UserFilter {
    /// The users of this filter that are in the set.
    pub fn within(self, set: UserSet) -> Self {
        let active = |role| UserFilter { role: Some(role), active: Some(true), ..self.clone() };
        match set {
            UserSet::All => self,
            UserSet::Admins => active(Role::Admin),
            UserSet::Members => active(Role::Member),
            UserSet::Deactivated => UserFilter { active: Some(false), ..self },
        }
    }

    /// Which list it is, whatever the page.
    pub fn mark(&self) -> ListMark {
        let UserFilter { search, role, active, counts_all_keys: _, at: _, limit: _ } = self;
        ListMark::of(&[
            search.as_deref().unwrap_or_default(),
            role.map_or("", Role::as_str),
            &active.map_or_else(String::new, |active| active.to_string()),
        ])
    }
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
