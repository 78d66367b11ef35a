//! `GET /api/v1/keys/{id}`: one key's record.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::json::KeyJson;
use crate::http::api::based_on::etag;
use crate::http::api::manager::KeysManager;
use crate::http::problem::Problem;
use crate::http::schema::Operation;
use crate::model::KeyId;

pub fn operation() -> Operation {
    Operation::new("Keys", "getKey", "One key's record").refuses(&[404]).answers::<KeyJson>(
        200,
        "The record.",
        &["ETag"],
    )
}

pub async fn show(manager: KeysManager, id: Path<String>) -> Result<HttpResponse, Problem> {
    let (auth, asking) = (&manager.site.auth, manager.asking().await?);
    let record = auth.key(&asking.caller, KeyId::parse(&id)?).await?;
    let clients = auth.latest_clients(&record).await?;
    let json = KeyJson::of(&record, auth.now()).used_by(&clients);
    Ok(HttpResponse::Ok().insert_header(etag(record.version())).json(json))
}
