//! The actions on a key's page that stop it or let it go on: disable, enable, revoke.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::origin::ListOrigin;
use super::show::find;
use crate::error::Result as Outcome;
use crate::http::dashboard::frame::{Flash, PageError, SignedForm, SignedIn};
use crate::model::{Basis, KeyChange, KeyId, KeyRecord};

pub async fn revoke(form: SignedForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let record = find(&form.who, &id).await?;
    form.who.site.auth.revoke_key(&form.who.asking(), record.id, Basis::Anything).await?;
    // Back to the list from which they came; otherwise an owner to their own keys, an admin to all keys.
    let is_own = record.owner.id == form.who.user().id;
    let effect = format!("Requests with {} are refused from now on.", record.hint);
    let outcome = Flash::on_key("Revoked", record.settings.name.as_str(), &effect).about(record.id);
    let list = ListOrigin::of(form.fields.text("from"));
    form.who.redirect(list.url_or(if is_own { "/keys" } else { "/admin/keys" }), &outcome)
}

async fn change(who: &SignedIn, id: KeyId, wanted: KeyChange) -> Outcome<KeyRecord> {
    who.site.auth.change_key(&who.asking(), id, wanted, Basis::Anything).await
}

/// Back to the key's page, which says what was done.
fn back(who: &SignedIn, record: &KeyRecord, deed: &str, effect: &str) -> Result<HttpResponse, PageError> {
    who.redirect(
        &format!("/keys/{}", record.id),
        &Flash::on_key(deed, record.settings.name.as_str(), effect).about(record.id),
    )
}

pub async fn disable(form: SignedForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let record = change(&form.who, KeyId::parse(&id)?, KeyChange::disable()).await?;
    back(&form.who, &record, "Disabled", "Requests with it are refused until you enable it again.")
}

pub async fn enable(form: SignedForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let record = change(&form.who, KeyId::parse(&id)?, KeyChange::enable()).await?;
    back(&form.who, &record, "Enabled", "Requests with it are accepted again.")
}
