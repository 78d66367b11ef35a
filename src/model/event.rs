//! An event of the audit log: who did what to which object, when, from where, with what outcome. Events are chained by
//! SHA-256, so that removing, editing or moving one is detected.

use sha2::{Digest as _, Sha256};

use super::event_detail::as_object;
use super::{Authority, EventDetail, Origin, Time};
use crate::error::{Error, Result};

/// The action. Its text is stored and shown, and never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    KeyCreated,
    KeyRevoked,
    KeyRotated,
    KeyDisabled,
    KeyEnabled,
    KeyChanged,
    KeysImported,
    KeyRevived,
    UserAdded,
    UserChanged,
    UserDeactivated,
    UserActivated,
    UserRemoved,
    PasswordSet,
    LinkCreated,
    SignedIn,
    LogInFailed,
    SignedOut,
    SessionEnded,
    SigningKeysRotated,
    SigningKeysReplaced,
    TokenIssued,
    TokenRefreshed,
    TokenRevoked,
    TokenReused,
    DatabaseReplaced,
    DatabaseMoved,
    DatabaseRestored,
}

impl Action {
    pub const ALL: [Action; 28] = [
        Action::KeyCreated,
        Action::KeyRevoked,
        Action::KeyRotated,
        Action::KeyDisabled,
        Action::KeyEnabled,
        Action::KeyChanged,
        Action::KeysImported,
        Action::KeyRevived,
        Action::UserAdded,
        Action::UserChanged,
        Action::UserDeactivated,
        Action::UserActivated,
        Action::UserRemoved,
        Action::PasswordSet,
        Action::LinkCreated,
        Action::SignedIn,
        Action::LogInFailed,
        Action::SignedOut,
        Action::SessionEnded,
        Action::TokenIssued,
        Action::TokenRefreshed,
        Action::TokenRevoked,
        Action::TokenReused,
        Action::SigningKeysRotated,
        Action::SigningKeysReplaced,
        Action::DatabaseReplaced,
        Action::DatabaseMoved,
        Action::DatabaseRestored,
    ];

    pub fn parse(text: &str) -> Result<Self> {
        let known = Action::ALL.into_iter().find(|action| action.as_str() == text);
        known.ok_or_else(|| {
            Error::invalid(
                "action",
                "Unknown action. Use an event code such as key.created, or a family such as key.*.",
            )
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Action::KeyCreated => "key.created",
            Action::KeyRevoked => "key.revoked",
            Action::KeyRotated => "key.rotated",
            Action::KeyDisabled => "key.disabled",
            Action::KeyEnabled => "key.enabled",
            Action::KeyChanged => "key.changed",
            Action::KeysImported => "keys.imported",
            Action::KeyRevived => "key.revived",
            Action::UserAdded => "user.added",
            Action::UserChanged => "user.changed",
            Action::UserDeactivated => "user.deactivated",
            Action::UserActivated => "user.activated",
            Action::UserRemoved => "user.removed",
            Action::PasswordSet => "user.password_set",
            Action::LinkCreated => "user.link_created",
            Action::SignedIn => "session.started",
            Action::LogInFailed => "session.refused",
            Action::SignedOut => "session.left",
            Action::SessionEnded => "session.ended",
            Action::SigningKeysRotated => "signing_keys.rotated",
            Action::SigningKeysReplaced => "signing_keys.replaced",
            Action::TokenIssued => "token.issued",
            Action::TokenRefreshed => "token.refreshed",
            Action::TokenRevoked => "token.revoked",
            Action::TokenReused => "token.reused",
            Action::DatabaseReplaced => "database.replaced",
            Action::DatabaseMoved => "database.moved",
            Action::DatabaseRestored => "database.restored",
        }
    }
}

impl Action {
    /// The families of actions, and what they are called on pages.
    pub const FAMILIES: [(&str, &str); 6] = [
        ("key.*", "Keys"),
        ("user.*", "People"),
        ("session.*", "Sign-ins and sessions"),
        ("token.*", "Tokens"),
        ("signing_keys.*", "Signing keys"),
        ("database.*", "Database"),
    ];

    /// The family that this action belongs to, as in [`Self::FAMILIES`].
    pub fn family(self) -> &'static str {
        // An import is about keys too.
        let code = self.as_str().replacen("keys.imported", "key.imported", 1);
        let own = |(family, _): &(&'static str, &str)| code.starts_with(family.trim_end_matches('*'));
        Action::FAMILIES.iter().find(|family| own(family)).map_or("", |(family, _)| family)
    }

    /// The actions that a filter names: one, or a family such as `key.*`.
    pub fn parse_filter(text: &str) -> Result<Vec<Self>> {
        if Action::FAMILIES.iter().any(|(family, _)| *family == text) {
            return Ok(Action::ALL.into_iter().filter(|action| action.family() == text).collect());
        }
        Ok(vec![Action::parse(text)?])
    }

    /// Whether it records that somebody was refused.
    pub fn is_refusal(self) -> bool {
        matches!(self, Action::LogInFailed | Action::TokenReused)
    }
}

/// How what an event records ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOutcome {
    Done,
    Refused,
}

impl EventOutcome {
    pub const WORDS: [&str; 2] = ["done", "refused"];

    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "done" => Ok(EventOutcome::Done),
            "refused" => Ok(EventOutcome::Refused),
            _ => Err(Error::invalid("outcome", "Choose an outcome: done or refused.")),
        }
    }
}

#[derive(Debug, Clone)]
pub struct NewEvent {
    pub at: Time,
    pub origin: Origin,
    pub action: Action,
    /// Id of the key, user or session that the event is about.
    pub object: Option<[u8; 16]>,
    /// A name and hint, or an email, by which a person recognises the object. Never key material.
    pub label: String,
    pub detail: EventDetail,
}

impl NewEvent {
    /// The event as it is appended, with this number.
    pub fn line(&self, seq: i64) -> Event {
        Event {
            seq,
            at: self.at,
            actor_kind: self.origin.actor.kind().to_owned(),
            actor_id: self.origin.actor.id().map(hyphenated),
            actor: self.origin.actor.label().to_owned(),
            action: self.action.as_str().to_owned(),
            object_id: self.object.map(hyphenated),
            object: self.label.clone(),
            address: self.origin.address.map(|address| address.to_string()),
            request_id: self.origin.request_id.clone(),
            detail: self.detail().stored(),
        }
    }
}

impl NewEvent {
    /// The detail, with the session that acted, unless the event is about that session.
    fn detail(&self) -> EventDetail {
        let detail = self.detail.clone();
        match &self.origin.authority {
            Authority::Session { id, .. } if self.object != Some(*id.as_bytes()) => {
                detail.fact("session", id.to_string())
            }
            _ => detail,
        }
    }
}

/// An id in the form that people see.
pub fn hyphenated(id: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(id).to_string()
}

/// The result of a check of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainReport {
    Whole {
        lines: u64,
    },
    /// The first event whose chain value does not follow from the event before it.
    Broken {
        seq: i64,
    },
}

/// Checks the chain of the log, starting with its first event. It can stop after any line and go on later.
#[derive(Debug, Clone, Default)]
pub struct ChainCheck {
    chain: Vec<u8>,
    lines: i64,
    broken: Option<i64>,
}

impl ChainCheck {
    /// The next line to read has a greater number. Before the first, that is any number: a line must not hide below 1.
    pub fn after(&self) -> i64 {
        if self.lines == 0 { i64::MIN } else { self.lines }
    }

    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Whether the next event, with its stored chain value, follows from the previous one.
    pub fn follow(&mut self, line: &Event, stored: Vec<u8>) -> bool {
        if line.chain(&self.chain).as_slice() != stored || line.seq != self.lines + 1 {
            self.broken = Some(line.seq);
            return false;
        }
        self.chain = stored;
        self.lines += 1;
        true
    }

    /// Whether this is still the chain value of the newest line that was followed; `None` means the line is gone.
    pub fn stands(&mut self, stored: Option<Vec<u8>>) -> bool {
        if self.lines > 0 && stored.as_ref() != Some(&self.chain) {
            self.broken = Some(self.lines);
        }
        self.broken.is_none()
    }

    /// The number of the newest line that was followed.
    pub fn lines(&self) -> i64 {
        self.lines
    }

    /// `newest_ever` is the number of the newest event ever written; it reveals events that were cut off the end.
    pub fn report(&self, newest_ever: Option<i64>) -> ChainReport {
        match (self.broken, newest_ever) {
            (Some(seq), _) => ChainReport::Broken { seq },
            (None, Some(newest)) if newest != self.lines => ChainReport::Broken { seq: self.lines + 1 },
            _ => ChainReport::Whole { lines: self.lines.unsigned_abs() },
        }
    }
}

/// A stored event, ready to show.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Event {
    pub seq: i64,
    pub at: Time,
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub actor: String,
    pub action: String,
    pub object_id: Option<String>,
    pub object: String,
    pub address: Option<String>,
    pub request_id: Option<String>,
    /// What changed, as the JSON text that is stored; see [`EventDetail`]. `None` if there is nothing to say, and for
    /// events of earlier versions.
    #[serde(serialize_with = "as_object")]
    pub detail: Option<String>,
}

impl Event {
    /// SHA-256 over the previous chain value and every field of this event, each prefixed with its length, so that
    /// different events never produce the same input. The detail comes last and only if there is one: an event without
    /// it has the same input as in earlier versions, and one to which a detail is added, or whose detail is removed,
    /// has another.
    pub fn chain(&self, before: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(before);
        let seq = self.seq.to_string();
        let at = self.at.millis().to_string();
        let fields = [
            Some(seq.as_str()),
            Some(at.as_str()),
            Some(self.actor_kind.as_str()),
            self.actor_id.as_deref(),
            Some(self.actor.as_str()),
            Some(self.action.as_str()),
            self.object_id.as_deref(),
            Some(self.object.as_str()),
            self.address.as_deref(),
            self.request_id.as_deref(),
        ];
        for field in fields.into_iter().chain(self.detail.as_deref().map(Some)) {
            let length = field.map_or(u64::MAX, |text| text.len() as u64);
            hash.update(length.to_be_bytes());
            hash.update(field.unwrap_or_default());
        }
        hash.finalize().into()
    }
}
