//! `GET /api/v1/keys`: the keys that the caller can see, newest first.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::json::KeyJson;
use crate::http::api::manager::KeysManager;
use crate::http::api::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::{Cursor, KeyFilter};

#[derive(Serialize, ToSchema)]
pub struct KeyPage<'a> {
    keys: Vec<KeyJson<'a>>,
    /// The cursor of the next page; `null` on the last page.
    #[schema(value_type = Option<String>, required = true)]
    next_cursor: Option<String>,
}

/// docs/reference.md describes the same search.
const SEARCHED: &str = "Any part of a name, hint or owner's email among the newest 10,000 keys; older keys are matched \
    by the start of the name or email, or by the whole hint or ID. Letters outside ASCII are case-sensitive.";

pub fn operation() -> Operation {
    Operation::new("Keys", "listKeys", "List keys, newest first")
        .described_as("Tokens are not listed.")
        .query("owner", field::any_text(), "Keys of this user: email or ID.")
        .query("search", field::search(), SEARCHED)
        .query("enabled", field::truth(), "Only enabled keys, or only disabled ones.")
        .paged()
        .answers::<KeyPage>(200, "One page.", &[])
}

pub async fn list(manager: KeysManager, query: Parameters) -> Result<HttpResponse, Problem> {
    let query = query.only(&["owner", "search", "enabled", "limit", "cursor"])?;
    let (auth, asking) = (&manager.site.auth, manager.asking().await?);
    let owner = match query.filled("owner") {
        Some(text) => Some(auth.owner(&asking.caller, text).await?),
        None => None,
    };
    let list = KeyFilter {
        owner,
        search: query.search()?,
        enabled: query.truth("enabled")?,
        after: query.filled("cursor").map(Cursor::parse).transpose()?,
        limit: query.limit()?,
    };
    let page = auth.keys(&asking.caller, list).await?;
    let now = auth.now();
    let keys = page.rows.iter().map(|record| KeyJson::of(record, now)).collect();
    Ok(HttpResponse::Ok().json(KeyPage { keys, next_cursor: page.next.map(|cursor| cursor.text()) }))
}
