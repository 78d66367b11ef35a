//! The only error type of the crate: a kind that callers map, and a message that a person can act on. It must not
//! depend on status codes or exit codes: `http/problem.rs` and `main.rs` map them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The input breaks a rule, which the message names.
    Invalid,
    /// It does not exist, or the caller must not know that it does.
    NotFound,
    /// The action conflicts with stored data (a taken email, the last admin).
    Conflict,
    /// The change was based on an outdated state.
    Outdated,
    /// The caller is authenticated but not allowed to do this.
    Forbidden,
    /// The session, key or password that authenticated the caller is no longer valid.
    NoLongerKnown,
    /// The caller's key no longer has this scope.
    ScopeLost(&'static str),
    /// The caller's key can no longer be used from this address.
    AddressLost,
    /// Too many attempts; `retry_after` says when the next one is allowed.
    Throttled,
    /// The server cannot answer or write right now. This is never a verdict on a key.
    Unavailable,
    /// A write failed so late that it is unknown whether it happened.
    OutcomeUnknown,
    /// A bug in the server, which trying again does not fix.
    Internal,
}

#[derive(Debug, Clone)]
pub struct Error {
    pub kind: Kind,
    /// The message for the caller. It must not contain key material, SQL or paths of the server.
    pub message: Cow<'static, str>,
    /// The form or JSON name of the input field at fault.
    pub field: Option<&'static str>,
    pub retry_after: Option<Duration>,
    /// The cause, for the log and the operator only.
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
        Error::new(
            Kind::Outdated,
            format!("The {what} has changed since you read it. Read it again and repeat your change."),
        )
    }

    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(Kind::Forbidden, message)
    }

    pub fn no_longer_known() -> Self {
        Error::new(Kind::NoLongerKnown, "Your access ended during this request. Sign in and try again.")
    }

    pub fn throttled(wait: Duration) -> Self {
        let seconds = wait.as_secs().max(1);
        Error {
            retry_after: Some(Duration::from_secs(seconds)),
            ..Error::new(Kind::Throttled, format!("Too many failed attempts. Try again in {seconds} s."))
        }
    }

    /// A temporary failure of the server. `cause` is for the log.
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

    /// A write that may or may not have happened. `cause` is for the log.
    pub fn outcome_unknown(cause: impl fmt::Display) -> Self {
        Error {
            retry_after: Some(Duration::from_secs(1)),
            cause: Some(cause.to_string()),
            ..Error::new(
                Kind::OutcomeUnknown,
                "It is unknown whether this change was saved, because the disk or the database server failed. Check the audit log, which \
                 shows it if it was saved, before you try again.",
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
