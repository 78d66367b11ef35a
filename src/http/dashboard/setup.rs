//! `/setup`: creates the first admin, once, by the link that the server printed.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Query;
use askama::Template;
use serde::Deserialize;

use super::frame::{Field, FieldError, LoginVisitor, OpenForm, PageError, Shell, errors_of, ok, unprocessable};
use crate::error::Kind;
use crate::http::problem::Problem;

/// `GET /setup?token=…`, and the response to a `POST /setup` that was refused.
#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    shell: Shell,
    /// As on the login page.
    secure_url: Option<String>,
    token: String,
    email: Field,
    password: Field,
}

impl SetupPage {
    fn new(visitor: &LoginVisitor, token: String, email: Field) -> Result<Self, PageError> {
        // Without the token: a URL that is shown can be read by someone else in the room.
        let secure_url = visitor.secure_url("/setup");
        Ok(SetupPage { shell: visitor.shell("Set up")?, secure_url, token, email, password: Field::default() })
    }

    fn errors(&self) -> Vec<FieldError<'_>> {
        errors_of([("email".to_owned(), &self.email), ("password".to_owned(), &self.password)])
    }
}

#[derive(Debug, Deserialize)]
pub struct SetupQuery {
    #[serde(default)]
    token: String,
}

pub async fn page(visitor: LoginVisitor, query: Query<SetupQuery>) -> Result<HttpResponse, PageError> {
    let token = query.into_inner().token;
    if !visitor.site.auth.is_setup_open(&token).await? {
        return Err(closed().into());
    }
    visitor.with_form_cookie(ok(&SetupPage::new(&visitor, token, Field::default())?)?)
}

pub async fn set_up(form: OpenForm) -> Result<HttpResponse, PageError> {
    let OpenForm { visitor, fields } = form;
    let (token, email, password) = (fields.text("token"), fields.text("email"), fields.text("password"));
    let error = match visitor.site.auth.set_up(token, email, password, visitor.origin()).await {
        Ok(_) => return visitor.enter_with(email, password, "Your admin account is ready.").await,
        Err(error) if error.kind == Kind::Invalid => error,
        // The link has been used, by this visitor or by someone faster.
        Err(error) if matches!(error.kind, Kind::Forbidden | Kind::Conflict) => return Err(closed().into()),
        Err(error) => return Err(error.into()),
    };
    let mut page = SetupPage::new(&visitor, token.to_owned(), Field::new(email))?;
    let at = if error.field == Some("email") { &mut page.email } else { &mut page.password };
    at.error = Some(error.message.to_string());
    visitor.with_form_cookie(unprocessable(&page)?)
}

fn closed() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "setup_closed",
        "This setup link is no longer valid. If there is already an admin, sign in. If not, restart the server: it prints a new link.",
    )
}
