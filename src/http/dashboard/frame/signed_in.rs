//! Who is signed in: `SignedIn` or `Admin` in a handler's signature proves it.

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use askama::Template;
use futures_util::future::LocalBoxFuture;

use super::cookies::{CookieKind, add_cookie};
use super::csrf::CsrfSecret;
use super::key_in_url::{self, FoundInUrl};
use super::person::initials;
use super::respond::{html, see_other};
use super::shell::Me;
use super::{Flash, FlashSecret, Nav, PageError, Shell};
use crate::auth::caller::Asking;
use crate::auth::{Caller, FoundDigests, SensitiveAct};
use crate::error::{Error, Kind};
use crate::http::SiteRef;
use crate::http::bearer::{request_id, site};
use crate::http::client;
use crate::http::request_id::RequestId;
use crate::model::foreign_text::has_key;
use crate::model::{ClientAddress, Origin, Session, SessionToken, User};

/// A live session of an active user, read from the database for this request.
pub struct SignedIn {
    pub site: SiteRef,
    pub session: Session,
    pub csrf: CsrfSecret,
    pub device: Option<SessionToken>,
    /// The outcome of this browser's last action, until `ok` has shown it.
    flash: Option<Flash>,
    flash_secret: FlashSecret,
    address: ClientAddress,
    request_id: RequestId,
}

impl SignedIn {
    pub async fn extract(request: &HttpRequest) -> Result<Self, PageError> {
        let site = site(request)?;
        let is_page = request.method().is_safe();
        let found = key_in_url::digests(&site, request);
        let asked = request.uri().path_and_query().map(|path| path.as_str().to_owned());
        // After a form, the page that it was on.
        let next = if is_page { asked } else { came_from(&site, request) };
        let next = next.filter(|path| path != "/" && found.is_empty() && !has_key(path));
        let sign_in = || PageError::SignIn { next: next.clone() };
        let token = CookieKind::Session.read(&site, request).ok_or_else(sign_in)?;
        let session = site.auth.session(&token).await?.ok_or_else(sign_in)?;
        let flash_secret = FlashSecret::of(&token);
        let who = SignedIn {
            flash: CookieKind::Flash.read_text(&site, request).and_then(|value| flash_secret.open(&value)),
            flash_secret,
            csrf: CsrfSecret::of(&token),
            device: CookieKind::Device.read(&site, request),
            address: client::address(&site.settings, request),
            request_id: request_id(request),
            session,
            site,
        };
        if is_page && !found.is_empty() {
            who.must_not_show(found).await?;
        }
        Ok(who)
    }

    /// Refuses to show a page whose address contains these keys, because its links and fields would repeat them.
    async fn must_not_show(&self, found: FoundDigests) -> Result<(), PageError> {
        let traces = self.site.auth.trace_keys(&self.asking().caller, found).await?;
        if traces.is_empty() {
            return Ok(());
        }
        let text = self.flash_secret.seal(&FoundInUrl::of(&traces));
        Err(PageError::KeyInUrl { found: Box::new(CookieKind::Found.set_text(&self.site, text)) })
    }

    /// What became of the keys in the address of the page before, if there were any.
    pub fn found_in_url(&self, request: &HttpRequest) -> Option<FoundInUrl> {
        self.flash_secret.open(&CookieKind::Found.read_text(&self.site, request)?)
    }

    /// The page that says so. No later page does.
    pub fn shown_found(&self, page: &impl Template) -> Result<HttpResponse, PageError> {
        let mut response = self.ok(page)?;
        add_cookie(&mut response, &CookieKind::Found.remove(&self.site))?;
        Ok(response)
    }

    pub fn user(&self) -> &User {
        &self.session.user
    }

    pub fn asking(&self) -> Asking {
        let caller = Caller::User { user: self.user().clone(), session: self.session.id };
        let origin = Origin {
            actor: caller.actor(),
            authority: caller.authority(None),
            address: Some(self.address),
            request_id: Some(self.request_id.as_str().to_owned()),
        };
        Asking { caller, origin }
    }

    pub fn must_be_admin(&self) -> Result<(), Error> {
        self.asking().caller.must_be_admin()
    }

    /// Requires a recent login, or the password again, for a sensitive action. `Err(Ok(text))` asks for the password,
    /// with the reason; `Err(Err(_))` means that it could not be checked.
    pub async fn confirm(&self, act: SensitiveAct<'_>, password: &str) -> Result<(), Result<String, Error>> {
        if !act.needs_proof(&self.session, self.site.auth.now()) {
            return Ok(());
        }
        if password.is_empty() {
            return Err(Ok("Please confirm your password to continue.".to_owned()));
        }
        let confirmed =
            self.site.auth.confirm_password(&self.asking(), self.user(), password, self.device.as_ref()).await;
        confirmed.map_err(|error| match error.kind {
            Kind::Invalid | Kind::Throttled => Ok(error.message.to_string()),
            _ => Err(error),
        })
    }

    pub fn shell(&self, title: &str, here: Nav) -> Result<Shell, Error> {
        let csrf_token = self.csrf.token(self.site.auth.entropy().bytes()?);
        Ok(Shell {
            me: Some(Me {
                email: self.user().email.to_string(),
                initials: initials(self.user().email.as_str()),
                is_admin: self.user().is_admin(),
                has_nodes: self.site.auth.is_one_of_several_nodes(),
            }),
            here,
            flash: self.flash.clone(),
            ..Shell::anonymous(title, &self.site, csrf_token)
        })
    }

    /// The page. If it shows the outcome of the last action, no later page does.
    pub fn ok(&self, page: &impl Template) -> Result<HttpResponse, PageError> {
        let mut response = html(StatusCode::OK, page)?;
        if self.flash.is_some() {
            add_cookie(&mut response, &CookieKind::Flash.remove(&self.site))?;
        }
        Ok(response)
    }

    /// Redirects to a page, which then shows the outcome.
    pub fn redirect(&self, path: &str, outcome: &Flash) -> Result<HttpResponse, PageError> {
        let mut response = see_other(path);
        add_cookie(&mut response, &CookieKind::Flash.set_text(&self.site, self.flash_secret.seal(outcome)))?;
        Ok(response)
    }

    /// Redirects to the login page, which then shows why the session has ended.
    pub fn leave(&self, outcome: &Flash) -> Result<HttpResponse, PageError> {
        let form = SessionToken::new(self.site.auth.entropy().bytes()?);
        let mut response = see_other("/login");
        for cookie in [
            CookieKind::Session.remove(&self.site),
            CookieKind::Form.set(&self.site, &form),
            CookieKind::Flash.set_text(&self.site, FlashSecret::of(&form).seal(outcome)),
        ] {
            add_cookie(&mut response, &cookie)?;
        }
        Ok(response)
    }
}

/// The path of our page that `Referer` names, below the public URL.
fn came_from(site: &SiteRef, request: &HttpRequest) -> Option<String> {
    let referrer = request.headers().get(header::REFERER)?.to_str().ok()?;
    let (_, rest) = referrer.split_once("://")?;
    let path = &rest[rest.find('/')?..];
    path.strip_prefix(site.settings.public_url.path()).filter(|path| path.starts_with('/')).map(str::to_owned)
}

impl FromRequest for SignedIn {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { SignedIn::extract(&request).await })
    }
}

/// A signed-in admin.
pub struct Admin(pub SignedIn);

impl FromRequest for Admin {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let who = SignedIn::extract(&request).await?;
            who.must_be_admin()?;
            Ok(Admin(who))
        })
    }
}
