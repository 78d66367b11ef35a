//! `/api/v1/users…`: managing users with an admin's key that has the scope `keybearer:users`; one file per route.

pub mod add;
pub mod change;
pub mod list;
mod record;
pub mod remove;
pub mod reset;
pub mod show;

pub use record::UserJson;

use actix_web::HttpResponse;

use super::based_on::etag;
use crate::model::User;

/// 200 with the record and its `ETag`.
fn respond_with(user: User) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag(user.version())).json(UserJson::from(user))
}
