//! `/keys/new`: the form for a new key. It keeps what was typed, and is parsed into a request.

use std::collections::HashSet;

use actix_web::HttpResponse;
use askama::Template;

use super::expiry::{CUSTOM, EXPIRIES, is_fixed};
use super::labels::LabelFields;
use crate::auth::{KeyRequest, LeftOpen};
use crate::error::{Error, Result as Outcome};
use crate::http::dashboard::frame::{Field, FieldError, FormFields, Nav, PageError, Shell, SignedIn, errors_of};
use crate::model::expiry::UtcOffset;
use crate::model::{Expiry, KeySettings, Networks, Scope, ScopeSet, Submission, Time};

/// `GET /keys/new`, and the response to a `POST /keys` that was refused.
#[derive(Template)]
#[template(path = "keys/new.html")]
pub struct NewKeyPage {
    pub shell: Shell,
    pub labels: LabelFields,
    /// A value of `EXPIRIES`.
    pub expires: Field,
    /// `YYYY-MM-DD`, read if `expires` is `custom`: the key works until the end of that day, in the time zone
    /// that the script sends along, otherwise in UTC.
    pub expires_on: Field,
    /// Earliest day of `expires_on` in UTC, `YYYY-MM-DD`.
    pub earliest_day: Option<String>,
    /// The scopes to keep; three empty inputs follow them.
    pub scopes: Vec<Field>,
    /// Scopes to suggest while the user types.
    pub known_scopes: Vec<String>,
    /// Empty for members.
    pub keybearer_scopes: Vec<ScopeChoice>,
    /// One range per line.
    pub allowed_ips: Field,
    /// `Some` if the page asks for the password again, as `current_password`.
    pub current_password: Option<Field>,
}

/// One of Keybearer's own scopes, as a checkbox.
pub struct ScopeChoice {
    pub scope: &'static str,
    pub meaning: &'static str,
    pub is_chosen: bool,
}

const KEYBEARER_SCOPES: [(&str, &str); 4] = [
    ("keybearer:verify", "verify any key and see why it was refused"),
    ("keybearer:keys", "manage everyone’s keys"),
    ("keybearer:users", "add, change and deactivate people"),
    ("keybearer:events", "read the audit log"),
];

impl ScopeChoice {
    /// Keybearer's own scopes, with those in `chosen` ticked.
    pub fn all(chosen: &[String]) -> Vec<Self> {
        let choice = |(scope, meaning): (&'static str, &'static str)| ScopeChoice {
            scope,
            meaning,
            is_chosen: chosen.iter().any(|one| one == scope),
        };
        KEYBEARER_SCOPES.into_iter().map(choice).collect()
    }
}

impl NewKeyPage {
    fn errors(&self) -> Vec<FieldError<'_>> {
        let scopes = self.scopes.iter().enumerate();
        let expiry = [("expires-7d".to_owned(), &self.expires), ("expires_on".to_owned(), &self.expires_on)];
        let fields = self
            .labels
            .fields()
            .chain(expiry)
            .chain(scopes.map(|(number, scope)| (format!("scope-{number}"), scope)))
            .chain([("allowed_ips".to_owned(), &self.allowed_ips)])
            .chain(self.current_password.iter().map(|field| ("current_password".to_owned(), field)));
        errors_of(fields)
    }
}

pub async fn page(who: SignedIn) -> Result<HttpResponse, PageError> {
    who.ok(&form(&who, &FormFields::default(), who.shell("New key", Nav::Keys)?).await?)
}

/// The form with what was typed so far.
pub async fn form(who: &SignedIn, fields: &FormFields, shell: Shell) -> Outcome<NewKeyPage> {
    let typed = shown(fields);
    let expires = fields.all("expires").next();
    let known = who.site.auth.scopes_in_use(&who.asking().caller).await?;
    Ok(NewKeyPage {
        shell,
        labels: LabelFields::typed(fields),
        expires: Field::new(expires.unwrap_or("90d")),
        expires_on: Field::new(fields.text("expires_on")),
        earliest_day: Some(who.site.auth.now().to_string()[..10].to_owned()),
        scopes: typed.iter().filter(|scope| !scope.starts_with(Scope::OURS)).map(|scope| Field::new(scope)).collect(),
        known_scopes: known.into_iter().filter(|scope| !scope.starts_with(Scope::OURS)).collect(),
        keybearer_scopes: if who.user().is_admin() { ScopeChoice::all(&typed) } else { Vec::new() },
        allowed_ips: Field::list(fields.text("allowed_ips")),
        current_password: None,
    })
}

fn scopes(fields: &FormFields) -> impl Iterator<Item = &str> {
    fields.all("scopes").flat_map(|line| line.split([' ', ',', '\r', '\n'])).filter(|scope| !scope.is_empty())
}

/// The distinct scopes, up to the number that a key may have, because a page must not repeat text of any length.
fn shown(fields: &FormFields) -> Vec<String> {
    let mut seen = HashSet::new();
    scopes(fields).filter(|scope| seen.insert(*scope)).take(ScopeSet::MAX).map(str::to_owned).collect()
}

/// The request that the form describes. `None` if it has errors; each is then set on its field of `page`.
pub fn parse(
    who: &SignedIn,
    fields: &FormFields,
    submission: Submission,
    page: &mut NewKeyPage,
    now: Time,
) -> Option<KeyRequest> {
    let labels = page.labels.parse(fields);
    let expiry = match page.expires.value.clone().as_str() {
        CUSTOM => {
            let day = UtcOffset::parse(fields.text("utc_offset"))
                .and_then(|offset| Expiry::parse_day(fields.text("expires_on"), offset, now));
            page.expires_on.keep(day)
        }
        choice if is_fixed(choice) => page.expires.keep(Expiry::parse(choice, now)),
        _ => page.expires.keep(Err(Error::invalid("expires", "Choose when the key expires."))),
    };
    for typed in &mut page.scopes {
        let parsed = Scope::parse(&typed.value).map(drop);
        typed.keep(parsed);
    }
    let scopes = ScopeSet::parse(scopes(fields));
    if let (Err(error), false) = (&scopes, page.scopes.iter().any(|scope| scope.error.is_some())) {
        // Too many, or a forged checkbox: no single input is at fault.
        page.scopes.push(Field::wrong(error.message.to_string()));
    }
    let ranges = fields.text("allowed_ips").split(['\r', '\n', ',', ' ']).filter(|range| !range.is_empty());
    let allowed_ips = page.allowed_ips.keep(Networks::parse(ranges));
    Some(KeyRequest {
        owner: who.user().id,
        prefix: None,
        settings: KeySettings {
            scopes: scopes.ok()?,
            expires_at: expiry?.time(),
            allowed_ips: allowed_ips?,
            ..labels?
        },
        left_open: LeftOpen::default(),
        submission: Some(submission),
    })
}
