//! Proof that a form was ours and this browser's: a token bound to the session (or, before log-in,
//! to a cookie), different in every rendered form; and the browser's own word on where it comes from.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};
use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;

use crate::http::HttpSettings;
use crate::http::problem::Problem;
use crate::model::{Digest, SessionToken};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a session's form tokens are made with; follows from the session's secret.
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
        let Ok(bytes) = BASE64URL_NOPAD.decode(token.as_bytes()) else { return false };
        match bytes.split_at_checked(16) {
            Some((nonce, seal)) => bool::from(self.seal(nonce).ct_eq(seal)),
            None => false,
        }
    }

    fn seal(&self, nonce: &[u8]) -> [u8; 32] {
        *Digest::of(&[&self.0[..], nonce].concat()).as_bytes()
    }
}

/// Refuses what another site sent. Absent headers (a script of the user's own) leave it to the token.
pub fn check_origin(settings: &HttpSettings, request: &HttpRequest) -> Result<(), Problem> {
    let headers = request.headers();
    let foreign = || Err(forged());
    if let Some(site) = headers.get(SEC_FETCH_SITE)
        && !matches!(site.as_bytes(), b"same-origin" | b"none")
    {
        return foreign();
    }
    let mut origins = headers.get_all(header::ORIGIN);
    let Some(origin) = origins.next() else { return Ok(()) };
    if origins.next().is_some() {
        return foreign();
    }
    let origin = origin.as_bytes();
    let host = headers.get(header::HOST).map_or(&b""[..], |host| host.as_bytes());
    let is_ours = origin.eq_ignore_ascii_case(settings.public_url.as_str().as_bytes())
        || origin
            .strip_prefix(b"http://")
            .is_some_and(|authority| !settings.public_url.is_https() && authority == host)
        || origin.strip_prefix(b"https://").is_some_and(|authority| authority == host);
    if is_ours { Ok(()) } else { foreign() }
}

pub fn forged() -> Problem {
    Problem::new(
        actix_web::http::StatusCode::FORBIDDEN,
        "form_expired",
        "This form has expired or did not come from this site. Go back, reload the page and send it again; what you typed is still there.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_own_session_only() {
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
