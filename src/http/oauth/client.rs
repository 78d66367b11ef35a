//! The OAuth client: `OAuthClient` in a handler's signature proves that a live key came with the request, in exactly
//! one of the ways that its endpoint accepts (RFC 6749 §2.3.1, RFC 6750 §2.1).

use std::borrow::Cow;
use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{FromRequest, HttpRequest};
use data_encoding::BASE64;
use futures_util::future::LocalBoxFuture;
use zeroize::Zeroizing;

use super::bad_request;
use super::form::Form;
use crate::auth::LiveKey;
use crate::http::bearer::{request_id, site};
use crate::http::credential::{Credential, credential};
use crate::http::problem::Problem;
use crate::http::request_id::RequestId;
use crate::http::{SiteRef, client};
use crate::model::verdict::Demand;
use crate::model::{Actor, Authority, ClientAddress, Digest, KeyId, Origin, Refusal};

const AS_A_CLIENT: &str = "Send the key's ID and the key, by HTTP Basic or as client_id and client_secret.";
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"keybearer\"");

pub trait Endpoint {
    /// Whether the endpoint also accepts a key in a header, besides client credentials.
    const TAKES_BEARER: bool;
}

/// `/oauth/introspect` and `/oauth/revoke`.
pub struct Tokens;
impl Endpoint for Tokens {
    const TAKES_BEARER: bool = true;
}

/// `/oauth/token`, where a client authenticates by ID and secret only.
pub struct Grants;
impl Endpoint for Grants {
    const TAKES_BEARER: bool = false;
}

pub struct OAuthClient<D> {
    pub site: SiteRef,
    pub client: LiveKey,
    pub form: Form,
    address: ClientAddress,
    request_id: RequestId,
    endpoint: PhantomData<D>,
}

impl<D> OAuthClient<D> {
    /// The origin of an action that the key performs on itself.
    pub fn origin(&self) -> Origin {
        let actor = Actor::Key { id: self.client.id, hint: String::new() };
        let authority = Authority::Key(self.client.judged_for_itself());
        Origin { actor, authority, address: Some(self.address), request_id: Some(self.request_id.as_str().to_owned()) }
    }
}

impl<D: Endpoint + 'static> FromRequest for OAuthClient<D> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move { Unjudged::read::<D>(&request, &mut payload).await?.judged(&request).await })
    }
}

/// The client that asks to revoke a token.
pub enum Revoker {
    OAuthClient(Box<OAuthClient<Tokens>>),
    /// A client that cannot be judged because its record is damaged. The token was its own key, which is now revoked.
    Revoked,
}

impl FromRequest for Revoker {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let unjudged = Unjudged::read::<Tokens>(&request, &mut payload).await?;
            let token = unjudged.form.text("token").map(|token| Zeroizing::new(token.as_bytes().to_vec()));
            let own = token.filter(|token| unjudged.proof.shows(token));
            let origin = Origin::anonymous(unjudged.address, unjudged.request_id.as_str().to_owned());
            let site = SiteRef::clone(&unjudged.site);
            let problem = match unjudged.judged(&request).await {
                Ok(asked) => return Ok(Revoker::OAuthClient(Box::new(asked))),
                Err(problem) => problem,
            };
            let Some(own) = own.filter(|_| problem.status == StatusCode::SERVICE_UNAVAILABLE) else {
                return Err(problem);
            };
            let is_revoked = site.auth.revoke_damaged(Digest::of(&own), |_| Ok(()), origin).await?;
            if is_revoked { Ok(Revoker::Revoked) } else { Err(problem) }
        })
    }
}

/// A request from a client that has not been judged yet.
struct Unjudged {
    site: SiteRef,
    form: Form,
    proof: ClientCredential,
    address: ClientAddress,
    request_id: RequestId,
}

impl Unjudged {
    async fn read<D: Endpoint>(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        let site = site(request)?;
        let form = Form::read(request, payload).await?;
        let address = client::address(&site.settings, request);
        let proof = ClientCredential::of(request, &form, D::TAKES_BEARER)?;
        Ok(Unjudged { site, form, proof, address, request_id: request_id(request) })
    }

    async fn judged<D>(self, request: &HttpRequest) -> Result<OAuthClient<D>, Problem> {
        let user_agent = client::user_agent(request.headers());
        let demand = Demand { scopes: &[], address: Some(self.address), user_agent };
        let client = self.proof.judge(&self.site, &demand).await?;
        let Unjudged { site, form, address, request_id, .. } = self;
        Ok(OAuthClient { site, client, form, address, request_id, endpoint: PhantomData })
    }
}

/// The unverified credential of a client.
enum ClientCredential {
    Bearer(Zeroizing<Vec<u8>>),
    /// Key id and key, once for each way in which they can be decoded.
    Pairs(Vec<(String, Zeroizing<Vec<u8>>)>),
}

impl ClientCredential {
    fn of(request: &HttpRequest, form: &Form, takes_bearer: bool) -> Result<Self, Problem> {
        let in_header = match credential(request.headers()) {
            // Basic is also a credential here.
            Credential::Key(_) if encoded(request).is_some() => return Err(one_credential()),
            // If Basic is present, a garbled credential can only be an empty X-API-Key, which does not count.
            Credential::Garbled(_) if encoded(request).is_some() => basic(request)?,
            Credential::Key(_) | Credential::Garbled(_) if !takes_bearer => {
                return Err(Problem { detail: Cow::Borrowed(AS_A_CLIENT), ..unknown_client() });
            }
            Credential::Ambiguous => return Err(one_credential()),
            credential @ (Credential::Key(_) | Credential::Garbled(_)) => {
                let key = credential.key().map_err(|problem| as_oauth(problem, true))?;
                Some(ClientCredential::Bearer(Zeroizing::new(key.to_vec())))
            }
            Credential::None => basic(request)?,
        };
        match (in_header, form.text("client_secret")) {
            (Some(_), Some(_)) => {
                Err(bad_request("invalid_request", "Send only one credential, in a header or in the form."))
            }
            (Some(ClientCredential::Pairs(readings)), None)
                if form.text("client_id").is_some_and(|id| readings.iter().all(|(own, _)| own != id)) =>
            {
                Err(bad_request("invalid_request", "The client_id differs between form and header. Send it once."))
            }
            (Some(proof), None) => Ok(proof),
            (None, Some(secret)) => {
                let id = form.must("client_id")?.to_owned();
                Ok(ClientCredential::Pairs(vec![(id, Zeroizing::new(secret.into()))]))
            }
            (None, None) if takes_bearer => Err(Problem { oauth: Some("invalid_client"), ..Problem::missing_key() }),
            (None, None) => Err(Problem {
                oauth: Some("invalid_client"),
                challenge: Some(BASIC),
                detail: Cow::Borrowed(AS_A_CLIENT),
                ..Problem::missing_key()
            }),
        }
    }

    /// Whether this text is the presented key.
    fn shows(&self, token: &[u8]) -> bool {
        match self {
            ClientCredential::Bearer(key) => **key == token,
            ClientCredential::Pairs(readings) => readings.iter().any(|(_, key)| **key == token),
        }
    }

    async fn judge(&self, site: &SiteRef, demand: &Demand<'_>) -> Result<LiveKey, Problem> {
        let readings = match self {
            ClientCredential::Bearer(key) => {
                let verdict = site.auth.identify(key, demand).await?;
                return verdict.map(|good| good.view).map_err(|bad| as_oauth(Problem::of(&bad, &[], key), true));
            }
            ClientCredential::Pairs(readings) => readings,
        };
        let mut refused = unknown_client();
        for (id, key) in readings {
            match site.auth.identify(key, demand).await? {
                Ok(good) if KeyId::parse(id).is_ok_and(|id| id == good.view.id) => return Ok(good.view),
                Ok(_) => {}
                Err(bad) => refused = as_oauth(Problem::of(&bad, &[], key), false),
            }
        }
        Err(refused)
    }
}

/// Reads `Authorization: Basic`. RFC 6749 §2.3.1 requires both parts to be form-encoded, but many clients do not
/// encode them. Our keys are the same either way; imported ones can differ.
fn basic(request: &HttpRequest) -> Result<Option<ClientCredential>, Problem> {
    let Some(encoded) = encoded(request) else { return Ok(None) };
    let pair = Zeroizing::new(BASE64.decode(encoded.trim_ascii()).map_err(|_| unknown_client())?);
    let colon = pair.iter().position(|byte| *byte == b':').ok_or_else(unknown_client)?;
    let (id, key) = (&pair[..colon], &pair[colon + 1..]);
    let mut readings = vec![(text(&decoded(id)), decoded(key)), (text(id), Zeroizing::new(key.to_vec()))];
    readings.dedup();
    Ok(Some(ClientCredential::Pairs(readings)))
}

/// The text after the scheme.
fn encoded(request: &HttpRequest) -> Option<&[u8]> {
    let (scheme, rest) = request.headers().get(header::AUTHORIZATION)?.as_bytes().split_at_checked(6)?;
    scheme.eq_ignore_ascii_case(b"basic ").then_some(rest)
}

/// Decodes a form value; an invalid escape is left as it is.
fn decoded(part: &[u8]) -> Zeroizing<Vec<u8>> {
    let blank = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    let part = Zeroizing::new(part.iter().map(blank).collect::<Vec<u8>>());
    let mut text = Zeroizing::new(Vec::with_capacity(part.len()));
    text.extend(percent_encoding::percent_decode(&part));
    text
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn one_credential() -> Problem {
    bad_request("invalid_request", "Send only one credential, in one header.")
}

pub(super) fn unknown_client() -> Problem {
    as_oauth(Problem::refused(Refusal::NotFound, &[]), false)
}

/// Adds the RFC's error code for a bad credential; it has none for rate limits. A client gets the challenge of
/// RFC 6749 §5.2.
fn as_oauth(problem: Problem, is_bearer: bool) -> Problem {
    match problem.status.as_u16() {
        401 if is_bearer => Problem { oauth: Some("invalid_token"), ..problem },
        401 => Problem { oauth: Some("invalid_client"), challenge: Some(BASIC), ..problem },
        403 => Problem { oauth: Some("unauthorized_client"), ..problem },
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_the_rest_is_unchanged() {
        for (text, expected) in [("a%2Db%5Fc", "a-b_c"), ("a+b", "a b"), ("%", "%"), ("%4", "%4"), ("%zz%41", "%zzA")] {
            assert_eq!(**decoded(text.as_bytes()), *expected.as_bytes(), "{text}");
        }
    }
}
