//! What the generator sends: a long list of requests, each with another key, rendered before the clock starts. The list
//! is read once from front to back, so it hardly displaces the server's caches.

use crate::verify::{draw::Draw, draw::Zipf, keys::Series};
use std::sync::Arc;

/// The measured call.
#[derive(Clone)]
pub struct Route {
    pub path: &'static str,
    /// The bearer of a `POST` that has the key in its body. Without one it is a `GET` with the key as bearer.
    pub verifier: Option<String>,
    /// What stands around the key in that body, and its media type.
    body: (&'static str, &'static str, &'static str),
}

/// Where the keys of the requests come from.
#[derive(Clone)]
pub enum Source {
    Zipf(Zipf),
    Uniform {
        keys: u64,
    },
    /// Well-formed keys that were never issued.
    Unknown,
    /// A peer's credentials.
    Listed(Arc<[String]>),
}

impl Route {
    pub const AUTH: Self = Self::get("/auth");
    pub const CURRENT: Self = Self::get("/api/v1/keys/current");

    pub const fn get(path: &'static str) -> Self {
        Self { path, verifier: None, body: ("", "", "") }
    }

    pub fn verify(verifier: &str) -> Self {
        let body = (r#"{"key":""#, r#""}"#, "application/json");
        Self { path: "/api/v1/keys/verify", verifier: Some(verifier.to_owned()), body }
    }

    pub fn introspect(verifier: &str) -> Self {
        let body = ("token=", "", "application/x-www-form-urlencoded");
        Self { path: "/oauth/introspect", verifier: Some(verifier.to_owned()), body }
    }

    /// Appends the bytes of one request for `key`.
    pub fn render(&self, key: &[u8], out: &mut Vec<u8>) {
        let method = if self.verifier.is_some() { "POST " } else { "GET " };
        for part in [method, self.path, " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "] {
            out.extend_from_slice(part.as_bytes());
        }
        match &self.verifier {
            None => [key, b"\r\n\r\n"].map(|part| out.extend_from_slice(part)),
            Some(verifier) => {
                let (before, after, kind) = self.body;
                let body = [before.as_bytes(), key, after.as_bytes()].concat();
                let head = format!("{verifier}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
                [head.as_bytes(), &body].map(|part| out.extend_from_slice(part))
            }
        };
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
