//! `/login` and `/logout`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::Query;
use askama::Template;
use serde::Deserialize;

use super::frame::{
    CookieKind, LoginVisitor, Notice, OpenForm, PageError, Shell, SignedForm, add_cookie, html, ok, see_other,
};
use crate::auth::login::LoginAttempt;
use crate::error::Kind;
use crate::http::problem::Problem;

pub const PASSWORD_CHANGED: Notice = Notice {
    word: "password-changed",
    text: "Password changed. You were signed out everywhere: sign in with the new password.",
};
pub const SETUP_DONE: Notice =
    Notice { word: "setup-done", text: "Your admin account is ready. Sign in to create your first key." };
const SIGNED_OUT: Notice = Notice { word: "logged-out", text: "You’re signed out." };

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
}

#[derive(Debug, Default, Deserialize)]
pub struct LoginQuery {
    next: Option<String>,
    notice: Option<String>,
}

pub async fn page(visitor: LoginVisitor, query: Query<LoginQuery>) -> Result<HttpResponse, PageError> {
    let LoginQuery { next, notice } = query.into_inner();
    let notice = Notice::find(&[PASSWORD_CHANGED, SETUP_DONE, SIGNED_OUT], notice.as_deref());
    let page = LoginPage {
        shell: Shell { notice, ..visitor.shell("Sign in")? },
        secure_url: visitor.secure_url("/login"),
        email: String::new(),
        next: next.filter(|path| is_own_path(path)),
        problem: None,
    };
    visitor.with_form_cookie(ok(&page)?)
}

pub async fn sign_in(form: OpenForm) -> Result<HttpResponse, PageError> {
    let OpenForm { visitor, fields } = form;
    let (email, next) = (fields.text("email"), fields.text("next"));
    let attempt = LoginAttempt {
        email,
        password: fields.text("password"),
        device: visitor.device.clone(),
        replaces: visitor.session.clone(),
        user_agent: &visitor.user_agent,
        origin: visitor.origin(),
    };
    let started = match visitor.site.auth.sign_in(attempt).await {
        Ok(started) => started,
        Err(error) if matches!(error.kind, Kind::Invalid | Kind::Throttled) => {
            let page = LoginPage {
                shell: visitor.shell("Sign in")?,
                secure_url: visitor.secure_url("/login"),
                email: email.chars().take(254).collect(),
                next: Some(next.to_owned()).filter(|path| is_own_path(path)),
                problem: Some(error.message.to_string()),
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
    let site = &visitor.site;
    let mut response = see_other(if is_own_path(next) { next } else { "/keys" });
    for cookie in [
        CookieKind::Session.set(site, &started.token),
        CookieKind::Device.set(site, &started.device),
        CookieKind::Form.remove(site),
    ] {
        add_cookie(&mut response, &cookie)?;
    }
    Ok(response)
}

pub async fn sign_out(form: SignedForm) -> Result<HttpResponse, PageError> {
    let who = form.who;
    who.site.auth.sign_out(&who.asking(), &who.session).await?;
    let mut response = SIGNED_OUT.at("/login");
    add_cookie(&mut response, &CookieKind::Session.remove(&who.site))?;
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
