//! Why a page is not shown: sign in first, or a problem.

use std::fmt;

use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use super::cookies::add_cookie;
use super::respond::see_other;
use crate::http::problem::Problem;

#[derive(Debug)]
pub enum PageError {
    /// Redirects to the login page, and from there to `next`.
    SignIn {
        next: Option<String>,
    },
    /// The page's address contains a key: redirects to a page that says so, so that the key leaves the address.
    KeyInUrl {
        /// What became of the key.
        found: Box<Cookie<'static>>,
    },
    /// A form from an earlier session of the same person, shown again.
    StaleForm(Box<str>),
    Problem(Problem),
}

impl<E: Into<Problem>> From<E> for PageError {
    fn from(error: E) -> Self {
        let problem: Problem = error.into();
        // To a person, 401 means that the session is over.
        if problem.status == StatusCode::UNAUTHORIZED {
            PageError::SignIn { next: None }
        } else {
            PageError::Problem(problem)
        }
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PageError::SignIn { .. } => f.write_str("not signed in"),
            PageError::StaleForm(_) => f.write_str("a form of an earlier session"),
            PageError::KeyInUrl { .. } => f.write_str("a key in the address"),
            PageError::Problem(problem) => problem.fmt(f),
        }
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            PageError::SignIn { .. } | PageError::KeyInUrl { .. } => StatusCode::SEE_OTHER,
            PageError::StaleForm(_) => StatusCode::UNPROCESSABLE_ENTITY,
            PageError::Problem(problem) => problem.status,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            PageError::SignIn { next: None } => see_other("/login"),
            PageError::SignIn { next: Some(next) } => {
                let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
                see_other(&format!("/login?{query}"))
            }
            PageError::KeyInUrl { found } => {
                let mut response = see_other("/find");
                match add_cookie(&mut response, found) {
                    Ok(()) => response,
                    Err(problem) => problem.error_response(),
                }
            }
            PageError::StaleForm(page) => {
                HttpResponse::UnprocessableEntity().content_type("text/html; charset=utf-8").body(page.to_string())
            }
            PageError::Problem(problem) => problem.error_response(),
        }
    }
}
