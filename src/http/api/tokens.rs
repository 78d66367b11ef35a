//! `/api/v1/tokens`: short-lived tokens for people's programs, in exchange for email and password or a refresh token.

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::short_tokens::{Issued, TokenRequest};
use crate::error::{Error, Kind, Result as Outcome};
use crate::http::SiteRef;
use crate::http::basic::{Basic, Visitor};
use crate::http::bearer::Holder;
use crate::http::body::{MaybeJson, SecretText};
use crate::http::json_value::List;
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::ScopeSet;
use crate::model::token::must_be_token;

/// Email and password, here or by HTTP Basic, or a refresh token.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenRequest)]
pub struct TokenBody {
    #[schema(value_type = Option<String>, required = false)]
    email: Option<String>,
    #[schema(value_type = Option<String>, format = Password, required = false)]
    password: Option<SecretText>,
    /// The scopes of the token. Default: all that the user can grant.
    #[schema(value_type = Option<field::Scopes>, required = false)]
    scopes: Option<List<{ ScopeSet::MAX }>>,
    /// The refresh token. Must be the only field.
    #[schema(value_type = Option<String>, required = false)]
    refresh_token: Option<SecretText>,
}

/// A token, with the members of RFC 6749 §5.1 where they apply.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenJson {
    token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// The lifetime of the token in seconds.
    expires_in: u64,
    refresh_token: String,
    /// The time until the password is needed again, in seconds.
    refresh_expires_in: u64,
}

const GROUP: &str = "Tokens";

pub fn issue_operation() -> Operation {
    Operation::new(GROUP, "issueToken", "Exchange a password or a refresh token for a token")
        .described_as(
            "Send email and password by HTTP Basic or in the body. A token is a key that expires after an hour. It can \
             have any scope that its user could give a key, except those that begin with `keybearer:`. A refresh \
             token works once; reusing it revokes all tokens of that login. After 30 days the password is needed again.",
        )
        .may_take::<TokenBody>()
        .answers::<TokenJson>(200, "The token and its refresh token; they are returned only once.", &[])
}

pub async fn issue(site: SiteRef, visitor: Visitor, body: MaybeJson<TokenBody>) -> Result<HttpResponse, Problem> {
    let MaybeJson(body) = body;
    let issued = match (visitor.basic.as_ref(), body) {
        (Some(Basic { email, password }), TokenBody { email: None, password: None, refresh_token: None, scopes }) => {
            by_password(&site, &visitor, email, password, scopes).await
        }
        (None, TokenBody { email: Some(email), password: Some(password), refresh_token: None, scopes }) => {
            visitor.brings_no_key()?;
            by_password(&site, &visitor, &email, password.expose(), scopes).await
        }
        (None, TokenBody { email: None, password: None, refresh_token: Some(token), scopes: None }) => {
            visitor.brings_no_key()?;
            site.auth.refresh_token(token.expose(), &visitor.user_agent, visitor.origin()).await
        }
        (None, TokenBody { email: None, password: None, refresh_token: None, .. }) => {
            return Err(Problem::missing_password());
        }
        (Some(_), _) => return Err(two_ways("Send email and password by HTTP Basic or in the body, not both.")),
        (None, TokenBody { refresh_token: Some(_), scopes: Some(_), .. }) => {
            return Err(Error::invalid("scopes", "A refreshed token keeps its scopes. Omit them.").into());
        }
        (None, TokenBody { refresh_token: Some(_), .. }) => {
            return Err(two_ways("Send email and password or a refresh token, not both."));
        }
        (None, TokenBody { email: None, .. }) => return Err(Error::invalid("email", "Send the email as well.").into()),
        (None, _) => return Err(Error::invalid("password", "Send the password as well.").into()),
    };
    match issued {
        Ok(issued) => Ok(HttpResponse::Ok().json(TokenJson::from(issued))),
        Err(error) if error.kind == Kind::Invalid && matches!(error.field, Some("password" | "refresh_token")) => {
            Err(Problem::bad_password(error.message))
        }
        Err(error) => Err(error.into()),
    }
}

async fn by_password(
    site: &SiteRef,
    visitor: &Visitor,
    email: &str,
    password: &str,
    scopes: Option<List<{ ScopeSet::MAX }>>,
) -> Outcome<Issued> {
    let scopes = scopes.map(|List(list)| ScopeSet::parse(list.iter().map(String::as_str))).transpose()?;
    site.auth.issue_token(TokenRequest { email, password, scopes, origin: visitor.origin() }).await
}

fn two_ways(detail: &'static str) -> Problem {
    Problem::bad_header(detail)
}

pub fn revoke_operation() -> Operation {
    Operation::new(GROUP, "revokeToken", "Revoke a token")
        .described_as("This also revokes its refresh token.")
        .refuses(&[409])
        .answers_empty(204, "Revoked.", &[])
}

/// Revokes the calling token.
pub async fn revoke(site: SiteRef, holder: Holder) -> Result<HttpResponse, Problem> {
    let bearer = match holder {
        Holder::Bearer(bearer) => bearer,
        Holder::OfDamaged(held) => {
            held.revoke(&site, must_be_token).await?;
            return Ok(HttpResponse::NoContent().finish());
        }
    };
    match site.auth.end_token(bearer.id(), bearer.origin()).await {
        Ok(()) => Ok(HttpResponse::NoContent().finish()),
        // It was revoked after the verdict.
        Err(error) if error.kind == Kind::NotFound => Err(Problem::refused(crate::model::Refusal::NotFound, &[])),
        Err(error) => Err(error.into()),
    }
}

impl From<Issued> for TokenJson {
    fn from(issued: Issued) -> Self {
        TokenJson {
            token: issued.token.expose().to_owned(),
            token_type: "Bearer",
            expires_in: issued.expires_in.as_secs(),
            refresh_token: issued.refresh.expose().to_owned(),
            refresh_expires_in: issued.refresh_expires_in.as_secs(),
        }
    }
}
