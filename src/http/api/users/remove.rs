//! `DELETE /api/v1/users/{id}`: removes a user and revokes their keys.

use actix_web::HttpResponse;
use actix_web::web::Path;

use crate::http::api::based_on::BasedOn;
use crate::http::api::manager::UsersManager;
use crate::http::problem::Problem;
use crate::http::schema::Operation;
use crate::model::UserId;

pub fn operation() -> Operation {
    Operation::new("People", "removeUser", "Permanently remove a user and revoke their keys")
        .if_match()
        .refuses(&[404, 409])
        .answers_empty(204, "Removed.", &[])
}

pub async fn remove(manager: UsersManager, id: Path<String>, based_on: BasedOn) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    manager.site.auth.remove_user(&asking, UserId::parse(&id)?, based_on.0).await?;
    Ok(HttpResponse::NoContent().finish())
}
