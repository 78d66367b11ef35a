//! `POST /oauth/token`, client credentials (RFC 6749 §4.4): exchanges a key for a short-lived JWT (RFC 9068).

use actix_web::HttpResponse;
use actix_web::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::client::{Grants, OAuthClient, unknown_client};
use super::form::Form;
use super::{GROUP, bad_request};
use crate::error::{Error, Kind};
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
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

/// A request for a short-lived JWT (RFC 6749 §4.4.2).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of a form that `http::oauth` reads by name")]
struct GrantRequest {
    #[schema(schema_with = grant_type)]
    grant_type: String,
    /// The scopes of the JWT, separated by spaces. Default: all scopes of the key.
    #[schema(required = false)]
    scope: String,
    /// The audience of the token: one absolute URI (RFC 8707).
    #[schema(required = false)]
    resource: String,
    #[schema(required = false)]
    client_id: String,
    #[schema(required = false)]
    client_secret: String,
}

/// The JWT (RFC 6749 §5.1).
#[derive(ToSchema)]
#[schema(as = Grant)]
#[expect(dead_code, reason = "the shape of `http::oauth::token`'s answer, which borrows")]
struct GrantSchema {
    access_token: String,
    token_type: String,
    expires_in: i64,
    #[schema(required = false)]
    scope: String,
}

fn grant_type() -> utoipa::openapi::Object {
    field::one_of(["client_credentials"])
}

pub fn operation() -> Operation {
    Operation::new(GROUP, "grant", "Exchange a key for a short-lived JWT")
        .described_as("RFC 6749 §4.4 and RFC 9068. There is no refresh token.")
        .takes_form::<GrantRequest>()
        .answers::<GrantSchema>(200, "A JWT; verify it with the keys at `/.well-known/jwks.json`.", &[])
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
