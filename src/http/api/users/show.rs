//! `GET /api/v1/users/{id}`: one user's record.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::{UserJson, respond_with};
use crate::http::api::manager::UsersManager;
use crate::http::problem::Problem;
use crate::http::schema::Operation;
use crate::model::UserId;

pub fn operation() -> Operation {
    Operation::new("People", "getUser", "One user's record").refuses(&[404]).answers::<UserJson>(
        200,
        "The record.",
        &["ETag"],
    )
}

pub async fn show(manager: UsersManager, id: Path<String>) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    Ok(respond_with(manager.site.auth.user(&asking, UserId::parse(&id)?).await?))
}
