//! The dashboard's five cookies. Scripts cannot read them; under https each is `Secure` and, unless the public URL has
//! a path, bound to this host by its `__Host-` prefix. Browsers share cookies between the ports of a host (RFC 6265
//! §8.5), so the names distinguish this server from others on the same host.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::BASE32_NOPAD;

use crate::error::Error;
use crate::http::Site;
use crate::http::base_path::BasePath;
use crate::http::problem::Problem;
use crate::http::settings::PublicUrl;
use crate::model::session::{ABSOLUTE, DEVICE_LIFETIME};
use crate::model::{Digest, SessionToken};

/// How long the outcome of an action waits for the page that shows it.
const FLASH_LIFETIME: Duration = Duration::seconds(30);

/// `a1b2c3d4_kb_session` and so on; the first eight characters are derived from the database and the public URL.
#[derive(Debug)]
pub struct CookieNames {
    session: String,
    device: String,
    form: String,
    flash: String,
    found: String,
}

impl CookieNames {
    pub fn new(public_url: &PublicUrl, installation: &[u8; 16]) -> Self {
        let digest = Digest::of(&[b"cookies\0", public_url.as_str().as_bytes(), b"\0", installation].concat());
        let server = BASE32_NOPAD.encode(&digest.as_bytes()[..5]).to_ascii_lowercase();
        let prefix = match (public_url.is_https(), public_url.base()) {
            (true, None) => "__Host-",
            // `__Host-` would require `Path=/`, which would send the cookies to all other services of the host.
            (true, Some(_)) => "__Secure-",
            (false, _) => "",
        };
        let name = |what: &str| format!("{prefix}{server}_kb_{what}");
        CookieNames {
            session: name("session"),
            device: name("device"),
            form: name("form"),
            flash: name("flash"),
            found: name("found"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieKind {
    /// A login.
    Session,
    /// "This browser has signed in before": its failed attempts are counted separately.
    Device,
    /// Binds a form to the browser that loaded it, before login.
    Form,
    /// The outcome of the last action, for the next page.
    Flash,
    /// What became of a key that was part of a page's address, for the page that says so.
    Found,
}

impl CookieKind {
    fn name(self, site: &Site) -> &str {
        match self {
            CookieKind::Session => &site.cookies.session,
            CookieKind::Device => &site.cookies.device,
            CookieKind::Form => &site.cookies.form,
            CookieKind::Flash => &site.cookies.flash,
            CookieKind::Found => &site.cookies.found,
        }
    }

    /// The secret in this cookie, if the request has exactly one such cookie.
    pub fn read(self, site: &Site, request: &HttpRequest) -> Option<SessionToken> {
        SessionToken::parse(&self.read_text(site, request)?)
    }

    /// The text in this cookie, if the request has exactly one such cookie.
    pub fn read_text(self, site: &Site, request: &HttpRequest) -> Option<String> {
        let name = self.name(site);
        let cookies = request.cookies().ok()?;
        let mut found = cookies.iter().filter(|cookie| cookie.name() == name);
        let value = found.next()?.value().to_owned();
        if found.next().is_some() { None } else { Some(value) }
    }

    pub fn set(self, site: &Site, token: &SessionToken) -> Cookie<'static> {
        self.set_text(site, token.expose())
    }

    pub fn set_text(self, site: &Site, text: String) -> Cookie<'static> {
        let mut cookie = self.empty(site);
        cookie.set_value(text);
        match self {
            CookieKind::Session => cookie.set_max_age(Duration::seconds(ABSOLUTE.as_secs() as i64)),
            CookieKind::Device => cookie.set_max_age(Duration::seconds(DEVICE_LIFETIME.as_secs() as i64)),
            CookieKind::Flash | CookieKind::Found => cookie.set_max_age(FLASH_LIFETIME),
            CookieKind::Form => {}
        }
        cookie
    }

    pub fn remove(self, site: &Site) -> Cookie<'static> {
        let mut cookie = self.empty(site);
        cookie.make_removal();
        cookie
    }

    fn empty(self, site: &Site) -> Cookie<'static> {
        let same_site = if self == CookieKind::Session { SameSite::Lax } else { SameSite::Strict };
        let url = &site.settings.public_url;
        Cookie::build(self.name(site).to_owned(), "")
            .http_only(true)
            .same_site(same_site)
            .secure(url.is_https())
            .path(url.base().map_or("/", BasePath::as_str).to_owned())
            .finish()
    }
}

pub fn add_cookie(response: &mut HttpResponse, cookie: &Cookie<'_>) -> Result<(), Problem> {
    response.add_cookie(cookie).map_err(|error| Error::internal(error).into())
}
