//! `/admin/keys`: all keys, for admins.

use actix_web::HttpResponse;
use actix_web::web::Query;
use askama::Template;

use super::listing::KeyList;
use super::query::KeyListQuery;
use crate::http::dashboard::frame::{Admin, Nav, PageError, Shell};
use crate::model::KeyState;

#[derive(Template)]
#[template(path = "keys/all.html")]
struct AllKeysPage {
    shell: Shell,
    list: KeyList,
}

pub async fn page(admin: Admin, query: Query<KeyListQuery>) -> Result<HttpResponse, PageError> {
    let who = admin.0;
    who.ok(&AllKeysPage {
        shell: who.shell("All keys", Nav::AdminKeys)?,
        list: KeyList::all(&who, query.into_inner()).await?,
    })
}
