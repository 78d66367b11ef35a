//! An event of the audit log: who did what to which object, when, from where, with what outcome. Events are chained by
//! SHA-256, so that removing, editing or moving one is detected.

use sha2::{Digest as _, Sha256};

use super::{Origin, Time};
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
            Error::invalid("action", "Unknown action. Use an event code such as key.created or user.added.")
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

#[derive(Debug, Clone)]
pub struct NewEvent {
    pub at: Time,
    pub origin: Origin,
    pub action: Action,
    /// Id of the key, user or session that the event is about.
    pub object: Option<[u8; 16]>,
    /// A name and hint, or an email, by which a person recognises the object. Never key material.
    pub label: String,
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
        }
    }
}

/// An id in the form that people see.
pub fn hyphenated(id: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(id).to_string()
}

/// The result of `events verify`.
#[derive(Debug, PartialEq, Eq)]
pub enum ChainReport {
    Whole {
        lines: u64,
    },
    /// The first event whose chain value does not follow from the event before it.
    Broken {
        seq: i64,
    },
}

/// Checks the chain of the log, starting with its first event.
#[derive(Debug, Default)]
pub struct ChainCheck {
    chain: Vec<u8>,
    lines: i64,
    broken: Option<i64>,
}

impl ChainCheck {
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

    /// `newest_ever` is the number of the newest event ever written; it reveals events that were cut off the end.
    pub fn report(self, newest_ever: Option<i64>) -> ChainReport {
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
}

impl Event {
    /// SHA-256 over the previous chain value and every field of this event, each prefixed with its length, so that
    /// different events never produce the same input.
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
        for field in fields {
            let length = field.map_or(u64::MAX, |text| text.len() as u64);
            hash.update(length.to_be_bytes());
            hash.update(field.unwrap_or_default());
        }
        hash.finalize().into()
    }
}
