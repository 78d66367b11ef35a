//! Protection against cross-site request forgery. A form must carry a token that is bound to the session (before
//! login: to a cookie) and differs in every rendered form, and the browser's `Origin` and `Sec-Fetch-Site` must not
//! name another site.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};
use data_encoding::BASE64URL_NOPAD;

use crate::ambient::constant_time;
use crate::http::HttpSettings;
use crate::http::problem::Problem;
use crate::model::{Digest, SessionToken};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The key of a session's form tokens; derived from the session's secret.
pub struct CsrfSecret([u8; 32]);

impl CsrfSecret {
    pub fn of(token: &SessionToken) -> Self {
        CsrfSecret(token.derive("csrf"))
    }

    /// A token for one rendering of one form.
    pub fn token(&self, nonce: [u8; 16]) -> String {
        BASE64URL_NOPAD.encode(&[&nonce[..], &self.seal(&nonce)].concat())
    }

    pub fn accepts(&self, token: &str) -> bool {
        parts(token).is_some_and(|(nonce, seal)| constant_time::is_equal(&self.seal(&nonce), &seal))
    }

    fn seal(&self, nonce: &[u8]) -> [u8; 32] {
        *Digest::of(&[&self.0[..], nonce].concat()).as_bytes()
    }
}

/// Whether this may be a token of another session.
pub fn is_token(text: &str) -> bool {
    parts(text).is_some()
}

/// The nonce and the seal.
fn parts(token: &str) -> Option<([u8; 16], [u8; 32])> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    let (nonce, seal) = bytes.split_at_checked(16)?;
    Some((nonce.try_into().ok()?, seal.try_into().ok()?))
}

/// Refuses what another site sent. If the headers are absent (a user's own script), the token decides.
pub fn check_origin(settings: &HttpSettings, request: &HttpRequest) -> Result<(), Problem> {
    let headers = request.headers();
    let foreign = || Err(forged());
    let mut sites = headers.get_all(SEC_FETCH_SITE).map(|site| site.as_bytes());
    let site = sites.next();
    if sites.next().is_some() || !matches!(site, None | Some(b"same-origin" | b"none")) {
        return foreign();
    }
    let mut origins = headers.get_all(header::ORIGIN);
    let Some(origin) = origins.next() else { return Ok(()) };
    if origins.next().is_some() {
        return foreign();
    }
    let origin = origin.as_bytes();
    // A page that may send no referrer sends no origin either (Fetch, "append a request Origin header");
    // Sec-Fetch-Site then says where the form came from.
    if origin == b"null" {
        return match site {
            Some(b"same-origin") => Ok(()),
            // Browsers send `Sec-Fetch-Site` only to https URLs, so this form came over plain http.
            None if settings.public_url.is_https() => Err(wrong_address(settings)),
            _ => foreign(),
        };
    }
    let host = headers.get(header::HOST).map_or(&b""[..], |host| host.as_bytes());
    let is_plain = origin.strip_prefix(b"http://").is_some_and(|authority| authority == host);
    if is_plain && settings.public_url.is_https() {
        return Err(wrong_address(settings));
    }
    let is_ours = is_plain
        || origin.eq_ignore_ascii_case(settings.public_url.origin().as_bytes())
        || origin.strip_prefix(b"https://").is_some_and(|authority| authority == host);
    if is_ours { Ok(()) } else { foreign() }
}

/// Whether the browser vouches for it: `Sec-Fetch-Site` cannot be set by a script of another site (Fetch Metadata).
pub fn is_surely_ours(request: &HttpRequest) -> bool {
    request.headers().get(SEC_FETCH_SITE).is_some_and(|site| site.as_bytes() == b"same-origin")
}

/// The browser did not send this form's cookie: it has expired, or the page was opened over plain HTTP, where the
/// browser does not keep `Secure` cookies.
pub fn no_cookie(settings: &HttpSettings, request: &HttpRequest) -> Problem {
    let is_at_public_url = (request.headers().get(header::ORIGIN))
        .is_some_and(|origin| origin.as_bytes().eq_ignore_ascii_case(settings.public_url.origin().as_bytes()));
    if settings.public_url.is_https() && !is_at_public_url { wrong_address(settings) } else { forged() }
}

fn wrong_address(settings: &HttpSettings) -> Problem {
    let url = settings.public_url.as_str();
    let detail = format!(
        "This page was not opened at {url}, this server’s address, so the browser did not keep its cookie. \
         Nothing was changed. Open {url} and try again there."
    );
    Problem::new(actix_web::http::StatusCode::FORBIDDEN, "wrong_address", detail)
}

pub fn forged() -> Problem {
    Problem::new(
        actix_web::http::StatusCode::FORBIDDEN,
        "form_expired",
        "This form has expired, or was not sent from this site. Go back, reload the page and fill in the form again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_only_for_its_own_session() {
        let (one, other) = (SessionToken::new([1; 32]), SessionToken::new([2; 32]));
        let token = CsrfSecret::of(&one).token([9; 16]);
        assert!(CsrfSecret::of(&one).accepts(&token));
        assert!(!CsrfSecret::of(&other).accepts(&token));
        for bad in ["", "x", &token[1..], &format!("{token}A"), &token.replace(&token[..4], "AAAA")] {
            assert!(!CsrfSecret::of(&one).accepts(bad), "{bad}");
        }
        assert_ne!(token, CsrfSecret::of(&one).token([8; 16]));
    }
}
