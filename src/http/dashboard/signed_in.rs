//! Who looks at a page: `SignedIn` and `Admin` in a handler's signature are the proof; `Landed` is
//! somebody in front of the log-in.

use std::fmt;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use futures_util::future::LocalBoxFuture;

use super::cookies::Jar;
use super::csrf::CsrfSecret;
use super::pages::{Me, Nav, Notice, Shell};
use crate::auth::Caller;
use crate::auth::caller::Asking;
use crate::error::{Error, Kind};
use crate::http::Shared;
use crate::http::bearer::{request_id, site};
use crate::http::client;
use crate::http::problem::Problem;
use crate::http::request_id::RequestId;
use crate::model::{ClientAddress, Origin, Session, SessionToken, User};

/// A session this young needs no password again for the gravest acts.
const FRESH: Duration = Duration::from_secs(15 * 60);

/// Why a page is not shown: go and log in first, or a problem.
#[derive(Debug)]
pub enum Gate {
    LogIn { next: Option<String> },
    Problem(Problem),
}

impl<E: Into<Problem>> From<E> for Gate {
    fn from(error: E) -> Self {
        let problem: Problem = error.into();
        // To a person, 401 means that the session is over.
        if problem.status == StatusCode::UNAUTHORIZED { Gate::LogIn { next: None } } else { Gate::Problem(problem) }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gate::LogIn { .. } => f.write_str("not signed in"),
            Gate::Problem(problem) => problem.fmt(f),
        }
    }
}

impl ResponseError for Gate {
    fn status_code(&self) -> StatusCode {
        match self {
            Gate::LogIn { .. } => StatusCode::SEE_OTHER,
            Gate::Problem(problem) => problem.status,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Gate::LogIn { next: None } => see_other("/login"),
            Gate::LogIn { next: Some(next) } => {
                let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
                see_other(&format!("/login?{query}"))
            }
            Gate::Problem(problem) => problem.error_response(),
        }
    }
}

pub fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish()
}

/// Somebody in front of the log-in, with the cookie that binds forms to the browser.
pub struct Landed {
    pub site: Shared,
    pub cookie: SessionToken,
    pub address: ClientAddress,
    pub request_id: RequestId,
    pub user_agent: String,
    pub device: Option<SessionToken>,
    pub session: Option<SessionToken>,
}

impl Landed {
    pub fn with(request: &HttpRequest, cookie: SessionToken) -> Result<Self, Problem> {
        let site = site(request)?;
        let settings = &site.settings;
        Ok(Landed {
            cookie,
            address: client::address(settings, request.headers(), request.peer_addr()),
            request_id: request_id(request),
            user_agent: user_agent(request),
            device: Jar::Device.read(&site, request),
            session: Jar::Session.read(&site, request),
            site,
        })
    }

    pub fn shell(&self, title: &str) -> Result<Shell, Error> {
        let csrf_token = CsrfSecret::of(&self.cookie).token(self.site.auth.entropy().bytes()?);
        let assets = self.site.assets.urls();
        Ok(Shell { title: title.to_owned(), assets, csrf_token, me: None, here: Nav::None, notice: None })
    }

    /// The right address of this page, where plain HTTP is a wrong one.
    pub fn secure_url(&self, path: &str) -> Option<String> {
        let url = &self.site.settings.public_url;
        url.is_https().then(|| format!("{}{path}", url.as_str()))
    }

    pub fn origin(&self) -> Origin {
        Origin::anonymous(self.address, self.request_id.as_str().to_owned())
    }
}

impl FromRequest for Landed {
    type Error = Gate;
    type Future = std::future::Ready<Result<Self, Gate>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let landed = site(request).and_then(|site| {
            let cookie = match Jar::Form.read(&site, request) {
                Some(cookie) => cookie,
                None => SessionToken::new(site.auth.entropy().bytes()?),
            };
            Landed::with(request, cookie)
        });
        std::future::ready(landed.map_err(Gate::from))
    }
}

fn user_agent(request: &HttpRequest) -> String {
    let value = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// A live session of an active user, read from the store for this very request.
pub struct SignedIn {
    pub site: Shared,
    pub session: Session,
    pub csrf: CsrfSecret,
    pub device: Option<SessionToken>,
    address: ClientAddress,
    request_id: RequestId,
}

impl SignedIn {
    pub async fn extract(request: &HttpRequest) -> Result<Self, Gate> {
        let site = site(request)?;
        let is_page = request.method().is_safe();
        let next = request.uri().path_and_query().map(|path| path.as_str().to_owned());
        let log_in = || Gate::LogIn { next: next.clone().filter(|path| is_page && path != "/") };
        let token = Jar::Session.read(&site, request).ok_or_else(log_in)?;
        let session = site.auth.session(&token).await?.ok_or_else(log_in)?;
        Ok(SignedIn {
            csrf: CsrfSecret::of(&token),
            device: Jar::Device.read(&site, request),
            address: client::address(&site.settings, request.headers(), request.peer_addr()),
            request_id: request_id(request),
            session,
            site,
        })
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

    pub fn must_be_admin(&self) -> Result<(), Problem> {
        if self.user().is_admin() {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "This is for admins. Ask one of yours."))
    }

    /// Whether the log-in is recent enough for the gravest acts.
    pub fn is_fresh(&self) -> bool {
        self.site.auth.now().since(self.session.created_at) < FRESH
    }

    /// For the gravest acts: a fresh log-in, or the password once more. `Err(Ok(text))` asks for it,
    /// `Err(Err(_))` cannot tell.
    pub async fn confirm(&self, password: &str) -> Result<(), Result<String, Error>> {
        if self.is_fresh() {
            return Ok(());
        }
        if password.is_empty() {
            return Err(Ok("You logged in a while ago. Enter your password once more.".to_owned()));
        }
        let confirmed =
            self.site.auth.confirm_password(&self.asking(), self.user(), password, self.device.as_ref()).await;
        confirmed.map_err(|error| match error.kind {
            Kind::Invalid | Kind::Throttled => Ok(error.message.to_string()),
            _ => Err(error),
        })
    }

    pub fn shell(&self, title: &str, here: Nav) -> Result<Shell, Error> {
        Ok(Shell {
            title: title.to_owned(),
            assets: self.site.assets.urls(),
            csrf_token: self.csrf.token(self.site.auth.entropy().bytes()?),
            me: Some(Me { email: self.user().email.to_string(), is_admin: self.user().is_admin() }),
            here,
            notice: None,
        })
    }

    /// The frame of a page that a redirect led to, with its notice.
    pub fn shell_with(&self, title: &str, here: Nav, notice: Option<Notice>) -> Result<Shell, Error> {
        Ok(Shell { notice, ..self.shell(title, here)? })
    }
}

impl FromRequest for SignedIn {
    type Error = Gate;
    type Future = LocalBoxFuture<'static, Result<Self, Gate>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { SignedIn::extract(&request).await })
    }
}

/// A signed-in admin.
pub struct Admin(pub SignedIn);

impl FromRequest for Admin {
    type Error = Gate;
    type Future = LocalBoxFuture<'static, Result<Self, Gate>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let who = SignedIn::extract(&request).await?;
            who.must_be_admin()?;
            Ok(Admin(who))
        })
    }
}
