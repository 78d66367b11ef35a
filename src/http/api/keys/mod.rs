//! `/api/v1/keys…`: one file per route. `json` holds what a key looks like on the wire.

pub mod change;
pub mod create;
pub mod current;
mod json;
pub mod list;
mod made;
mod new_expiry;
mod rate_limit;
pub mod revoke;
pub mod rotate;
pub mod show;
pub mod verify;

pub use json::KeyJson;
pub use made::MadeKeyJson;

use actix_web::HttpResponse;

use super::based_on::etag;
use crate::model::KeyRecord;

/// What can be done with a new key, by operation id.
const LEADS: [&str; 4] = ["getKey", "changeKey", "rotateKey", "revokeKey"];

/// 200 with the record and its `ETag`.
fn respond_with(record: &KeyRecord) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag(record.version())).json(KeyJson::from(record))
}
