//! All routes, one line each. The extractors in a handler's signature (`Bearer`, `SignedIn`, `Admin`, a form) say who
//! can call it. `gateway` handles `/auth…` before routing.

use actix_web::guard::{self, Guard};
use actix_web::web::{self, PathConfig, QueryConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route};

use super::bearer::request_id;
use super::dashboard::assets::asset;
use super::dashboard::{account, events, keys, login, reference, setup, users};
use super::health::{livez, readyz};
use super::problem::{Problem, unknown_route};
use super::{SiteRef, api, gateway, metrics, oauth, openapi};

#[rustfmt::skip]
pub fn configure(app: &mut ServiceConfig) {
    app
        .app_data(QueryConfig::default().error_handler(|_, _| Problem::unreadable().into()))
        .app_data(PathConfig::default().error_handler(|_, _| Problem::unreadable().into()))

        .service(at("/api/v1/keys/current", "GET, DELETE").route(get().to(api::keys::current)).route(delete().to(api::keys::revoke_current)))
        .service(at("/api/v1/keys/verify", "POST").route(post().to(api::keys::verify)))
        .service(at("/api/v1/keys", "GET, POST").route(get().to(api::manage::list)).route(post().to(api::manage::create)))
        .service(at("/api/v1/keys/{id}", "GET, PATCH, DELETE").route(get().to(api::manage::show)).route(patch().to(api::manage::change)).route(delete().to(api::manage::revoke)))

        .service(at("/oauth/introspect", "POST").route(post().to(oauth::introspect::introspect)))
        .service(at("/oauth/revoke", "POST").route(post().to(oauth::revoke::revoke)))
        .service(at("/oauth/token", "POST").route(post().to(oauth::token::token)))
        .service(at("/.well-known/oauth-authorization-server", "GET").route(get().to(oauth::metadata::server)))
        .service(at("/.well-known/jwks.json", "GET").route(get().to(oauth::metadata::jwks)))
        .service(at("/api/v1/keys/{id}/rotate", "POST").route(post().to(api::rotation::rotate)))
        .service(at("/api/v1/users", "GET, POST").route(get().to(api::users::list)).route(post().to(api::users::add)))
        .service(at("/api/v1/users/{id}", "GET, PATCH, DELETE").route(get().to(api::users::show)).route(patch().to(api::users::change)).route(delete().to(api::users::remove)))
        .service(at("/api/v1/events", "GET").route(get().to(api::events::list)))
        .service(at("/api/v1/tokens", "POST, DELETE").route(post().to(api::tokens::issue)).route(delete().to(api::tokens::revoke)))

        .service(at("/api/v1/openapi.json", "GET").route(get().to(openapi::show)))

        .service(at("/livez", "GET").route(get().to(livez)))
        .service(at("/readyz", "GET").route(get().to(readyz)))
        .service(at("/metrics", "GET").route(get().to(metrics::protected)))
        .service(at("/assets/{name}", "GET").route(get().to(asset)))

        .service(at("/", "GET").route(get().to(keys::list::page)))
        .service(at("/login", "GET, POST").route(get().to(login::page)).route(post().to(login::log_in)))
        .service(at("/logout", "POST").route(post().to(login::log_out)))
        .service(at("/setup", "GET, POST").route(get().to(setup::page)).route(post().to(setup::set_up)))

        .service(at("/keys", "GET, POST").route(get().to(keys::list::page)).route(post().to(keys::create::create)))
        .service(at("/keys/new", "GET").route(get().to(keys::new::page)))
        .service(at("/keys/{id}", "GET").route(get().to(keys::show::page)))
        .service(at("/keys/{id}/revoke", "POST").route(post().to(keys::change::revoke)))
        .service(at("/keys/{id}/rotate", "POST").route(post().to(keys::rotate::rotate)))
        .service(at("/keys/{id}/disable", "POST").route(post().to(keys::change::disable)))
        .service(at("/keys/{id}/enable", "POST").route(post().to(keys::change::enable)))
        .service(at("/keys/{id}/edit", "POST").route(post().to(keys::change::edit)))

        .service(at("/reference", "GET").route(get().to(reference::show::page)))
        .service(at("/account", "GET").route(get().to(account::show::page)))
        .service(at("/account/password", "POST").route(post().to(account::show::change_password)))
        .service(at("/account/sessions/end-others", "POST").route(post().to(account::show::end_others)))
        .service(at("/account/sessions/{id}/end", "POST").route(post().to(account::show::end_session)))

        .service(at("/admin/keys", "GET").route(get().to(keys::all::page)))
        .service(at("/users", "GET, POST").route(get().to(users::list::page)).route(post().to(users::new::add)))
        .service(at("/users/new", "GET").route(get().to(users::new::page)))
        .service(at("/users/{id}", "GET").route(get().to(users::show::page)))
        .service(at("/users/{id}/deactivate", "POST").route(post().to(users::show::deactivate)))
        .service(at("/users/{id}/activate", "POST").route(post().to(users::show::activate)))
        .service(at("/users/{id}/sessions/end", "POST").route(post().to(users::show::end_sessions)))
        .service(at("/events", "GET").route(get().to(events::page)))

        .default_service(web::route().to(elsewhere));
}

/// The handler for all other paths. For a misspelt gateway path, the response explains the mistake as JSON.
async fn elsewhere(site: SiteRef, request: HttpRequest) -> Result<HttpResponse, Problem> {
    match gateway::misspelt(&site, request.path()) {
        Some(problem) => Ok(problem.respond(&request_id(&request)).into()),
        None => Err(Problem::not_found()),
    }
}

/// The routes of the metrics listener.
pub fn configure_metrics(app: &mut ServiceConfig) {
    app.service(at("/metrics", "GET").route(get().to(metrics::scrape))).default_service(web::route().to(unknown_route));
}

/// A resource that refuses methods other than `allow` with 405 and the list.
fn at(path: &str, allow: &'static str) -> Resource {
    web::resource(path)
        .default_service(web::route().to(move || async move { Err::<String, _>(Problem::method_not_allowed(allow)) }))
}

/// A route for GET and HEAD.
fn get() -> Route {
    Route::new().guard(guard::fn_guard(|request| guard::Get().check(request) || guard::Head().check(request)))
}

fn post() -> Route {
    web::post()
}

fn patch() -> Route {
    web::patch()
}

fn delete() -> Route {
    web::delete()
}
