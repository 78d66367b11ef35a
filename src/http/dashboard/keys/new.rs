//! `/keys/new`: the form for a new key, and `POST /keys`, which creates it and shows it once.

use actix_web::HttpResponse;
use askama::Template;

use super::expiry::EXPIRIES;
use super::new_form;
use super::shown_before::shown_before;
use super::shown_once::ShownKeyPage;
use crate::auth::{Made, SensitiveAct};
use crate::http::dashboard::frame::{
    Field, FieldError, FormFields, Nav, PageError, Shell, SignedForm, SignedIn, errors_of, ok, unprocessable,
};

/// `GET /keys/new`, and the response to a `POST /keys` that was refused.
#[derive(Template)]
#[template(path = "keys/new.html")]
pub struct NewKeyPage {
    pub shell: Shell,
    /// Sent back as `form_id`, so that the same form is recognised if it is posted again.
    pub form_id: Option<String>,
    pub name: Field,
    /// A value of `EXPIRIES`.
    pub expires: Field,
    /// `YYYY-MM-DD`, read if `expires` is `custom`: the key works until the end of that day, in the time zone
    /// that the script sends along, otherwise in UTC.
    pub expires_on: Field,
    /// Earliest day of `expires_on` in UTC, `YYYY-MM-DD`.
    pub earliest_day: Option<String>,
    /// The scopes to keep; three empty inputs follow them.
    pub scopes: Vec<Field>,
    /// Suggested while typing.
    pub known_scopes: Vec<String>,
    /// Empty for members.
    pub keybearer_scopes: Vec<ScopeChoice>,
    /// One range per line.
    pub allowed_ips: Field,
    /// `Some`: ask for the password again, as `current_password`.
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
        let fields = [
            ("name".to_owned(), &self.name),
            ("expires-7d".to_owned(), &self.expires),
            ("expires_on".to_owned(), &self.expires_on),
        ]
        .into_iter()
        .chain(scopes.map(|(number, scope)| (format!("scope-{number}"), scope)))
        .chain([("allowed_ips".to_owned(), &self.allowed_ips)])
        .chain(self.current_password.iter().map(|field| ("current_password".to_owned(), field)));
        errors_of(fields)
    }
}

pub async fn page(who: SignedIn) -> Result<HttpResponse, PageError> {
    Ok(ok(&new_form::page(&who, &FormFields::default(), who.shell("New key", Nav::Keys)?).await?)?)
}

/// Creates the key and shows it; no later response holds its text.
pub async fn create(form: SignedForm) -> Result<HttpResponse, PageError> {
    let SignedForm { who, fields, submission } = form;
    let auth = &who.site.auth;
    let mut page = new_form::page(&who, &fields, who.shell("New key", Nav::Keys)?).await?;
    let Some(request) = new_form::parse(&who, &fields, submission, &mut page, auth.now()) else {
        return Ok(unprocessable(&page)?);
    };
    let act = SensitiveAct::ObtainKey(&request.settings.scopes);
    if let Err(error) = who.confirm(act, fields.text("current_password")).await {
        page.current_password = Some(Field::wrong(error?));
        return Ok(unprocessable(&page)?);
    }
    match auth.create_key(&who.asking(), request).await {
        Ok(Made::Now { key, record }) => Ok(ok(&ShownKeyPage::new(&who, &key, &record)?)?),
        // The same form again, by a reload: the key is created once and shown once.
        Ok(Made::Before(id)) => shown_before(&who, id).await,
        Err(error) if matches!(error.field, Some("scopes")) => {
            page.scopes.push(Field::wrong(error.message.to_string()));
            Ok(unprocessable(&page)?)
        }
        Err(error) => Err(error.into()),
    }
}
