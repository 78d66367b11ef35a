//! `POST /keys`: creates the key that the form describes and shows it once.

use actix_web::HttpResponse;

use super::new::NewKeyPage;
use super::shown_before::shown_before;
use super::shown_once::ShownKeyPage;
use crate::auth::{Made, SensitiveAct};
use crate::http::dashboard::frame::{Field, PageError, SignedForm, unprocessable};

/// Creates the key and shows it; no later response holds its text.
pub async fn create(form: SignedForm) -> Result<HttpResponse, PageError> {
    let SignedForm { who, fields, submission } = form;
    let mut page = NewKeyPage::new(&who, &fields).await?;
    let Some(request) = page.parse(&who, &fields, submission).await? else {
        return Ok(unprocessable(&page)?);
    };
    let act = SensitiveAct::ObtainKey(&request.settings.scopes);
    if let Err(error) = who.confirm(act, fields.text("current_password")).await {
        page.current_password = Some(Field::wrong(error?));
        return Ok(unprocessable(&page)?);
    }
    match who.site.auth.create_key(&who.asking(), request).await {
        Ok(Made::Now { key, record }) => who.ok(&ShownKeyPage::new(&who, &key, &record)?),
        // The same form was sent again, for example by a reload: the key is created once and shown once.
        Ok(Made::Before(id)) => shown_before(&who, id).await,
        Err(error) => match page.refuse(error) {
            None => Ok(unprocessable(&page)?),
            Some(error) => Err(error.into()),
        },
    }
}
