//! `POST /keys/selected/revoke` and `…/disable`: several keys of a list at once. The first post asks, with the names of
//! the keys; the second, which has `confirmed`, does it.

use actix_web::HttpResponse;
use askama::Template;

use super::origin::ListOrigin;
use super::row::KeyListItem;
use crate::auth::WhichKeys;
use crate::error::Result as Outcome;
use crate::http::dashboard::frame::{Flash, Nav, PageError, Shell, SignedForm, SignedIn, unprocessable};
use crate::model::{Basis, KeyId, KeyState, counted};

/// Keys per form; a page of a list has fewer.
const MAX: usize = 1_000;
/// Keys per transaction.
const AT_ONCE: usize = 250;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Revoke,
    Disable,
}

#[derive(Template)]
#[template(path = "keys/selected.html")]
struct SelectedKeysPage {
    shell: Shell,
    keys: Vec<KeyListItem>,
    /// `1 key`, `2 keys`
    number: String,
    deed: Deed,
    /// What is wrong with the selection.
    error: Option<&'static str>,
    /// The list that the keys were selected in.
    list_url: String,
}

pub async fn revoke(form: SignedForm) -> Result<HttpResponse, PageError> {
    answer(form, Deed::Revoke).await
}

pub async fn disable(form: SignedForm) -> Result<HttpResponse, PageError> {
    answer(form, Deed::Disable).await
}

async fn answer(form: SignedForm, deed: Deed) -> Result<HttpResponse, PageError> {
    let SignedForm { who, fields, .. } = form;
    let mut ids: Vec<KeyId> = fields.all("id").filter_map(|id| KeyId::parse(id).ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    let usual = if fields.text("list") == "/admin/keys" { "/admin/keys" } else { "/keys" };
    let origin = ListOrigin::of(fields.text("from"));
    let list_url = origin.url_or(usual);
    let error = match ids.len() {
        0 => Some("Tick at least one key in the list."),
        1..=MAX => None,
        _ => Some("Select up to 1,000 keys at a time."),
    };
    if error.is_none() && !fields.text("confirmed").is_empty() {
        return done(&who, deed, &ids, list_url).await;
    }
    let keys = if error.is_some() { Vec::new() } else { found(&who, &ids).await? };
    let error = error.or_else(|| keys.is_empty().then_some("These keys no longer exist."));
    let title = match deed {
        Deed::Revoke => "Revoke selected keys",
        Deed::Disable => "Disable selected keys",
    };
    let here = if list_url.starts_with("/admin/") { Nav::AdminKeys } else { Nav::Keys };
    let page = SelectedKeysPage {
        shell: who.shell(title, here)?,
        number: counted(keys.len() as u64, "key"),
        keys,
        deed,
        error,
        list_url: list_url.to_owned(),
    };
    Ok(if page.error.is_some() { unprocessable(&page)? } else { who.ok(&page)? })
}

/// The keys that exist and are within reach.
async fn found(who: &SignedIn, ids: &[KeyId]) -> Outcome<Vec<KeyListItem>> {
    let auth = &who.site.auth;
    let records = auth.keys_with_ids(&who.asking().caller, ids.to_vec()).await?;
    Ok(records.iter().map(|record| KeyListItem::with_owner(record, who.user().id, auth.now())).collect())
}

async fn done(who: &SignedIn, deed: Deed, ids: &[KeyId], list_url: &str) -> Result<HttpResponse, PageError> {
    let (auth, asking) = (&who.site.auth, who.asking());
    let (mut changed, mut gone) = (0, 0);
    for some in ids.chunks(AT_ONCE) {
        let missing = match deed {
            Deed::Revoke => {
                auth.revoke_keys(&asking, WhichKeys::Ids(some.to_vec()), Basis::Anything).await?.missing.len()
            }
            Deed::Disable => auth.disable_keys(&asking, some.to_vec()).await?,
        };
        (changed, gone) = (changed + some.len() - missing, gone + missing);
    }
    let (verb, effect) = match deed {
        Deed::Revoke => ("Revoked", "Requests with them are refused from now on."),
        Deed::Disable => ("Disabled", "Requests with them are refused until they are enabled again."),
    };
    let mut text = format!("{verb} {}. {effect}", counted(changed as u64, "key"));
    if gone > 0 {
        text.push_str(&format!(" {} no longer existed.", counted(gone as u64, "key")));
    }
    who.redirect(list_url, &Flash::plain(&text))
}
