//! `/api/v1/keys…`: one file per route. `json` holds what a key looks like on the wire.

pub mod change;
pub mod create;
pub mod current;
mod json;
mod last_used;
pub mod list;
mod made;
mod new_expiry;
mod rate_limit;
pub mod revoke;
pub mod rotate;
pub mod show;
pub mod usage;
pub mod verify;

pub use json::KeyJson;
pub use made::MadeKeyJson;
pub use usage::KeyUsageJson;

use actix_web::HttpResponse;

use super::based_on::etag;
use crate::model::{KeyRecord, Time};

/// What can be done with a new key, by operation id.
const LEADS: [&str; 4] = ["getKey", "changeKey", "rotateKey", "revokeKey"];

/// 200 with the record and its `ETag`.
fn respond_with(record: &KeyRecord, now: Time) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag(record.version())).json(KeyJson::of(record, now))
}
