//! The query of a list. Unknown and repeated parameters are refused, and nothing is guessed.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest};

use crate::error::{Error, Result};
use crate::http::body;
use crate::http::problem::Problem;
use crate::model::MAX_ROWS;

const MAX_SEARCH_CHARS: usize = 200;
const DEFAULT_LIMIT: usize = 50;

/// The parameters as sent.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Refuses parameters that are unknown or repeated.
    pub fn only(self, known: &[&'static str]) -> std::result::Result<GivenParameters, Problem> {
        let refuse = |name: &str, detail: String| {
            let name: String = name.chars().take(100).collect();
            Err(Problem {
                field: Some(name.into()),
                ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail)
            })
        };
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return refuse(name, format!("Unknown parameter. Use one of: {}.", known.join(", ")));
            }
            if self.0[..at].iter().any(|(earlier, _)| earlier == name) {
                return refuse(name, "Send this parameter only once.".to_owned());
            }
        }
        Ok(GivenParameters(self.0))
    }
}

impl FromRequest for Parameters {
    type Error = Problem;
    type Future = Ready<std::result::Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let fields = body::fields(request.query_string().as_bytes());
        let owned = |fields: form_urlencoded::Parse<'_>| {
            Parameters(fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
        };
        ready(fields.map(owned))
    }
}

/// Parameters that have been checked.
pub struct GivenParameters(Vec<(String, String)>);

impl GivenParameters {
    /// The value as sent, which can be empty.
    pub fn text(&self, name: &'static str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The value, or `None` if it is empty: an empty search field, or the cursor of the first page.
    pub fn filled(&self, name: &'static str) -> Option<&str> {
        self.text(name).map(str::trim).filter(|value| !value.is_empty())
    }

    pub fn truth(&self, name: &'static str) -> Result<Option<bool>> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Error::invalid(name, "Write true or false.")),
        }
    }

    pub fn search(&self) -> Result<Option<String>> {
        self.sought("search")
    }

    /// A text that is searched for, in the parameter of this name.
    pub fn sought(&self, name: &'static str) -> Result<Option<String>> {
        match self.filled(name) {
            Some(text) if text.chars().count() > MAX_SEARCH_CHARS => {
                Err(Error::invalid(name, "A search text must not exceed 200 characters."))
            }
            text => Ok(text.map(str::to_owned)),
        }
    }

    /// The number of rows per page.
    pub fn limit(&self) -> Result<usize> {
        match self.text("limit").map(str::parse) {
            None => Ok(DEFAULT_LIMIT),
            Some(Ok(limit)) if (1..=MAX_ROWS).contains(&limit) => Ok(limit),
            Some(_) => Err(Error::invalid("limit", "The limit must be a number from 1 to 100.")),
        }
    }
}
