//! The extractor for routes that require a key. `Bearer` in a handler's signature proves that the request came with a
//! live key.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;

use super::credential::{Credential, credential};
use super::problem::Problem;
use super::request_id::RequestId;
use super::{Site, SiteRef, client};
use crate::auth::{Allowance, LiveKey, VerifiedKey};
use crate::error::Result as Outcome;
use crate::model::verdict::Demand;
use crate::model::{Actor, Authority, ClientAddress, Digest, KeyId, KeyRecord, Origin};

/// A live key and the request's origin.
pub struct Bearer {
    pub key: LiveKey,
    pub address: ClientAddress,
    pub request_id: RequestId,
}

impl Bearer {
    /// Requires that the key has all of `scopes`.
    pub fn needs(&self, scopes: &[&str]) -> Result<(), Problem> {
        if scopes.iter().all(|need| self.key.covers(need)) {
            return Ok(());
        }
        Err(Problem::refused(crate::model::Refusal::InsufficientScope, scopes))
    }

    /// The origin of what the key does to itself; the store adds its hint.
    pub fn origin(&self) -> Origin {
        let actor = Actor::Key { id: self.id(), hint: String::new() };
        let authority = Authority::Key(self.key.judged_for_itself());
        Origin { actor, authority, address: Some(self.address), request_id: Some(self.request_id.as_str().to_owned()) }
    }

    pub fn id(&self) -> KeyId {
        self.key.id
    }
}

impl FromRequest for Bearer {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (site, presented, address) = presented(&request)?;
            let demand = demand(&request, address);
            match site.auth.identify(presented, &demand).await? {
                Ok(good) => Ok(Bearer { key: good.view, address, request_id: request_id(&request) }),
                Err(bad) => Err(Problem::of(&bad, &[], presented)),
            }
        })
    }
}

/// The key that a request presents, and the client's address.
fn presented(request: &HttpRequest) -> Result<(SiteRef, &[u8], ClientAddress), Problem> {
    let site = site(request)?;
    let presented = credential(request.headers()).key()?;
    let address = client::address(&site.settings, request);
    Ok((site, presented, address))
}

/// Any live key will do.
fn demand(request: &HttpRequest, address: ClientAddress) -> Demand<'_> {
    Demand { scopes: &[], address: Some(address), user_agent: client::user_agent(request.headers()) }
}

/// A live key's record. In a handler's signature it proves what [`Bearer`] proves.
pub struct BearerRecord {
    pub key: VerifiedKey,
    pub allowance: Option<Allowance>,
}

impl FromRequest for BearerRecord {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (site, presented, address) = presented(&request)?;
            let demand = demand(&request, address);
            match site.auth.verify_with_record(presented, &demand).await? {
                Ok(good) => Ok(BearerRecord { key: good.view, allowance: good.allowance }),
                Err(bad) => Err(Problem::of(&bad, &[], presented)),
            }
        })
    }
}

/// A caller that can revoke the key in the request: its bearer, or whoever presents a key that cannot be judged
/// because its record is damaged.
pub enum Holder {
    Bearer(Bearer),
    OfDamaged(Box<Held>),
}

/// A presented key that could not be judged.
pub struct Held {
    digest: Digest,
    origin: Origin,
    /// The response if the key is not revoked.
    unjudged: Problem,
}

impl Held {
    /// Revokes the key if its record is damaged and `judge` allows it.
    pub async fn revoke(
        self,
        site: &Site,
        judge: impl Fn(&KeyRecord) -> Outcome<()> + Send + 'static,
    ) -> Result<(), Problem> {
        if site.auth.revoke_damaged(self.digest, judge, self.origin).await? { Ok(()) } else { Err(self.unjudged) }
    }
}

impl FromRequest for Holder {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, bearer) = (request.clone(), Bearer::from_request(request, payload));
        Box::pin(async move {
            let unjudged = match bearer.await {
                Ok(bearer) => return Ok(Holder::Bearer(bearer)),
                Err(problem) if problem.status == StatusCode::SERVICE_UNAVAILABLE => problem,
                Err(problem) => return Err(problem),
            };
            let Credential::Key(key) = credential(request.headers()) else { return Err(unjudged) };
            let address = client::address(&site(&request)?.settings, &request);
            let origin = Origin::anonymous(address, request_id(&request).as_str().to_owned());
            Ok(Holder::OfDamaged(Box::new(Held { digest: Digest::of(key), origin, unjudged })))
        })
    }
}

pub fn site(request: &HttpRequest) -> Result<SiteRef, Problem> {
    request
        .app_data::<SiteRef>()
        .cloned()
        .ok_or_else(|| crate::error::Error::internal("a route without the site").into())
}

/// The id that the edge assigned to this request.
pub fn request_id(request: &HttpRequest) -> RequestId {
    *request.extensions().get::<RequestId>().expect("the edge names every request before it is routed")
}
