//! Who asks, and so what they may reach and grant. Every rule about "own" and "anybody's" is here.

use crate::error::{Error, Result};
use crate::model::{Actor, Origin, Role, ScopeSet, User, UserId};
use crate::store::Reach;

/// Somebody whose identity is proved.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Logged in at the dashboard; the role is read anew for each request.
    User(User),
    /// The operator at the command line: may do everything.
    Operator,
}

impl Caller {
    pub fn reach(&self) -> Reach {
        match self {
            Caller::User(user) if user.is_admin() => Reach::Anyone,
            Caller::User(user) => Reach::Own(user.id),
            Caller::Operator => Reach::Anyone,
        }
    }

    pub fn actor(&self) -> Actor {
        match self {
            Caller::User(user) => Actor::User { id: user.id, email: user.email.to_string() },
            Caller::Operator => Actor::Operator,
        }
    }

    pub(super) fn may_grant(&self, scopes: &ScopeSet) -> Result<()> {
        let is_admin = match self {
            Caller::User(user) => user.role == Role::Admin,
            Caller::Operator => true,
        };
        if is_admin || !scopes.iter().any(|scope| scope.is_reserved()) {
            return Ok(());
        }
        Err(Error {
            field: Some("scopes"),
            ..Error::forbidden("Only an admin can grant scopes that begin with keybearer:.")
        })
    }

    pub(super) fn must_be_admin(&self) -> Result<()> {
        match self.reach() {
            Reach::Anyone => Ok(()),
            Reach::Own(_) => Err(Error::forbidden("This is for admins. Ask one of yours.")),
        }
    }

    pub(super) fn is(&self, user: UserId) -> bool {
        matches!(self, Caller::User(own) if own.id == user)
    }
}

/// One request's caller with where it came from; what the acts of `auth` take.
#[derive(Debug, Clone)]
pub struct Asking {
    pub caller: Caller,
    pub origin: Origin,
}

impl Asking {
    pub fn operator() -> Self {
        Asking { caller: Caller::Operator, origin: Origin::operator() }
    }
}
