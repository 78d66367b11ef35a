//! `/api/v1/users` and `/api/v1/users/{id}`: managing users with an admin's key that has the scope `keybearer:users`.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Path;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::UserJson;
use super::based_on::{BasedOn, etag};
use super::manager::UsersManager;
use super::parameters::Parameters;
use crate::http::body::Json;
use crate::http::json_value::given;
use crate::http::openapi::field;
use crate::http::problem::Problem;
use crate::model::{Cursor, Role, User, UserChange, UserFilter, UserId};

#[derive(Serialize, ToSchema)]
pub struct UserPage {
    users: Vec<UserJson>,
    /// The cursor of the next page; `null` on the last page.
    #[schema(value_type = Option<String>, required = true)]
    next_cursor: Option<String>,
}

pub async fn list(manager: UsersManager, query: Parameters) -> Result<HttpResponse, Problem> {
    let query = query.only(&["search", "role", "active", "limit", "cursor"])?;
    let asking = manager.asking().await?;
    let filter = UserFilter {
        search: query.search()?,
        role: query.text("role").map(Role::parse).transpose()?,
        active: query.truth("active")?,
        after: query.filled("cursor").map(Cursor::parse).transpose()?,
        limit: query.limit()?,
    };
    let page = manager.site.auth.users_page(&asking, filter).await?;
    let users = page.rows.into_iter().map(UserJson::from).collect();
    Ok(HttpResponse::Ok().json(UserPage { users, next_cursor: page.next.map(|cursor| cursor.text()) }))
}

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
}

pub async fn add(manager: UsersManager, body: Json<NewUserBody>) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    let Json(new) = body;
    let role = new.role.as_deref().map_or(Ok(Role::Member), Role::parse)?;
    let user = manager.site.auth.add_user(&asking, &new.email, role, new.password.as_deref()).await?;
    let location = (header::LOCATION, format!("/api/v1/users/{}", user.id));
    let tag = etag(user.version());
    Ok(HttpResponse::Created().insert_header(location).insert_header(tag).json(UserJson::from(user)))
}

pub async fn show(manager: UsersManager, id: Path<String>) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    Ok(answer(manager.site.auth.user(&asking, UserId::parse(&id)?).await?))
}

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
    Ok(answer(auth.change_user(&asking, id, change, body.password.as_deref(), based_on.0).await?))
}

pub async fn remove(manager: UsersManager, id: Path<String>, based_on: BasedOn) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    manager.site.auth.remove_user(&asking, UserId::parse(&id)?, based_on.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn answer(user: User) -> HttpResponse {
    HttpResponse::build(StatusCode::OK).insert_header(etag(user.version())).json(UserJson::from(user))
}
