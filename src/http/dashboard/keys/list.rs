//! `/keys`: the signed-in user's own keys.

use actix_web::HttpResponse;
use actix_web::web::Query;
use askama::Template;

use super::leak_notices::LeakBanner;
use super::listing::KeyList;
use super::query::KeyListQuery;
use crate::http::dashboard::frame::{Nav, PageError, Shell, SignedIn};
use crate::model::KeyState;

#[derive(Template)]
#[template(path = "keys/list.html")]
struct KeysPage {
    shell: Shell,
    leaked: Option<LeakBanner>,
    list: KeyList,
    /// Without a trailing slash; shown in the curl command if there are no keys yet.
    public_url: String,
}

pub async fn page(who: SignedIn, query: Query<KeyListQuery>) -> Result<HttpResponse, PageError> {
    let query = KeyListQuery { owner: String::new(), ..query.into_inner() };
    who.ok(&KeysPage {
        shell: who.shell("My keys", Nav::Keys)?,
        leaked: LeakBanner::of(&who).await?,
        list: KeyList::own(&who, query).await?,
        public_url: who.site.settings.public_url.as_str().to_owned(),
    })
}
