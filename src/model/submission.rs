//! A request that takes effect once: a reloaded form, a repeated `Idempotency-Key`.

use super::Digest;

/// The stored part of such a request: digests only.
#[derive(Debug, Clone, Copy)]
pub struct Submission {
    /// Covers the caller and the token that identifies the request.
    pub token: Digest,
    pub body: Digest,
}
