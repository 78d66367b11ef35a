//! Forward authentication (`/auth…`): a gateway asks whether a request may pass. Any method, any
//! path suffix, the body is never read; answered in memory, before any routing.

mod allow;
mod identity;
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

use super::credential::{Credential, credential};
use super::problem::Problem;
use super::request_id::RequestId;
use super::{Shared, client, security_headers};
use crate::auth::{Good, Verdict};
use crate::error::Result as Outcome;
use crate::index::KeyView;
use crate::model::Refusal;
use crate::model::verdict::Demand;
use allow::Allowed;
use identity::Bearing;
pub use identity::Identities;
use question::{Door, Question};
use refusal::refuse;

/// An answer that is there already, or comes later; the first costs no allocation.
pub enum Answering {
    Now(Option<Response<BoxBody>>),
    Later(LocalBoxFuture<'static, Result<Response<BoxBody>, ActixError>>),
}

impl Answering {
    pub fn later(future: LocalBoxFuture<'static, Result<Response<BoxBody>, ActixError>>) -> Self {
        Answering::Later(future)
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

pub fn answer(site: &Shared, request: Request, id: RequestId) -> Answering {
    let door = Door::of(request.path());
    let now = |problem: Problem| Answering::Now(Some(refuse(door, &problem, &id)));
    let question = match Question::parse(door, request.uri(), &site.settings.policies) {
        Ok(question) => question,
        Err(problem) => return now(problem),
    };
    let presented = match credential(request.headers()) {
        Credential::Key(key) => key,
        Credential::None if question.allows_anonymous() => {
            return Answering::Now(Some(Allowed::nobody().respond(&id, None)));
        }
        Credential::None => return now(Problem::missing_key()),
        Credential::Garbled => return now(Problem::refused(Refusal::Malformed, &[])),
        Credential::Ambiguous => return now(Problem::invalid_request("Send one key, in one header.")),
    };
    let asked = Asked { door, needs: question.needs(), presented, id };
    if question.wants_identity() {
        return decide(site, &request, asked, Bearing::of, |site, bearing| bearing.signed(site));
    }
    decide(site, &request, asked, Allowed::of, |_, allowed| Ok(allowed))
}

/// One question about one credential.
struct Asked<'a> {
    door: Door<'a>,
    needs: Vec<&'a str>,
    presented: &'a [u8],
    id: RequestId,
}

/// `tell` takes what is needed of a good key while it is looked at; `finish` makes the answer of it.
fn decide<T: 'static>(
    site: &Shared,
    request: &Request,
    asked: Asked<'_>,
    tell: impl Fn(&KeyView<'_>) -> T + 'static,
    finish: impl Fn(&Shared, T) -> Outcome<Allowed> + 'static,
) -> Answering {
    let Asked { door, needs, presented, id } = asked;
    let address = client::address(&site.settings, request.headers(), request.peer_addr());
    let user_agent = client::user_agent(request.headers());
    let demand = Demand { scopes: &needs, address, user_agent };
    if let Some(verdict) = site.auth.verify_in_memory(presented, &demand, &tell) {
        return Answering::Now(Some(respond(door, finished(site, verdict, finish), &needs, &id)));
    }
    // Memory cannot tell at this moment: ask SQLite.
    let (site, presented, user_agent) = (site.clone(), presented.to_vec(), user_agent.to_vec());
    let needs: Vec<String> = needs.into_iter().map(str::to_owned).collect();
    let path = request.path().to_owned();
    Answering::Later(Box::pin(async move {
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        let demand = Demand { scopes: &needs, address, user_agent: &user_agent };
        let verdict = site.auth.verify(&presented, &demand, tell).await;
        Ok(respond(Door::of(&path), finished(&site, verdict, finish), &needs, &id))
    }))
}

fn finished<T>(
    site: &Shared,
    verdict: Outcome<Verdict<T>>,
    finish: impl Fn(&Shared, T) -> Outcome<Allowed>,
) -> Outcome<Verdict<Allowed>> {
    match verdict? {
        Ok(Good { told, allowance }) => Ok(Ok(Good { told: finish(site, told)?, allowance })),
        Err(bad) => Ok(Err(bad)),
    }
}

/// For a request that no question is read from.
pub fn refuse_unread(request: &Request, problem: &Problem, id: &RequestId) -> Answering {
    Answering::Now(Some(refuse(Door::of(request.path()), problem, id)))
}

fn respond(door: Door<'_>, verdict: Outcome<Verdict<Allowed>>, needs: &[&str], id: &RequestId) -> Response<BoxBody> {
    match verdict {
        Ok(Ok(good)) => good.told.respond(id, good.allowance.as_ref()),
        Ok(Err(bad)) => refuse(door, &Problem::of(&bad, needs), id),
        Err(error) => {
            let problem = Problem::from(error);
            tracing::error!(request_id = id.as_str(), cause = problem.cause, "no verdict");
            refuse(door, &problem, id)
        }
    }
}

/// Gateways copy these upstream; each is there on every allow, so that a client's own never passes.
const IDENTITY: [header::HeaderName; 5] = [
    header::HeaderName::from_static("x-auth-key-id"),
    header::HeaderName::from_static("x-auth-owner"),
    header::HeaderName::from_static("x-auth-owner-id"),
    header::HeaderName::from_static("x-auth-scopes"),
    header::HeaderName::from_static("x-auth-identity"),
];
