//! Forward authentication (`/auth…`): a gateway asks whether a request may pass. Any method, any
//! path suffix, the body is never read; answered in memory, before any routing.

mod allow;

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
use crate::auth::Verdict;
use crate::error::Result as Outcome;
use crate::model::verdict::Demand;
use crate::model::{Refusal, Scope};
use allow::Allowed;

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
    let needs = match needs(&request) {
        Ok(needs) => needs,
        Err(problem) => return Answering::Now(Some(refuse(&problem, &id))),
    };
    let presented = match credential(request.headers()) {
        Credential::Key(key) => key,
        Credential::None => return Answering::Now(Some(refuse(&Problem::missing_key(), &id))),
        Credential::Garbled => return Answering::Now(Some(refuse(&Problem::refused(Refusal::Malformed, &[]), &id))),
        Credential::Ambiguous => {
            return Answering::Now(Some(refuse(&Problem::invalid_request("Send one key, in one header."), &id)));
        }
    };
    let needs: Vec<&str> = needs.iter().map(Scope::as_str).collect();
    let address = client::address(&site.settings, request.headers(), request.peer_addr());
    let user_agent = client::user_agent(request.headers());
    let demand = Demand { scopes: &needs, address, user_agent };
    if let Some(verdict) = site.auth.verify_in_memory(presented, &demand, Allowed::of) {
        return Answering::Now(Some(respond(verdict, &needs, &id)));
    }
    // Memory cannot tell at this moment: ask SQLite.
    let (site, presented, user_agent) = (site.clone(), presented.to_vec(), user_agent.to_vec());
    let needs: Vec<String> = needs.iter().map(|need| (*need).to_owned()).collect();
    Answering::Later(Box::pin(async move {
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        let demand = Demand { scopes: &needs, address, user_agent: &user_agent };
        let verdict = site.auth.verify(&presented, &demand, Allowed::of).await;
        Ok(respond(verdict, &needs, &id))
    }))
}

fn respond(verdict: Outcome<Verdict<Allowed>>, needs: &[&str], id: &RequestId) -> Response<BoxBody> {
    match verdict {
        Ok(Ok(good)) => good.told.respond(id, good.allowance.as_ref()),
        Ok(Err(bad)) => refuse(&Problem::of(&bad, needs), id),
        Err(error) => {
            let problem = Problem::from(error);
            tracing::error!(request_id = id.as_str(), cause = problem.cause, "no verdict");
            refuse(&problem, id)
        }
    }
}

fn refuse(problem: &Problem, id: &RequestId) -> Response<BoxBody> {
    let mut response: Response<BoxBody> = problem.respond(id).into();
    security_headers::stamp_lean(response.headers_mut(), id);
    response
}

/// `?scope=a+b`, as the gateway's operator wrote it. The gateway must not append the client's query
/// here; a doubled or unknown parameter shows that it does, and is refused.
fn needs(request: &Request) -> Result<Vec<Scope>, Problem> {
    let Some(query) = request.uri().query().filter(|query| !query.is_empty()) else { return Ok(Vec::new()) };
    let mut scopes = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*name, &scopes) {
            ("scope", None) => scopes = Some(value.into_owned()),
            ("scope", Some(_)) => return Err(Problem::invalid_request("The parameter scope is given twice.")),
            _ => {
                return Err(Problem::invalid_request(
                    "The only parameter of /auth is scope. A key is sent in a header, never in a URL.",
                ));
            }
        }
    }
    let scopes = scopes.unwrap_or_default();
    let needs = scopes.split([' ', ',']).filter(|part| !part.is_empty()).map(Scope::parse_need);
    needs.collect::<Outcome<_>>().map_err(|error| Problem::invalid_request(error.message))
}

/// Gateways copy these upstream; each is there on every allow, so that a client's own never passes.
const IDENTITY: [header::HeaderName; 5] = [
    header::HeaderName::from_static("x-auth-key-id"),
    header::HeaderName::from_static("x-auth-owner"),
    header::HeaderName::from_static("x-auth-owner-id"),
    header::HeaderName::from_static("x-auth-scopes"),
    header::HeaderName::from_static("x-auth-identity"),
];
