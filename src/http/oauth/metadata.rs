//! The server's metadata (RFC 8414) and public keys (RFC 7517), which clients read before other requests.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::json;
use utoipa::openapi::ObjectBuilder;

use super::GROUP;
use crate::http::SiteRef;
use crate::http::problem::Problem;
use crate::http::schema::Operation;

/// Both are public and can be cached for five minutes, because a key is published long before it signs.
const PUBLIC_CACHE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=300");

pub fn server_operation() -> Operation {
    Operation::new(GROUP, "getMetadata", "Authorization server metadata").described_as("RFC 8414.").answers_as(
        200,
        "The metadata.",
        &["application/json"],
        ObjectBuilder::new().build(),
    )
}

pub async fn server(site: SiteRef) -> HttpResponse {
    let issuer = site.settings.public_url.as_str();
    let clients = ["client_secret_basic", "client_secret_post"];
    let callers = ["client_secret_basic", "client_secret_post", "Bearer"];
    HttpResponse::Ok().insert_header(PUBLIC_CACHE).json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "token_endpoint_auth_methods_supported": clients,
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "introspection_endpoint": format!("{issuer}/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": callers,
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": callers,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
    }))
}

pub fn jwks_operation() -> Operation {
    Operation::new(GROUP, "getSigningKeys", "The public keys that verify JWTs")
        .described_as("RFC 7517. May be cached for five minutes.")
        .answers_as(200, "The keys.", &["application/json"], ObjectBuilder::new().build())
}

pub async fn jwks(site: SiteRef) -> Result<HttpResponse, Problem> {
    let ring = site.auth.signing().ring()?;
    let kind = (header::CONTENT_TYPE, "application/json");
    Ok(HttpResponse::Ok().insert_header(PUBLIC_CACHE).insert_header(kind).body(ring.jwks().to_owned()))
}
