//! A route as data. The server, its 405 responses, the OpenAPI document and the tests read the same table.

use actix_web::guard::{self, Guard};
use actix_web::web::{self, ServiceConfig};

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
}

impl Route {
    /// A route for browsers.
    pub const fn page(
        method: &'static str,
        path: &'static str,
        access: Access,
        handler: fn() -> actix_web::Route,
    ) -> Self {
        Route { method, path, access, handler, describe: None }
    }

    /// A route for programs.
    pub const fn api(
        method: &'static str,
        path: &'static str,
        access: Access,
        handler: fn() -> actix_web::Route,
        describe: fn() -> Operation,
    ) -> Self {
        Route { method, path, access, handler, describe: Some(describe) }
    }

    pub fn operation(&self) -> Option<Operation> {
        self.describe.map(|describe| describe().on(self.method, self.path, self.access))
    }

    fn guarded(&self) -> actix_web::Route {
        let method = self.method;
        (self.handler)().guard(guard::fn_guard(move |request| {
            let own = request.head().method.as_str();
            own == method || (method == "GET" && guard::Head().check(request))
        }))
    }
}

/// Adds the routes to the app. A path refuses other methods with 405 and the list of its methods.
pub fn add(app: &mut ServiceConfig, routes: &'static [Route]) {
    let mut paths: Vec<&str> = Vec::new();
    for route in routes {
        if !paths.contains(&route.path) {
            paths.push(route.path);
        }
    }
    for path in paths {
        let own = || routes.iter().filter(move |route| route.path == path);
        let allow = own().map(|route| route.method).collect::<Vec<_>>().join(", ");
        let refuse = move || std::future::ready(Err::<String, _>(Problem::method_not_allowed(&allow)));
        let resource = own().fold(web::resource(path), |resource, route| resource.route(route.guarded()));
        app.service(resource.default_service(web::route().to(refuse)));
    }
}
