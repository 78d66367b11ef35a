//! The response that lets a request pass: 200 without a body, with all identity headers.

use std::ops::Range;

use actix_http::Response;
use actix_web::body::BoxBody;
use actix_web::http::header::HeaderValue;
use actix_web::web::{Bytes, BytesMut};

use super::IDENTITY;
use crate::auth::Allowance;
use crate::auth::KeyView;
use crate::http::problem::rate_limit_headers;

/// The values of the identity headers for one allowed key: id, owner, owner's id and scopes in one text, and the signed
/// identity. It is small, because it is moved and cloned often.
#[derive(Clone)]
pub struct Allowed {
    text: Bytes,
    ends: [u32; 4],
    identity: HeaderValue,
}

impl Allowed {
    pub fn of(key: &KeyView<'_>) -> Self {
        let mut text = BytesMut::with_capacity(256);
        text.extend_from_slice(&key.id.encoded());
        let id = text.len();
        text.extend_from_slice(key.owner.email.as_str().as_bytes());
        let owner = text.len();
        text.extend_from_slice(&key.owner.id.encoded());
        let owner_id = text.len();
        for (number, scope) in key.grant.scopes.iter().enumerate() {
            if number > 0 {
                text.extend_from_slice(b" ");
            }
            text.extend_from_slice(scope.as_str().as_bytes());
        }
        let ends = [id, owner, owner_id, text.len()].map(|end| end as u32);
        Allowed { text: text.freeze(), ends, identity: NOTHING }
    }

    /// The values for a request that a policy lets pass without a key: all headers are present and empty.
    pub fn nobody() -> Self {
        Allowed { text: Bytes::new(), ends: [0; 4], identity: NOTHING }
    }

    /// All values, in the order of [`IDENTITY`].
    pub fn values(&self) -> [HeaderValue; 5] {
        // The types of ids, emails and scopes guarantee ASCII without control characters.
        let value = |range| HeaderValue::from_maybe_shared(self.text.slice(range)).unwrap_or(NOTHING);
        let [id, owner, owner_id, scopes] = self.ranges();
        [value(id), value(owner), value(owner_id), value(scopes), self.identity.clone()]
    }

    /// The four facts, in the order of [`IDENTITY`].
    pub fn facts(&self) -> [&str; 4] {
        self.ranges().map(|range| std::str::from_utf8(&self.text[range]).unwrap_or_default())
    }

    fn ranges(&self) -> [Range<usize>; 4] {
        let [id, owner, owner_id, scopes] = self.ends.map(|end| end as usize);
        [0..id, id..owner, owner..owner_id, owner_id..scopes]
    }

    /// Whether both have the same content, apart from their signed identities.
    pub fn says_what(&self, other: &Allowed) -> bool {
        self.ends == other.ends && self.text == other.text
    }

    pub fn with_identity(self, identity: HeaderValue) -> Self {
        Allowed { identity, ..self }
    }

    pub fn complete(self, mut answer: Response<()>, allowance: Option<&Allowance>) -> Response<BoxBody> {
        let headers = answer.headers_mut();
        for (name, value) in IDENTITY.into_iter().zip(self.values()) {
            headers.append(name, value);
        }
        for (name, value) in allowance.into_iter().flat_map(rate_limit_headers) {
            headers.append(name, value);
        }
        answer.set_body(BoxBody::new(()))
    }
}

const NOTHING: HeaderValue = HeaderValue::from_static("");
