//! `POST /oauth/token`, client credentials (RFC 6749 §4.4): exchanges a key for a short-lived JWT (RFC 9068).

use actix_web::HttpResponse;
use actix_web::http::Uri;
use serde::Serialize;

use super::bad_request;
use super::client::{Grants, OAuthClient, unknown_client};
use super::form::Form;
use crate::error::{Error, Kind};
use crate::http::problem::Problem;
use crate::model::ScopeSet;

/// The response (RFC 6749 §5.1). It has no refresh token, because the client can use its key again.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
}

pub async fn token(asked: OAuthClient<Grants>) -> Result<HttpResponse, Problem> {
    let form = &asked.form;
    if form.must("grant_type")? != "client_credentials" {
        return Err(bad_request("unsupported_grant_type", "Use the grant_type client_credentials."));
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
    Ok(HttpResponse::Ok().json(TokenResponse {
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

/// An absolute URI without a fragment (RFC 8707 §2). Only one is allowed, because each of several audiences could use
/// the token at the others.
fn resource(form: &Form) -> Result<Option<String>, Problem> {
    let Some(text) = form.text("resource") else { return Ok(None) };
    let wrong = || bad_request("invalid_target", "The resource must be one absolute URI without a fragment.");
    is_resource(text).then(|| Some(text.to_owned())).ok_or_else(wrong)
}

/// Whether it can be the audience of a token: `https://…`, or a name such as `urn:example:orders` (RFC 8141).
pub fn is_resource(text: &str) -> bool {
    let is_name =
        |text: &str| text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:")) && text.len() > 4;
    !text.contains('#')
        && text.len() <= 512
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && (is_name(text) || text.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some()))
}
