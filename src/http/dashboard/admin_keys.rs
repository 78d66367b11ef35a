//! Everybody's keys, for admins: search, look, revoke on the key's own page.

use actix_web::HttpResponse;
use actix_web::web::Query;

use super::pages::{AdminKeysPage, KeyRow, Nav};
use super::signed_in::{Admin, Gate};
use super::view::{self, ListQuery, ROWS};
use crate::model::KeyFilter;

pub async fn list(admin: Admin, query: Query<ListQuery>) -> Result<HttpResponse, Gate> {
    let who = admin.0;
    let auth = &who.site.auth;
    let list = KeyFilter { search: query.search(), after: query.cursor()?, limit: ROWS, ..KeyFilter::default() };
    let page = auth.keys(&who.asking().caller, list).await?;
    let now = auth.now();
    Ok(view::ok(&AdminKeysPage {
        shell: who.shell_with("All keys", Nav::AdminKeys, view::notice(query.notice.as_deref()))?,
        q: query.q.clone(),
        pager: query.pager("/admin/keys", &page),
        keys: page
            .rows
            .iter()
            .map(|record| KeyRow { owner: Some(view::owner(record)), ..view::key_row(record, now) })
            .collect(),
    })?)
}
