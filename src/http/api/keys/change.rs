//! `PATCH /api/v1/keys/{id}`: changes a key's settings.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::json::{KeyChangeBody, KeyJson};
use super::respond_with;
use crate::http::api::based_on::BasedOn;
use crate::http::api::manager::KeysManager;
use crate::http::body::Json;
use crate::http::problem::Problem;
use crate::http::schema::Operation;
use crate::model::KeyId;

pub fn operation() -> Operation {
    Operation::new("Keys", "changeKey", "Change a key")
        .described_as(
            "An absent field is unchanged; `null` clears it. The change is in force when the response is sent.",
        )
        .if_match()
        .takes::<KeyChangeBody>()
        .refuses(&[404, 409])
        .answers::<KeyJson>(200, "The record after the change.", &["ETag"])
}

pub async fn change(
    manager: KeysManager,
    id: Path<String>,
    based_on: BasedOn,
    body: Json<KeyChangeBody>,
) -> Result<HttpResponse, Problem> {
    let (auth, asking) = (&manager.site.auth, manager.asking().await?);
    let owner = match &body.0.owner {
        Some(text) => Some(auth.owner(&asking.caller, text).await?),
        None => None,
    };
    let change = body.0.change(owner, auth.now())?;
    let record = auth.change_key(&asking, KeyId::parse(&id)?, change, based_on.0).await?;
    Ok(respond_with(&record, auth.now()))
}
