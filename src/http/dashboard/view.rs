//! From records to what pages show, and from pages to answers.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use askama::Template;
use serde::Deserialize;

use super::pages::{self, ErrorPage, Field, KeyRow, Nav, Notice, NoticeKind, Pager, Shell, When};
use crate::error::{Error, Result};
use crate::http::Shared;
use crate::http::problem::Problem;
use crate::http::request_id::RequestId;
use crate::model::{Cursor, KeyRecord, Page, Role, Time};

const SOON: Duration = Duration::from_secs(7 * 86_400);
/// Rows of a list on one page.
pub const ROWS: usize = 50;

pub fn html(status: StatusCode, page: &impl Template) -> Result<HttpResponse, Problem> {
    let body = page.render().map_err(Error::internal)?;
    Ok(HttpResponse::build(status).insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8")).body(body))
}

pub fn ok(page: &impl Template) -> Result<HttpResponse, Problem> {
    html(StatusCode::OK, page)
}

/// The form again, with the input kept and the errors beside the fields.
pub fn unprocessable(page: &impl Template) -> Result<HttpResponse, Problem> {
    html(StatusCode::UNPROCESSABLE_ENTITY, page)
}

/// A problem as a page, for people. It knows nobody, so that it can always be made.
pub fn error_page(site: &Shared, problem: &Problem, id: &RequestId) -> HttpResponse {
    let status = problem.status.as_u16();
    let (title, general) = match problem.code {
        "wrong_address" => ("Open the server’s own address", ""),
        _ => ErrorPage::words(status),
    };
    let is_specific = matches!(status, 403 | 409 | 413 | 415 | 422 | 429) || problem.code == "form_expired";
    let page = ErrorPage {
        shell: Shell {
            title: title.to_owned(),
            assets: site.assets.urls(),
            csrf_token: String::new(),
            me: None,
            here: Nav::None,
            notice: None,
        },
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

pub fn when(time: Time) -> When {
    When { iso: time.to_string(), text: time.for_people() }
}

/// The fields that cannot be read, for people.
pub fn damage(unreadable: &[&str]) -> Option<String> {
    (!unreadable.is_empty()).then(|| unreadable.join(", ").replace('_', " "))
}

pub fn expires_soon(record: &KeyRecord, now: Time) -> bool {
    record.settings.expires_at.is_some_and(|end| end > now && end.since(now) < SOON)
}

/// In the largest unit that says it exactly.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let (size, unit) = units.into_iter().find(|(size, _)| seconds.is_multiple_of(*size)).unwrap_or((1, "second"));
    let count = seconds / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

pub fn owner(record: &KeyRecord) -> pages::Owner {
    pages::Owner { id: record.owner.id.to_string(), email: record.owner.email.to_string() }
}

pub fn scopes(record: &KeyRecord) -> Vec<String> {
    record.settings.scopes.iter().map(ToString::to_string).collect()
}

pub fn key_row(record: &KeyRecord, now: Time) -> KeyRow {
    KeyRow {
        id: record.id.to_string(),
        name: record.settings.name.to_string(),
        hint: record.hint.clone(),
        owner: None,
        scopes: scopes(record),
        created: when(record.created_at),
        expires: record.settings.expires_at.map(when),
        expires_soon: expires_soon(record, now),
        last_used: record.last_use.as_ref().map(|last| when(last.at)),
        state: record.state(now),
    }
}

pub fn role(role: Role) -> pages::Role {
    match role {
        Role::Member => pages::Role::Member,
        Role::Admin => pages::Role::Admin,
    }
}

/// The most of a value that a page repeats, in characters: more than anything that is taken.
const REPEATED: usize = 1_000;
const REPEATED_LIST: usize = 4_000;

pub fn field(value: &str) -> Field {
    Field { value: value.chars().take(REPEATED).collect(), error: None }
}

/// With several values in it.
pub fn list_field(value: &str) -> Field {
    Field { value: value.chars().take(REPEATED_LIST).collect(), error: None }
}

/// The query of a list page. Unknown parameters are ignored.
#[derive(Debug, Default, Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    pub q: String,
    pub after: Option<String>,
    pub notice: Option<String>,
}

impl ListQuery {
    pub fn search(&self) -> Option<String> {
        let text = self.q.trim();
        (!text.is_empty()).then(|| text.chars().take(200).collect())
    }

    pub fn cursor(&self) -> Result<Option<Cursor>> {
        self.after.as_deref().map(Cursor::parse).transpose()
    }

    /// Links to the neighbouring pages. Going back to newer rows starts from the newest.
    pub fn pager<T>(&self, path: &str, page: &Page<T>) -> Pager {
        let link = |after: Option<String>| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            if !self.q.is_empty() {
                query.append_pair("q", &self.q);
            }
            if let Some(after) = after {
                query.append_pair("after", &after);
            }
            match query.finish() {
                empty if empty.is_empty() => path.to_owned(),
                query => format!("{path}?{query}"),
            }
        };
        Pager {
            newer: self.after.is_some().then(|| link(None)),
            older: page.next.map(|cursor| link(Some(cursor.text()))),
        }
    }
}

/// What a redirect tells the next page: a word of this list in `?notice=`, never text.
pub fn notice(word: Option<&str>) -> Option<Notice> {
    let text = match word? {
        "revoked" => "The key is revoked. The next request with it is refused.",
        "disabled" => "The key is disabled. It is refused until you enable it again.",
        "enabled" => "The key is enabled. It is accepted again.",
        "saved" => "Saved.",
        "user-added" => "The user is added and can log in.",
        "user-deactivated" => "The user is deactivated. All their keys and sessions are refused from now on.",
        "user-activated" => "The user is active again, and so are their keys.",
        "sessions-ended" => "The sessions are ended.",
        "password-changed" => "The password is changed and every session ended. Log in with the new one.",
        "logged-out" => "You are logged out.",
        "setup-done" => "The first admin is made. Log in to make your first key.",
        _ => return None,
    };
    Some(Notice { kind: NoticeKind::Success, text: text.to_owned() })
}
