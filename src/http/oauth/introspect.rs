//! `POST /oauth/introspect` (RFC 7662): whether a token is valid, and whose it is.

use std::net::IpAddr;

use actix_web::HttpResponse;
use serde::Serialize;

use super::bad_request;
use super::client::{OAuthClient, Tokens};
use crate::auth::TokenFacts;
use crate::http::problem::Problem;
use crate::model::{ClientAddress, Refusal, Scope};

/// The state of a token (RFC 7662 §2.2). For a token that is not valid, only the first field is sent.
#[derive(Serialize)]
struct IntrospectionResponse<'a> {
    active: bool,
    #[serde(flatten)]
    facts: Option<FactsJson<'a>>,
}

#[derive(Serialize)]
struct FactsJson<'a> {
    scope: String,
    client_id: String,
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
    Ok(HttpResponse::Ok().json(IntrospectionResponse {
        active: found.is_some(),
        facts: found.as_ref().map(|found| facts(found, issuer)),
    }))
}

fn facts<'a>(found: &'a TokenFacts, issuer: &'a str) -> FactsJson<'a> {
    FactsJson {
        scope: found.scopes.joined(),
        client_id: found.client.to_string(),
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
