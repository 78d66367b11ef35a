//! `GET /api/v1/keys`: the keys that the caller can see.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::json::KeyJson;
use crate::http::api::manager::KeysManager;
use crate::http::api::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::{
    KeyFilter, KeySort, ListCursor, ListedState, parse_filter_prefix, parse_filter_scope, parse_filter_span,
};

#[derive(Serialize, ToSchema)]
pub struct KeyPage<'a> {
    keys: Vec<KeyJson<'a>>,
    /// The cursor of the next page; `null` on the last page.
    #[schema(value_type = Option<String>, required = true)]
    next_cursor: Option<String>,
    /// The cursor of the previous page; `null` on the first page.
    #[schema(value_type = Option<String>, required = true)]
    previous_cursor: Option<String>,
}

/// docs/reference.md describes the same search.
const SEARCHED: &str = "Any part of a name, hint or owner's email, or a whole ID. Letters outside ASCII are \
    case-sensitive. If more than 20,000 keys are searched, keys older than the newest 10,000 are matched by the start of \
    the name or email, or by the whole hint or ID, and `sort` cannot be sent.";

const SHORT_PAGES: &str = "Tokens are not listed. A page reads up to 50,000 keys: if fewer of them match than fit on it, it \
    is shorter than `limit`, or even empty, and `next_cursor` continues. A cursor is valid for the same filter and `sort` \
    only.";

const PARAMETERS: [&str; 12] = [
    "owner",
    "search",
    "enabled",
    "state",
    "scope",
    "expiring_within",
    "unused_for",
    "prefix",
    "sort",
    "limit",
    "cursor",
    "never_expires",
];

pub fn operation() -> Operation {
    let orders =
        ["created_at", "-created_at", "expires_at", "-expires_at", "last_used_at", "-last_used_at", "name", "-name"];
    Operation::new("Keys", "listKeys", "List keys, newest first")
        .described_as(SHORT_PAGES)
        .query("owner", field::any_text(), "Keys of this user: email or ID.")
        .query("search", field::search(), SEARCHED)
        .query("enabled", field::truth(), "Only enabled keys, or only disabled ones.")
        .query("state", field::one_of(ListedState::WORDS), "Only keys in this state.")
        .query("scope", field::grant(), "Keys that have this scope, or a scope with `*` that covers it.")
        .query("expiring_within", field::span(), "Keys that expire within this time from now.")
        .query("never_expires", field::truth(), "Only keys that never expire, or only those that do.")
        .query("unused_for", field::span(), "Keys that were neither created nor used within this time.")
        .query("prefix", field::prefix(), "Keys with this prefix.")
        .query("sort", field::one_of(orders), "The order. Keys without the value come last. Default: `-created_at`.")
        .turned()
        .answers::<KeyPage>(200, "One page.", &[])
}

pub async fn list(manager: KeysManager, query: Parameters) -> Result<HttpResponse, Problem> {
    let query = query.only(&PARAMETERS)?;
    let (auth, asking) = (&manager.site.auth, manager.asking().await?);
    let owner = match query.filled("owner") {
        Some(text) => Some(auth.owner(&asking.caller, text).await?),
        None => None,
    };
    let span = |name| query.text(name).map(|text| parse_filter_span(name, text)).transpose();
    let list = KeyFilter {
        owner,
        search: query.search()?,
        enabled: query.truth("enabled")?,
        state: query.text("state").map(ListedState::parse).transpose()?,
        scope: query.text("scope").map(parse_filter_scope).transpose()?,
        expiring_within: span("expiring_within")?,
        never_expires: query.truth("never_expires")?,
        unused_for: span("unused_for")?,
        prefix: query.text("prefix").map(parse_filter_prefix).transpose()?,
        sort: query.text("sort").map_or(Ok(KeySort::NEWEST), KeySort::parse)?,
        at: query.filled("cursor").map(ListCursor::parse).transpose()?,
        limit: query.limit()?,
    };
    let page = auth.keys(&asking.caller, list).await?;
    let [next_cursor, previous_cursor] = [page.next, page.previous].map(|cursor| cursor.map(|cursor| cursor.text()));
    let now = auth.now();
    let keys = page.rows.iter().map(|record| KeyJson::of(record, now)).collect();
    Ok(HttpResponse::Ok().json(KeyPage { keys, next_cursor, previous_cursor }))
}
