//! `ETag` and `If-Match` (RFC 9110 §8.8.3, §13.1.1): a change based on an outdated record is refused with 412.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};

use crate::http::problem::Problem;
use crate::model::{Basis, Version};

/// The `ETag` header of a response.
pub fn etag(version: Version) -> (header::HeaderName, String) {
    (header::ETAG, format!("\"{version}\""))
}

/// The condition in the request's `If-Match`.
pub struct BasedOn(pub Basis);

impl FromRequest for BasedOn {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let lines: Vec<&str> =
            request.headers().get_all(header::IF_MATCH).map(|line| line.to_str().unwrap_or("")).collect();
        ready(Ok(BasedOn(basis(&lines))))
    }
}

fn basis(lines: &[&str]) -> Basis {
    let tags = || lines.iter().flat_map(|line| line.split(',')).map(str::trim);
    if lines.is_empty() || tags().any(|tag| tag == "*") {
        return Basis::Anything;
    }
    // Weak tags (W/"…") and tags that we did not issue never match.
    Basis::OneOf(tags().filter_map(|tag| Version::parse(tag.strip_prefix('"')?.strip_suffix('"')?)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_strong_etags_count() {
        let (one, two) = (Version::of(&["1"]), Version::of(&["2"]));
        assert_eq!(basis(&[]), Basis::Anything);
        assert_eq!(basis(&["*"]), Basis::Anything);
        assert_eq!(basis(&[&format!("\"{one}\", \"x\""), &format!("\"{two}\"")]), Basis::OneOf(vec![one, two]));
        assert_eq!(basis(&[&format!("W/\"{one}\"")]), Basis::OneOf(vec![]));
        assert_eq!(basis(&[""]), Basis::OneOf(vec![]));
    }
}
