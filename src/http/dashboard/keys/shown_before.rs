//! The response to a form that was sent again: its key was created and shown before.

use actix_web::HttpResponse;
use askama::Template;

use crate::error::Kind;
use crate::http::dashboard::frame::{Nav, PageError, Shell, SignedIn};
use crate::model::KeyId;

#[derive(Template)]
#[template(path = "keys/shown_before.html")]
struct ShownBeforePage {
    shell: Shell,
    id: String,
    name: String,
}

pub async fn shown_before(who: &SignedIn, id: KeyId) -> Result<HttpResponse, PageError> {
    let name = match who.site.auth.key(&who.asking().caller, id).await {
        Ok(record) => record.settings.name.to_string(),
        Err(error) if error.kind == Kind::NotFound => "revoked key".to_owned(),
        Err(error) => return Err(error.into()),
    };
    who.ok(&ShownBeforePage { shell: who.shell("Already shown", Nav::Keys)?, id: id.to_string(), name })
}
