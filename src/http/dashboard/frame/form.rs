//! Posted forms: from a signed-in user, from an admin, or from someone who is not signed in yet. Each is checked for
//! forgery before a handler sees it.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use zeroize::Zeroizing;

use super::cookies::CookieKind;
use super::csrf::{self, CsrfSecret};
use super::stale_form::stale_form;
use super::{LoginVisitor, PageError, SignedIn};
use crate::http::bearer::site;
use crate::http::body;
use crate::http::problem::Problem;
use crate::model::{Digest, Submission};

/// The fields of a form as they were sent, in order; a name may occur more than once. A value may be a password or a
/// key, so its memory is wiped when it is dropped.
#[derive(Clone, Default)]
pub struct FormFields(Vec<(String, Zeroizing<String>)>);

impl FormFields {
    fn parse(body: &[u8], most: usize) -> Result<Self, Problem> {
        let fields = body::fields_up_to(most, body)?
            .map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned())));
        Ok(FormFields(fields.collect()))
    }

    /// The first value of this name; empty when there is none.
    pub fn text(&self, name: &'static str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// Whether there is such a field, filled or not.
    pub fn has(&self, name: &'static str) -> bool {
        self.all(name).next().is_some()
    }

    /// Every field in order, except those that hold a secret or belong to one rendering of the form.
    pub fn repeatable(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        fields.filter(|(name, _)| *name != "csrf_token" && !name.contains("password"))
    }

    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// How large a form may be.
#[derive(Clone, Copy)]
struct FormBounds {
    bytes: usize,
    fields: usize,
}

const USUAL: FormBounds = FormBounds { bytes: body::MAX_BYTES, fields: body::MAX_FIELDS };
/// A text of 1 MiB, in which each byte can be written as three, or a thousand ticked boxes.
const LONG: FormBounds = FormBounds { bytes: 3 * 1024 * 1024 + body::MAX_BYTES, fields: 1_050 };

async fn read(
    bounds: FormBounds,
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<(FormFields, Digest), Problem> {
    if body::media_type(request).as_deref() != Some("application/x-www-form-urlencoded") {
        let detail = "Send the form as application/x-www-form-urlencoded.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    let bytes = body::read_up_to(bounds.bytes, request, payload).await?;
    Ok((FormFields::parse(&bytes, bounds.fields)?, Digest::of(&bytes)))
}

/// A form from a signed-in user.
pub struct SignedForm {
    pub who: SignedIn,
    pub fields: FormFields,
    /// Identifies this form: if it is sent again, for example by a reload, the value is the same. Each rendering
    /// differs, because it has its own `csrf_token`.
    pub submission: Submission,
}

impl FromRequest for SignedForm {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            SignedIn::extract(&request).await?;
            SignedForm::read(USUAL, &request, &mut payload).await
        })
    }
}

impl SignedForm {
    /// Reads the form of someone who was signed in when the request came in.
    async fn read(bounds: FormBounds, request: &HttpRequest, payload: &mut Payload) -> Result<Self, PageError> {
        csrf::check_origin(&site(request)?.settings, request)?;
        let (fields, body) = read(bounds, request, payload).await?;
        // The session may have ended while the body arrived.
        let who = SignedIn::extract(request).await?;
        if !who.csrf.accepts(fields.text("csrf_token")) {
            return Err(stale(&who, request, &fields));
        }
        let token = Digest::of(&[who.session.id.as_bytes(), &body.as_bytes()[..]].concat());
        Ok(SignedForm { who, fields, submission: Submission { token, body } })
    }
}

/// A form with the token of another session: the person signed in again in the meantime. If the browser says that the
/// form comes from this site, it is shown again with a fresh token, so that nothing typed is lost.
fn stale(who: &SignedIn, request: &HttpRequest, fields: &FormFields) -> PageError {
    if !csrf::is_surely_ours(request) || !csrf::is_token(fields.text("csrf_token")) {
        return csrf::forged().into();
    }
    match stale_form(who, request.uri().path(), fields.repeatable()) {
        Ok(page) => PageError::StaleForm(page),
        Err(problem) => problem.into(),
    }
}

/// A form that only an admin may send.
pub struct AdminForm {
    pub who: SignedIn,
    pub fields: FormFields,
}

impl FromRequest for AdminForm {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = SignedForm::from_request(request, payload);
        Box::pin(async move {
            let SignedForm { who, fields, .. } = form.await?;
            who.must_be_admin()?;
            Ok(AdminForm { who, fields })
        })
    }
}

/// A form that only an admin may send, and that can be much longer than others.
pub struct LongForm {
    pub who: SignedIn,
    pub fields: FormFields,
}

impl FromRequest for LongForm {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            // Before the body, so that nobody else sends so much.
            SignedIn::extract(&request).await?.must_be_admin()?;
            let SignedForm { who, fields, .. } = SignedForm::read(LONG, &request, &mut payload).await?;
            who.must_be_admin()?;
            Ok(LongForm { who, fields })
        })
    }
}

/// A form before login, which a separate cookie binds to the browser.
pub struct OpenForm {
    pub visitor: LoginVisitor,
    pub fields: FormFields,
}

impl FromRequest for OpenForm {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let site = site(&request)?;
            csrf::check_origin(&site.settings, &request)?;
            let (fields, _) = read(USUAL, &request, &mut payload).await?;
            let cookie =
                CookieKind::Form.read(&site, &request).ok_or_else(|| csrf::no_cookie(&site.settings, &request))?;
            if !CsrfSecret::of(&cookie).accepts(fields.text("csrf_token")) {
                return Err(csrf::forged().into());
            }
            Ok(OpenForm { visitor: LoginVisitor::with(&request, cookie)?, fields })
        })
    }
}
