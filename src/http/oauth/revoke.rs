//! `POST /oauth/revoke` (RFC 7009): a client revokes its own key, for good and at once.

use actix_web::HttpResponse;

use super::bad_request;
use super::client::Revoker;
use crate::auth::Ownership;
use crate::error::Kind;
use crate::http::problem::Problem;

pub async fn revoke(revoker: Revoker) -> Result<HttpResponse, Problem> {
    let asked = match revoker {
        Revoker::Asked(asked) => asked,
        Revoker::Revoked => return Ok(HttpResponse::Ok().finish()),
    };
    let token = asked.form.must("token")?;
    match asked.site.auth.ownership(&asked.client, token.as_bytes()).await? {
        Ownership::Own => match asked.site.auth.revoke_own(asked.client.id(), asked.origin()).await {
            // Somebody was quicker; the token is as dead as was asked.
            Err(error) if error.kind != Kind::NotFound => Err(error.into()),
            _ => Ok(HttpResponse::Ok().finish()),
        },
        // RFC 7009 §2.2: what was good for nothing needs no revoking.
        Ownership::Unusable => Ok(HttpResponse::Ok().finish()),
        Ownership::Foreign => Err(bad_request(
            "unauthorized_client",
            "This token is not the client's own. Revoke it in the dashboard, or with that token itself.",
        )),
        Ownership::Jwt => Err(bad_request(
            "unsupported_token_type",
            "A JWT ends by itself within the hour; revoke the key that it was made for, and it is inactive at once.",
        )),
    }
}
