//! Which key a request presents: `Authorization: Bearer <key>` (RFC 6750 §2.1, the scheme in any
//! case) or `X-API-Key: <key>`; never the URL, a cookie or a body.

use actix_web::http::header::{self, HeaderMap, HeaderName};

pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What the headers hold. Bytes as sent: nothing is decoded, nothing is believed.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    Key(&'a [u8]),
    None,
    /// Something that cannot be a key, in a place for keys.
    Garbled,
    /// Two of them that differ, or one of two kinds.
    Ambiguous,
}

pub fn credential(headers: &HeaderMap) -> Credential<'_> {
    let mut authorization = headers.get_all(header::AUTHORIZATION);
    let first = authorization.next();
    if authorization.next().is_some() {
        return Credential::Ambiguous;
    }
    let from_authorization = match first {
        Some(value) => bearer(value.as_bytes()),
        None => Credential::None,
    };
    let mut api_keys = headers.get_all(X_API_KEY).map(|value| trim(value.as_bytes()));
    let Some(api_key) = api_keys.next() else { return from_authorization };
    if api_keys.any(|other| other != api_key) || (first.is_some() && from_authorization != Credential::Key(api_key)) {
        return Credential::Ambiguous;
    }
    if api_key.is_empty() { Credential::Garbled } else { Credential::Key(api_key) }
}

fn bearer(value: &[u8]) -> Credential<'_> {
    let Some((scheme, rest)) = value.split_at_checked(6) else { return Credential::None };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Credential::None;
    }
    match rest.iter().position(|byte| *byte != b' ') {
        // "Bearer" alone, or with blanks only.
        None => Credential::Garbled,
        // "BearerX": another scheme, or a typing slip.
        Some(0) => Credential::Garbled,
        Some(blanks) => {
            let token = trim(&rest[blanks..]);
            // Each byte looked at: the compiler takes sixteen at a time.
            let has_blank = token.iter().fold(false, |found, byte| found | byte.is_ascii_whitespace());
            if !has_blank && !token.is_empty() { Credential::Key(token) } else { Credential::Garbled }
        }
    }
}

/// Optional white space around a field value (RFC 9110 §5.5).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        map
    }

    #[test]
    fn one_key_in_one_place_is_taken_as_it_is() {
        for line in [("authorization", &b"Bearer K"[..]), ("authorization", b"bEaReR   K "), ("x-api-key", b"K")] {
            assert_eq!(credential(&headers(&[line])), Credential::Key(b"K"), "{line:?}");
        }
        assert_eq!(
            credential(&headers(&[("authorization", b"Bearer secret-token:a%20b")])),
            Credential::Key(b"secret-token:a%20b")
        );
        assert_eq!(credential(&headers(&[("authorization", b"Bearer \xff\xfe")])), Credential::Key(b"\xff\xfe"));
        assert_eq!(credential(&headers(&[("authorization", b"Bearer K"), ("x-api-key", b"K")])), Credential::Key(b"K"));
    }

    #[test]
    fn nothing_garbled_and_ambiguous_are_told_apart() {
        type Lines = &'static [(&'static str, &'static [u8])];
        let table: [(Lines, Credential<'static>); 10] = [
            (&[], Credential::None),
            (&[("authorization", b"")], Credential::None),
            (&[("authorization", b"Basic YTpi")], Credential::None),
            (&[("authorization", b"BearerK")], Credential::Garbled),
            (&[("authorization", b"Bearer")], Credential::Garbled),
            (&[("authorization", b"Bearer K x")], Credential::Garbled),
            (&[("authorization", b"Bearer\tK")], Credential::Garbled),
            (&[("x-api-key", b"")], Credential::Garbled),
            (&[("authorization", b"Bearer K"), ("authorization", b"Bearer K")], Credential::Ambiguous),
            (&[("authorization", b"Basic YTpi"), ("x-api-key", b"K")], Credential::Ambiguous),
        ];
        for (lines, expected) in table {
            assert_eq!(credential(&headers(lines)), expected, "{lines:?}");
        }
        assert_eq!(credential(&headers(&[("authorization", b"Bearer K"), ("x-api-key", b"L")])), Credential::Ambiguous);
    }
}
