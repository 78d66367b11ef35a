//! The fields of a rate limit: requests, the window they count in, and the burst.

use crate::error::{Error, Result};
use crate::http::dashboard::frame::{Field, FormFields};
use crate::model::RateLimit;

pub struct LimitFields {
    /// Empty if there is no limit.
    pub requests: Field,
    /// Seconds: a value of `WINDOWS`, or the window that the key already has.
    pub window: Field,
    /// Empty means the same as `requests`.
    pub burst: Field,
}

/// The values of the window and the words beside them.
pub const WINDOWS: [(&str, &str); 4] = [("1", "second"), ("60", "minute"), ("3600", "hour"), ("86400", "day")];

impl LimitFields {
    /// The fields as they were typed.
    pub fn typed(fields: &FormFields) -> Self {
        LimitFields {
            requests: Field::new(fields.text("limit_requests").trim()),
            window: Field::new(Some(fields.text("limit_window")).filter(|text| !text.is_empty()).unwrap_or("60")),
            burst: Field::new(fields.text("limit_burst").trim()),
        }
    }

    pub fn of(limit: Option<RateLimit>) -> Self {
        let Some(limit) = limit else {
            return LimitFields { requests: Field::default(), window: Field::new("60"), burst: Field::default() };
        };
        let burst = if limit.burst == limit.requests { String::new() } else { limit.burst.to_string() };
        LimitFields {
            requests: Field::new(&limit.requests.to_string()),
            window: Field::new(&limit.window.to_string()),
            burst: Field::new(&burst),
        }
    }

    /// The window in seconds, if it is not one of `WINDOWS`.
    pub fn other_window(&self) -> Option<&str> {
        Some(self.window.value.as_str()).filter(|value| WINDOWS.iter().all(|(window, _)| window != value))
    }

    /// The limit, or `Some(None)` if there is none. `None` if a field is wrong; it then has the error.
    pub fn parse(&mut self) -> Option<Option<RateLimit>> {
        if self.requests.value.is_empty() {
            let lonely = Error::invalid("limit_requests", "Enter the number of requests, or clear the burst.");
            return if self.burst.value.is_empty() { Some(None) } else { self.requests.keep(Err(lonely)) };
        }
        let requests = self.requests.keep(number(&self.requests.value));
        let window = self.window.keep(number(&self.window.value));
        let burst = match self.burst.value.as_str() {
            "" => Some(None),
            text => self.burst.keep(number(text)).map(Some),
        };
        self.requests.keep(RateLimit::new(requests?, window?, burst?)).map(Some)
    }

    /// Each field with its `id` on the page.
    pub fn fields(&self) -> impl Iterator<Item = (String, &Field)> {
        let fields = [("limit_requests", &self.requests), ("limit_window", &self.window), ("limit_burst", &self.burst)];
        fields.into_iter().map(|(id, field)| (id.to_owned(), field))
    }
}

fn number(text: &str) -> Result<u32> {
    text.parse().map_err(|_| Error::invalid("rate_limit", "Enter a whole number, such as 100."))
}
