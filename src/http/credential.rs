//! The key that a request presents: `Authorization: Bearer <key>` (RFC 6750 §2.1; the scheme's case does not matter)
//! or `X-API-Key: <key>`, never in the URL, a cookie or a body.

use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::model::PlainKey;

pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The credential in the headers, as unverified bytes that are not decoded.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    Key(&'a [u8]),
    /// No credential, or one of another scheme (Basic, Digest), which is not ours.
    None,
    /// A header for keys whose text cannot be a key, or a key in an unsupported form. Empty if there is no text to
    /// examine.
    Garbled(&'a [u8]),
    /// Two different keys, or two `Authorization` headers that can each contain one.
    Ambiguous,
}

pub fn credential(headers: &HeaderMap) -> Credential<'_> {
    let mut lines = headers.get_all(header::AUTHORIZATION).map(|value| Authorization::read(value.as_bytes()));
    let authorization = lines.next().unwrap_or(Authorization::Other);
    let mut api_keys = headers.get_all(X_API_KEY).map(|value| trim(value.as_bytes())).peekable();
    let has_api_key = api_keys.peek().is_some();
    // An empty header is not a second key.
    let mut api_keys = api_keys.filter(|key| !key.is_empty());
    if let Some(api_key) = api_keys.next() {
        let is_another = authorization.is_another_key(api_key)
            || lines.any(|line| line.is_another_key(api_key))
            || api_keys.any(|other| other != api_key);
        return if is_another { Credential::Ambiguous } else { Credential::Key(api_key) };
    }
    if lines.next().is_some() {
        return Credential::Ambiguous;
    }
    match authorization {
        Authorization::Other if has_api_key => Credential::Garbled(b""),
        authorization => authorization.alone(),
    }
}

/// Whether text that is not a key may contain one: a key of ours inside other text, or any text in quotes, in angle
/// brackets or after `Bearer`.
pub fn has_more_than_a_key(text: &[u8]) -> bool {
    let has_scheme = text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"bearer "));
    has_scheme
        || matches!(text, [b'"', .., b'"'] | [b'\'', .., b'\''] | [b'<', .., b'>'])
        || PlainKey::find_in(text).is_some()
}

/// The headers that may have contained a key, which an API behind a gateway does not need. An `Authorization` header
/// of another scheme belongs to the application.
#[cfg_attr(not(feature = "grpc"), expect(dead_code, reason = "only Envoy's gRPC removes headers"))]
pub fn spent(headers: &HeaderMap) -> &'static [&'static str] {
    let mut lines = headers.get_all(header::AUTHORIZATION).map(|value| value.as_bytes()).peekable();
    let is_own = |value: &[u8]| !trim(value).is_empty() && matches!(Authorization::read(value), Authorization::Other);
    if lines.peek().is_some() && lines.all(is_own) { &["x-api-key"] } else { &["authorization", "x-api-key"] }
}

/// One `Authorization` header.
enum Authorization<'a> {
    Key(&'a [u8]),
    /// A blank header, or another scheme.
    Other,
    /// `Bearer` with nothing after it.
    Blank,
    /// `Bearer` followed by text without a space.
    Slip,
    /// `Bearer` with more than one word, or a key of ours with no scheme or another one.
    Garbled(&'a [u8]),
}

impl<'a> Authorization<'a> {
    fn read(value: &'a [u8]) -> Self {
        let rest = match value.split_at_checked(6) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer") => rest,
            _ if PlainKey::find_in(value).is_some() => return Authorization::Garbled(value),
            _ => return Authorization::Other,
        };
        match rest.iter().position(|byte| *byte != b' ') {
            None => Authorization::Blank,
            // "BearerX": another scheme, or a typo.
            Some(0) => Authorization::Slip,
            Some(blanks) => {
                let token = trim(&rest[blanks..]);
                // The loop does not stop early, so that the compiler can check sixteen bytes at a time.
                let has_blank = token.iter().fold(false, |found, byte| found | byte.is_ascii_whitespace());
                match (token.is_empty(), has_blank) {
                    (true, _) => Authorization::Blank,
                    (false, true) => Authorization::Garbled(value),
                    (false, false) => Authorization::Key(token),
                }
            }
        }
    }

    fn alone(self) -> Credential<'a> {
        match self {
            Authorization::Key(key) => Credential::Key(key),
            Authorization::Other => Credential::None,
            Authorization::Blank | Authorization::Slip => Credential::Garbled(b""),
            Authorization::Garbled(text) => Credential::Garbled(text),
        }
    }

    fn is_another_key(&self, than: &[u8]) -> bool {
        match self {
            Authorization::Key(key) => *key != than,
            Authorization::Garbled(text) => PlainKey::find_in(text) != Some(than),
            Authorization::Slip => true,
            Authorization::Other | Authorization::Blank => false,
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
    use proptest::prelude::*;

    fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        map
    }

    #[test]
    fn a_single_key_is_passed_on_unchanged() {
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

    const KEY: &[u8] = b"kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs";
    const OTHER: &[u8] = b"kb_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh80VyYDB";

    #[test]
    fn missing_malformed_and_ambiguous_credentials_are_distinguished() {
        type HeaderLines = &'static [(&'static str, &'static [u8])];
        let table: [(HeaderLines, Credential<'static>); 10] = [
            (&[], Credential::None),
            (&[("authorization", b"")], Credential::None),
            (&[("authorization", b"Basic YTpi")], Credential::None),
            (&[("authorization", b"BearerK")], Credential::Garbled(b"")),
            (&[("authorization", b"Bearer")], Credential::Garbled(b"")),
            (&[("authorization", b"Bearer K x")], Credential::Garbled(b"Bearer K x")),
            (&[("authorization", b"Bearer\tK")], Credential::Garbled(b"")),
            (&[("x-api-key", b"")], Credential::Garbled(b"")),
            (&[("authorization", b"Bearer K"), ("authorization", b"Bearer K")], Credential::Ambiguous),
            (&[("authorization", b"Basic YTpi"), ("x-api-key", b"")], Credential::Garbled(b"")),
        ];
        for (lines, expected) in table {
            assert_eq!(credential(&headers(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn only_a_second_key_makes_a_credential_ambiguous() {
        let beside = |value: &[u8]| {
            let lines = [("authorization", value), ("x-api-key", KEY)];
            match credential(&headers(&lines)) {
                Credential::Key(KEY) => true,
                Credential::Ambiguous => false,
                other => panic!("{other:?}"),
            }
        };
        let spelt = |before: &[u8], key: &[u8], after: &[u8]| [before, key, after].concat();
        for (before, after) in [("", ""), ("token ", ""), ("Key \"", "\""), ("Token token=", ", x=y")] {
            assert!(beside(&spelt(before.as_bytes(), KEY, after.as_bytes())), "{before}");
            assert!(!beside(&spelt(before.as_bytes(), OTHER, after.as_bytes())), "{before}");
        }
        let digest = b"Digest username=\"a\", realm=\"b\", nonce=\"c_d\", uri=\"/e\"";
        for none in [
            &b""[..],
            b" \t ",
            b"Basic YTpi",
            b"basic",
            digest,
            b"Negotiate YII=",
            b"Token x_y",
            b"Bearer",
            b"bearer  ",
        ] {
            assert!(beside(none), "{none:?}");
        }
        assert!(beside(&spelt(b"Bearer ", KEY, b" ")));
        for other in [&b"Bearer L"[..], b"Bearer K x", b"BearerK", b"Bearer\tK"] {
            assert!(!beside(other), "{other:?}");
        }
        let several =
            |two: &'static [u8]| headers(&[("authorization", b"Basic a"), ("x-api-key", KEY), ("authorization", two)]);
        assert_eq!(credential(&several(b"Basic b")), Credential::Key(KEY));
        assert_eq!(credential(&several(b"")), Credential::Key(KEY));
        assert_eq!(credential(&several(b"Bearer L")), Credential::Ambiguous);
        let blank = headers(&[("authorization", b"Bearer K"), ("x-api-key", b""), ("x-api-key", b" ")]);
        assert_eq!(credential(&blank), Credential::Key(b"K"));
        let (one, two) = (("x-api-key", KEY), ("x-api-key", OTHER));
        assert_eq!(credential(&headers(&[one, ("x-api-key", b""), one])), Credential::Key(KEY));
        assert_eq!(credential(&headers(&[one, two])), Credential::Ambiguous);
    }

    proptest! {
        /// For any bytes, the result is a key that is in them verbatim, or nothing that passes.
        #[test]
        fn any_key_is_passed_on_unchanged_whatever_the_headers_contain(
            authorization in proptest::option::of(value()), api_key in proptest::option::of(value()),
        ) {
            let lines = [("authorization", &authorization), ("x-api-key", &api_key)];
            let lines: Vec<_> = lines.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
            match credential(&headers(&lines)) {
                Credential::Key(key) => {
                    prop_assert!(!key.is_empty());
                    let bearer = |value: &Vec<u8>| {
                        value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer ")) && value.trim_ascii().ends_with(key)
                    };
                    let is_api_key = api_key.as_ref().is_some_and(|value| value.trim_ascii() == key);
                    prop_assert!(is_api_key || authorization.as_ref().is_some_and(bearer));
                }
                refused => {
                    let status = refused.key().unwrap_err().status.as_u16();
                    prop_assert!([400, 401].contains(&status));
                }
            }
        }
    }

    /// Bytes that a field value can contain, most of them similar to keys.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            Just(KEY.to_vec()),
            Just(OTHER.to_vec()),
            prop::sample::select(vec!["Bearer ", "bEARER", "Basic ", "token ", " ", "\t", ",", "\"", "=", ":", ""])
                .prop_map(|text| text.as_bytes().to_vec()),
            prop::collection::vec((0x20_u8..=0xff).prop_filter("DEL", |byte| *byte != 0x7f), 0..8),
        ];
        prop::collection::vec(word, 0..5).prop_map(|words| words.concat())
    }
}
