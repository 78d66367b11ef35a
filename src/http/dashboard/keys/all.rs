//! `/admin/keys`: all keys, for admins, with search. A key is revoked on its own page.

use actix_web::HttpResponse;
use actix_web::web::Query;
use askama::Template;

use super::row::{KeyListItem, OwnerLink};
use crate::http::dashboard::frame::{Admin, ListQuery, Nav, PageError, Pager, ROWS, Shell};
use crate::model::{KeyFilter, KeyState};

#[derive(Template)]
#[template(path = "keys/all.html")]
struct AllKeysPage {
    shell: Shell,
    /// The search text; empty if there is no search.
    q: String,
    /// Each with its owner.
    keys: Vec<KeyListItem>,
    pager: Pager,
}

pub async fn page(admin: Admin, query: Query<ListQuery>) -> Result<HttpResponse, PageError> {
    let who = admin.0;
    let auth = &who.site.auth;
    let list = KeyFilter { search: query.search(), after: query.cursor()?, limit: ROWS, ..KeyFilter::default() };
    let page = auth.keys(&who.asking().caller, list).await?;
    let now = auth.now();
    who.ok(&AllKeysPage {
        shell: who.shell("All keys", Nav::AdminKeys)?,
        q: query.q.clone(),
        pager: query.pager("/admin/keys", page.next.map(|cursor| cursor.text())),
        keys: page
            .rows
            .iter()
            .map(|record| KeyListItem { owner: Some(OwnerLink::of(record)), ..KeyListItem::new(record, now) })
            .collect(),
    })
}
