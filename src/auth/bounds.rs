//! A key cannot give another key more than it has: no more time, addresses or requests, and no other prefix. If a
//! request omits one of these, the caller's own bound applies.

use super::keys::request::KeyRequest;
use super::{Auth, Caller};
use crate::error::{Error, Result};
use crate::model::rotation::SuccessorLife;
use crate::model::{Bounds, Expiry, KeyPrefix, KeyRecord, Role};

impl Caller {
    /// The request within the caller's own bounds, or an error that names the field that exceeds them.
    pub(super) fn bound(&self, mut request: KeyRequest) -> Result<KeyRequest> {
        let Caller::Key { bounds, prefix, .. } = self else { return Ok(request) };
        let settings = &mut request.settings;
        if request.left_open.expiry {
            settings.expires_at = self.shortened(settings.expires_at.map_or(Expiry::Never, Expiry::At)).time();
        }
        if request.left_open.allowed_ips {
            settings.allowed_ips = bounds.allowed_ips.clone();
        }
        settings.rate_limit = settings.rate_limit.or(bounds.rate_limit);
        request.prefix = request.prefix.or_else(|| prefix.clone());
        self.must_hold(&Bounds::of(&request.settings), request.prefix.as_ref().map(KeyPrefix::as_str)).map(|()| request)
    }

    /// A change that gives a key more must leave it within the caller's own bounds; a change that takes something away
    /// is always allowed.
    pub(super) fn may_change(&self, before: &KeyRecord, after: &KeyRecord) -> Result<()> {
        let gives_more = !after.settings.scopes.beyond(&before.settings.scopes).is_empty()
            // What a damaged record granted is unknown.
            || (after.enabled && !(before.enabled && before.unreadable.is_empty()))
            || Bounds::of(&after.settings).beyond(&Bounds::of(&before.settings)).is_some();
        if gives_more { self.must_hold(&Bounds::of(&after.settings), after.prefix.as_deref()) } else { Ok(()) }
    }

    /// Checks that the caller may create a key with the bounds of this one and this expiry.
    pub(super) fn may_copy(&self, key: &KeyRecord, expiry: Expiry, prefix: &KeyPrefix) -> Result<()> {
        let bounds = Bounds { expires_at: expiry.time(), ..Bounds::of(&key.settings) };
        self.must_hold(&bounds, Some(prefix.as_str()))
    }

    pub(super) fn within_own_end(&self, life: SuccessorLife) -> SuccessorLife {
        SuccessorLife { expiry: self.shortened(life.expiry), ..life }
    }

    /// The expiry, but no later than the caller's own.
    pub(super) fn shortened(&self, expiry: Expiry) -> Expiry {
        match (self, expiry) {
            (Caller::Key { bounds: Bounds { expires_at: Some(end), .. }, .. }, Expiry::Never) => Expiry::At(*end),
            (Caller::Key { bounds: Bounds { expires_at: Some(end), .. }, .. }, Expiry::At(time)) => {
                Expiry::At(time.min(*end))
            }
            _ => expiry,
        }
    }

    /// People sign in from any address, so a key with address ranges must not give them access.
    pub(super) fn may_open_to_people(&self, role: Option<Role>, password: bool, active: bool) -> Result<()> {
        let Caller::Key { bounds, .. } = self else { return Ok(()) };
        let field = match (role, password, active) {
            _ if bounds.allowed_ips.is_empty() => return Ok(()),
            (_, true, _) => "password",
            (Some(Role::Admin), ..) => "role",
            (.., true) => "active",
            _ => return Ok(()),
        };
        let refused = "This key has address ranges, but people can sign in from anywhere. Use a key without ranges, or \
                       the dashboard.";
        Err(Error { field: Some(field), ..Error::forbidden(refused) })
    }

    fn must_hold(&self, asked: &Bounds, asked_prefix: Option<&str>) -> Result<()> {
        let Caller::Key { bounds, prefix, .. } = self else { return Ok(()) };
        let refused = |field, message: String| Err(Error { field: Some(field), ..Error::forbidden(message) });
        if let Some(own) = prefix
            && asked_prefix.is_some_and(|asked| asked != own.as_str())
        {
            return refused(
                "prefix",
                format!("The calling key has the prefix {}, so this key must have it too.", own.as_str()),
            );
        }
        match asked.beyond(bounds) {
            None => Ok(()),
            Some("expires_at") => {
                let end = bounds.expires_at.map_or_else(String::new, |end| end.to_string());
                refused("expires_at", format!("The calling key expires at {end}; this key must not outlive it."))
            }
            Some("allowed_ips") => refused(
                "allowed_ips",
                format!("The calling key is restricted to {}, so this key must be too.", bounds.allowed_ips.joined()),
            ),
            Some(field) => {
                let limit = bounds.rate_limit.map_or_else(String::new, |limit| limit.text());
                refused(
                    field,
                    format!(
                        "The calling key is limited to {limit} (requests/seconds/burst); this key must not exceed it."
                    ),
                )
            }
        }
    }
}

impl Auth {
    /// The prefix that the keys created by a key must have: its own, if it is configured and not the default. The
    /// default was nobody's choice, so it restricts nothing.
    pub(super) fn bounding_prefix(&self, own: Option<KeyPrefix>) -> Option<KeyPrefix> {
        own.filter(|own| self.prefixes.iter().skip(1).any(|prefix| prefix == own))
    }
}
