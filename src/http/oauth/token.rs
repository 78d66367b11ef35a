//! `POST /oauth/token`, client credentials (RFC 6749 §4.4): a key gets a short JWT for itself (RFC 9068).

use actix_web::HttpResponse;
use actix_web::http::Uri;
use serde::Serialize;

use super::bad_request;
use super::client::{Asked, Grants, unknown_client};
use super::form::Form;
use crate::error::{Error, Kind};
use crate::http::problem::Problem;
use crate::model::ScopeSet;

/// RFC 6749 §5.1. There is no refresh token: the key is there to ask again.
#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
}

pub async fn token(asked: Asked<Grants>) -> Result<HttpResponse, Problem> {
    let form = &asked.form;
    if form.must("grant_type")? != "client_credentials" {
        return Err(bad_request("unsupported_grant_type", "The grant_type here is client_credentials."));
    }
    let (scopes, audience) = (scopes(form)?, resource(form)?);
    let issued =
        asked.site.auth.issue_access_token(&asked.client, scopes, audience).await.map_err(|error| {
            match error.kind {
                Kind::Invalid => invalid_scope(error),
                Kind::NoLongerKnown => unknown_client(),
                _ => error.into(),
            }
        })?;
    Ok(HttpResponse::Ok().json(Answer {
        access_token: &issued.token,
        token_type: "Bearer",
        expires_in: issued.expires_in,
        scope: issued.scopes.joined(),
    }))
}

fn scopes(form: &Form) -> Result<Option<ScopeSet>, Problem> {
    let asked = form.text("scope").map(|text| ScopeSet::parse(text.split(' ').filter(|part| !part.is_empty())));
    asked.transpose().map_err(invalid_scope)
}

fn invalid_scope(error: Error) -> Problem {
    bad_request("invalid_scope", error.message)
}

/// RFC 8707 §2: an absolute URI without a fragment. One, since a token for several could be carried
/// from one of them to the other.
fn resource(form: &Form) -> Result<Option<String>, Problem> {
    let Some(text) = form.text("resource") else { return Ok(None) };
    let wrong = || bad_request("invalid_target", "A resource is one absolute URI without a fragment.");
    is_resource(text).then(|| Some(text.to_owned())).ok_or_else(wrong)
}

/// Whether a token may be for it: `https://…`, or a name such as `urn:example:orders` (RFC 8141).
pub fn is_resource(text: &str) -> bool {
    let is_name =
        |text: &str| text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:")) && text.len() > 4;
    !text.contains('#')
        && text.len() <= 512
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && (is_name(text) || text.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some()))
}
