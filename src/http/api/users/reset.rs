//! `POST /api/v1/users/{id}/reset`: a one-time link with which a user chooses a new password.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::api::manager::UsersManager;
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::{Time, UserId};

/// A link that works once. Only this response contains it.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetLink)]
pub struct ResetLinkJson {
    reset_url: String,
    #[schema(value_type = field::Moment)]
    expires_at: Time,
}

pub fn operation() -> Operation {
    Operation::new("People", "resetPassword", "Make a link that sets a user's password")
        .described_as(
            "The old password keeps working until the link is used; then the user's sessions and tokens end. A newer \
             link replaces it. A user who never signed in gets an invitation.",
        )
        .refuses(&[404, 409])
        .answers::<ResetLinkJson>(200, "The link.", &[])
}

pub async fn reset(manager: UsersManager, id: Path<String>) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    let link = manager.site.auth.link_for_user(&asking, UserId::parse(&id)?).await?;
    let reset_url = format!("{}{}", manager.site.settings.public_url.as_str(), link.path());
    Ok(HttpResponse::Ok().json(ResetLinkJson { reset_url, expires_at: link.expires_at }))
}
