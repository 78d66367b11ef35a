//! `/login` and `/logout`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::Query;
use askama::Template;
use serde::Deserialize;

use super::frame::{Flash, LoginVisitor, OpenForm, PageError, Shell, SignedForm, html, ok};
use crate::error::Kind;
use crate::http::problem::Problem;

/// `GET /login`, and the response to a `POST /login` that was refused.
#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    shell: Shell,
    /// The https URL of this page. The script leads there if the page came over plain HTTP, where browsers keep no
    /// `Secure` cookie.
    secure_url: Option<String>,
    email: String,
    /// A path on this site to go to afterwards.
    next: Option<String>,
    /// Why the last attempt failed.
    problem: Option<String>,
    /// Whether the page has the form: without an admin, nobody can sign in.
    is_set_up: bool,
}

#[derive(Debug, Default, Deserialize)]
pub struct LoginQuery {
    next: Option<String>,
}

pub async fn page(visitor: LoginVisitor, query: Query<LoginQuery>) -> Result<HttpResponse, PageError> {
    let next = query.into_inner().next;
    let page = LoginPage {
        shell: visitor.shell("Sign in")?,
        secure_url: visitor.secure_url("/login"),
        email: String::new(),
        next: next.filter(|path| is_own_path(path)),
        problem: None,
        // If the database cannot be read, the form is the likelier help.
        is_set_up: visitor.site.auth.is_set_up().await.unwrap_or(true),
    };
    visitor.with_form_cookie(ok(&page)?)
}

pub async fn sign_in(form: OpenForm) -> Result<HttpResponse, PageError> {
    let OpenForm { visitor, fields } = form;
    let (email, next) = (fields.text("email"), fields.text("next"));
    let attempt = visitor.attempt(email, fields.text("password"));
    let started = match visitor.site.auth.sign_in(attempt).await {
        Ok(started) => started,
        Err(error) if matches!(error.kind, Kind::Invalid | Kind::Throttled) => {
            let page = LoginPage {
                shell: visitor.shell("Sign in")?,
                secure_url: visitor.secure_url("/login"),
                email: email.chars().take(254).collect(),
                next: Some(next.to_owned()).filter(|path| is_own_path(path)),
                problem: Some(error.message.to_string()),
                is_set_up: true,
            };
            let status = if error.kind == Kind::Throttled {
                StatusCode::TOO_MANY_REQUESTS
            } else {
                StatusCode::UNPROCESSABLE_ENTITY
            };
            let mut response = html(status, &page)?;
            if let Some(seconds) = Problem::from(error).retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            return visitor.with_form_cookie(response);
        }
        Err(error) => return Err(error.into()),
    };
    visitor.enter(&started, if is_own_path(next) { next } else { "/keys" }, None)
}

pub async fn sign_out(form: SignedForm) -> Result<HttpResponse, PageError> {
    let who = form.who;
    who.site.auth.sign_out(&who.asking(), &who.session).await?;
    let mut response = who.leave(&Flash::plain("You’re signed out."))?;
    let clear = match who.site.settings.public_url.base() {
        None => "\"cache\", \"storage\"",
        // The storage belongs to the whole origin, so also to the services beside this one.
        Some(_) => "\"cache\"",
    };
    let clear = HeaderValue::from_static(clear);
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), clear);
    Ok(response)
}

/// Whether this is a path on this site: `/x`, not `//x`, `/\x`, `https:x` or anything with control characters.
fn is_own_path(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && path.len() <= 1024
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::is_own_path;

    #[test]
    fn redirects_stay_on_this_site() {
        for good in ["/", "/keys", "/keys?after=x#y", "/keys/1//2"] {
            assert!(is_own_path(good), "{good}");
        }
        for bad in [
            "",
            "//evil.test",
            "/\\evil.test",
            "https:evil",
            "https://evil",
            "keys",
            "/a\r\nb",
            "/\t/evil",
            "\\/evil",
            "/é",
        ] {
            assert!(!is_own_path(bad), "{bad}");
        }
    }
}
