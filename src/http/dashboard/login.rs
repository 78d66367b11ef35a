//! `/login` and `/logout`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Query;
use serde::Deserialize;

use super::cookies::Jar;
use super::form::{OpenForm, SignedForm};
use super::pages::LoginPage;
use super::signed_in::{Gate, Landed, see_other};
use super::view::{self, notice};
use crate::auth::login::LoginAttempt;
use crate::error::Kind;
use crate::http::problem::Problem;

#[derive(Debug, Default, Deserialize)]
pub struct LoginQuery {
    next: Option<String>,
    notice: Option<String>,
}

pub async fn show(landed: Landed, query: Query<LoginQuery>) -> Result<HttpResponse, Gate> {
    let page = LoginPage {
        shell: super::pages::Shell { notice: notice(query.notice.as_deref()), ..landed.shell("Log in")? },
        secure_url: landed.secure_url("/login"),
        email: String::new(),
        next: query.into_inner().next.filter(|path| is_own_path(path)),
        problem: None,
    };
    with_form_cookie(&landed, view::ok(&page)?)
}

pub async fn log_in(form: OpenForm) -> Result<HttpResponse, Gate> {
    let OpenForm { landed, fields } = form;
    let (email, next) = (fields.text("email"), fields.text("next"));
    let attempt = LoginAttempt {
        email,
        password: fields.text("password"),
        device: landed.device.clone(),
        replaces: landed.session.clone(),
        user_agent: &landed.user_agent,
        origin: landed.origin(),
    };
    let logged_in = match landed.site.auth.log_in(attempt).await {
        Ok(logged_in) => logged_in,
        Err(error) if matches!(error.kind, Kind::Invalid | Kind::Throttled) => {
            let page = LoginPage {
                shell: landed.shell("Log in")?,
                secure_url: landed.secure_url("/login"),
                email: email.chars().take(254).collect(),
                next: Some(next.to_owned()).filter(|path| is_own_path(path)),
                problem: Some(error.message.to_string()),
            };
            let status = if error.kind == Kind::Throttled {
                StatusCode::TOO_MANY_REQUESTS
            } else {
                StatusCode::UNPROCESSABLE_ENTITY
            };
            let mut response = view::html(status, &page)?;
            if let Some(seconds) = Problem::from(error).retry_after {
                response.headers_mut().insert(actix_web::http::header::RETRY_AFTER, seconds.into());
            }
            return with_form_cookie(&landed, response);
        }
        Err(error) => return Err(error.into()),
    };
    let site = &landed.site;
    let mut response = see_other(if is_own_path(next) { next } else { "/keys" });
    for cookie in
        [Jar::Session.set(site, &logged_in.token), Jar::Device.set(site, &logged_in.device), Jar::Form.remove(site)]
    {
        add_cookie(&mut response, &cookie)?;
    }
    Ok(response)
}

pub async fn log_out(form: SignedForm) -> Result<HttpResponse, Gate> {
    let who = form.who;
    who.site.auth.log_out(&who.asking(), &who.session).await?;
    let mut response = see_other("/login?notice=logged-out");
    add_cookie(&mut response, &Jar::Session.remove(&who.site))?;
    let name = actix_web::http::header::HeaderName::from_static("clear-site-data");
    response.headers_mut().insert(name, actix_web::http::header::HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(response)
}

pub fn add_cookie(response: &mut HttpResponse, cookie: &actix_web::cookie::Cookie<'_>) -> Result<(), Problem> {
    response.add_cookie(cookie).map_err(|error| crate::error::Error::internal(error).into())
}

pub fn with_form_cookie(landed: &Landed, mut response: HttpResponse) -> Result<HttpResponse, Gate> {
    add_cookie(&mut response, &Jar::Form.set(&landed.site, &landed.cookie))?;
    Ok(response)
}

/// A path on this very site: `/x`, not `//x`, `/\x`, `https:x` or anything with control characters.
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
