//! The authority that a caller had when the request came in. It is checked again inside the act's transaction, because
//! receiving a body or hashing a password may have taken time.

use super::{Bounds, KeyId, Role, ScopeSet, SessionId, UserId};

#[derive(Debug, Clone)]
pub enum Authority {
    /// Nothing to check again: the operator, the server itself, or an act that checks its own proof inside its
    /// transaction (a setup link, a refresh token).
    None,
    /// A dashboard session, and the role that its user had.
    Session {
        id: SessionId,
        role: Role,
    },
    /// A password, identified by the stored hash (PHC string) that it was compared with.
    Password {
        user: UserId,
        hash: String,
    },
    Key(JudgedKey),
}

/// A key as it was when it was checked.
#[derive(Debug, Clone)]
pub struct JudgedKey {
    pub id: KeyId,
    /// The scope that the route requires.
    pub need: Option<&'static str>,
    pub owner: UserId,
    pub owner_role: Role,
    /// The scopes that it could grant.
    pub scopes: ScopeSet,
    /// Its own bounds; `None` if it grants nothing.
    pub bounds: Option<Bounds>,
}

impl Authority {
    /// The same authority for an act on oneself, which needs no role.
    pub fn without_role(self) -> Self {
        match self {
            Authority::Session { id, .. } => Authority::Session { id, role: Role::Member },
            Authority::Key(key) => Authority::Key(JudgedKey { owner_role: Role::Member, ..key }),
            other => other,
        }
    }
}
