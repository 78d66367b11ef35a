//! `POST /oauth/revoke` (RFC 7009): a client revokes its own key, permanently and at once.

use actix_web::HttpResponse;
use utoipa::ToSchema;

use super::client::Revoker;
use super::{GROUP, bad_request};
use crate::auth::Ownership;
use crate::error::Kind;
use crate::http::problem::Problem;
use crate::http::schema::Operation;

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

pub fn operation() -> Operation {
    Operation::new(GROUP, "revoke", "Revoke the calling key")
        .described_as(
            "RFC 7009. The key is revoked before the response is sent. Text that is not a token also gets 200.",
        )
        .takes_form::<RevocationRequest>()
        .answers_empty(200, "It is no longer valid.", &[])
}

pub async fn revoke(revoker: Revoker) -> Result<HttpResponse, Problem> {
    let asked = match revoker {
        Revoker::OAuthClient(asked) => asked,
        Revoker::Revoked => return Ok(HttpResponse::Ok().finish()),
    };
    let token = asked.form.must("token")?;
    match asked.site.auth.ownership(&asked.client, token.as_bytes()).await? {
        Ownership::Own => match asked.site.auth.revoke_own(asked.client.id, asked.origin()).await {
            // Someone else revoked it first, so the result is the same.
            Err(error) if error.kind != Kind::NotFound => Err(error.into()),
            _ => Ok(HttpResponse::Ok().finish()),
        },
        // RFC 7009 §2.2: an invalid token needs no revocation.
        Ownership::Unusable => Ok(HttpResponse::Ok().finish()),
        Ownership::Foreign => Err(bad_request(
            "unauthorized_client",
            "This token is not the client's own key. Revoke it in the dashboard or with that key itself.",
        )),
        Ownership::Jwt => Err(bad_request(
            "unsupported_token_type",
            "A JWT cannot be revoked. Revoke its key to make it inactive immediately; it expires within an hour.",
        )),
    }
}
