//! HTTP Basic (RFC 7617), for the token endpoint only: the email and password of the user for whom a program asks.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::bearer::{request_id, site};
use super::client;
use super::credential::{Credential, credential};
use super::problem::Problem;
use super::request_id::RequestId;
use crate::model::{ClientAddress, Origin};

/// Unverified credentials. There is no `Debug`, because they include a password.
pub struct Basic {
    pub email: String,
    pub password: Zeroizing<String>,
}

/// An unauthenticated caller, and what the request's headers contain.
pub struct Visitor {
    pub basic: Option<Basic>,
    /// Max 200 characters.
    pub user_agent: String,
    brings_key: bool,
    address: ClientAddress,
    request_id: RequestId,
}

impl Visitor {
    pub fn origin(&self) -> Origin {
        Origin::anonymous(self.address, self.request_id.as_str().to_owned())
    }

    /// Refuses a key beside a password, because it would be unclear who sends the request.
    pub fn brings_no_key(&self) -> Result<(), Problem> {
        if self.brings_key { Err(Problem::bad_header("Send a key or a password, not both.")) } else { Ok(()) }
    }
}

impl FromRequest for Visitor {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(visitor(request))
    }
}

fn visitor(request: &HttpRequest) -> Result<Visitor, Problem> {
    let site = site(request)?;
    let headers = request.headers();
    let mut lines = headers.get_all(header::AUTHORIZATION);
    let basic = lines.next().and_then(|value| encoded(value.as_bytes()));
    let brings_key = match credential(headers) {
        Credential::None => false,
        // With Basic, this means that there is an empty X-API-Key, which does not count.
        Credential::Garbled(b"") => basic.is_none(),
        _ => true,
    };
    if lines.next().is_some() || (basic.is_some() && brings_key) {
        return Err(Problem::bad_header("Send only one Authorization header, without X-API-Key."));
    }
    Ok(Visitor {
        basic: basic.map(|text| decode(text).ok_or_else(Problem::unreadable_basic)).transpose()?,
        user_agent: String::from_utf8_lossy(client::user_agent(headers)).chars().take(200).collect(),
        brings_key,
        address: client::address(&site.settings, request),
        request_id: request_id(request),
    })
}

/// The text after the scheme, whose case does not matter (RFC 9110 §11.1).
fn encoded(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    (scheme.eq_ignore_ascii_case(b"basic ")).then(|| rest.trim_ascii())
}

/// Decodes UTF-8, as the challenge says; the email ends at the first colon.
fn decode(text: &[u8]) -> Option<Basic> {
    let pair = Zeroizing::new(BASE64.decode(text).ok()?);
    let (email, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some(Basic { email: email.to_owned(), password: Zeroizing::new(password.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        decode(encoded(value.as_bytes())?).map(|basic| (basic.email, basic.password.to_string()))
    }

    #[test]
    fn the_scheme_is_case_insensitive_and_the_first_colon_separates() {
        let both = |email: &str, password: &str| Some((email.to_owned(), password.to_owned()));
        for value in ["Basic YUBiOmM6ZA==", "bAsIc   YUBiOmM6ZA== "] {
            assert_eq!(read(value), both("a@b", "c:d"), "{value}");
        }
        assert_eq!(read("Basic Og=="), both("", ""));
        for bad in
            ["", "Basic", "Basic ", "Basic YQ==", "Basic YUBiOmM6ZA", "Basic /", "BasicYUBiOmM6ZA==", "Basic /////w=="]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
