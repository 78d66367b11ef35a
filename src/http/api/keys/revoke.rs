//! `DELETE /api/v1/keys/{id}`: permanently revokes a key.

use actix_web::HttpResponse;
use actix_web::web::Path;

use crate::http::api::based_on::BasedOn;
use crate::http::api::manager::KeysManager;
use crate::http::problem::Problem;
use crate::http::schema::Operation;
use crate::model::KeyId;

pub fn operation() -> Operation {
    Operation::new("Keys", "revokeKey", "Permanently revoke a key").if_match().refuses(&[404]).answers_empty(
        204,
        "Revoked. The next request with it is refused.",
        &[],
    )
}

pub async fn revoke(manager: KeysManager, id: Path<String>, based_on: BasedOn) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    manager.site.auth.revoke_key(&asking, KeyId::parse(&id)?, based_on.0).await?;
    Ok(HttpResponse::NoContent().finish())
}
