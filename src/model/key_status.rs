//! The current status of a key and its owner, read from the database rather than from the index: used for management
//! acts, which are rare and have serious effects.

use super::{Bounds, Facts, KeyId, KeyPrefix, Networks, Owner, Role, ScopeSet};

#[derive(Debug, Clone)]
pub struct KeyStatus {
    pub id: KeyId,
    pub is_token: bool,
    pub hint: String,
    pub owner: Owner,
    pub owner_role: Role,
    pub owner_active: bool,
    pub enabled: bool,
    pub scopes: ScopeSet,
    pub bounds: Bounds,
    /// `None` for a key of another system, whose text we never had.
    pub prefix: Option<KeyPrefix>,
}

impl KeyStatus {
    /// The facts for a verdict. `allowed_ips` is an argument because the address may already have been checked.
    pub fn facts<'a>(&'a self, allowed_ips: &'a Networks) -> Facts<'a> {
        Facts {
            enabled: self.enabled,
            owner_active: self.owner_active,
            made_at: self.is_token.then(|| self.id.made_at()),
            expires_at: self.bounds.expires_at,
            scopes: &self.scopes,
            allowed_ips,
        }
    }
}
