//! `GET /api/v1/users`: all users, newest first.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::UserJson;
use crate::http::api::manager::UsersManager;
use crate::http::api::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::{ListCursor, Role, UserFilter};

#[derive(Serialize, ToSchema)]
pub struct UserPage {
    users: Vec<UserJson>,
    /// The cursor of the next page; `null` on the last page.
    #[schema(value_type = Option<String>, required = true)]
    next_cursor: Option<String>,
    /// The cursor of the previous page; `null` on the first page.
    #[schema(value_type = Option<String>, required = true)]
    previous_cursor: Option<String>,
}

pub fn operation() -> Operation {
    Operation::new("People", "listUsers", "List users, newest first")
        .query("search", field::search(), "Part of an email, or a whole ID.")
        .query("role", field::role(), "Only users with this role.")
        .query("active", field::truth(), "Only active users, or only deactivated ones.")
        .turned()
        .answers::<UserPage>(200, "One page.", &[])
}

pub async fn list(manager: UsersManager, query: Parameters) -> Result<HttpResponse, Problem> {
    let query = query.only(&["search", "role", "active", "limit", "cursor"])?;
    let asking = manager.asking().await?;
    let filter = UserFilter {
        search: query.search()?,
        role: query.text("role").map(Role::parse).transpose()?,
        active: query.truth("active")?,
        counts_all_keys: true,
        at: query.filled("cursor").map(ListCursor::parse).transpose()?,
        limit: query.limit()?,
    };
    let page = manager.site.auth.users_page(&asking, filter).await?;
    let [next_cursor, previous_cursor] = [page.next, page.previous].map(|cursor| cursor.map(|cursor| cursor.text()));
    let users = page.rows.into_iter().map(UserJson::from).collect();
    Ok(HttpResponse::Ok().json(UserPage { users, next_cursor, previous_cursor }))
}
