//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a client can repeat such a request safely, because
//! it takes effect only once.

use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use crate::http::body;
use crate::http::problem::Problem;
use crate::model::{Digest, KeyId, Submission};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_BYTES: usize = 255;

/// A JSON body and the request's idempotency key.
pub struct Repeatable<T> {
    pub body: T,
    name: Option<String>,
    /// The digest of method, path and body, which must be the same in a repeated request.
    content: Digest,
}

impl<T> Repeatable<T> {
    /// Identifies the request among those that this key sends.
    pub fn submission(&self, by: KeyId) -> Option<Submission> {
        let name = self.name.as_ref()?;
        let token = Digest::of(format!("idempotency\0{by}\0{name}").as_bytes());
        Some(Submission { token, body: self.content })
    }
}

/// The body of a repeatable request.
pub trait RepeatableBody: DeserializeOwned + 'static {
    /// The value of an absent body; `None` if the body is required.
    fn if_empty() -> Option<Self> {
        None
    }
}

impl<T: RepeatableBody> FromRequest for Repeatable<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (value, bytes) = body::json(&request, &mut payload, T::if_empty).await?;
            let head = format!("{} {}\0", request.method(), request.path());
            let content = Digest::of(&[head.as_bytes(), &bytes].concat());
            Ok(Repeatable { body: value, name: name(&request)?, content })
        })
    }
}

fn name(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=MAX_BYTES).contains(&text.len()) && !text.contains('\t'));
    match (text, values.next()) {
        (Some(text), None) => Ok(Some(text.to_owned())),
        _ => Err(Problem::bad_header("Send one Idempotency-Key of 1 to 255 visible ASCII characters.")),
    }
}
