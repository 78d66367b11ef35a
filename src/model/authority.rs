//! What a caller was judged by when the request came in. The store judges it again inside the
//! transaction of the act: a request's body, or a password to hash, may have taken its time.

use super::{Bounds, KeyId, Role, ScopeSet, SessionId, UserId};

#[derive(Debug, Clone)]
pub enum Authority {
    /// Nobody to judge again: the operator, the server itself, or somebody whose proof the act checks
    /// in its own transaction (a setup link, a refresh token).
    None,
    /// A session at the dashboard, and the role that its user had.
    Session {
        id: SessionId,
        role: Role,
    },
    /// A password, by the stored hash (PHC string) that it was compared with.
    Password {
        user: UserId,
        hash: String,
    },
    Key(JudgedKey),
}

/// A key as it was when it was judged.
#[derive(Debug, Clone)]
pub struct JudgedKey {
    pub id: KeyId,
    /// The scope that the route needs.
    pub need: Option<&'static str>,
    pub owner: UserId,
    pub owner_role: Role,
    /// What it could pass on.
    pub scopes: ScopeSet,
    /// Its own bounds; `None`: it passes nothing on.
    pub bounds: Option<Bounds>,
}

impl Authority {
    /// For an act on oneself: it needs no role.
    pub fn without_role(self) -> Self {
        match self {
            Authority::Session { id, .. } => Authority::Session { id, role: Role::Member },
            Authority::Key(key) => Authority::Key(JudgedKey { owner_role: Role::Member, ..key }),
            other => other,
        }
    }
}
