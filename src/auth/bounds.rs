//! A key cannot give another key more than it has itself: not more time, more addresses, more requests,
//! nor another prefix. Where a request names none of these, the caller's own bounds hold.

use super::keys::request::KeyRequest;
use super::{Auth, Caller};
use crate::error::{Error, Result};
use crate::model::rotation::SuccessorLife;
use crate::model::{Bounds, Expiry, KeyPrefix, KeyRecord, Role};

impl Caller {
    /// The request within the caller's own bounds, or the field that reaches beyond them.
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

    /// A change that gives a key more must leave it within the caller's own bounds; one that takes away
    /// is free.
    pub(super) fn may_change(&self, before: &KeyRecord, after: &KeyRecord) -> Result<()> {
        let gives_more = !after.settings.scopes.beyond(&before.settings.scopes).is_empty()
            // Of a damaged record nobody can tell what it gave.
            || (after.enabled && !(before.enabled && before.unreadable.is_empty()))
            || Bounds::of(&after.settings).beyond(&Bounds::of(&before.settings)).is_some();
        if gives_more { self.must_hold(&Bounds::of(&after.settings), after.prefix.as_deref()) } else { Ok(()) }
    }

    /// The caller gets a key with the bounds of this one, which ends at `expiry`.
    pub(super) fn may_copy(&self, key: &KeyRecord, expiry: Expiry, prefix: &KeyPrefix) -> Result<()> {
        let bounds = Bounds { expires_at: expiry.time(), ..Bounds::of(&key.settings) };
        self.must_hold(&bounds, Some(prefix.as_str()))
    }

    pub(super) fn within_own_end(&self, life: SuccessorLife) -> SuccessorLife {
        SuccessorLife { expiry: self.shortened(life.expiry), ..life }
    }

    /// Not beyond the caller's own end.
    pub(super) fn shortened(&self, expiry: Expiry) -> Expiry {
        match (self, expiry) {
            (Caller::Key { bounds: Bounds { expires_at: Some(end), .. }, .. }, Expiry::Never) => Expiry::At(*end),
            (Caller::Key { bounds: Bounds { expires_at: Some(end), .. }, .. }, Expiry::At(time)) => {
                Expiry::At(time.min(*end))
            }
            _ => expiry,
        }
    }

    /// A person logs in from anywhere, so a key that may not be used from anywhere makes no such way in.
    pub(super) fn may_open_to_people(&self, role: Option<Role>, password: bool, active: bool) -> Result<()> {
        let Caller::Key { bounds, .. } = self else { return Ok(()) };
        let field = match (role, password, active) {
            _ if bounds.allowed_ips.is_empty() => return Ok(()),
            (_, true, _) => "password",
            (Some(Role::Admin), ..) => "role",
            (.., true) => "active",
            _ => return Ok(()),
        };
        let refused = "This key is bound to address ranges, and people log in from anywhere. Use a key without ranges, or the dashboard.";
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
                format!("The key that asks has the prefix {}, and so must this one.", own.as_str()),
            );
        }
        match asked.beyond(bounds) {
            None => Ok(()),
            Some("expires_at") => {
                let end = bounds.expires_at.map_or_else(String::new, |end| end.to_string());
                refused("expires_at", format!("The key that asks ends at {end}, and this one must not outlive it."))
            }
            Some("allowed_ips") => refused(
                "allowed_ips",
                format!("The key that asks is bound to {}, and so must this one be.", bounds.allowed_ips.joined()),
            ),
            Some(field) => {
                let limit = bounds.rate_limit.map_or_else(String::new, |limit| limit.text());
                refused(
                    field,
                    format!(
                        "The key that asks is limited to {limit} (requests/seconds/burst), and this one must not have more."
                    ),
                )
            }
        }
    }
}

impl Auth {
    /// The prefix that bounds what a key makes: its own. The server's default is nobody's choice and bounds
    /// nothing; neither does one that the operator has given up.
    pub(super) fn bounding_prefix(&self, own: Option<KeyPrefix>) -> Option<KeyPrefix> {
        own.filter(|own| self.prefixes.iter().skip(1).any(|prefix| prefix == own))
    }
}
