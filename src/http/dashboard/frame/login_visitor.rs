//! Someone who is not signed in, on the login or setup page.

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse};

use super::cookies::{CookieKind, add_cookie};
use super::csrf::CsrfSecret;
use super::respond::see_other;
use super::{Flash, FlashSecret, PageError, Shell};
use crate::auth::login::{LoginAttempt, StartedSession};
use crate::error::Error;
use crate::http::SiteRef;
use crate::http::bearer::{request_id, site};
use crate::http::client;
use crate::http::problem::Problem;
use crate::http::request_id::RequestId;
use crate::model::{ClientAddress, Origin, SessionToken};

/// A visitor with the cookie that binds forms to the browser.
pub struct LoginVisitor {
    pub site: SiteRef,
    pub user_agent: String,
    pub device: Option<SessionToken>,
    pub session: Option<SessionToken>,
    form_cookie: SessionToken,
    /// Why this browser's session has ended, until the login page has shown it.
    flash: Option<Flash>,
    address: ClientAddress,
    request_id: RequestId,
}

impl LoginVisitor {
    pub(super) fn with(request: &HttpRequest, form_cookie: SessionToken) -> Result<Self, Problem> {
        let site = site(request)?;
        let settings = &site.settings;
        let flash = CookieKind::Flash.read_text(&site, request);
        Ok(LoginVisitor {
            flash: flash.and_then(|value| FlashSecret::of(&form_cookie).open(&value)),
            form_cookie,
            address: client::address(settings, request),
            request_id: request_id(request),
            user_agent: user_agent(request),
            device: CookieKind::Device.read(&site, request),
            session: CookieKind::Session.read(&site, request),
            site,
        })
    }

    pub fn shell(&self, title: &str) -> Result<Shell, Error> {
        let csrf_token = CsrfSecret::of(&self.form_cookie).token(self.site.auth.entropy().bytes()?);
        Ok(Shell { flash: self.flash.clone(), ..Shell::anonymous(title, &self.site, csrf_token) })
    }

    /// This page's https URL, if the server is reached by https; shown to people who came over plain HTTP.
    pub fn secure_url(&self, path: &str) -> Option<String> {
        let url = &self.site.settings.public_url;
        url.is_https().then(|| format!("{}{path}", url.as_str()))
    }

    pub fn origin(&self) -> Origin {
        Origin::anonymous(self.address, self.request_id.as_str().to_owned())
    }

    /// Redirects to a page of the session that has just started, which then shows the outcome, if there is one.
    pub fn enter(
        &self,
        started: &StartedSession,
        path: &str,
        outcome: Option<&Flash>,
    ) -> Result<HttpResponse, PageError> {
        let mut response = see_other(path);
        let flash = outcome.map(|outcome| FlashSecret::of(&started.token).seal(outcome));
        let cookies = [
            CookieKind::Session.set(&self.site, &started.token),
            CookieKind::Device.set(&self.site, &started.device),
            CookieKind::Form.remove(&self.site),
        ];
        for cookie in cookies.into_iter().chain(flash.map(|value| CookieKind::Flash.set_text(&self.site, value))) {
            add_cookie(&mut response, &cookie)?;
        }
        Ok(response)
    }

    pub fn attempt<'a>(&'a self, email: &'a str, password: &'a str) -> LoginAttempt<'a> {
        LoginAttempt {
            email,
            password,
            device: self.device.clone(),
            replaces: self.session.clone(),
            user_agent: &self.user_agent,
            origin: self.origin(),
        }
    }

    /// Signs somebody in who has just chosen this password. If that fails, the password is set all the same: the login
    /// page is next.
    pub async fn enter_with(&self, email: &str, password: &str, outcome: &str) -> Result<HttpResponse, PageError> {
        match self.site.auth.sign_in(self.attempt(email, password)).await {
            Ok(started) => self.enter(&started, "/keys", Some(&Flash::plain(outcome))),
            Err(_) => Ok(see_other("/login")),
        }
    }

    /// Sets the cookie without which the form on this page is not accepted.
    pub fn with_form_cookie(&self, mut response: HttpResponse) -> Result<HttpResponse, PageError> {
        add_cookie(&mut response, &CookieKind::Form.set(&self.site, &self.form_cookie))?;
        if self.flash.is_some() {
            add_cookie(&mut response, &CookieKind::Flash.remove(&self.site))?;
        }
        Ok(response)
    }
}

impl FromRequest for LoginVisitor {
    type Error = PageError;
    type Future = std::future::Ready<Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visitor = site(request).and_then(|site| {
            let cookie = match CookieKind::Form.read(&site, request) {
                Some(cookie) => cookie,
                None => SessionToken::new(site.auth.entropy().bytes()?),
            };
            LoginVisitor::with(request, cookie)
        });
        std::future::ready(visitor.map_err(PageError::from))
    }
}

fn user_agent(request: &HttpRequest) -> String {
    let value = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}
