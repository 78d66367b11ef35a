//! Why a request would be refused, or accepted: every check of a verdict with its outcome. It is not a use, and takes
//! nothing from the rate limit.

use super::{Auth, Caller};
use crate::error::{Error, Result};
use crate::index::{IndexedKey, KeyView};
use crate::model::verdict::Demand;
use crate::model::{Digest, KeyId, KeyState, Refusal, Time};

/// A check of the verdict, in the order in which they are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictCheck {
    pub name: &'static str,
    pub outcome: CheckOutcome,
    /// A sentence for people.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutcome {
    Passed,
    Failed,
    /// An earlier check failed.
    Skipped,
}

impl CheckOutcome {
    pub const ALL: [CheckOutcome; 3] = [CheckOutcome::Passed, CheckOutcome::Failed, CheckOutcome::Skipped];

    pub fn name(self) -> &'static str {
        match self {
            CheckOutcome::Passed => "passed",
            CheckOutcome::Failed => "failed",
            CheckOutcome::Skipped => "skipped",
        }
    }
}

/// The verdict that a request would get, with its reasons.
#[derive(Debug)]
pub struct ExplainedVerdict {
    /// The key, if it exists.
    pub key: Option<KeyId>,
    pub refusal: Option<Refusal>,
    pub checks: Vec<VerdictCheck>,
}

/// The names of the checks.
pub const CHECKS: [&str; 7] = ["known", "owner_active", "enabled", "not_expired", "address", "scopes", "rate_limit"];

impl Auth {
    /// Explains the verdict on a presented text.
    pub async fn explain(&self, presented: &[u8], demand: &Demand<'_>) -> Result<ExplainedVerdict> {
        let digest = Digest::of(presented);
        let found = match self.is_worth_a_look_up(presented) {
            true => self.store.find_by_digest(digest).await?,
            false => None,
        };
        match found {
            Some(key) => self.explain_found(&key, demand),
            None => Ok(unknown(self.if_absent(presented))),
        }
    }

    /// Explains the verdict on a key that the caller can see.
    pub async fn explain_key(&self, caller: &Caller, id: KeyId, demand: &Demand<'_>) -> Result<ExplainedVerdict> {
        self.key(caller, id).await?;
        match self.store.find_by_id(id).await? {
            Some(key) => self.explain_found(&key, demand),
            None => Err(Error::not_found("key")),
        }
    }

    fn explain_found(&self, key: &IndexedKey, demand: &Demand<'_>) -> Result<ExplainedVerdict> {
        let IndexedKey { digest, id, owner, grant, expires_at, .. } = key;
        let view = KeyView { entry: None, digest, id: *id, owner, grant, expires_at: *expires_at };
        let now = self.now();
        let state = view.facts().state(now);
        if grant.is_unreadable && state == KeyState::Active {
            return Err(Error::unavailable(format!("the row of key {id} is damaged; run keybearer check")));
        }
        let judged = view.facts().judge(now, demand);
        let left = grant.rate_limit.map(|limit| self.limits.look(grant.limit_bucket.unwrap_or(*id), limit));
        let refusal = judged.err().or_else(|| left.and_then(Result::err).map(|_| Refusal::RateLimited));
        let details = [
            (None, "This key exists.".to_owned()),
            (Some(Refusal::OwnerDeactivated), active(&view)),
            (Some(Refusal::Disabled), enabled(&view)),
            (Some(Refusal::Expired), expiry(&view, now)),
            (Some(Refusal::IpNotAllowed), address(&view, demand)),
            (Some(Refusal::InsufficientScope), scopes(&view, demand)),
            (
                Some(Refusal::RateLimited),
                match left {
                    None => "The key has no rate limit.".to_owned(),
                    Some(Ok(left)) => {
                        format!("{} more requests are allowed right now.", left.remaining.saturating_add(1))
                    }
                    Some(Err(left)) => {
                        format!("The limit is used up. The next request is allowed in {} s.", left.reset)
                    }
                },
            ),
        ];
        let mut has_failed = false;
        let checks = CHECKS.into_iter().zip(details).map(|(name, (reason, detail))| {
            if has_failed {
                return skipped(name);
            }
            has_failed = reason.is_some() && reason == refusal;
            let outcome = if has_failed { CheckOutcome::Failed } else { CheckOutcome::Passed };
            VerdictCheck { name, outcome, detail }
        });
        Ok(ExplainedVerdict { key: Some(*id), checks: checks.collect(), refusal })
    }
}

fn unknown(refusal: Refusal) -> ExplainedVerdict {
    let detail = match refusal {
        Refusal::Malformed => "This text does not have the format of a key, or its checksum is wrong.",
        _ => "No key of this server has this text. It may have been revoked.",
    };
    let known = VerdictCheck { name: CHECKS[0], outcome: CheckOutcome::Failed, detail: detail.to_owned() };
    let others = CHECKS.into_iter().skip(1).map(skipped);
    ExplainedVerdict { key: None, refusal: Some(refusal), checks: [known].into_iter().chain(others).collect() }
}

fn skipped(name: &'static str) -> VerdictCheck {
    VerdictCheck { name, outcome: CheckOutcome::Skipped, detail: "An earlier check failed.".to_owned() }
}

fn active(key: &KeyView<'_>) -> String {
    let state = if key.facts().owner_active { "is active" } else { "is deactivated" };
    format!("The owner, {}, {state}.", key.owner.email)
}

fn enabled(key: &KeyView<'_>) -> String {
    let state = if key.facts().enabled { "enabled" } else { "disabled" };
    format!("The key is {state}.")
}

fn expiry(key: &KeyView<'_>, now: Time) -> String {
    match key.expires_at {
        None => "The key never expires.".to_owned(),
        Some(at) if now >= at => format!("The key expired at {at}."),
        Some(at) => format!("The key expires at {at}."),
    }
}

fn address(key: &KeyView<'_>, demand: &Demand<'_>) -> String {
    let ranges = &key.grant.allowed_ips;
    match demand.address {
        _ if ranges.is_empty() => "The key can be used from any address.".to_owned(),
        None => format!("The request has no address. The key can be used from {}.", ranges.joined().replace(' ', ", ")),
        Some(address) => {
            let is_within = address.known().is_some_and(|ip| ranges.contains(ip));
            let place = if is_within { "is in" } else { "is not in" };
            format!("{address} {place} the key's ranges: {}.", ranges.joined().replace(' ', ", "))
        }
    }
}

fn scopes(key: &KeyView<'_>, demand: &Demand<'_>) -> String {
    let missing: Vec<&str> = demand.scopes.iter().copied().filter(|need| !key.grant.scopes.covers(need)).collect();
    match (demand.scopes, &missing[..]) {
        ([], _) => "The request needs no scope.".to_owned(),
        (needs, []) => format!("The key has {}.", needs.join(", ")),
        (_, missing) => format!("The key does not have {}.", missing.join(", ")),
    }
}
