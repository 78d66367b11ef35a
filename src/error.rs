//! The one error of the crate: a kind that edges map, words that a person can act on.
//! Knows no status code and no exit code: `http/problem.rs` and `main.rs` do.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms a caller can decide on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Input that breaks a rule; the message names the rule.
    Invalid,
    /// No such thing, or not one that the caller may know of.
    NotFound,
    /// The act collides with what is stored (a taken e-mail, the last admin).
    Conflict,
    /// The change was based on a state that is not the present one any more.
    Outdated,
    /// The caller is known and may not do this.
    Forbidden,
    /// The session, key or password that proved who the caller is does not prove it any more.
    NoLongerKnown,
    /// The caller's key does not hold this scope any more.
    ScopeLost(&'static str),
    /// The caller's key may not be used from this address any more.
    AddressLost,
    /// Too many tries; `retry_after` says when the next one is heard.
    Throttled,
    /// We cannot tell, or cannot write, right now. Never a verdict about a key.
    Unavailable,
    /// A write failed so late that it may or may not have happened.
    OutcomeUnknown,
    /// A fault of ours that trying again will not mend.
    Internal,
}

#[derive(Debug, Clone)]
pub struct Error {
    pub kind: Kind,
    /// For the person who caused it. Holds no key material, no SQL, no path of the server.
    pub message: Cow<'static, str>,
    /// The input field that is at fault, by its form or JSON name.
    pub field: Option<&'static str>,
    pub retry_after: Option<Duration>,
    /// For the log and the operator only.
    pub cause: Option<String>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Error { kind, message: message.into(), field: None, retry_after: None, cause: None }
    }

    pub fn invalid(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Error { field: Some(field), ..Error::new(Kind::Invalid, message) }
    }

    pub fn not_found(what: &'static str) -> Self {
        Error::new(Kind::NotFound, format!("There is no such {what}."))
    }

    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(Kind::Conflict, message)
    }

    pub fn outdated(what: &'static str) -> Self {
        Error::new(Kind::Outdated, format!("The {what} was changed meanwhile. Read it again and repeat your change."))
    }

    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(Kind::Forbidden, message)
    }

    pub fn no_longer_known() -> Self {
        Error::new(Kind::NoLongerKnown, "Your access ended while this request was on its way. Log in and try again.")
    }

    pub fn throttled(wait: Duration) -> Self {
        let seconds = wait.as_secs().max(1);
        Error {
            retry_after: Some(Duration::from_secs(seconds)),
            ..Error::new(Kind::Throttled, format!("Too many failed attempts. Try again in {seconds} seconds."))
        }
    }

    /// Our own trouble that may pass. `cause` is for the log.
    pub fn unavailable(cause: impl fmt::Display) -> Self {
        Error {
            retry_after: Some(Duration::from_secs(1)),
            cause: Some(cause.to_string()),
            ..Error::new(
                Kind::Unavailable,
                "The server cannot do this right now. Nothing was changed; try again shortly.",
            )
        }
    }

    /// A write of which nobody can say whether it happened. `cause` is for the log.
    pub fn outcome_unknown(cause: impl fmt::Display) -> Self {
        Error {
            retry_after: Some(Duration::from_secs(1)),
            cause: Some(cause.to_string()),
            ..Error::new(
                Kind::OutcomeUnknown,
                "The outcome of this change is unknown: the disk failed while it was being saved. Look at what it \
                 was to change before you try again; the audit log shows it if it was made.",
            )
        }
    }

    pub fn internal(cause: impl fmt::Display) -> Self {
        Error {
            cause: Some(cause.to_string()),
            ..Error::new(
                Kind::Internal,
                "Something went wrong on our side. Try again; if it persists, tell the operator the request id.",
            )
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
