//! The dashboard's three cookies. None can be read by scripts; under https each is `Secure` and
//! bound to this host by its `__Host-` prefix.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};

use crate::http::HttpSettings;
use crate::model::SessionToken;
use crate::model::session::{ABSOLUTE, DEVICE_LIFETIME};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jar {
    /// A log-in.
    Session,
    /// "This browser has logged in before": counts its own failures.
    Device,
    /// Binds the forms before log-in to the browser that asked for them.
    Form,
}

impl Jar {
    fn name(self, settings: &HttpSettings) -> &'static str {
        match (self, settings.public_url.is_https()) {
            (Jar::Session, true) => "__Host-kb_session",
            (Jar::Session, false) => "kb_session",
            (Jar::Device, true) => "__Host-kb_device",
            (Jar::Device, false) => "kb_device",
            (Jar::Form, true) => "__Host-kb_form",
            (Jar::Form, false) => "kb_form",
        }
    }

    /// The secret in this cookie, if the request has exactly one such cookie.
    pub fn read(self, settings: &HttpSettings, request: &HttpRequest) -> Option<SessionToken> {
        let name = self.name(settings);
        let cookies = request.cookies().ok()?;
        let mut found = cookies.iter().filter(|cookie| cookie.name() == name);
        let value = found.next()?.value().to_owned();
        if found.next().is_some() { None } else { SessionToken::parse(&value) }
    }

    pub fn set(self, settings: &HttpSettings, token: &SessionToken) -> Cookie<'static> {
        let mut cookie = self.empty(settings);
        cookie.set_value(token.expose());
        match self {
            Jar::Session => cookie.set_max_age(Duration::seconds(ABSOLUTE.as_secs() as i64)),
            Jar::Device => cookie.set_max_age(Duration::seconds(DEVICE_LIFETIME.as_secs() as i64)),
            Jar::Form => {}
        }
        cookie
    }

    pub fn remove(self, settings: &HttpSettings) -> Cookie<'static> {
        let mut cookie = self.empty(settings);
        cookie.make_removal();
        cookie
    }

    fn empty(self, settings: &HttpSettings) -> Cookie<'static> {
        let same_site = if self == Jar::Session { SameSite::Lax } else { SameSite::Strict };
        Cookie::build(self.name(settings), "")
            .http_only(true)
            .same_site(same_site)
            .secure(settings.public_url.is_https())
            .path("/")
            .finish()
    }
}
