//! The response with a new key, which is the only one that contains the key itself.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::json::KeyJson;
use super::respond_with;
use crate::auth::Made;
use crate::auth::caller::Asking;
use crate::error::{Error, Kind};
use crate::http::SiteRef;
use crate::http::api::based_on::etag;
use crate::http::problem::Problem;
use crate::http::schema::Operation;
use crate::model::{KeyRecord, PlainKey};

/// A new key: its record and, only in this response, the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeKey)]
pub struct MadeKeyJson<'a> {
    #[serde(flatten)]
    record: KeyJson<'a>,
    key: &'a str,
}

impl<'a> MadeKeyJson<'a> {
    pub fn new(record: &'a KeyRecord, key: &'a PlainKey) -> Self {
        // The record is as of its creation.
        MadeKeyJson { record: KeyJson::of(record, record.created_at), key: key.expose() }
    }
}

/// Adds `Idempotency-Key` to the operation.
pub fn repeatable(operation: Operation) -> Operation {
    let description = "Identifies this request. If repeated with the same value and body within a day, it creates no \
        second key and returns 200 with the record, without the key.";
    let name = utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::String)
        // White space around a field value is not part of it (RFC 9110 §5.5).
        .pattern(Some(r"^[ \t]*[!-~]([ -~]{0,253}[!-~])?[ \t]*$"))
        .build();
    operation.header("Idempotency-Key", name, description).refuses(&[409])
}

pub async fn respond(site: &SiteRef, asking: &Asking, made: Made) -> Result<HttpResponse, Problem> {
    match made {
        Made::Now { key, record } => {
            let location = (header::LOCATION, format!("/api/v1/keys/{}", record.id));
            let tag = etag(record.version());
            let body = MadeKeyJson::new(&record, &key);
            Ok(HttpResponse::Created().insert_header(location).insert_header(tag).json(body))
        }
        Made::Before(id) => match site.auth.key(&asking.caller, id).await {
            Ok(record) => Ok(respond_with(&record, site.auth.now())),
            Err(error) if error.kind == Kind::NotFound => {
                Err(Error::conflict("The key that this request created was revoked. Use a new Idempotency-Key.").into())
            }
            Err(error) => Err(error.into()),
        },
    }
}
