//! `/api/v1/keys/current` and `/api/v1/keys/verify`.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::json;

use super::KeyJson;
use crate::error::{Error, Kind};
use crate::http::Shared;
use crate::http::bearer::Bearer;
use crate::http::body::Json;
use crate::http::problem::{Problem, rate_limit_headers};
use crate::model::verdict::Demand;
use crate::model::{Refusal, Scope};

/// The bearer's own record.
pub async fn current(site: Shared, bearer: Bearer) -> Result<HttpResponse, Problem> {
    match site.auth.verified_record(bearer.id()).await {
        Ok(record) => {
            let mut response = HttpResponse::Ok();
            for header in bearer.allowance.iter().flat_map(rate_limit_headers) {
                response.insert_header(header);
            }
            Ok(response.json(KeyJson::from(record)))
        }
        Err(error) => Err(gone_or(error)),
    }
}

/// The bearer revokes itself.
pub async fn revoke_current(site: Shared, bearer: Bearer) -> Result<HttpResponse, Problem> {
    match site.auth.revoke_own(bearer.id(), bearer.origin()).await {
        Ok(()) => Ok(HttpResponse::NoContent().finish()),
        Err(error) => Err(gone_or(error)),
    }
}

/// Revoked between the verdict and the record: an invalid key, not a missing page.
fn gone_or(error: Error) -> Problem {
    match error.kind {
        Kind::NotFound => Problem::refused(Refusal::NotFound, &[]),
        _ => error.into(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    key: String,
    #[serde(default)]
    scopes: Vec<String>,
    /// The address that the key is used from, for keys with address ranges.
    ip: Option<String>,
}

/// Judges another key. The answer is 200 either way; only this caller learns the reason.
pub async fn verify(site: Shared, bearer: Bearer, body: Json<VerifyBody>) -> Result<HttpResponse, Problem> {
    bearer.needs(&[Scope::VERIFY])?;
    let Json(asked) = body;
    let scopes = asked.scopes.iter().map(|text| Scope::parse_need(text)).collect::<Result<Vec<_>, _>>()?;
    let scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
    let address = match asked.ip.as_deref().map(str::parse) {
        None => None,
        Some(Ok(address)) => Some(address),
        Some(Err(_)) => return Err(Error::invalid("ip", "An address is written as 203.0.113.7 or 2001:db8::1.").into()),
    };
    let demand = Demand { scopes: &scopes, address, user_agent: b"" };
    let verdict = site.auth.verify(asked.key.as_bytes(), &demand, |key| key.id).await?;
    let refusal = match verdict {
        Ok(good) => match site.auth.verified_record(good.told).await {
            Ok(record) => {
                let body = json!({ "valid": true, "code": "valid", "key": KeyJson::from(record) });
                return Ok(HttpResponse::Ok().json(body));
            }
            Err(error) if error.kind == Kind::NotFound => Refusal::NotFound,
            Err(error) => return Err(error.into()),
        },
        Err(bad) => bad.refusal,
    };
    Ok(HttpResponse::Ok().json(json!({ "valid": false, "code": refusal.code() })))
}
