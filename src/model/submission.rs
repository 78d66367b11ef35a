//! A request that must take effect only once, even if the form is reloaded or the `Idempotency-Key` is repeated.

use super::Digest;

/// The stored part of such a request: digests only.
#[derive(Debug, Clone, Copy)]
pub struct Submission {
    /// Covers the caller and the token that identifies the request.
    pub token: Digest,
    pub body: Digest,
}
