//! `POST /keys/{id}/rotate`: replaces a key by one with the same settings. The form is on the key's page.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::show::KeyDetailsPage;
use super::shown_before::shown_before;
use super::shown_once::{ReplacedKey, ShownKeyPage};
use crate::auth::{Made, Rotation, SensitiveAct};
use crate::error::{Error, Result as Outcome};
use crate::http::dashboard::frame::{Field, FormFields, PageError, SignedForm, When, unprocessable};
use crate::model::{Basis, Expiry, Handover, KeyId, KeyRecord, Overlap, Silence, Time};

/// Creates the replacement and shows it, exactly as `create` does.
pub async fn rotate(form: SignedForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let SignedForm { who, fields, submission } = form;
    let (auth, key) = (&who.site.auth, KeyId::parse(&id)?);
    let overlap = Overlap::parse(fields.text("overlap"))?;
    let silence = silence(&fields)?;
    // It may be gone, perhaps because this form was sent before; `rotate_key` finds out.
    let old = auth.key(&who.asking().caller, key).await.ok();
    if old.as_ref().is_some_and(|old| old.owner.id != who.user().id) {
        return Err(Error::forbidden(
            "Only its owner can rotate this key here, because the new key is shown to whoever rotates it. Ask the owner.",
        )
        .into());
    }
    if let Some(old) = &old
        && let Err(error) =
            who.confirm(SensitiveAct::ObtainKey(&old.settings.scopes), fields.text("current_password")).await
    {
        let mut page = KeyDetailsPage::new(&who, old.clone()).await?;
        page.rotate_password = Some(Field::wrong(error?));
        page.overlap = fields.text("overlap").to_owned();
        page.silence = fields.text("silence").to_owned();
        page.new_expiry = fields.text("expires").to_owned();
        return Ok(unprocessable(&page)?);
    }
    let expiry = match fields.text("expires") {
        "" => None,
        text => Some(Expiry::parse(text, auth.now())?),
    };
    let rotation = Rotation {
        key,
        overlap,
        silence,
        handover: Handover::AtOnce,
        expiry,
        seen: Basis::Anything,
        submission: Some(submission),
    };
    match auth.rotate_key(&who.asking(), rotation).await? {
        Made::Now { key, record } => who.ok(&ShownKeyPage {
            // For a key that had already expired, the overlap means nothing.
            replaces: old
                .filter(|old| overlap.is_none() || !old.is_expired(auth.now()))
                .map(|old| ReplacedKey { hint: old.hint.clone(), until: old_end(&old, overlap, auth.now()) }),
            ..ShownKeyPage::new(&who, &key, &record)?
        }),
        Made::Before(id) => shown_before(&who, id).await,
    }
}

/// How long the old key must be unused to be revoked early; empty means that it is not.
pub fn silence(fields: &FormFields) -> Outcome<Option<Silence>> {
    Some(fields.text("silence")).filter(|text| !text.is_empty()).map(Silence::parse).transpose()
}

fn old_end(old: &KeyRecord, overlap: Overlap, now: Time) -> Option<When> {
    (!overlap.is_none()).then(|| overlap.end(old, now).into())
}
