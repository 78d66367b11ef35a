//! A dashboard session. The cookie contains a secret; only its SHA-256 is stored.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::{ClientAddress, Digest, SessionId, Time, User};

/// A session expires after this long without a request.
pub const IDLE: Duration = Duration::from_secs(8 * 3600);
/// A session expires after this long in any case.
pub const ABSOLUTE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long a browser stays known after signing in.
pub const DEVICE_LIFETIME: Duration = Duration::from_secs(180 * 24 * 3600);

/// 256 random bits in a cookie. `Debug` prints only the type.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken([u8; 32]);

impl SessionToken {
    pub fn new(random: [u8; 32]) -> Self {
        SessionToken(random)
    }

    pub fn parse(text: &str) -> Option<Self> {
        BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok().map(SessionToken)
    }

    pub fn expose(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// Another secret that is derived from this one and reveals nothing about it.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        *Digest::of(&[purpose.as_bytes(), b"\0", &self.0].concat()).as_bytes()
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken")
    }
}

#[derive(Debug, Clone)]
pub struct Session {
    pub id: SessionId,
    pub user: User,
    pub created_at: Time,
    pub last_seen_at: Time,
    pub address: Option<ClientAddress>,
    pub user_agent: String,
}

impl Session {
    pub fn is_over(&self, now: Time) -> bool {
        is_over(self.created_at, self.last_seen_at, now)
    }
}

/// Whether the session has expired. Setting the clock back a little does not expire a live session; one that was
/// created while the clock was far ahead has expired.
pub fn is_over(created_at: Time, last_seen_at: Time, now: Time) -> bool {
    now.since(last_seen_at) >= IDLE || now.since(created_at) >= ABSOLUTE || created_at.is_ahead_of(now)
}
