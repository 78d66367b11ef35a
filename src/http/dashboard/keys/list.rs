//! `/keys`: the signed-in user's own keys.

use actix_web::HttpResponse;
use actix_web::web::Query;
use askama::Template;

use super::leak_notices::LeakBanner;
use super::row::KeyListItem;
use crate::http::dashboard::frame::{ListQuery, Nav, PageError, Pager, ROWS, Shell, SignedIn};
use crate::model::{KeyFilter, KeyState};

#[derive(Template)]
#[template(path = "keys/list.html")]
struct KeysPage {
    shell: Shell,
    leaked: Option<LeakBanner>,
    keys: Vec<KeyListItem>,
    pager: Pager,
    /// Without a trailing slash; shown in the curl command if there are no keys yet.
    public_url: String,
}

pub async fn page(who: SignedIn, query: Query<ListQuery>) -> Result<HttpResponse, PageError> {
    let auth = &who.site.auth;
    let own = Some(who.user().id);
    let list = KeyFilter { owner: own, after: query.cursor()?, limit: ROWS, ..KeyFilter::default() };
    let page = auth.keys(&who.asking().caller, list).await?;
    let now = auth.now();
    who.ok(&KeysPage {
        shell: who.shell("My keys", Nav::Keys)?,
        leaked: LeakBanner::of(&who).await?,
        pager: query.pager("/keys", page.next.map(|cursor| cursor.text())),
        keys: page.rows.iter().map(|record| KeyListItem::new(record, now)).collect(),
        public_url: who.site.settings.public_url.as_str().to_owned(),
    })
}
