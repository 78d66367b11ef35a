//! The path of the public URL (`/keys` in `https://example.com/keys`). It is removed from each request before anything
//! else, and put before each `Location` at the end, so that no handler knows it. Pages and cookies put it before their
//! own paths.

use actix_http::Request;
use actix_web::http::Uri;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::uri::PathAndQuery;

/// Below it, the metadata of an issuer with a path is looked for: RFC 8414 §3.1 puts the issuer's path at the end.
const METADATA: &str = "/.well-known/oauth-authorization-server";

/// A slash and a name, once or several times; no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// Names consist of unreserved characters (RFC 3986 §2.3), so that a path has one spelling only. `.` and `..` are
    /// not names.
    pub fn parse(path: &str) -> Option<Self> {
        let is_name = |name: &str| {
            let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
            !matches!(name, "" | "." | "..") && name.bytes().all(is_unreserved)
        };
        path.strip_prefix('/')?.split('/').all(is_name).then(|| BasePath(path.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What this path is within the base path; `None` if it is not below it.
    pub fn within<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(self.as_str())? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }

    /// Removes the base path from a request, once. Other requests stay as they are: they come from a proxy that has
    /// removed it, or from a program on the same network. Nothing is decoded or resolved, as everywhere in this server.
    pub fn enter(&self, request: &mut Request) {
        let path = request.path();
        let metadata = || (path.strip_prefix(METADATA) == Some(self.as_str())).then_some(METADATA);
        let Some(own) = self.within(path).or_else(metadata) else { return };
        let own = match request.uri().query() {
            Some(query) => [own, "?", query].concat(),
            None => own.to_owned(),
        };
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(own).ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            request.head_mut().uri = uri;
        }
    }

    /// Puts the base path before the `Location` of a response if that is a path. A whole URL stays as it is.
    pub fn leave(&self, headers: &mut HeaderMap) {
        let location = headers.get(header::LOCATION).filter(|location| location.as_bytes().starts_with(b"/"));
        let Some(location) = location else { return };
        let moved = HeaderValue::from_bytes(&[self.as_str().as_bytes(), location.as_bytes()].concat());
        headers.insert(header::LOCATION, moved.expect("a path before a header value is a valid header value"));
    }

    /// The start of a request (`GET /keys/login HTTP/1.1…`) without the base path, in two pieces.
    pub fn enter_start<'a>(&self, start: &'a [u8]) -> [&'a [u8]; 2] {
        let target = start.iter().position(|byte| *byte == b' ').map_or(0, |space| space + 1);
        let (method, target) = start.split_at(target);
        let within = target.strip_prefix(self.as_str().as_bytes()).filter(|rest| rest.starts_with(b"/"));
        [method, within.unwrap_or(target)]
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    fn entered(base: &str, uri: &str) -> String {
        let mut request = TestRequest::with_uri(uri).to_request();
        BasePath::parse(base).unwrap().enter(&mut request);
        request.uri().to_string()
    }

    #[test]
    fn a_base_path_has_one_spelling() {
        for good in ["/keys", "/tools/keys", "/a.b_c~d-E", "/...", "/.keys"] {
            assert!(BasePath::parse(good).is_some(), "{good}");
        }
        for bad in
            ["", "/", "keys", "//keys", "/keys/", "/a//b", "/.", "/a/..", "/a/../b", "/%6beys", "/a b", "/a;b", "/é"]
        {
            assert!(BasePath::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_base_path_is_removed_once_where_a_request_has_it() {
        for (uri, own) in [
            ("/keys", "/"),
            ("/keys?after=x", "/?after=x"),
            ("/keys?", "/?"),
            ("/keys/", "/"),
            ("/keys/login", "/login"),
            ("/keys/keys", "/keys"),
            ("/keys/keys/keys", "/keys/keys"),
            ("/keys/auth/envoy/orders-read/keys/x?q=/keys", "/auth/envoy/orders-read/keys/x?q=/keys"),
            ("http://keys.test/keys/login?x", "http://keys.test/login?x"),
            // What follows is judged as if it had come alone.
            ("/keys//auth", "//auth"),
            ("/keys/../auth", "/../auth"),
            ("/keys/%2e%2e/auth", "/%2e%2e/auth"),
            ("/keys/%2fauth", "/%2fauth"),
            ("/.well-known/oauth-authorization-server/keys", "/.well-known/oauth-authorization-server"),
        ] {
            assert_eq!(entered("/keys", uri), own, "{uri}");
        }
        for other in [
            "/",
            "/login",
            "/keysmith",
            "/keys%2flogin",
            "/keys;a/login",
            "/%6beys/login",
            "/KEYS/login",
            "//keys/login",
            "/./keys/login",
            "/x/../keys/login",
            "/api/v1/keys",
            "/auth/envoy/orders-read/keys",
            "/.well-known/oauth-authorization-server/keys/x",
            "/.well-known/oauth-authorization-server/other",
            "/.well-known/jwks.json/keys",
            "*",
        ] {
            assert_eq!(entered("/keys", other), other);
        }
        assert_eq!(entered("/a/b", "/a/b/login"), "/login");
        assert_eq!(entered("/a/b", "/a/login"), "/a/login");
    }

    #[test]
    fn the_base_path_is_put_before_a_location_that_is_a_path() {
        let base = BasePath::parse("/keys").unwrap();
        for (own, sent) in [("/keys/new?x=/", "/keys/keys/new?x=/"), ("https://id.test/", "https://id.test/")] {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_static(own));
            base.leave(&mut headers);
            assert_eq!(headers.get_all(header::LOCATION).collect::<Vec<_>>(), [sent]);
        }
        let mut headers = HeaderMap::new();
        base.leave(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn the_base_path_is_removed_from_the_start_of_a_request() {
        let base = BasePath::parse("/keys").unwrap();
        for (start, own) in [
            ("GET /keys/auth/nginx HTTP/1.1", "GET /auth/nginx HTTP/1.1"),
            ("GET /auth/nginx HTTP/1.1", "GET /auth/nginx HTTP/1.1"),
            ("GET /keysmith HTTP/1.1", "GET /keysmith HTTP/1.1"),
            ("GET", "GET"),
            ("", ""),
        ] {
            assert_eq!(base.enter_start(start.as_bytes()).concat(), own.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn a_request_below_the_base_path_is_the_request_that_follows_it(path in "(/[a-z.%2f/]{0,12}){1,3}", query in "(\\?[a-z=/&]{0,9})?") {
            let Ok(uri) = format!("{path}{query}").parse::<Uri>() else { return Ok(()) };
            prop_assert_eq!(entered("/tools/keys", &format!("/tools/keys{uri}")), uri.to_string());
        }
    }
}
