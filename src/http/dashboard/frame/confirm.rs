//! The page that asks for the password again before a sensitive action. It repeats the form, so that nothing is lost.

use actix_web::HttpResponse;
use askama::Template;

use super::{Field, FieldError, FormFields, Nav, PageError, Shell, SignedIn, errors_of, unprocessable};
use crate::auth::SensitiveAct;

#[derive(Template)]
#[template(path = "frame/confirm.html")]
struct ConfirmPage {
    shell: Shell,
    /// Where the form goes, below the public URL.
    action: String,
    /// What is about to be done, as the button says it.
    deed: String,
    /// Where Cancel leads.
    back: String,
    repeated: Vec<(String, String)>,
    current_password: Field,
}

impl ConfirmPage {
    fn errors(&self) -> Vec<FieldError<'_>> {
        errors_of([("current_password".to_owned(), &self.current_password)])
    }
}

/// What to do, as the page says it.
pub struct ActToConfirm<'a> {
    pub action: &'a str,
    pub title: &'a str,
    pub back: &'a str,
    pub here: Nav,
    /// The fields of the form that are sent again.
    pub kept: &'a [&'static str],
}

impl SignedIn {
    /// `None` if the action may go ahead; otherwise the page that asks for the password.
    pub async fn must_confirm(
        &self,
        act: SensitiveAct<'_>,
        fields: &FormFields,
        deed: &ActToConfirm<'_>,
    ) -> Result<Option<HttpResponse>, PageError> {
        let Err(refused) = self.confirm(act, fields.text("current_password")).await else { return Ok(None) };
        let message = refused?;
        let repeated =
            deed.kept.iter().flat_map(|name| fields.all(name).map(|value| (name.to_string(), value.to_owned())));
        let page = ConfirmPage {
            shell: self.shell("Confirm", deed.here)?,
            action: deed.action.to_owned(),
            deed: deed.title.to_owned(),
            back: deed.back.to_owned(),
            repeated: repeated.collect(),
            current_password: Field::wrong(message),
        };
        Ok(Some(unprocessable(&page)?))
    }
}
