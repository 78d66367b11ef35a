//! The page that says what went wrong and what to do next: every error that is not a form with its input kept.

use actix_web::HttpResponse;
use askama::Template;

use super::frame::Shell;
use crate::http::Shared;
use crate::http::problem::Problem;
use crate::http::request_id::RequestId;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    status: u16,
    title: String,
    /// What the reader can do now.
    next_step: String,
    request_id: Option<String>,
}

impl ErrorPage {
    /// The title and next step for a status, used unless the problem has its own.
    fn words(status: u16) -> (&'static str, &'static str) {
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

/// Does not read who is signed in, so that it always works.
pub fn error_page(site: &Shared, problem: &Problem, id: &RequestId) -> HttpResponse {
    let status = problem.status.as_u16();
    let (title, general) = match problem.code {
        "wrong_address" => ("Open the server’s own address", ""),
        _ => ErrorPage::words(status),
    };
    let is_specific = matches!(status, 403 | 409 | 413 | 415 | 422 | 429) || problem.code == "form_expired";
    let page = ErrorPage {
        shell: Shell::anonymous(title, &site.assets, String::new()),
        status,
        title: title.to_owned(),
        next_step: if is_specific { problem.detail.to_string() } else { general.to_owned() },
        request_id: Some(id.as_str().to_owned()),
    };
    let text = page.render().unwrap_or_else(|_| title.to_owned());
    let mut response = HttpResponse::build(problem.status).content_type("text/html; charset=utf-8").body(text);
    problem.add_headers(response.headers_mut());
    response
}
