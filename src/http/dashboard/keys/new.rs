//! `/keys/new`: the form for a new key.

use actix_web::HttpResponse;
use askama::Template;

use super::limit_fields::WINDOWS;
use super::settings_form::SettingsForm;
use crate::auth::{KeyRequest, LeftOpen};
use crate::error::{Error, Kind, Result as Outcome};
use crate::http::dashboard::frame::{Field, FieldError, FormFields, Nav, PageError, Shell, SignedIn, errors_of};
use crate::model::{KeyPrefix, Submission, UserId};

/// `GET /keys/new`, and the response to a `POST /keys` that was refused.
#[derive(Template)]
#[template(path = "keys/new.html")]
pub struct NewKeyPage {
    shell: Shell,
    pub form: SettingsForm,
    /// Whose key it will be; `Some` for admins, who may name somebody else. Empty means the signed-in user.
    pub owner: Option<Field>,
    /// The prefixes to choose from; empty if there is only one.
    prefixes: Vec<String>,
    prefix: Field,
    /// The signed-in user's email.
    me: String,
    /// `Some` if the page asks for the password again, as `current_password`.
    pub current_password: Option<Field>,
}

impl NewKeyPage {
    /// The form with what was typed so far.
    pub async fn new(who: &SignedIn, fields: &FormFields) -> Outcome<Self> {
        let prefixes: Vec<String> = who.site.auth.prefixes().iter().map(|prefix| prefix.as_str().to_owned()).collect();
        Ok(NewKeyPage {
            shell: who.shell("New key", Nav::Keys)?,
            form: SettingsForm::typed(who, fields, "90d").await?,
            owner: who.user().is_admin().then(|| Field::new(fields.text("owner"))),
            prefixes: if prefixes.len() > 1 { prefixes } else { Vec::new() },
            prefix: Field::new(fields.text("prefix")),
            me: who.user().email.to_string(),
            current_password: None,
        })
    }

    /// In the order of the page.
    fn errors(&self) -> Vec<FieldError<'_>> {
        let named = |id: &str, field| errors_of(Option::map(field, |field| (id.to_owned(), field)));
        let mut errors = named("owner", self.owner.as_ref());
        errors.extend(self.form.errors());
        errors.extend(named("prefix", Some(&self.prefix)));
        errors.extend(named("current_password", self.current_password.as_ref()));
        errors
    }

    /// Whether the fields that few keys need have something in them.
    fn opens_limits(&self) -> bool {
        let (limit, ranges) = (&self.form.limit, &self.form.allowed_ips);
        let is_used = |field: &Field| field.error.is_some() || !field.value.trim().is_empty();
        is_used(ranges) || is_used(&limit.requests) || is_used(&limit.burst) || self.prefix.error.is_some()
    }

    /// The request that the form describes. `None` if it has errors; each is then set on its field.
    pub async fn parse(
        &mut self,
        who: &SignedIn,
        fields: &FormFields,
        submission: Submission,
    ) -> Outcome<Option<KeyRequest>> {
        let settings = self.form.parse(fields, who.site.auth.now());
        let owner = self.parse_owner(who).await?;
        let prefix = match self.prefix.value.as_str() {
            "" => Some(None),
            text => self.prefix.keep(KeyPrefix::parse(text)).map(Some),
        };
        let (Some(settings), Some(owner), Some(prefix)) = (settings, owner, prefix) else { return Ok(None) };
        let (settings, left_open) = (settings.settings(), LeftOpen::default());
        Ok(Some(KeyRequest { owner, prefix, settings, left_open, submission: Some(submission) }))
    }

    async fn parse_owner(&mut self, who: &SignedIn) -> Outcome<Option<UserId>> {
        let Some(owner) = self.owner.as_mut().filter(|owner| !owner.value.trim().is_empty()) else {
            return Ok(Some(who.user().id));
        };
        match who.site.auth.owner(&who.asking().caller, owner.value.trim()).await {
            Err(error) if error.kind != Kind::Invalid => Err(error),
            found => Ok(owner.keep(found)),
        }
    }

    /// Sets an error of the request on its field; returns it if it has none here.
    pub fn refuse(&mut self, error: Error) -> Option<Error> {
        let message = error.message.to_string();
        match (error.field, &mut self.owner) {
            (Some("scopes"), _) => self.form.refuse_scopes(&message),
            (Some("prefix"), _) => self.prefix.error = Some(message),
            (Some("owner"), Some(owner)) => owner.error = Some(message),
            _ => return Some(error),
        }
        None
    }
}

pub async fn page(who: SignedIn) -> Result<HttpResponse, PageError> {
    who.ok(&NewKeyPage::new(&who, &FormFields::default()).await?)
}
