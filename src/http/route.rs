//! A route as data. The server, its 405 responses, the OpenAPI document and the tests read the same table.

use actix_web::guard::{self, Guard};
use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpMessage, HttpRequest};

use super::access::Access;
use super::problem::Problem;
use super::schema::Operation;

/// One method of one path.
pub struct Route {
    /// `GET` includes HEAD.
    pub method: &'static str,
    pub path: &'static str,
    pub access: Access,
    handler: fn() -> actix_web::Route,
    /// The description in the OpenAPI document; `None` for routes that only browsers call.
    describe: Option<fn() -> Operation>,
    /// Whether it checks a key, which a busy API does so often that the log has a sample of it.
    pub is_check: bool,
    /// Whether its responses are compressed for browsers that accept it.
    is_compressed: bool,
}

/// The route of a request, among the request's data.
#[derive(Clone, Copy)]
pub struct Routed(pub &'static Route);

impl Route {
    /// A route for browsers.
    pub const fn page(
        method: &'static str,
        path: &'static str,
        access: Access,
        handler: fn() -> actix_web::Route,
    ) -> Self {
        Route { method, path, access, handler, describe: None, is_check: false, is_compressed: false }
    }

    /// A route for programs.
    pub const fn api(
        method: &'static str,
        path: &'static str,
        access: Access,
        handler: fn() -> actix_web::Route,
        describe: fn() -> Operation,
    ) -> Self {
        Route { method, path, access, handler, describe: Some(describe), is_check: false, is_compressed: false }
    }

    /// A route that checks a key. Its path has no parameters, so that it can be found first.
    pub const fn check(self) -> Self {
        Route { is_check: true, ..self }
    }

    /// A path whose responses are compressed. Only one that never holds a secret beside text from a request: the length
    /// of a compressed response tells whether they are alike (BREACH).
    pub const fn compressed(self) -> Self {
        Route { is_compressed: true, ..self }
    }

    pub fn operation(&self) -> Option<Operation> {
        self.describe.map(|describe| describe().on(self.method, self.path, self.access))
    }

    fn guarded(&'static self) -> actix_web::Route {
        (self.handler)().guard(guard::fn_guard(move |request| {
            let own = request.head().method.as_str();
            let is_own = own == self.method || (self.method == "GET" && guard::Head().check(request));
            if is_own {
                request.req_data_mut().insert(Routed(self));
            }
            is_own
        }))
    }
}

/// Adds the routes to the app. A path refuses other methods with 405 and the list of its methods.
pub fn add(app: &mut ServiceConfig, routes: &'static [Route]) {
    let mut first_of_paths: Vec<&'static Route> = Vec::new();
    for route in routes {
        if first_of_paths.iter().all(|first| first.path != route.path) {
            first_of_paths.push(route);
        }
    }
    // A request is compared with one path after the other, and nothing is requested as often as checks.
    first_of_paths.sort_by_key(|first| !first.is_check);
    for first in first_of_paths {
        let own = || routes.iter().filter(move |route| route.path == first.path);
        let allow = own().map(|route| route.method).collect::<Vec<_>>().join(", ");
        let refuse = move |request: HttpRequest| {
            request.extensions_mut().insert(Routed(first));
            std::future::ready(Err::<String, _>(Problem::method_not_allowed(&allow)))
        };
        let resource = own().fold(web::resource(first.path), |resource, route| resource.route(route.guarded()));
        let resource = resource.default_service(web::route().to(refuse));
        match first.is_compressed {
            true => app.service(resource.wrap(Compress::default())),
            false => app.service(resource),
        };
    }
}
