//! `GET, DELETE /api/v1/keys/current`: what any key can do with itself.

use actix_web::HttpResponse;

use super::json::KeyJson;
use crate::error::{Error, Kind};
use crate::http::SiteRef;
use crate::http::bearer::{BearerRecord, Holder};
use crate::http::json_response::with_json;
use crate::http::problem::{Problem, rate_limit_headers};
use crate::http::schema::Operation;
use crate::model::Refusal;

const GROUP: &str = "The key itself";

pub fn show_operation() -> Operation {
    Operation::new(GROUP, "getCurrentKey", "Returns the calling key").answers::<KeyJson>(
        200,
        "The record.",
        &["RateLimit", "RateLimit-Policy"],
    )
}

/// Returns the calling key's record.
pub async fn show(bearer: BearerRecord) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    for header in bearer.allowance.iter().flat_map(rate_limit_headers) {
        response.insert_header(header);
    }
    with_json(response, &KeyJson::from(&bearer.key))
}

pub fn revoke_operation() -> Operation {
    Operation::new(GROUP, "revokeCurrentKey", "Permanently revokes the calling key").answers_empty(
        204,
        "Revoked. The next request with it is refused.",
        &[],
    )
}

/// Revokes the calling key.
pub async fn revoke(site: SiteRef, holder: Holder) -> Result<HttpResponse, Problem> {
    let bearer = match holder {
        Holder::Bearer(bearer) => bearer,
        Holder::OfDamaged(held) => {
            held.revoke(&site, |_| Ok(())).await?;
            return Ok(HttpResponse::NoContent().finish());
        }
    };
    match site.auth.revoke_own(bearer.id(), bearer.origin()).await {
        Ok(()) => Ok(HttpResponse::NoContent().finish()),
        Err(error) => Err(gone_or(error)),
    }
}

/// A key revoked between the verdict and the read of its record is an invalid key, not a missing page.
fn gone_or(error: Error) -> Problem {
    match error.kind {
        Kind::NotFound => Problem::refused(Refusal::NotFound, &[]),
        _ => error.into(),
    }
}
