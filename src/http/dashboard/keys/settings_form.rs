//! The fields of a key's settings, in the form for a new key and in the form that edits one. They keep what was typed.
//! `keys/fields.html` renders them.

use std::collections::HashSet;

use super::expiry::{CUSTOM, EXPIRIES, KEEP, is_fixed};
use super::labels::LabelFields;
use super::limit_fields::LimitFields;
use super::scope_choice::ScopeChoice;
use crate::error::{Error, Result as Outcome};
use crate::http::dashboard::frame::{Field, FieldError, FormFields, SignedIn, When, errors_of};
use crate::model::expiry::UtcOffset;
use crate::model::{Expiry, KeyChange, KeyRecord, KeySettings, Networks, RateLimit, Scope, ScopeSet, Time};

pub struct SettingsForm {
    pub labels: LabelFields,
    /// A value of `EXPIRIES`, or `KEEP`.
    pub expires: Field,
    /// `YYYY-MM-DD`, read if `expires` is `custom`: the key works until the end of that day, in the time zone
    /// that the script sends along, otherwise in UTC.
    pub expires_on: Field,
    pub choices: Vec<ExpiryChoice>,
    /// Earliest day of `expires_on` in UTC, `YYYY-MM-DD`.
    pub earliest_day: String,
    /// The scopes to keep; three empty inputs follow them.
    pub scopes: Vec<Field>,
    /// Scopes to suggest while the user types.
    pub known_scopes: Vec<String>,
    /// Empty for members.
    pub keybearer_scopes: Vec<ScopeChoice>,
    /// One range per line.
    pub allowed_ips: Field,
    pub limit: LimitFields,
}

/// A choice of expiry, with the day on which a key created now would expire.
pub struct ExpiryChoice {
    pub value: &'static str,
    pub label: &'static str,
    pub day: Option<String>,
}

/// The settings that a form describes; `None` where it has no such field, or keeps the value.
pub struct FilledSettings {
    pub labels: KeySettings,
    pub has_description: bool,
    pub expiry: Option<Expiry>,
    pub scopes: Option<ScopeSet>,
    pub allowed_ips: Option<Networks>,
    pub rate_limit: Option<Option<RateLimit>>,
}

impl SettingsForm {
    /// The form with what was typed so far.
    pub async fn typed(who: &SignedIn, fields: &FormFields, default_expiry: &str) -> Outcome<Self> {
        let typed = shown(fields);
        let expires = fields.all("expires").next();
        Ok(SettingsForm {
            labels: LabelFields::typed(fields),
            expires: Field::new(expires.unwrap_or(default_expiry)),
            expires_on: Field::new(fields.text("expires_on")),
            allowed_ips: Field::list(fields.text("allowed_ips")),
            limit: LimitFields::typed(fields),
            ..SettingsForm::empty(who, &typed).await?
        })
    }

    /// The form with the settings of an existing key.
    pub async fn of(who: &SignedIn, record: &KeyRecord) -> Outcome<Self> {
        let settings = &record.settings;
        let scopes: Vec<String> = settings.scopes.iter().map(ToString::to_string).collect();
        let ranges: Vec<String> = settings.allowed_ips.iter().map(ToString::to_string).collect();
        Ok(SettingsForm {
            labels: LabelFields::of(settings),
            expires: Field::new(KEEP),
            expires_on: Field::default(),
            allowed_ips: Field::list(&ranges.join("\n")),
            limit: LimitFields::of(settings.rate_limit),
            ..SettingsForm::empty(who, &scopes).await?
        })
    }

    async fn empty(who: &SignedIn, scopes: &[String]) -> Outcome<Self> {
        let (known, now) = (who.site.auth.scopes_in_use(&who.asking().caller).await?, who.site.auth.now());
        Ok(SettingsForm {
            labels: LabelFields::typed(&FormFields::default()),
            expires: Field::default(),
            expires_on: Field::default(),
            choices: EXPIRIES.iter().map(|(value, label)| ExpiryChoice::new(value, label, now)).collect(),
            earliest_day: now.to_string()[..10].to_owned(),
            scopes: scopes.iter().filter(|scope| !is_ours(scope)).map(|scope| Field::new(scope)).collect(),
            known_scopes: known.into_iter().filter(|scope| !is_ours(scope)).collect(),
            keybearer_scopes: if who.user().is_admin() { ScopeChoice::all(scopes) } else { Vec::new() },
            allowed_ips: Field::default(),
            limit: LimitFields::of(None),
        })
    }

    /// What the form describes. `None` if it has errors; each is then set on its field.
    pub fn parse(&mut self, fields: &FormFields, now: Time) -> Option<FilledSettings> {
        let labels = self.labels.parse(fields);
        let expiry = self.parse_expiry(fields, now);
        let scopes = self.parse_scopes(fields);
        let allowed_ips = fields.has("allowed_ips").then(|| {
            let ranges = fields.text("allowed_ips").split(['\r', '\n', ',', ' ']).filter(|range| !range.is_empty());
            self.allowed_ips.keep(Networks::parse(ranges))
        });
        let rate_limit = fields.has("limit_requests").then(|| self.limit.parse());
        Some(FilledSettings {
            labels: labels?,
            has_description: fields.has("description"),
            expiry: expiry?,
            scopes: all_or_none(scopes)?,
            allowed_ips: all_or_none(allowed_ips)?,
            rate_limit: all_or_none(rate_limit)?,
        })
    }

    fn parse_expiry(&mut self, fields: &FormFields, now: Time) -> Option<Option<Expiry>> {
        match self.expires.value.clone().as_str() {
            KEEP => Some(None),
            CUSTOM => {
                let day = UtcOffset::parse(fields.text("utc_offset"))
                    .and_then(|offset| Expiry::parse_day(fields.text("expires_on"), offset, now));
                self.expires_on.keep(day).map(Some)
            }
            choice if is_fixed(choice) => self.expires.keep(Expiry::parse(choice, now)).map(Some),
            _ => self.expires.keep(Err(Error::invalid("expires", "Choose when the key expires."))),
        }
    }

    fn parse_scopes(&mut self, fields: &FormFields) -> Option<Option<ScopeSet>> {
        if !fields.has("scopes") {
            return None;
        }
        for typed in &mut self.scopes {
            let parsed = Scope::parse(&typed.value).map(drop);
            typed.keep(parsed);
        }
        let scopes = ScopeSet::parse(scopes(fields));
        if let (Err(error), false) = (&scopes, self.scopes.iter().any(|scope| scope.error.is_some())) {
            // Too many, or a forged checkbox: no single input is at fault.
            self.refuse_scopes(&error.message);
        }
        Some(scopes.ok())
    }

    /// Adds an empty input with this error, which concerns all scopes.
    pub fn refuse_scopes(&mut self, message: &str) {
        self.scopes.push(Field::wrong(message.to_owned()));
    }

    /// The fields that have an error, in the order of the page.
    pub fn errors(&self) -> Vec<FieldError<'_>> {
        let scopes = self.scopes.iter().enumerate();
        let expiry = [("expires-7d".to_owned(), &self.expires), ("expires_on".to_owned(), &self.expires_on)];
        let fields = self
            .labels
            .fields()
            .chain(expiry)
            .chain(scopes.map(|(number, scope)| (format!("scope-{number}"), scope)))
            .chain([("allowed_ips".to_owned(), &self.allowed_ips)])
            .chain(self.limit.fields());
        errors_of(fields)
    }
}

impl ExpiryChoice {
    fn new(value: &'static str, label: &'static str, now: Time) -> Self {
        let end = Expiry::parse(value, now).ok().and_then(Expiry::time);
        let day = end.map(|end| When::from(end).text.split(',').next().unwrap_or_default().to_owned());
        ExpiryChoice { value, label, day }
    }
}

impl FilledSettings {
    /// The settings of a new key.
    pub fn settings(self) -> KeySettings {
        KeySettings {
            scopes: self.scopes.unwrap_or_default(),
            expires_at: self.expiry.and_then(Expiry::time),
            allowed_ips: self.allowed_ips.unwrap_or_default(),
            rate_limit: self.rate_limit.unwrap_or_default(),
            ..self.labels
        }
    }

    /// The change of an existing key.
    pub fn change(self) -> KeyChange {
        let KeySettings { name, description, .. } = self.labels;
        KeyChange {
            name: Some(name),
            description: Some(description).filter(|_| self.has_description),
            scopes: self.scopes,
            expiry: self.expiry,
            allowed_ips: self.allowed_ips,
            rate_limit: self.rate_limit,
            ..KeyChange::default()
        }
    }
}

/// `None` stands for an error; a field that the form does not have is none.
fn all_or_none<T>(field: Option<Option<T>>) -> Option<Option<T>> {
    field.map_or(Some(None), |parsed| parsed.map(Some))
}

fn is_ours(scope: &str) -> bool {
    scope.starts_with(Scope::OURS)
}

fn scopes(fields: &FormFields) -> impl Iterator<Item = &str> {
    fields.all("scopes").flat_map(|line| line.split([' ', ',', '\r', '\n'])).filter(|scope| !scope.is_empty())
}

/// The distinct scopes, up to the number that a key may have, because a page must not repeat text of any length.
fn shown(fields: &FormFields) -> Vec<String> {
    let mut seen = HashSet::new();
    scopes(fields).filter(|scope| seen.insert(*scope)).take(ScopeSet::MAX).map(str::to_owned).collect()
}
