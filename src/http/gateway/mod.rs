//! Forward authentication (`/auth…`): a gateway asks whether a request may pass. Any method and any path suffix are
//! accepted, and the body is never read. The response comes from memory, before any routing.

mod allow;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(not(feature = "grpc"))]
#[path = "grpc_left_out.rs"]
pub mod grpc;
mod identity;
mod mistake;
mod path;
mod preflight;
mod question;
mod refusal;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::{HttpMessage, Request, Response};
use actix_web::Error as ActixError;
use actix_web::body::BoxBody;
use actix_web::http::header;
use futures_util::future::LocalBoxFuture;
use zeroize::Zeroizing;

use super::connection::body::Incoming;
use super::connection::state::ConnState;
use super::credential::{Credential, credential};
use super::problem::Problem;
use super::request_id::RequestId;
use super::security_headers::lean;
use super::{Site, SiteRef, bounds, client};
use crate::auth::{Accepted, Sought, Verdict};
use crate::error::Result as Outcome;
use crate::model::verdict::Demand;
use allow::Allowed;
pub use identity::Identities;
use identity::SignedIdentityInput;
use question::{AuthQuery, GatewayKind, Signature};
use refusal::refuse;

/// A response that is ready, or that comes later; a ready one costs no allocation.
pub enum Answering {
    Now(Option<Response<BoxBody>>),
    Later(LocalBoxFuture<'static, Result<Response<BoxBody>, ActixError>>),
}

impl Answering {
    pub fn later(future: LocalBoxFuture<'static, Result<Response<BoxBody>, ActixError>>) -> Self {
        Answering::Later(future)
    }

    /// The same response, which closes the connection if this body has not been read to its end.
    pub fn after(self, body: Option<Incoming>) -> Self {
        let Some(body) = body else { return self };
        match self {
            Answering::Now(mut response) => {
                if let Some(response) = &mut response {
                    body.end(response);
                }
                Answering::Now(response)
            }
            Answering::Later(future) => Answering::Later(Box::pin(async move {
                let mut response = future.await?;
                body.end(&mut response);
                Ok(response)
            })),
        }
    }
}

impl Future for Answering {
    type Output = Result<Response<BoxBody>, ActixError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Answering::Now(response) => {
                Poll::Ready(Ok(response.take().expect("a finished future is not polled again")))
            }
            Answering::Later(future) => future.as_mut().poll(context),
        }
    }
}

pub fn is_for_gateways(path: &str) -> bool {
    path.strip_prefix("/auth").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub fn answer(site: &SiteRef, request: Request, id: RequestId) -> Answering {
    let credential = credential(request.headers());
    // The look-up starts first, so that the memory access overlaps with the work that follows.
    let sought = match credential {
        Credential::Key(key) => Some(site.auth.seek(key)),
        _ => None,
    };
    let begun = lean(&id);
    let kind = GatewayKind::of(request.path());
    let now = |begun, problem: Problem| Answering::Now(Some(refuse(begun, kind, &problem, &id)));
    if let Some(problem) = bounds::refuse(&request) {
        return now(begun, problem);
    }
    if let Some(sought) = &sought {
        site.auth.approach(sought);
    }
    let question = match AuthQuery::parse(kind, request.uri(), &site.settings.policies) {
        Ok(question) => question,
        Err(problem) => return now(begun, problem),
    };
    let is_preflight = || preflight::is_preflight(preflight::method(kind, &request), request.headers());
    if credential == Credential::None && question.passes_nobody(is_preflight) {
        return Answering::Now(Some(Allowed::nobody().complete(begun, None)));
    }
    let presented = match credential.key() {
        Ok(key) => key,
        Err(problem) => return now(begun, problem),
    };
    let (needs, signature) = (question.needs(), question.signature());
    let address = Some(client::address(&site.settings, &request));
    let user_agent = client::user_agent(request.headers());
    let demand = Demand { scopes: &needs, address, user_agent };
    if let Some(verdict) = sought.and_then(|sought| judge_in_memory(site, &sought, &demand, signature)) {
        return Answering::Now(Some(respond(begun, kind, verdict, &needs, presented, &id)));
    }
    // Memory cannot tell at the moment, so ask SQLite.
    let (site, presented, user_agent) = (site.clone(), Zeroizing::new(presented.to_vec()), user_agent.to_vec());
    let needs: Vec<String> = needs.into_iter().map(str::to_owned).collect();
    Answering::Later(Box::pin(async move {
        let _answering = ConnState::answering(&request);
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        let demand = Demand { scopes: &needs, address, user_agent: &user_agent };
        let verdict = judge(&site, &presented, &demand, signature).await;
        Ok(respond(begun, GatewayKind::of(request.path()), verdict, &needs, &presented, &id))
    }))
}

fn judge_in_memory(
    site: &SiteRef,
    sought: &Sought<'_>,
    demand: &Demand<'_>,
    signature: Signature,
) -> Option<Outcome<Verdict<Allowed>>> {
    match signature {
        Signature::None => site.auth.verify_in_memory(sought, demand, Allowed::of),
        Signature::Wanted => {
            site.auth.verify_in_memory(sought, demand, SignedIdentityInput::of).map(|verdict| signed(site, verdict?))
        }
    }
}

async fn judge(
    site: &SiteRef,
    presented: &[u8],
    demand: &Demand<'_>,
    signature: Signature,
) -> Outcome<Verdict<Allowed>> {
    match signature {
        Signature::None => site.auth.verify(presented, demand, Allowed::of).await,
        Signature::Wanted => signed(site, site.auth.verify(presented, demand, SignedIdentityInput::of).await?),
    }
}

fn signed(site: &SiteRef, verdict: Verdict<SignedIdentityInput>) -> Outcome<Verdict<Allowed>> {
    Ok(match verdict {
        Ok(Accepted { view, at, allowance }) => Ok(Accepted { view: view.signed(site)?, at, allowance }),
        Err(bad) => Err(bad),
    })
}

fn respond(
    begun: Response<()>,
    kind: GatewayKind<'_>,
    verdict: Outcome<Verdict<Allowed>>,
    needs: &[&str],
    presented: &[u8],
    id: &RequestId,
) -> Response<BoxBody> {
    match verdict {
        Ok(Ok(good)) => good.view.complete(begun, good.allowance.as_ref()),
        Ok(Err(bad)) => refuse(begun, kind, &Problem::of(&bad, needs, presented), id),
        Err(error) => {
            let problem = Problem::from(error);
            tracing::error!(request_id = id.as_str(), cause = problem.cause, "no verdict");
            refuse(begun, kind, &problem, id)
        }
    }
}

/// The response at a misspelt path (`/Auth/nginx`); `None` for any other path outside `/auth`.
pub fn misspelt(site: &Site, path: &str) -> Option<Problem> {
    let is_meant = path::resembles(path, &[path::NGINX, path::ENVOY]);
    is_meant.then(|| mistake::Mistake::MisspeltPath.problem(&site.settings.policies))
}

/// The response to a request that was refused before it was read, in the form of the gateway that uses this path.
pub fn refuse_unread(path: &str, problem: &Problem, id: &RequestId) -> Response<BoxBody> {
    refuse(lean(id), GatewayKind::of(path), problem, id)
}

/// Headers that gateways copy upstream. All are set whenever a request passes, so that a client's own value never
/// reaches the API.
const IDENTITY: [header::HeaderName; 5] = [
    header::HeaderName::from_static("x-auth-key-id"),
    header::HeaderName::from_static("x-auth-owner"),
    header::HeaderName::from_static("x-auth-owner-id"),
    header::HeaderName::from_static("x-auth-scopes"),
    header::HeaderName::from_static("x-auth-identity"),
];
