//! `/oauth/…` and the metadata for clients: the schemas of RFC 6749, 7009, 7662 and 8414.

use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;

use super::field;
use super::operation::Operation;
use crate::model::Scope;

const OAUTH: &str = "OAuth";

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

/// A token to revoke (RFC 7009 §2.1).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of a form that `http::oauth` reads by name")]
struct RevocationRequest {
    #[schema(min_length = 1)]
    token: String,
    #[schema(required = false)]
    token_type_hint: String,
    #[schema(required = false)]
    client_id: String,
    #[schema(required = false)]
    client_secret: String,
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

pub fn operations() -> Vec<Operation> {
    let object = || ObjectBuilder::new().build();
    vec![
        Operation::new(OAUTH, "post", "/oauth/introspect", "introspect", "Whether a token is valid, and whose it is")
            .described_as(&format!(
                "RFC 7662. For a key with `{}`; any key may ask about itself. A JWT issued here is inactive as soon as \
                 its key is revoked.",
                Scope::VERIFY
            ))
            .for_client(true)
            .takes_form::<IntrospectionRequest>()
            .answers::<Introspection>(200, "The token’s current state.", &[]),
        Operation::new(OAUTH, "post", "/oauth/revoke", "revoke", "Revoke the calling key")
            .described_as("RFC 7009. In force before the response is sent; 200 also for text that is not a token.")
            .for_client(true)
            .takes_form::<RevocationRequest>()
            .answers_empty(200, "It is no longer valid.", &[]),
        Operation::new(OAUTH, "post", "/oauth/token", "grant", "Exchange a key for a short-lived JWT")
            .described_as("RFC 6749 §4.4 and RFC 9068. There is no refresh token.")
            .for_client(false)
            .takes_form::<GrantRequest>()
            .answers::<GrantSchema>(200, "A JWT; verify it with the keys at `/.well-known/jwks.json`.", &[]),
        Operation::new(
            OAUTH,
            "get",
            "/.well-known/oauth-authorization-server",
            "getMetadata",
            "Authorization server metadata",
        )
        .described_as("RFC 8414.")
        .answers_as(200, "The metadata.", &["application/json"], object()),
        Operation::new(OAUTH, "get", "/.well-known/jwks.json", "getSigningKeys", "The public keys that verify JWTs")
            .described_as("RFC 7517. May be cached for five minutes.")
            .answers_as(200, "The keys.", &["application/json"], object()),
    ]
}
