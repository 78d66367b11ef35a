//! The page that says what went wrong and what to do next.

use askama::Template;

use super::shell::Shell;

/// Any answer that is an error and not a form with its input kept.
#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    pub shell: Shell,
    pub status: u16,
    pub title: String,
    /// What the reader can do now.
    pub next_step: String,
    pub request_id: Option<String>,
}

impl ErrorPage {
    /// The title and next step for a status, where nothing more exact is known.
    pub fn words(status: u16) -> (&'static str, &'static str) {
        match status {
            400 => ("We could not read that request", "Go back, reload the page and try again."),
            403 => (
                "You may not do that",
                "If you had left the page open for a while, go back, reload it and try again. \
                 Otherwise ask an admin.",
            ),
            404 => ("There is nothing here", "Check the address. A key that was revoked is gone for good."),
            405 => ("This address does not take that", "Use the buttons and links of the dashboard."),
            413 => ("That is too much at once", "Go back, shorten what you typed and send it again."),
            422 => ("Something in the form is wrong", "Go back, correct the form and send it again."),
            503 => (
                "We cannot answer right now",
                "The trouble is on our side, and your keys are as they were. Try again in a minute; \
                 if it stays, tell your admin.",
            ),
            _ => (
                "Something broke on our side",
                "Try again. If it happens again, tell your admin the request number below.",
            ),
        }
    }
}
