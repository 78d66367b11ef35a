//! What a key and its owner are at this moment, from the database rather than from the index: for acts of
//! management, which are rare and have grave effects.

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
    /// `None` for an imported key, whose text we never knew.
    pub prefix: Option<KeyPrefix>,
}

impl KeyStatus {
    /// For a verdict. `allowed_ips` is an argument because the address may have been judged before.
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
