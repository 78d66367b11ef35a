//! The outermost layer: gives each request its id, removes the base path, serves gateways without routing, turns panics
//! and errors into responses, sets the headers that every response has, and logs once.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use actix_http::{HttpMessage, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::{Error as ActixError, HttpRequest, HttpResponse};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::base_path::BasePath;
use super::connection::body::Incoming;
use super::connection::state::ConnState;
use super::cors::Cors;
use super::problem::{Problem, is_for_programs};
use super::request_id::{RequestId, RequestIds};
use super::request_log::{RequestLog, RequestSummary};
use super::route::Routed;
use super::{SiteRef, bounds, dashboard, gateway, security_headers};

pub struct Edge<A> {
    app: A,
    site: SiteRef,
    serves: Serves,
}

/// The purpose of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serves {
    /// Gateways, programs and people.
    All,
    /// Prometheus. It serves no gateways and no pages, and sends no CORS headers.
    Metrics,
}

impl<A> Edge<A> {
    pub fn around<F, B>(app: F, site: SiteRef) -> Self
    where
        F: IntoServiceFactory<A, Request>,
        A: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = ActixError>,
    {
        Edge { app: app.into_factory(), site, serves: Serves::All }
    }

    /// Wraps the metrics listener, which serves only `app`.
    pub fn around_metrics<F, B>(app: F, site: SiteRef) -> Self
    where
        F: IntoServiceFactory<A, Request>,
        A: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = ActixError>,
    {
        Edge { serves: Serves::Metrics, ..Edge::around(app, site) }
    }
}

impl<A, B> ServiceFactory<Request> for Edge<A>
where
    A: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = ActixError> + 'static,
    A::Service: 'static,
    <A::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = Response<BoxBody>;
    type Error = ActixError;
    type Config = AppConfig;
    type Service = EdgeService<A::Service>;
    type InitError = A::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, A::InitError>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let app = self.app.new_service(config);
        let (site, serves) = (self.site.clone(), self.serves);
        Box::pin(async move {
            let app = app.await?;
            // Without randomness at startup, ids of different workers can collide.
            let worker = site.auth.entropy().bytes().unwrap_or_default();
            let base = site.settings.public_url.base().filter(|_| serves == Serves::All).cloned();
            let log = Rc::new(RequestLog::new(site.settings.log_checks));
            Ok(EdgeService { app: Rc::new(app), site, serves, base, ids: RequestIds::new(worker), log })
        })
    }
}

pub struct EdgeService<S> {
    app: Rc<S>,
    site: SiteRef,
    serves: Serves,
    /// The path of the public URL, if it has one.
    base: Option<BasePath>,
    ids: RequestIds,
    log: Rc<RequestLog>,
}

impl<S, B> Service<Request> for EdgeService<S>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = ActixError> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = Response<BoxBody>;
    type Error = ActixError;
    type Future = gateway::Answering;

    actix_service::forward_ready!(app);

    fn call(&self, mut request: Request) -> Self::Future {
        let id = self.ids.next();
        let body = Incoming::of(&mut request);
        if let Some(base) = &self.base {
            base.enter(&mut request);
        }
        if gateway::is_for_gateways(request.path()) && self.serves == Serves::All {
            let answering =
                if self.ids.is_sample() { timed(&self.site, request, id) } else { guarded(&self.site, request, id) };
            return answering.after(body);
        }
        let (app, site, serves, log) = (Rc::clone(&self.app), self.site.clone(), self.serves, Rc::clone(&self.log));
        gateway::Answering::later(Box::pin(dispatch(app, site, serves, log, request, id))).after(body)
    }
}

/// Turns a panic while serving a gateway into a 500, as for any other request.
fn guarded(site: &SiteRef, request: Request, id: RequestId) -> gateway::Answering {
    let answer = std::panic::catch_unwind(AssertUnwindSafe(|| gateway::answer(site, request, id)));
    answer.unwrap_or_else(|_| {
        let problem = Problem::from(crate::error::Error::internal("the gateway code panicked"));
        gateway::Answering::Now(Some(problem.complete(security_headers::lean(&id), &id)))
    })
}

/// Serves a request that is timed, as one in sixteen is, and adds its time to the latency histogram.
#[expect(clippy::disallowed_methods, reason = "how long a request took, only for the metrics")]
fn timed(site: &SiteRef, request: Request, id: RequestId) -> gateway::Answering {
    let started = Instant::now();
    let answer = guarded(site, request, id);
    site.latency.own().observe(started.elapsed().as_nanos() as u64);
    answer
}

#[expect(clippy::disallowed_methods, reason = "how long a request took, only for the log")]
async fn dispatch<S, B>(
    app: Rc<S>,
    site: SiteRef,
    serves: Serves,
    log: Rc<RequestLog>,
    request: Request,
    id: RequestId,
) -> Result<Response<BoxBody>, ActixError>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = ActixError>,
    B: MessageBody + 'static,
{
    let _answering = ConnState::answering(&request);
    let started = Instant::now();
    let is_for_programs = serves == Serves::Metrics || is_for_programs(request.path());
    let seen = RequestSummary::of(&request, &site, is_for_programs);
    let cors = match serves {
        Serves::All => Cors::of(&request, &site.settings.cors_origins),
        Serves::Metrics => Cors::Off,
    };
    request.extensions_mut().insert(id);
    let (answer, request) = match (bounds::refuse(&request), cors.answer()) {
        (Some(problem), _) => (Err(problem), None),
        (None, Some(answer)) => (Ok(answer), None),
        (None, None) => call(app, request).await,
    };
    let route = request.as_ref().and_then(|request| request.extensions().get::<Routed>().map(|routed| routed.0));
    let response = match answer {
        Ok(mut response) => {
            let problem = response.extensions_mut().remove::<Problem>();
            match problem {
                Some(problem) => render(&site, &seen, &problem, &id, request.as_ref()).await,
                None => response,
            }
        }
        Err(problem) => render(&site, &seen, &problem, &id, request.as_ref()).await,
    };
    let mut response: Response<BoxBody> = response.into();
    security_headers::stamp(response.headers_mut(), &id, site.settings.hsts());
    cors.stamp(response.headers_mut());
    if let Some(base) = site.settings.public_url.base() {
        base.leave(response.headers_mut());
    }
    log.write(&id, &seen, route, response.status(), started.elapsed());
    Ok(response)
}

/// The response with its request, unless actix itself or a panic has lost the request.
async fn call<S, B>(app: Rc<S>, request: Request) -> (Result<HttpResponse<BoxBody>, Problem>, Option<HttpRequest>)
where
    S: Service<Request, Response = ServiceResponse<B>, Error = ActixError>,
    B: MessageBody + 'static,
{
    // A panic in a handler becomes a 500; actix itself would close the connection.
    match AssertUnwindSafe(async move { app.call(request).await }).catch_unwind().await {
        Ok(Ok(response)) => {
            let (request, response) = response.into_parts();
            (Ok(response.map_into_boxed_body()), Some(request))
        }
        Ok(Err(error)) => match error.as_error::<Problem>() {
            Some(problem) => (Err(problem.clone()), None),
            // An error from actix itself.
            None => (Err(by_status(error.as_response_error().status_code())), None),
        },
        Err(_) => {
            let problem = crate::error::Error::internal("a handler panicked");
            (Err(problem.into()), None)
        }
    }
}

fn by_status(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        _ => Problem { status, ..Problem::unreadable() },
    }
}

async fn render(
    site: &SiteRef,
    seen: &RequestSummary,
    problem: &Problem,
    id: &RequestId,
    request: Option<&HttpRequest>,
) -> HttpResponse {
    if let Some(cause) = &problem.cause {
        tracing::error!(request_id = id.as_str(), status = problem.status.as_u16(), cause, "a request failed");
    }
    if seen.is_for_programs {
        problem.respond(id).into()
    } else {
        dashboard::error_page(site, problem, id, request).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use actix_web::http::header;
    use actix_web::{App, web};

    use super::*;
    use crate::ambient::{Clock, ManualClock, SeededEntropy};
    use crate::auth::Auth;
    use crate::http::settings::PublicUrl;
    use crate::http::{HttpSettings, Site};
    use crate::model::{Consent, DatabaseAddress, Purpose, Time};

    /// A clock that panics on demand.
    #[derive(Default)]
    struct BrokenClock(AtomicBool);

    impl Clock for BrokenClock {
        fn now(&self) -> Time {
            assert!(!self.0.load(Ordering::SeqCst), "a bug with a secret in its words");
            Time::from_millis(0)
        }

        fn steady(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn site(directory: &std::path::Path, clock: Arc<dyn Clock>) -> SiteRef {
        let public_url = PublicUrl::parse("http://keys.test").unwrap();
        let settings = HttpSettings::new(([127, 0, 0, 1], 0), public_url);
        let auth = Auth::open(
            &DatabaseAddress::File(directory.join("keybearer.db")),
            Purpose::Serve,
            Consent::default(),
            clock,
            Arc::new(SeededEntropy::new(1)),
            Vec::new(),
        )
        .unwrap();
        web::Data::new(Site::new(auth, settings))
    }

    fn manual_clock() -> Arc<dyn Clock> {
        Arc::new(ManualClock::at(Time::from_millis(0)))
    }

    #[actix_web::test]
    async fn a_panic_in_the_gateway_fast_path_returns_500_and_the_next_request_is_served() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(BrokenClock::default());
        let site = site(directory.path(), clock.clone());
        let edge = Edge::around(App::new(), site).new_service(AppConfig::default()).await.unwrap();
        let ask = async || {
            let request = actix_web::test::TestRequest::with_uri("/auth").insert_header(("host", "keys.test"));
            let answer = edge.call(request.insert_header(("x-api-key", "k")).to_request()).await.unwrap();
            let cache_control = answer.headers().get(header::CACHE_CONTROL).cloned();
            let status = answer.status().as_u16();
            let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
            (status, cache_control.unwrap(), String::from_utf8(body.to_vec()).unwrap())
        };
        assert_eq!(ask().await.0, 401);
        clock.0.store(true, Ordering::SeqCst);
        let (status, cache_control, body) = ask().await;
        assert_eq!((status, cache_control.to_str().unwrap()), (500, "no-store"));
        assert!(!body.contains("secret") && body.contains("\"code\":\"internal\""), "{body}");
        clock.0.store(false, Ordering::SeqCst);
        assert_eq!(ask().await.0, 401);
    }

    async fn explode() -> &'static str {
        panic!("a bug with a secret in its words")
    }

    #[actix_web::test]
    async fn a_panicking_handler_returns_500_and_the_next_request_is_served() {
        let directory = tempfile::tempdir().unwrap();
        let app = App::new()
            .route("/api/bug", web::get().to(explode))
            .route("/bug", web::get().to(explode))
            .route("/api/fine", web::get().to(|| async { "fine" }));
        let edge =
            Edge::around(app, site(directory.path(), manual_clock())).new_service(AppConfig::default()).await.unwrap();
        let ask = async |path: &str| {
            let request = actix_web::test::TestRequest::with_uri(path).insert_header(("host", "keys.test"));
            let answer = edge.call(request.to_request()).await.unwrap();
            let (status, kind) =
                (answer.status().as_u16(), answer.headers().get(header::CONTENT_TYPE).unwrap().clone());
            let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
            (status, kind.to_str().unwrap().to_owned(), String::from_utf8(body.to_vec()).unwrap())
        };
        for (path, kind) in [("/api/bug", "application/problem+json"), ("/bug", "text/html; charset=utf-8")] {
            let (status, content_type, body) = ask(path).await;
            assert_eq!((status, content_type.as_str()), (500, kind));
            assert!(!body.contains("secret") && body.contains("0000000000000"), "{body}");
            assert_eq!(ask("/api/fine").await.0, 200);
        }
    }
}
