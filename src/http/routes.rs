//! All routes, one line each: who can call it, its handler, and its description for programs. The extractor in the
//! handler's signature (`Bearer`, `SignedIn`, `Admin`, a form) enforces who can call it. `gateway` handles `/auth…`
//! before routing.

use actix_web::web::{self, PathConfig, QueryConfig, ServiceConfig, to};
use actix_web::{HttpRequest, HttpResponse};

use super::access::Access::{Admin, Client, ClientOrKey, Key, Password, Public, Scope, SignedIn};
use super::bearer::request_id;
use super::dashboard::assets::asset;
use super::dashboard::{
    account, choose_password, events, find, keys, leaks, login, nodes, overview, reference, setup, users,
};
use super::health::{livez, livez_operation, readyz, readyz_operation};
use super::problem::{Problem, unknown_route};
use super::route::{Route, add};
use super::{SiteRef, api, gateway, metrics, oauth};
use crate::model::Scope as ScopeName;

const KEYS: super::access::Access = Scope(ScopeName::KEYS);
const USERS: super::access::Access = Scope(ScopeName::USERS);
const EVENTS: super::access::Access = Scope(ScopeName::EVENTS);
const VERIFY: super::access::Access = Scope(ScopeName::VERIFY);

/// Routes for programs, then for browsers. If two paths match a request, the first one is used.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    Route::api("GET", "/api/v1/keys/current", Key, || to(api::keys::current::show), api::keys::current::show_operation).check(),
    Route::api("DELETE", "/api/v1/keys/current", Key, || to(api::keys::current::revoke), api::keys::current::revoke_operation),
    Route::api("POST", "/api/v1/keys/verify", VERIFY, || to(api::keys::verify::verify), api::keys::verify::operation).check(),
    Route::api("GET", "/api/v1/keys", KEYS, || to(api::keys::list::list), api::keys::list::operation),
    Route::api("POST", "/api/v1/keys", KEYS, || to(api::keys::create::create), api::keys::create::operation),
    Route::api("GET", "/api/v1/keys/{id}", KEYS, || to(api::keys::show::show), api::keys::show::operation),
    Route::api("PATCH", "/api/v1/keys/{id}", KEYS, || to(api::keys::change::change), api::keys::change::operation),
    Route::api("DELETE", "/api/v1/keys/{id}", KEYS, || to(api::keys::revoke::revoke), api::keys::revoke::operation),
    Route::api("GET", "/api/v1/keys/{id}/usage", KEYS, || to(api::keys::usage::show), api::keys::usage::operation),
    Route::api("GET", "/api/v1/usage", KEYS, || to(api::usage::show), api::usage::operation),
    Route::api("POST", "/api/v1/keys/{id}/rotate", KEYS, || to(api::keys::rotate::rotate), api::keys::rotate::operation),

    Route::api("GET", "/api/v1/users", USERS, || to(api::users::list::list), api::users::list::operation),
    Route::api("POST", "/api/v1/users", USERS, || to(api::users::add::add), api::users::add::operation),
    Route::api("GET", "/api/v1/users/{id}", USERS, || to(api::users::show::show), api::users::show::operation),
    Route::api("PATCH", "/api/v1/users/{id}", USERS, || to(api::users::change::change), api::users::change::operation),
    Route::api("DELETE", "/api/v1/users/{id}", USERS, || to(api::users::remove::remove), api::users::remove::operation),
    Route::api("POST", "/api/v1/users/{id}/reset", USERS, || to(api::users::reset::reset), api::users::reset::operation),
    Route::api("GET", "/api/v1/events", EVENTS, || to(api::events::list), api::events::operation),

    Route::api("POST", "/api/v1/leaks", Public, || to(api::leaks::report::report), api::leaks::report::operation),
    Route::api("POST", "/api/v1/leaks/github", Public, || to(api::leaks::github::receive), api::leaks::github::operation),

    Route::api("POST", "/api/v1/tokens", Password, || to(api::tokens::issue), api::tokens::issue_operation),
    Route::api("DELETE", "/api/v1/tokens", Key, || to(api::tokens::revoke), api::tokens::revoke_operation),

    Route::api("POST", "/oauth/introspect", ClientOrKey, || to(oauth::introspect::introspect), oauth::introspect::operation).check(),
    Route::api("POST", "/oauth/revoke", ClientOrKey, || to(oauth::revoke::revoke), oauth::revoke::operation),
    Route::api("POST", "/oauth/token", Client, || to(oauth::token::token), oauth::token::operation),
    Route::api("GET", "/.well-known/oauth-authorization-server", Public, || to(oauth::metadata::server), oauth::metadata::server_operation),
    Route::api("GET", "/.well-known/jwks.json", Public, || to(oauth::metadata::jwks), oauth::metadata::jwks_operation),

    Route::api("GET", "/api/v1/openapi.json", Key, || to(api::document::show), api::document::operation),
    Route::api("GET", "/livez", Public, || to(livez), livez_operation),
    Route::api("GET", "/readyz", Public, || to(readyz), readyz_operation),
    Route::api("GET", "/metrics", VERIFY, || to(metrics::protected), metrics::operation),

    Route::page("GET", "/assets/{name}", Public, || to(asset)).compressed(),
    Route::page("GET", "/", SignedIn, || to(keys::list::page)),
    Route::page("GET", "/login", Public, || to(login::page)),
    Route::page("POST", "/login", Public, || to(login::sign_in)),
    Route::page("POST", "/logout", SignedIn, || to(login::sign_out)),
    Route::page("GET", "/setup", Public, || to(setup::page)),
    Route::page("POST", "/setup", Public, || to(setup::set_up)),
    Route::page("GET", "/invitation", Public, || to(choose_password::invitation)),
    Route::page("POST", "/invitation", Public, || to(choose_password::accept)),
    Route::page("GET", "/reset", Public, || to(choose_password::reset)),
    Route::page("POST", "/reset", Public, || to(choose_password::set_again)),

    Route::page("GET", "/keys", SignedIn, || to(keys::list::page)),
    Route::page("POST", "/keys", SignedIn, || to(keys::create::create)),
    Route::page("GET", "/keys/new", SignedIn, || to(keys::new::page)),
    Route::page("POST", "/keys/leak-notices/dismiss", SignedIn, || to(keys::leak_notices::dismiss)),
    Route::page("POST", "/keys/selected/revoke", SignedIn, || to(keys::selected::revoke)),
    Route::page("POST", "/keys/selected/disable", SignedIn, || to(keys::selected::disable)),
    Route::page("GET", "/keys/{id}", SignedIn, || to(keys::show::page)),
    Route::page("GET", "/keys/{id}/usage.csv", SignedIn, || to(keys::usage_csv::download)),
    Route::page("GET", "/keys/{id}/explain", SignedIn, || to(keys::explain::page)),
    Route::page("POST", "/keys/{id}/explain", SignedIn, || to(keys::explain::explain)),
    Route::page("POST", "/keys/{id}/revoke", SignedIn, || to(keys::change::revoke)),
    Route::page("POST", "/keys/{id}/rotate", SignedIn, || to(keys::rotate::rotate)),
    Route::page("POST", "/keys/{id}/disable", SignedIn, || to(keys::change::disable)),
    Route::page("POST", "/keys/{id}/enable", SignedIn, || to(keys::change::enable)),
    Route::page("GET", "/keys/{id}/edit", SignedIn, || to(keys::edit::page)),
    Route::page("POST", "/keys/{id}/edit", SignedIn, || to(keys::edit::edit)),
    Route::page("POST", "/keys/{id}/extend", SignedIn, || to(keys::replacing::extend)),
    Route::page("POST", "/keys/{id}/cancel-rotation", SignedIn, || to(keys::replacing::cancel)),

    Route::page("GET", "/overview", SignedIn, || to(overview::page)),
    Route::page("GET", "/find", SignedIn, || to(find::show::page)),
    Route::page("POST", "/find", SignedIn, || to(find::show::find)),
    Route::page("GET", "/reference", SignedIn, || to(reference::show::page)).compressed(),
    Route::page("GET", "/account", SignedIn, || to(account::show::page)),
    Route::page("POST", "/account/password", SignedIn, || to(account::show::change_password)),
    Route::page("POST", "/account/sessions/end-others", SignedIn, || to(account::show::end_others)),
    Route::page("POST", "/account/sessions/{id}/end", SignedIn, || to(account::show::end_session)),

    Route::page("GET", "/admin/keys", Admin, || to(keys::all::page)),
    Route::page("GET", "/admin/leaks", Admin, || to(leaks::show::page)),
    Route::page("POST", "/admin/leaks", Admin, || to(leaks::show::search)),
    Route::page("POST", "/admin/leaks/revoke", Admin, || to(leaks::show::revoke)),
    Route::page("GET", "/nodes/waiting", SignedIn, || to(nodes::waiting)),
    Route::page("GET", "/nodes", Admin, || to(nodes::page)),
    Route::page("GET", "/users", Admin, || to(users::list::page)),
    Route::page("POST", "/users", Admin, || to(users::new::add)),
    Route::page("GET", "/users/new", Admin, || to(users::new::page)),
    Route::page("GET", "/users/{id}", Admin, || to(users::show::page)),
    Route::page("POST", "/users/{id}/deactivate", Admin, || to(users::change::deactivate)),
    Route::page("POST", "/users/{id}/activate", Admin, || to(users::change::activate)),
    Route::page("POST", "/users/{id}/sessions/end", Admin, || to(users::change::end_sessions)),
    Route::page("POST", "/users/{id}/role", Admin, || to(users::change::set_role)),
    Route::page("POST", "/users/{id}/link", Admin, || to(users::link::make_link)),
    Route::page("POST", "/users/{id}/hand-over", Admin, || to(users::hand_over::hand_over)),
    Route::page("POST", "/users/{id}/remove", Admin, || to(users::change::remove)),
    Route::page("GET", "/events", Admin, || to(events::page)),
    Route::page("GET", "/events/export", Admin, || to(events::export)),
];

/// The routes of the metrics listener.
const METRICS: &[Route] = &[Route::page("GET", "/metrics", Public, || to(metrics::scrape))];

pub fn configure(app: &mut ServiceConfig) {
    app.app_data(QueryConfig::default().error_handler(|_, _| Problem::unreadable().into()));
    app.app_data(PathConfig::default().error_handler(|_, _| Problem::unreadable().into()));
    add(app, ROUTES);
    app.default_service(web::route().to(elsewhere));
}

pub fn configure_metrics(app: &mut ServiceConfig) {
    add(app, METRICS);
    app.default_service(web::route().to(unknown_route));
}

/// The handler for all other paths. For a misspelt gateway path, the response explains the mistake as JSON.
async fn elsewhere(site: SiteRef, request: HttpRequest) -> Result<HttpResponse, Problem> {
    match gateway::misspelt(&site, request.path()) {
        Some(problem) => Ok(problem.respond(&request_id(&request)).into()),
        None => Err(Problem::not_found()),
    }
}
