//! What the generator sends: a long list of rendered requests, each with another key, made before the clock starts.
//! The list is read once from front to back, so it stays out of the way of the server's caches.

use crate::draw::{Draw, Zipf};
use crate::keys::Series;
use std::sync::Arc;

/// The call that is measured.
#[derive(Clone)]
pub enum Route {
    /// `GET /auth` with the key as bearer.
    Auth,
    /// `GET` of this path, through a gateway, with the key as bearer.
    Through(&'static str),
    /// `GET /api/v1/keys/current` with the key as bearer.
    Current,
    /// `POST /api/v1/keys/verify` with the key in the body and this verifier's key as bearer.
    Verify { verifier: String },
}

/// Where the keys of the requests come from.
#[derive(Clone)]
pub enum Source {
    /// Issued keys, the hot ones far more often than the others.
    Zipf(Zipf),
    /// Issued keys, each as likely as the others.
    Uniform { keys: u64 },
    /// Well-formed keys that were never issued.
    Unknown,
    /// Credentials that a peer made.
    Listed(Arc<[String]>),
}

impl Route {
    pub fn method(&self) -> &'static str {
        match self {
            Self::Auth | Self::Current | Self::Through(_) => "GET",
            Self::Verify { .. } => "POST",
        }
    }

    pub fn path(&self) -> &'static str {
        match self {
            Self::Auth => "/auth",
            Self::Through(path) => path,
            Self::Current => "/api/v1/keys/current",
            Self::Verify { .. } => "/api/v1/keys/verify",
        }
    }

    /// Appends the bytes of one request for `key`.
    pub fn render(&self, key: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.method().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.path().as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ");
        let Self::Verify { verifier } = self else {
            out.extend_from_slice(key);
            out.extend_from_slice(b"\r\n\r\n");
            return;
        };
        const OPENING: &[u8] = b"{\"key\":\"";
        const CLOSING: &[u8] = b"\"}";
        let length = OPENING.len() + key.len() + CLOSING.len();
        out.extend_from_slice(verifier.as_bytes());
        out.extend_from_slice(b"\r\nContent-Type: application/json\r\nContent-Length: ");
        out.extend_from_slice(length.to_string().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(OPENING);
        out.extend_from_slice(key);
        out.extend_from_slice(CLOSING);
    }
}

/// Rendered requests, and where each ends. Kept between slices, to reuse its memory.
#[derive(Default)]
pub struct Schedule {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    at: usize,
}

impl Schedule {
    /// Replaces the list by `count` requests; another `seed` gives other keys.
    pub fn fill(&mut self, route: &Route, source: &Source, count: usize, seed: u64) {
        self.bytes.clear();
        self.ends.clear();
        self.at = 0;
        let mut draw = Draw::new(seed);
        let mut key = Vec::new();
        for _ in 0..count {
            key.clear();
            match source {
                Source::Zipf(zipf) => Series::ISSUED.render(zipf.draw(&mut draw), &mut key),
                Source::Uniform { keys } => Series::ISSUED.render(draw.below(*keys), &mut key),
                Source::Unknown => Series::UNKNOWN.render(draw.next(), &mut key),
                Source::Listed(listed) => {
                    let index = draw.below(listed.len() as u64) as usize;
                    key.extend_from_slice(listed[index].as_bytes());
                }
            }
            route.render(&key, &mut self.bytes);
            self.ends.push(self.bytes.len());
        }
    }

    /// The next request; after the last comes the first.
    pub fn next(&mut self) -> &[u8] {
        if self.at == self.ends.len() {
            self.at = 0;
        }
        let start = if self.at == 0 { 0 } else { self.ends[self.at - 1] };
        self.at += 1;
        &self.bytes[start..self.ends[self.at - 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_one_by_one_and_start_again_after_the_last() {
        let mut schedule = Schedule::default();
        schedule.fill(&Route::Auth, &Source::Uniform { keys: 10 }, 3, 5);
        let first_round: Vec<Vec<u8>> = (0..3).map(|_| schedule.next().to_vec()).collect();
        let second_round: Vec<Vec<u8>> = (0..3).map(|_| schedule.next().to_vec()).collect();
        assert_eq!(first_round, second_round);
        let text = String::from_utf8(first_round[0].clone()).unwrap();
        assert!(text.starts_with("GET /auth HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer kb_"), "{text}");
        assert!(text.ends_with("\r\n\r\n"));
    }

    #[test]
    fn a_verify_call_carries_the_key_in_a_body_of_the_stated_length() {
        let mut out = Vec::new();
        Route::Verify { verifier: "kb_admin".into() }.render(b"kb_x", &mut out);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, r#"{"key":"kb_x"}"#);
        assert!(head.contains("Authorization: Bearer kb_admin\r\n") && head.ends_with("Content-Length: 14"), "{head}");
    }
}
