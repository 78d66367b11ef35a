//! `POST /api/v1/users`: adds a user.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::UserJson;
use crate::error::Error;
use crate::http::api::based_on::etag;
use crate::http::api::manager::UsersManager;
use crate::http::body::Json;
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::Role;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
pub struct NewUserBody {
    #[schema(value_type = field::EmailAddress)]
    email: String,
    /// Default: `member`.
    #[schema(value_type = Option<field::Role>, required = false)]
    role: Option<String>,
    /// Must not be on a list of common passwords. Without a password the user cannot sign in yet.
    #[schema(value_type = Option<field::NewPassword>, required = false)]
    password: Option<String>,
    /// Returns a one-time link, `invitation_url`, with which the user chooses a password within three days. Send no
    /// password then.
    #[schema(value_type = Option<bool>, required = false)]
    invite: Option<bool>,
}

/// A new user: the record and, only in this response, the link.
#[derive(Serialize, ToSchema)]
#[schema(as = AddedUser)]
pub struct AddedUserJson {
    #[serde(flatten)]
    record: UserJson,
    /// Only if `invite` was true.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    invitation_url: Option<String>,
}

pub fn operation() -> Operation {
    Operation::new("People", "addUser", "Add a user")
        .takes::<NewUserBody>()
        .refuses(&[409])
        .answers::<AddedUserJson>(201, "The record.", &["Location", "ETag"])
        .leads_to(201, &["getUser", "changeUser", "removeUser"])
}

pub async fn add(manager: UsersManager, body: Json<NewUserBody>) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    let Json(new) = body;
    let role = new.role.as_deref().map_or(Ok(Role::Member), Role::parse)?;
    let (auth, base) = (&manager.site.auth, manager.site.settings.public_url.as_str());
    let (user, invitation_url) = match (new.invite, &new.password) {
        (Some(true), None) => {
            let (user, link) = auth.invite_user(&asking, &new.email, role).await?;
            (user, Some(format!("{base}{}", link.path())))
        }
        (Some(true), Some(_)) => {
            let message = "Send either a password or \"invite\": true, not both.";
            return Err(Error::invalid("invite", message).into());
        }
        _ => (auth.add_user(&asking, &new.email, role, new.password.as_deref()).await?, None),
    };
    let location = (header::LOCATION, format!("/api/v1/users/{}", user.id));
    let tag = etag(user.version());
    Ok(HttpResponse::Created()
        .insert_header(location)
        .insert_header(tag)
        .json(AddedUserJson { record: UserJson::from(user), invitation_url }))
}
