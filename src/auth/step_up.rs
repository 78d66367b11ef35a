//! Step-up: which acts at the dashboard need a fresh proof of identity. This is the only list of them.

use std::time::Duration;

use crate::model::{Bounds, KeyRecord, Role, ScopeSet, Session, Time, User};

/// A session younger than this is proof enough.
const FRESH: Duration = Duration::from_secs(15 * 60);

/// An act that may be sensitive.
#[derive(Debug, Clone, Copy)]
pub enum SensitiveAct<'a> {
    /// Creating or rotating a key with these scopes, which shows its text.
    ObtainKey(&'a ScopeSet),
    AddUser(Role),
    /// Changing what another person can do, or making a link that sets their password.
    ManagePerson,
    /// Changing a key.
    ChangeKey {
        /// Whether the key can do more afterwards, for longer, from elsewhere or more often.
        widens: bool,
    },
}

impl SensitiveAct<'_> {
    /// The change from one record of a key to the other.
    pub fn change(before: &KeyRecord, after: &KeyRecord) -> Self {
        let more_scopes = !after.settings.scopes.beyond(&before.settings.scopes).is_empty();
        let more_room = Bounds::of(&after.settings).beyond(&Bounds::of(&before.settings)).is_some();
        SensitiveAct::ChangeKey { widens: more_scopes || more_room }
    }

    /// Whether the act gives power over this server. Members cannot grant such power; they are refused later.
    fn is_sensitive(&self, user: &User) -> bool {
        match self {
            SensitiveAct::ObtainKey(scopes) => user.is_admin() && scopes.iter().any(|scope| scope.is_reserved()),
            SensitiveAct::ManagePerson => true,
            SensitiveAct::AddUser(role) => *role == Role::Admin,
            SensitiveAct::ChangeKey { widens } => *widens,
        }
    }

    /// Whether the user of this session must prove their identity again.
    pub fn needs_proof(&self, session: &Session, now: Time) -> bool {
        self.is_sensitive(&session.user) && now.since(session.created_at) >= FRESH
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Email, SessionId, UserId};

    #[test]
    fn only_admin_scopes_require_a_recent_sign_in() {
        let (plain, own) = (ScopeSet::parse(["orders:*"]).unwrap(), ScopeSet::parse(["keybearer:keys"]).unwrap());
        let (made, day) = (Time::from_millis(0), Duration::from_secs(86_400));
        let session = |role| Session {
            id: SessionId::from_bytes([1; 16]),
            user: User {
                id: UserId::from_bytes([1; 16]),
                email: Email::parse("ada@example.com").unwrap(),
                role,
                active: true,
                created_at: made,
                last_login_at: None,
                keys: 0,
                unreadable: Vec::new(),
            },
            created_at: made,
            last_seen_at: made,
            address: None,
            user_agent: String::new(),
        };
        for (role, act, is_sensitive) in [
            (Role::Admin, SensitiveAct::ObtainKey(&own), true),
            (Role::Admin, SensitiveAct::ObtainKey(&plain), false),
            (Role::Member, SensitiveAct::ObtainKey(&own), false),
            (Role::Admin, SensitiveAct::AddUser(Role::Admin), true),
            (Role::Admin, SensitiveAct::AddUser(Role::Member), false),
            (Role::Member, SensitiveAct::ChangeKey { widens: true }, true),
            (Role::Admin, SensitiveAct::ChangeKey { widens: false }, false),
        ] {
            assert_eq!(act.needs_proof(&session(role), made.plus(day)), is_sensitive, "{role:?} {act:?}");
            assert!(!act.needs_proof(&session(role), made.plus(FRESH / 2)), "{role:?} {act:?}");
        }
    }
}
