//! The form for a new key: what was typed, kept, and what it means, parsed.

use std::collections::HashSet;

use super::form::Fields;
use super::pages::{Field, NewKeyPage, Shell, keybearer_scopes};
use super::signed_in::SignedIn;
use super::view::{field, list_field};
use crate::auth::{KeyRequest, LeftOpen};
use crate::error::{Error, Result};
use crate::model::expiry::UtcOffset;
use crate::model::{Expiry, KeyName, KeySettings, Metadata, Networks, Scope, ScopeSet, Submission, Time};

const CHOICES: [&str; 5] = ["7d", "30d", "90d", "365d", "never"];

/// The form with what was typed so far.
pub async fn page(who: &SignedIn, fields: &Fields, shell: Shell) -> Result<NewKeyPage> {
    let typed = shown(fields);
    let expires = fields.all("expires").next();
    let known = who.site.auth.scopes_in_use(&who.asking().caller).await?;
    Ok(NewKeyPage {
        shell,
        form_id: None,
        name: field(fields.text("name")),
        expires: field(expires.unwrap_or("90d")),
        expires_on: field(fields.text("expires_on")),
        earliest_day: Some(who.site.auth.now().to_string()[..10].to_owned()),
        scopes: typed.iter().filter(|scope| !scope.starts_with(Scope::OURS)).map(|scope| field(scope)).collect(),
        known_scopes: known.into_iter().filter(|scope| !scope.starts_with(Scope::OURS)).collect(),
        keybearer_scopes: if who.user().is_admin() { keybearer_scopes(&typed) } else { Vec::new() },
        allowed_ips: list_field(fields.text("allowed_ips")),
        current_password: None,
    })
}

fn scopes(fields: &Fields) -> impl Iterator<Item = &str> {
    fields.all("scopes").flat_map(|line| line.split([' ', ',', '\r', '\n'])).filter(|scope| !scope.is_empty())
}

/// As many of the scopes as a key may have, each once: a page does not repeat a text of any length.
fn shown(fields: &Fields) -> Vec<String> {
    let mut seen = HashSet::new();
    scopes(fields).filter(|scope| seen.insert(*scope)).take(ScopeSet::MAX).map(str::to_owned).collect()
}

/// The request behind the form; or each error at its field of `page`.
pub fn parse(
    who: &SignedIn,
    fields: &Fields,
    submission: Submission,
    page: &mut NewKeyPage,
    now: Time,
) -> Option<KeyRequest> {
    let name = keep(&mut page.name, KeyName::parse(fields.text("name")));
    let expiry = match page.expires.value.clone().as_str() {
        "custom" => {
            let day = UtcOffset::parse(fields.text("utc_offset"))
                .and_then(|offset| Expiry::parse_day(fields.text("expires_on"), offset, now));
            keep(&mut page.expires_on, day)
        }
        choice if CHOICES.contains(&choice) => keep(&mut page.expires, Expiry::parse(choice, now)),
        _ => keep(&mut page.expires, Err(Error::invalid("expires", "Choose when the key expires."))),
    };
    for typed in &mut page.scopes {
        let parsed = Scope::parse(&typed.value).map(drop);
        keep(typed, parsed);
    }
    let scopes = ScopeSet::parse(scopes(fields));
    if let (Err(error), false) = (&scopes, page.scopes.iter().any(|scope| scope.error.is_some())) {
        // Too many, or a forged checkbox: no single input is at fault.
        page.scopes.push(Field { value: String::new(), error: Some(error.message.to_string()) });
    }
    let ranges = fields.text("allowed_ips").split(['\r', '\n', ',', ' ']).filter(|range| !range.is_empty());
    let allowed_ips = keep(&mut page.allowed_ips, Networks::parse(ranges));
    Some(KeyRequest {
        owner: who.user().id,
        prefix: None,
        settings: KeySettings {
            name: name?,
            scopes: scopes.ok()?,
            expires_at: expiry?.time(),
            allowed_ips: allowed_ips?,
            rate_limit: None,
            metadata: Metadata::default(),
        },
        left_open: LeftOpen::default(),
        submission: Some(submission),
    })
}

/// The value, or its error beside the field.
fn keep<T>(field: &mut Field, parsed: Result<T>) -> Option<T> {
    match parsed {
        Ok(value) => Some(value),
        Err(error) => {
            field.error = Some(error.message.to_string());
            None
        }
    }
}
