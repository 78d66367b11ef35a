//! A request that has its effect once: a reloaded form, a repeated `Idempotency-Key`.

use super::Digest;

/// What is remembered of such a request: digests only.
#[derive(Debug, Clone, Copy)]
pub struct Submission {
    /// Covers the caller and the token that names the request.
    pub token: Digest,
    pub body: Digest,
}
