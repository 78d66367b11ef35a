//! A request for a key.

use crate::model::{KeyPrefix, KeySettings, Submission, UserId};

/// What a person or program asks of a new key; already parsed.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    pub owner: UserId,
    /// `None`: the default prefix.
    pub prefix: Option<KeyPrefix>,
    pub settings: KeySettings,
    pub left_open: LeftOpen,
    /// Names this request, so that repeating it creates no second key.
    pub submission: Option<Submission>,
}

/// What a request for a key does not name, so that the caller's own bounds hold there.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeftOpen {
    pub expiry: bool,
    pub allowed_ips: bool,
}
