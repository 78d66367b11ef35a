//! `POST /api/v1/keys/verify`: whether any key is valid, and if not, why.

use std::net::IpAddr;

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::KeyJson;
use crate::auth::{Caller, Refused, VerdictCheck};
use crate::error::Error;
use crate::http::SiteRef;
use crate::http::api::manager::Verifier;
use crate::http::body::{Json, SecretText};
use crate::http::json_response::with_json;
use crate::http::json_value::List;
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::verdict::Demand;
use crate::model::{ClientAddress, Refusal, Scope, ScopeSet};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Question)]
pub struct VerifyBody {
    /// The text that was presented as a key.
    #[schema(value_type = String)]
    key: SecretText,
    /// The scopes that the key must have.
    #[schema(value_type = Option<field::Needs>, required = false)]
    scopes: Option<List<{ ScopeSet::MAX }>>,
    /// The address that the key is used from; needed for keys with address ranges.
    #[schema(value_type = Option<field::Address>, required = false)]
    ip: Option<String>,
    /// Lists every check of the verdict with its outcome. Such a request is not a use, and takes nothing from the key's
    /// rate limit.
    #[schema(required = false)]
    explain: Option<bool>,
}

/// Whether a key is valid, and if not, why.
#[derive(Serialize, ToSchema)]
#[schema(as = Verdict)]
pub struct VerdictJson<'a> {
    valid: bool,
    /// `valid`, or why the key is refused.
    #[schema(value_type = VerdictCode)]
    code: &'static str,
    /// The record of a valid key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = KeyJson, required = false)]
    key: Option<KeyJson<'a>>,
    /// The checks in the order in which they are made; only if `explain` was true.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<CheckSchema>>, required = false)]
    checks: Option<Vec<CheckJson>>,
}

#[derive(Serialize)]
struct CheckJson {
    check: &'static str,
    outcome: &'static str,
    detail: String,
}

/// A check of the verdict.
#[derive(ToSchema)]
#[schema(as = Check)]
#[expect(dead_code, reason = "the schema of `CheckJson`, whose names are fixed")]
struct CheckSchema {
    /// `known`, `owner_active`, `enabled`, `not_expired`, `address`, `scopes` or `rate_limit`.
    check: String,
    /// `passed`, `failed`, or `skipped` after a failed check.
    outcome: String,
    /// What was found, for people.
    detail: String,
}

impl From<VerdictCheck> for CheckJson {
    fn from(check: VerdictCheck) -> Self {
        CheckJson { check: check.name, outcome: check.outcome.name(), detail: check.detail }
    }
}

/// The code of a key that expired because its rotation is over.
const REPLACED: &str = "replaced";

/// `valid`, or why a key is refused.
struct VerdictCode;

impl utoipa::PartialSchema for VerdictCode {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::Schema::from(field::one_of(
            Refusal::ALL.map(Refusal::code).into_iter().chain(["valid", REPLACED]),
        ))
        .into()
    }
}

impl ToSchema for VerdictCode {}

pub fn operation() -> Operation {
    Operation::new("Keys", "verifyKey", "Verify a key")
        .described_as("Always 200; `code` says why a key is refused.")
        .takes::<VerifyBody>()
        .answers::<VerdictJson>(200, "The verdict.", &[])
}

/// Verifies any key. The response is always 200; only this caller learns why a key is refused.
pub async fn verify(verifier: Verifier, asked: Json<VerifyBody>) -> Result<HttpResponse, Problem> {
    verifier.must_still_hold().await?;
    let (site, Json(asked)) = (&verifier.site, &asked);
    let scopes = asked.scopes.iter().flat_map(|List(texts)| texts);
    let scopes = scopes.map(|text| Scope::parse_need(text)).collect::<Result<Vec<_>, _>>()?;
    let scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
    let address = match asked.ip.as_deref().map(str::parse::<IpAddr>) {
        None => None,
        Some(Ok(address)) => Some(ClientAddress::from(address)),
        Some(Err(_)) => return Err(Error::invalid("ip", "Write an address as 203.0.113.7 or 2001:db8::1.").into()),
    };
    let demand = Demand { scopes: &scopes, address, user_agent: b"" };
    if asked.explain == Some(true) {
        return explain(site, asked.key.expose(), &demand).await;
    }
    let verdict = site.auth.verify_with_record(asked.key.expose().as_bytes(), &demand).await?;
    let answer = match &verdict {
        Ok(good) => VerdictJson { valid: true, code: "valid", key: Some(KeyJson::from(&good.view)), checks: None },
        Err(Refused { refusal: Refusal::Expired, .. }) if site.auth.is_replaced(asked.key.expose()).await => {
            VerdictJson { valid: false, code: REPLACED, key: None, checks: None }
        }
        Err(bad) => VerdictJson { valid: false, code: bad.refusal.code(), key: None, checks: None },
    };
    Ok(with_json(HttpResponse::Ok(), &answer))
}

/// The same answer with all checks, without a use.
async fn explain(site: &SiteRef, presented: &str, demand: &Demand<'_>) -> Result<HttpResponse, Problem> {
    let explained = site.auth.explain(presented.as_bytes(), demand).await?;
    let record = match (explained.refusal, explained.key) {
        (None, Some(id)) => Some(site.auth.key(&Caller::Operator, id).await?),
        _ => None,
    };
    let code = match explained.refusal {
        Some(Refusal::Expired) if site.auth.is_replaced(presented).await => REPLACED,
        refusal => refusal.map_or("valid", Refusal::code),
    };
    let answer = VerdictJson {
        valid: explained.refusal.is_none(),
        code,
        key: record.as_ref().map(|record| KeyJson::of(record, site.auth.now())),
        checks: Some(explained.checks.into_iter().map(CheckJson::from).collect()),
    };
    Ok(with_json(HttpResponse::Ok(), &answer))
}
