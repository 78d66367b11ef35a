//! What can be done between a rotation and the end of the old key.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::rotate::silence;
use super::show::find;
use crate::error::Error;
use crate::http::dashboard::frame::{Flash, PageError, SignedForm, When};
use crate::model::{KeyId, Overlap};

/// `POST /keys/{id}/extend`: gives the old key of a rotation another end.
pub async fn extend(form: SignedForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let SignedForm { who, fields, .. } = form;
    let (id, overlap) = (KeyId::parse(&id)?, Overlap::parse(fields.text("overlap"))?);
    if overlap.is_none() {
        return Err(Error::invalid("overlap", "Choose how long the old key keeps working, or revoke it.").into());
    }
    let record = who.site.auth.extend_rotated(&who.asking(), id, overlap, silence(&fields)?).await?;
    let end =
        record.settings.expires_at.map_or_else(String::new, |end| format!("It works until {}.", When::from(end).text));
    who.redirect(
        &format!("/keys/{id}"),
        &Flash::on_key("Moved the end of", record.settings.name.as_str(), &end).about(id),
    )
}

/// `POST /keys/{id}/cancel-rotation`: revokes the new key, so that the old one goes on.
pub async fn cancel(form: SignedForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let who = form.who;
    let id = find(&who, &id).await?.id;
    let record = who.site.auth.cancel_rotation(&who.asking(), id).await?;
    let effect = "The new key is revoked, and this one works as before.";
    who.redirect(
        &format!("/keys/{id}"),
        &Flash::on_key("Cancelled the rotation of", record.settings.name.as_str(), effect).about(id),
    )
}
