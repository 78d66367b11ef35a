//! A client that sends the bytes a test wrote, for requests that no well-behaved client sends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub struct Answer {
    pub status: u16,
    /// Status line and header fields, as received.
    pub head: String,
    pub body: String,
}

impl Answer {
    /// All values of this field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        fields(&self.head, name)
    }

    pub fn header(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }
}

/// `GET path` with these lines, each `Name: value`.
pub fn get(to: SocketAddr, path: &str, lines: &[&str]) -> Answer {
    request(to, "GET", path, lines, "")
}

pub fn request(to: SocketAddr, method: &str, path: &str, lines: &[&str], body: &str) -> Answer {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    send(to, &format!("{text}\r\n{body}"))
}

pub fn send(to: SocketAddr, text: &str) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut received = Vec::new();
    // Whoever refuses may close before it has read or we have.
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.read_to_end(&mut received);
    let received = String::from_utf8_lossy(&received).into_owned();
    let (head, body) = received.split_once("\r\n\r\n").unwrap_or((&received, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// All values of a field in a head; names are case-insensitive.
pub fn fields<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}
