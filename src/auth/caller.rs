//! Who makes a request, and so what they may reach and grant. The rules about a caller's own objects and those of
//! others are here.

use super::{Auth, LiveKey};
use crate::error::{Error, Result};
use crate::index::{KeyView, Lookup};
use crate::model::verdict::Demand;
use crate::model::{
    Actor, Authority, Bounds, Digest, JudgedKey, KeyChange, KeyId, KeyPrefix, Origin, Owner, PlainKey, Reach, Refusal,
    Role, ScopeSet, SessionId, User, UserId,
};

/// A caller whose identity is proved.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A user signed in at the dashboard; the role is read for each request.
    User { user: User, session: SessionId },
    /// A managing key: acts for its owner, whose role is read for each request, and can pass on no more than it has.
    Key { identity: Identity, hint: String, owner_role: Role, bounds: Bounds, prefix: Option<KeyPrefix> },
    /// The operator at the command line: may do everything.
    Operator,
}

/// The identity of a managing key.
#[derive(Debug, Clone)]
pub struct Identity {
    pub id: KeyId,
    pub owner: Owner,
    pub scopes: ScopeSet,
}

impl Identity {
    fn of(key: &KeyView<'_>) -> Self {
        let owner = Owner { id: key.owner.id, email: key.owner.email.clone() };
        Identity { id: key.id, owner, scopes: key.grant.scopes.clone() }
    }
}

/// The key that a request presented, kept so that it can be checked again.
pub struct PresentedKey {
    digest: Digest,
    /// The hint; `None` if the key does not have our format.
    hint: Option<String>,
    prefix: Option<KeyPrefix>,
}

impl PresentedKey {
    pub fn of(presented: &[u8]) -> Self {
        PresentedKey {
            digest: Digest::of(presented),
            hint: PlainKey::hint_of(presented),
            prefix: PlainKey::prefix_of(presented),
        }
    }
}

impl Caller {
    pub fn reach(&self) -> Reach {
        match self {
            Caller::User { user, .. } if user.is_admin() => Reach::Anyone,
            Caller::User { user, .. } => Reach::Own(user.id),
            Caller::Key { owner_role: Role::Admin, .. } => Reach::Anyone,
            Caller::Key { identity, .. } => Reach::Own(identity.owner.id),
            Caller::Operator => Reach::Anyone,
        }
    }

    pub fn actor(&self) -> Actor {
        match self {
            Caller::User { user, .. } => Actor::User { id: user.id, email: user.email.to_string() },
            Caller::Key { identity, hint, .. } => Actor::Key { id: identity.id, hint: hint.clone() },
            Caller::Operator => Actor::Operator,
        }
    }

    /// The user who acts, or for whom a key acts.
    pub fn owner(&self) -> Option<Owner> {
        match self {
            Caller::User { user, .. } => Some(Owner { id: user.id, email: user.email.clone() }),
            Caller::Key { identity, .. } => Some(identity.owner.clone()),
            Caller::Operator => None,
        }
    }

    /// The authority that is checked again inside the act's transaction. `need` is the scope that the route requires of
    /// a key.
    pub fn authority(&self, need: Option<&'static str>) -> Authority {
        match self {
            Caller::User { user, session } => Authority::Session { id: *session, role: user.role },
            Caller::Key { identity, owner_role, bounds, .. } => Authority::Key(JudgedKey {
                id: identity.id,
                need,
                owner: identity.owner.id,
                owner_role: *owner_role,
                scopes: identity.scopes.clone(),
                bounds: Some(bounds.clone()),
            }),
            Caller::Operator => Authority::None,
        }
    }

    /// People can grant any scope, but only admins can grant `keybearer:` scopes. A key can grant only scopes that it
    /// has, and `keybearer:` scopes only if its owner is an admin.
    pub(super) fn may_grant(&self, scopes: &ScopeSet) -> Result<()> {
        let refused = |message: String| Err(Error { field: Some("scopes"), ..Error::forbidden(message) });
        if self.must_be_admin().is_err() && scopes.iter().any(|scope| scope.is_reserved()) {
            return refused("Only an admin can grant scopes that begin with keybearer:.".to_owned());
        }
        if let Caller::Key { identity, .. } = self
            && let Some(scope) = scopes.iter().find(|scope| !identity.scopes.covers(scope.as_str()))
        {
            return refused(format!("A key can grant only the scopes it has, and this key does not have {scope}."));
        }
        Ok(())
    }

    /// A key cannot change its own bounds.
    pub(super) fn may_move_bounds(&self, id: KeyId, change: &KeyChange) -> Result<()> {
        match self {
            Caller::Key { identity, .. } if identity.id == id && change.moves_bounds() => Err(Error::forbidden(
                "A key cannot change its own expiry, address ranges, rate limit or state. Use the dashboard or another key.",
            )),
            _ => Ok(()),
        }
    }

    pub fn must_be_admin(&self) -> Result<()> {
        match self.reach() {
            Reach::Anyone => Ok(()),
            Reach::Own(_) => Err(Error::forbidden("Only admins can do this.")),
        }
    }

    /// Whether the caller is this user, or acts for them.
    pub(super) fn is(&self, user: UserId) -> bool {
        self.owner().is_some_and(|own| own.id == user)
    }
}

impl Auth {
    /// The managing key as a caller. The key is checked again now, because the request's body may have taken time to
    /// arrive.
    pub async fn manager(
        &self,
        key: KeyId,
        proof: Option<&PresentedKey>,
        demand: &Demand<'_>,
    ) -> Result<std::result::Result<Caller, Refusal>> {
        if let Some(caller) = proof.and_then(|proof| self.manager_in_memory(proof, demand)) {
            return Ok(caller);
        }
        let status = self.store.read(move |tx| tx.key_status(key)).await?;
        let Some(status) = status else { return Ok(Err(Refusal::NotFound)) };
        if let Err(refusal) = status.facts(&status.bounds.allowed_ips).judge(self.now(), demand) {
            return Ok(Err(refusal));
        }
        let identity = Identity { id: key, owner: status.owner, scopes: status.scopes };
        Ok(Ok(Caller::Key {
            identity,
            hint: status.hint,
            owner_role: status.owner_role,
            bounds: status.bounds,
            prefix: self.bounding_prefix(status.prefix),
        }))
    }

    /// The same check, for a caller that changes nothing.
    pub async fn still_holds(&self, key: &LiveKey, demand: &Demand<'_>) -> Result<std::result::Result<(), Refusal>> {
        let now = self.now();
        match self.store.look(&key.digest, |key| key.facts().judge(now, demand)) {
            Lookup::Found(judged) => Ok(judged),
            Lookup::Absent => Ok(Err(Refusal::NotFound)),
            // Boxed, so that this future is small in the usual case.
            Lookup::Unsure | Lookup::Broken => Ok(Box::pin(self.manager(key.id, None, demand)).await?.map(drop)),
        }
    }

    /// `None` if the index cannot decide, or if the key has no hint for the log.
    fn manager_in_memory(
        &self,
        proof: &PresentedKey,
        demand: &Demand<'_>,
    ) -> Option<std::result::Result<Caller, Refusal>> {
        let hint = proof.hint.as_ref()?;
        let now = self.now();
        let judged = self.store.look(&proof.digest, |key| {
            key.facts().judge(now, demand).map(|()| (Identity::of(key), key.owner.role, key.bounds()))
        });
        match judged {
            Lookup::Found(Ok((identity, owner_role, bounds))) => {
                let prefix = self.bounding_prefix(proof.prefix.clone());
                Some(Ok(Caller::Key { identity, hint: hint.clone(), owner_role, bounds, prefix }))
            }
            Lookup::Found(Err(refusal)) => Some(Err(refusal)),
            Lookup::Absent => Some(Err(Refusal::NotFound)),
            Lookup::Unsure | Lookup::Broken => None,
        }
    }
}

/// One request's caller and origin, which every act of `auth` needs.
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
