//! The page that says what went wrong and what to do next: it is shown for every error except a wrong form, which is
//! shown again with its input. Whoever is signed in keeps the navigation.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::frame::{Nav, Shell, SignedIn};
use crate::http::SiteRef;
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
            400 => ("We couldn’t read that request", "Go back, reload the page and try again."),
            403 => (
                "You don’t have access",
                "If the page was open for a while, go back, reload it and try again. \
                 Otherwise ask an admin.",
            ),
            404 => ("Page not found", "The link may be wrong, or the key was revoked."),
            405 => ("That action isn’t available here", "Use the dashboard’s buttons and links."),
            413 => ("That’s too large", "Go back, shorten what you typed and submit it again."),
            422 => ("There is a problem with the form", "Go back, correct it and submit it again."),
            503 => (
                "We can’t respond right now",
                "The problem is on our side, and your keys have not changed. Try again in a minute; \
                 if it keeps happening, tell your admin.",
            ),
            _ => {
                ("Something went wrong", "Try again. If it keeps happening, tell your admin the request number below.")
            }
        }
    }
}

/// The frame of someone who is signed in. In an outage nobody looks: the page must always work, and at once.
async fn shell(site: &SiteRef, title: &str, status: StatusCode, request: Option<&HttpRequest>) -> Shell {
    let who = match request {
        Some(request) if status != StatusCode::SERVICE_UNAVAILABLE => SignedIn::extract(request).await.ok(),
        _ => None,
    };
    let own = who.and_then(|who| who.shell(title, Nav::None).ok());
    // The outcome of an action waits for the page that it is for.
    own.map_or_else(|| Shell::anonymous(title, site, String::new()), |shell| Shell { flash: None, ..shell })
}

pub async fn error_page(
    site: &SiteRef,
    problem: &Problem,
    id: &RequestId,
    request: Option<&HttpRequest>,
) -> HttpResponse {
    let status = problem.status.as_u16();
    let (title, general) = match problem.code {
        "wrong_address" => ("Open the server’s own address", ""),
        _ => ErrorPage::words(status),
    };
    let is_specific = matches!(status, 403 | 409 | 413 | 415 | 422 | 429) || problem.code == "form_expired";
    let page = ErrorPage {
        shell: shell(site, title, problem.status, request).await,
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
