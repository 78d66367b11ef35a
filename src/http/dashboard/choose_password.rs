//! `/invitation` and `/reset`: choosing a password by a one-time link that an admin made.

use actix_web::HttpResponse;
use actix_web::web::Query;
use askama::Template;
use serde::Deserialize;

use super::frame::{Field, FieldError, LoginVisitor, OpenForm, PageError, Shell, errors_of, ok, unprocessable};
use crate::error::Kind;
use crate::model::person_link::LinkPurpose;

#[derive(Template)]
#[template(path = "choose_password.html")]
struct ChoosePasswordPage {
    shell: Shell,
    /// As on the login page.
    secure_url: Option<String>,
    /// The link's path.
    action: &'static str,
    is_invitation: bool,
    token: String,
    email: String,
    password: Field,
}

#[derive(Debug, Deserialize)]
pub struct LinkQuery {
    #[serde(default)]
    token: String,
}

impl ChoosePasswordPage {
    fn new(visitor: &LoginVisitor, purpose: LinkPurpose, token: String, email: String) -> Result<Self, PageError> {
        Ok(ChoosePasswordPage {
            shell: visitor.shell("Choose a password")?,
            // Without the token: a URL that is shown can be read by someone else in the room.
            secure_url: visitor.secure_url(purpose.path()),
            action: purpose.path(),
            is_invitation: purpose == LinkPurpose::Invitation,
            token,
            email,
            password: Field::default(),
        })
    }

    fn errors(&self) -> Vec<FieldError<'_>> {
        errors_of([("password".to_owned(), &self.password)])
    }
}

pub async fn invitation(visitor: LoginVisitor, query: Query<LinkQuery>) -> Result<HttpResponse, PageError> {
    page(visitor, query.into_inner().token, LinkPurpose::Invitation).await
}

pub async fn reset(visitor: LoginVisitor, query: Query<LinkQuery>) -> Result<HttpResponse, PageError> {
    page(visitor, query.into_inner().token, LinkPurpose::Reset).await
}

pub async fn accept(form: OpenForm) -> Result<HttpResponse, PageError> {
    choose(form, LinkPurpose::Invitation).await
}

pub async fn set_again(form: OpenForm) -> Result<HttpResponse, PageError> {
    choose(form, LinkPurpose::Reset).await
}

/// Opening the link does not use it up: mail programs open links to look at them.
async fn page(visitor: LoginVisitor, token: String, purpose: LinkPurpose) -> Result<HttpResponse, PageError> {
    let email = visitor.site.auth.person_of_link(&token).await?.to_string();
    visitor.with_form_cookie(ok(&ChoosePasswordPage::new(&visitor, purpose, token, email)?)?)
}

async fn choose(form: OpenForm, purpose: LinkPurpose) -> Result<HttpResponse, PageError> {
    let OpenForm { visitor, fields } = form;
    let (token, password) = (fields.text("token"), fields.text("password"));
    match visitor.site.auth.use_link(token, password, visitor.origin()).await {
        Ok(user) => visitor.enter_with(user.email.as_str(), password, "Your password is set. You’re signed in.").await,
        Err(error) if error.kind == Kind::Invalid => {
            let email = visitor.site.auth.person_of_link(token).await?.to_string();
            let mut page = ChoosePasswordPage::new(&visitor, purpose, token.to_owned(), email)?;
            page.password.error = Some(error.message.to_string());
            visitor.with_form_cookie(unprocessable(&page)?)
        }
        Err(error) => Err(error.into()),
    }
}
