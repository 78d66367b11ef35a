//! Requests that the HTTP library refuses before any service sees them: more than 96 header fields, unreadable, or too
//! slow. The library's responses have no body; ours, which are sent instead, give the reason in a form that a gateway
//! can pass on.

use actix_web::http::StatusCode;

use crate::http::base_path::BasePath;
use crate::http::bounds;
use crate::http::gateway;
use crate::http::problem::Problem;
use crate::http::request_id::RequestIds;

/// How many bytes of a request are kept: enough for its method and `/auth/nginx`.
const START: usize = 32;

/// The start of one connection's request, and our response while it is being written.
#[derive(Default)]
pub struct RefusedRequest {
    /// The first bytes of the current request.
    start: [u8; START],
    /// Our response; empty while there is none.
    instead: Vec<u8>,
    written: usize,
}

impl RefusedRequest {
    /// Records the start of a request, without the base path.
    pub fn begin(&mut self, bytes: &[u8], base: Option<&BasePath>) {
        if let (Some(start), None) = (bytes.first_chunk(), base) {
            self.start = *start;
            return;
        }
        let [method, target] = base.map_or([bytes, &[]], |base| base.enter_start(bytes));
        self.start = [0; START];
        for (to, byte) in self.start.iter_mut().zip(method.iter().chain(target)) {
            *to = *byte;
        }
    }

    /// What remains to be written instead of this response of the library; `None` for any other response.
    pub fn instead_of(&mut self, answer: &[u8], ids: &RequestIds) -> Option<&[u8]> {
        if self.instead.is_empty() {
            let problem = bare(answer)?;
            self.instead = render(&self.start, &problem, answer, ids);
        }
        Some(&self.instead[self.written..])
    }

    /// Returns whether these were the last bytes.
    pub fn has_written(&mut self, bytes: usize) -> bool {
        self.written += bytes;
        let is_whole = self.written >= self.instead.len();
        if is_whole {
            (self.instead, self.written) = (Vec::new(), 0);
        }
        is_whole
    }
}

/// Why the library refused the request, if this is a response of its own: ours have an id.
fn bare(answer: &[u8]) -> Option<Problem> {
    let problem = match answer.get(..13)? {
        b"HTTP/1.1 400 " => Problem::unreadable(),
        b"HTTP/1.1 408 " => {
            let detail = "The request did not arrive in time. Send it again.";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail)
        }
        b"HTTP/1.1 431 " => bounds::too_many_headers(),
        _ => return None,
    };
    let head = std::str::from_utf8(answer).ok()?;
    (head.ends_with("\r\n\r\n") && head.contains("\r\ncontent-length: 0\r\n") && !head.contains("\r\nx-request-id:"))
        .then_some(problem)
}

/// The response as bytes; it is the connection's last.
fn render(start: &[u8; START], problem: &Problem, of_library: &[u8], ids: &RequestIds) -> Vec<u8> {
    let id = ids.next();
    let mut words = start.split(|byte| *byte == b' ').map(|word| std::str::from_utf8(word).unwrap_or_default());
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let response = gateway::refuse_unread(target.split('?').next().unwrap_or_default(), problem, &id);
    let body = problem.body(&id);
    let status = response.status();
    let mut text =
        format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default()).into_bytes();
    for (name, value) in response.headers() {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let date = of_library.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"date:"));
    text.extend(date.into_iter().flat_map(|line| [line, b"\n"].concat()));
    text.extend(format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()).bytes());
    if method != "HEAD" {
        text.extend(body.bytes());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_responses_of_the_library_are_replaced_and_each_once() {
        let ids = RequestIds::new([7; 8]);
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\ndate: D\r\n\r\n";
        let mut refused = RefusedRequest::default();
        let base = BasePath::parse("/tools/keys-and-more").unwrap();
        for (begun, base) in [
            (&b"GET /auth/nginx?policy=a HTTP/1.1\r\n"[..], None),
            (b"GET /auth/nginx HTTP/1.1\r\n", None),
            (b"GET /auth/nginx HTTP/1.1\r\n", Some(&base)),
            (b"GET /tools/keys-and-more/auth/nginx HTTP/1.1\r\n", Some(&base)),
        ] {
            refused.begin(begun, base);
            let instead = refused.instead_of(bare, &ids).unwrap().to_vec();
            let text = String::from_utf8(instead.clone()).unwrap();
            assert!(text.starts_with("HTTP/1.1 403 Forbidden\r\n") && text.contains("\r\ndate: D\r\n"), "{text}");
            assert!(text.contains("\r\nx-auth-status: 431\r\n"), "{text}");
            // The socket accepts it in two pieces.
            assert!(!refused.has_written(10));
            assert_eq!(refused.instead_of(bare, &ids).unwrap(), &instead[10..]);
            assert!(refused.has_written(instead.len() - 10));
        }
        refused.begin(b"GET", None);
        assert!(refused.instead_of(bare, &ids).unwrap().starts_with(b"HTTP/1.1 431 "));
        let mut fresh = RefusedRequest::default();
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-request-id: a\r\n\r\n",
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 2\r\n\r\n{}",
            b"HTTP/1.1 43",
            b"",
        ] {
            assert_eq!(fresh.instead_of(other, &ids), None);
        }
    }
}
