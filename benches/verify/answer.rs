//! The little of HTTP/1.1 that the generator must understand of an answer: its status and where it ends.

use std::io;

/// One complete answer at the start of a buffer.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// Where the head ends and the body starts.
    pub head: usize,
    /// Head and body together.
    pub length: usize,
    /// The server said `Connection: close`.
    pub closes: bool,
}

/// `None` while the answer is not complete. An answer whose end the generator cannot know is an error.
pub fn parse(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let mut lines = Lines { bytes, at: 0 };
    let Some(first) = lines.next() else { return Ok(None) };
    let status = parse_status(first)?;
    let mut body = 0;
    let mut closes = false;
    loop {
        let Some(line) = lines.next() else { return Ok(None) };
        if line.is_empty() {
            break;
        }
        match line[0] | 0x20 {
            b'c' => {
                if let Some(value) = value_of(line, b"content-length:") {
                    body = parse_length(value)?;
                } else if let Some(value) = value_of(line, b"connection:") {
                    closes = value.eq_ignore_ascii_case(b"close");
                }
            }
            b't' if value_of(line, b"transfer-encoding:").is_some() => {
                return Err(io::Error::other(
                    "the answer has a transfer encoding; the generator needs a Content-Length",
                ));
            }
            _ => {}
        }
    }
    let head = lines.at;
    let length = head + body;
    if bytes.len() < length {
        return Ok(None);
    }
    Ok(Some(Answer { status, head, length, closes }))
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    /// The next line without its CRLF, or `None` when it is not complete.
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        self.at += end + 1;
        Some(rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]))
    }
}

fn parse_status(line: &[u8]) -> io::Result<u16> {
    let digits = line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    digits
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| io::Error::other(format!("not an HTTP/1.1 answer: {}", String::from_utf8_lossy(line))))
}

fn parse_length(value: &[u8]) -> io::Result<usize> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| io::Error::other(format!("not a Content-Length: {}", String::from_utf8_lossy(value))))
}

/// The trimmed value of a header line, if `name` (lower case, with its colon) is the line's.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_exactly_when_it_is_complete() {
        let text = b"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\ncontent-length: 3\r\n\r\nabc";
        for cut in 0..text.len() {
            assert_eq!(parse(&text[..cut]).unwrap(), None, "cut at {cut}");
        }
        let complete = Answer { status: 401, head: text.len() - 3, length: text.len(), closes: false };
        assert_eq!(parse(text).unwrap(), Some(complete));
    }

    #[test]
    fn an_answer_without_length_has_no_body_and_may_close() {
        let text = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        let answer = parse(text).unwrap().unwrap();
        assert_eq!((answer.status, answer.length, answer.closes), (204, text.len(), true));
    }

    #[test]
    fn what_it_cannot_follow_is_an_error() {
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(parse(b"SSH-2.0-Sshd\r\n").is_err());
    }
}
