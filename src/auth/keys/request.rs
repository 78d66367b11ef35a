//! A request for a key.

use crate::model::{KeyPrefix, KeySettings, Submission, UserId};

/// A person's or program's request for a new key, already parsed.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    pub owner: UserId,
    /// `None` means the default prefix.
    pub prefix: Option<KeyPrefix>,
    pub settings: KeySettings,
    pub left_open: LeftOpen,
    /// Identifies this request, so that repeating it creates no second key.
    pub submission: Option<Submission>,
}

/// The fields that a request for a key omits, so that the caller's own bounds apply to them.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeftOpen {
    pub expiry: bool,
    pub allowed_ips: bool,
}
