//! What the generator must know of an HTTP/1.1 response: its status and where it ends.

use std::io;

/// One complete response at the start of a buffer.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// The length of the head.
    pub head: usize,
    /// The length of head and body.
    pub length: usize,
    /// The server said `Connection: close`.
    pub closes: bool,
}

/// `None` while the response is not complete. A response without a known end is an error.
pub fn parse(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).map_err(io::Error::other)? else { return Ok(None) };
    let (mut body, mut closes) = (0, false);
    for header in &*response.headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            let digits = str::from_utf8(header.value).map_err(io::Error::other)?;
            body = digits.parse().map_err(io::Error::other)?;
        } else if header.name.eq_ignore_ascii_case("connection") {
            closes = header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(io::Error::other("the generator needs a Content-Length, not a transfer encoding"));
        }
    }
    let status = response.code.unwrap_or_default();
    Ok((bytes.len() >= head + body).then_some(Answer { status, head, length: head + body, closes }))
}
