//! `PATCH /api/v1/users/{id}`: changes a user's role, state or password.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{UserJson, respond_with};
use crate::http::api::based_on::BasedOn;
use crate::http::api::manager::UsersManager;
use crate::http::body::Json;
use crate::http::json_value::given;
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::{Role, UserChange, UserId};

/// A change to a user. An absent field is unchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserChange)]
pub struct UserChangeBody {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = field::Role, required = false)]
    role: Option<String>,
    /// `false` ends the user's sessions and tokens, and refuses the user's keys until it is `true` again.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    active: Option<bool>,
    /// A new password. It ends the user's sessions and tokens.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = field::NewPassword, required = false)]
    password: Option<String>,
}

pub fn operation() -> Operation {
    Operation::new("People", "changeUser", "Change a user's role, state or password")
        .described_as(
            "All fields change or none do. The change is in force when the response is sent. The last active admin \
             cannot be demoted or deactivated.",
        )
        .if_match()
        .takes::<UserChangeBody>()
        .refuses(&[404, 409])
        .answers::<UserJson>(200, "The record after the change.", &["ETag"])
}

pub async fn change(
    manager: UsersManager,
    id: Path<String>,
    based_on: BasedOn,
    body: Json<UserChangeBody>,
) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    let Json(body) = body;
    let change = UserChange { role: body.role.as_deref().map(Role::parse).transpose()?, active: body.active };
    let (auth, id) = (&manager.site.auth, UserId::parse(&id)?);
    Ok(respond_with(auth.change_user(&asking, id, change, body.password.as_deref(), based_on.0).await?))
}
