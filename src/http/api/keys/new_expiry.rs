//! The expiry of a new key as programs send it: a time, a duration, or text that is either of them or `never`.

use crate::error::{Error, Result};
use crate::model::expiry::parse_span;
use crate::model::{Expiry, Time};

/// The three fields for the expiry of a new key. Only one of them can be sent.
pub struct NewExpiry<'a> {
    pub expires_at: Option<&'a str>,
    pub expires_in: Option<&'a str>,
    pub expires: Option<&'a str>,
}

impl NewExpiry<'_> {
    pub fn parse(&self, now: Time) -> Result<Option<Expiry>> {
        match (self.expires_at, self.expires_in, self.expires) {
            (None, None, None) => Ok(None),
            (Some(time), None, None) => expires_at(Some(time), now).map(Some),
            (None, Some(span), None) => expires_in(span, now).map(Some),
            (None, None, Some(text)) => Expiry::parse(text, now).map(Some),
            _ => Err(Error::invalid("expires", "Send only one of expires_at, expires_in and expires.")),
        }
    }

    /// Attributes the error to the field that was sent.
    pub fn name(&self, error: Error) -> Error {
        let field = match (self.expires_at, self.expires_in) {
            (Some(_), _) => "expires_at",
            (_, Some(_)) => "expires_in",
            _ => "expires",
        };
        Error { field: error.field.map(|own| if own == "expires_at" { field } else { own }), ..error }
    }
}

pub fn expires_at(time: Option<&str>, now: Time) -> Result<Expiry> {
    let expiry = time.map_or(Ok(Expiry::Never), |time| Expiry::at(Time::parse(time)?, now));
    expiry.map_err(|error| Error { field: Some("expires_at"), ..error })
}

fn expires_in(span: &str, now: Time) -> Result<Expiry> {
    let wrong = || Error::invalid("expires_in", "Write a duration as 90d, 12h, 15m or 30s.");
    let expiry = parse_span(span).ok_or_else(wrong).and_then(|span| Expiry::after(span, now));
    expiry.map_err(|error| Error { field: Some("expires_in"), ..error })
}
