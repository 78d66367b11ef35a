//! `POST /oauth/introspect` (RFC 7662): whether a token is valid, and whose it is.

use std::net::IpAddr;

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::client::{OAuthClient, Tokens};
use super::{GROUP, bad_request};
use crate::auth::TokenFacts;
use crate::http::json_response::with_json;
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::{ClientAddress, KeyId, Refusal, Scope};

/// The state of a token (RFC 7662 §2.2). For a token that is not valid, only the first field is sent.
#[derive(Serialize)]
struct IntrospectionResponse<'a> {
    active: bool,
    #[serde(flatten)]
    facts: Option<FactsJson<'a>>,
}

#[derive(Serialize)]
struct FactsJson<'a> {
    scope: &'a str,
    client_id: KeyId,
    username: &'a str,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    iat: i64,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    iss: &'a str,
    jti: &'a str,
}

/// A token to introspect (RFC 7662 §2.1).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of a form that `http::oauth` reads by name")]
struct IntrospectionRequest {
    #[schema(min_length = 1)]
    token: String,
    /// Only a hint: all kinds of token are tried.
    #[schema(required = false)]
    token_type_hint: String,
    /// The address that the token is used from; needed for keys with address ranges.
    #[schema(schema_with = field::address_or_empty, required = false)]
    ip: String,
    /// The key's ID, with the key as `client_secret`, instead of a header.
    #[schema(required = false)]
    client_id: String,
    #[schema(required = false)]
    client_secret: String,
}

/// The state of a token (RFC 7662 §2.2); only `active` if the token is not valid.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of `http::oauth::introspect`'s answer, which borrows")]
struct Introspection {
    active: bool,
    /// The scopes, separated by spaces.
    #[schema(required = false)]
    scope: String,
    /// The key's ID.
    #[schema(required = false)]
    client_id: String,
    /// The owner's email.
    #[schema(required = false)]
    username: String,
    #[schema(required = false)]
    token_type: String,
    /// Seconds since 1970; absent if it never expires.
    #[schema(required = false)]
    exp: i64,
    #[schema(required = false)]
    iat: i64,
    #[schema(required = false)]
    sub: String,
    #[schema(required = false)]
    aud: String,
    #[schema(required = false)]
    iss: String,
    #[schema(required = false)]
    jti: String,
}

pub fn operation() -> Operation {
    Operation::new(GROUP, "introspect", "Whether a token is valid, and whose it is")
        .described_as(&format!(
            "RFC 7662. For a key with `{}`; any key may ask about itself. A JWT issued here is inactive as soon as \
             its key is revoked.",
            Scope::VERIFY
        ))
        .takes_form::<IntrospectionRequest>()
        .answers::<Introspection>(200, "The token’s current state.", &[])
}

pub async fn introspect(asked: OAuthClient<Tokens>) -> Result<HttpResponse, Problem> {
    let token = asked.form.must("token")?;
    // RFC 7662 §2.1 allows parameters for the context in which the token was presented.
    let address = match asked.form.text("ip").map(str::parse::<IpAddr>) {
        None => None,
        Some(Ok(address)) => Some(ClientAddress::from(address)),
        Some(Err(_)) => {
            return Err(bad_request("invalid_request", "Write ip as 203.0.113.7 or 2001:db8::1."));
        }
    };
    let found = asked.site.auth.introspect(&asked.client, token.as_bytes(), address).await?;
    let found = found.map_err(lacking)?;
    let issuer = asked.site.settings.public_url.as_str();
    let facts = found.as_ref().map(|found| facts(found, issuer));
    Ok(with_json(HttpResponse::Ok(), &IntrospectionResponse { active: facts.is_some(), facts }))
}

fn facts<'a>(found: &'a TokenFacts, issuer: &'a str) -> FactsJson<'a> {
    FactsJson {
        scope: &found.scope,
        client_id: found.client,
        username: found.owner.email.as_str(),
        token_type: "Bearer",
        exp: found.expires_at,
        iat: found.issued_at,
        sub: &found.subject,
        aud: found.audience.as_deref(),
        iss: issuer,
        jti: &found.id,
    }
}

fn lacking(refusal: Refusal) -> Problem {
    Problem { oauth: Some("insufficient_scope"), ..Problem::refused(refusal, &[Scope::VERIFY]) }
}
