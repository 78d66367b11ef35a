//! The verdict on one check, with the same policies and rules as `/auth`. Every failure becomes a response for the
//! client, never a bare gRPC status, which Envoy would turn into a 403.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt;

use super::answer::{allow, deny};
use super::check_input::CheckInput;
use super::message::{CheckRequest, CheckResponse};
use crate::error::Error;
use crate::http::credential::{Credential, credential, spent};
use crate::http::gateway::allow::Allowed;
use crate::http::gateway::judge;
use crate::http::gateway::question::AuthQuery;
use crate::http::problem::Problem;
use crate::http::request_id::{RequestId, RequestIds};
use crate::http::{SiteRef, client};
use crate::model::verdict::Demand;

/// A slower verdict is of no use: the caller has given up by then.
const DEADLINE: Duration = Duration::from_secs(1);

pub struct Checker {
    site: SiteRef,
    ids: Mutex<RequestIds>,
}

impl Checker {
    pub fn new(site: SiteRef) -> Self {
        let start = site.auth.entropy().bytes().unwrap_or_default();
        Checker { site, ids: Mutex::new(RequestIds::new(start)) }
    }

    pub async fn check(&self, request: CheckRequest) -> CheckResponse {
        let id = self.id();
        let judging = AssertUnwindSafe(tokio::time::timeout(DEADLINE, self.judge(request))).catch_unwind();
        let judged = match judging.await {
            Ok(Ok(judged)) => judged,
            Ok(Err(_)) => Err(Error::unavailable("a verdict took too long").into()),
            Err(_) => Err(Error::internal("the gRPC lane panicked").into()),
        };
        match judged {
            Ok(passes) => passes,
            Err(problem) => {
                if let Some(cause) = &problem.cause {
                    tracing::error!(request_id = id.as_str(), cause, "no verdict");
                }
                deny(&problem, &id)
            }
        }
    }

    async fn judge(&self, request: CheckRequest) -> Result<CheckResponse, Problem> {
        let input = CheckInput::read(request)?;
        let settings = &self.site.settings;
        let question = AuthQuery::of_policy(&input.policy, &settings.policies)?;
        let presented = match credential(&input.headers) {
            Credential::None if question.passes_nobody(|| input.is_preflight()) => {
                return Ok(allow(&Allowed::nobody(), None, spent(&input.headers)));
            }
            credential => credential.key()?,
        };
        let needs = question.needs();
        let address = Some(client::of_peer(settings, &input.headers, input.source));
        let user_agent = client::user_agent(&input.headers);
        let demand = Demand { scopes: &needs, address, user_agent };
        match judge(&self.site, presented, &demand, question.signature()).await? {
            Ok(good) => Ok(allow(&good.view, good.allowance.as_ref(), spent(&input.headers))),
            Err(bad) => Err(Problem::of(&bad, &needs, presented)),
        }
    }

    fn id(&self) -> RequestId {
        // A counter cannot be left half changed, so a poisoned lock is still usable.
        self.ids.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::web::Data;

    use super::*;
    use crate::ambient::{Clock, SeededEntropy};
    use crate::auth::Auth;
    use crate::http::gateway::grpc::message::{
        AttributeContext, HeaderMap, HeaderValue, HttpRequest, HttpResponse, Request,
    };
    use crate::http::settings::PublicUrl;
    use crate::http::{HttpSettings, Site};
    use crate::model::{Consent, DatabaseAddress, Policies, Policy, Purpose, Time};

    struct BrokenClock;

    impl Clock for BrokenClock {
        fn now(&self) -> Time {
            panic!("a bug with a secret in its words")
        }

        fn steady(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[tokio::test]
    async fn a_panic_becomes_a_response_to_the_client() {
        let directory = tempfile::tempdir().unwrap();
        let database = DatabaseAddress::File(directory.path().join("keybearer.db"));
        let (clock, entropy) = (Arc::new(BrokenClock), Arc::new(SeededEntropy::new(1)));
        let auth = Auth::open(&database, Purpose::Serve, Consent::default(), clock, entropy, Vec::new()).unwrap();
        let policy = ("any-key".to_owned(), Policy::parse([], false).unwrap());
        let public_url = PublicUrl::parse("http://keys.test").unwrap();
        let settings = HttpSettings {
            policies: Policies::parse([policy]).unwrap(),
            ..HttpSettings::new(([127, 0, 0, 1], 0), public_url)
        };
        let checker = Checker::new(Data::new(Site::new(auth, settings)));
        let line = HeaderValue { key: "x-api-key".to_owned(), value: "k".to_owned(), raw_value: Vec::new() };
        let http = HttpRequest { header_map: Some(HeaderMap { headers: vec![line] }), ..HttpRequest::default() };
        let attributes = AttributeContext {
            request: Some(Request { http: Some(http) }),
            context_extensions: [("policy".to_owned(), "any-key".to_owned())].into(),
            ..AttributeContext::default()
        };
        assert!(!format!("{attributes:?}").contains("\"k\""), "no header's value is in a debug text");
        let answer = checker.check(CheckRequest { attributes: Some(attributes) }).await;
        let Some(HttpResponse::Denied(denied)) = answer.http_response else { panic!("it passes") };
        assert_eq!(denied.status.unwrap().code, 500);
        assert!(!denied.body.contains("secret") && denied.body.contains("internal"), "{}", denied.body);
    }
}
