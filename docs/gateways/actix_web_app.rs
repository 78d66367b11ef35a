// Port 8000 is this API, 8080 Keybearer. In Cargo.toml: actix-web 4, reqwest 0.13.
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, web};

const IDENTITY: [&str; 5] = ["x-auth-key-id", "x-auth-owner", "x-auth-owner-id", "x-auth-scopes", "x-auth-identity"];
const PASSED_ON: [&str; 5] = ["content-type", "www-authenticate", "retry-after", "ratelimit", "ratelimit-policy"];

/// Asks Keybearer; connections are reused.
#[derive(Clone)]
struct Keybearer {
    client: reqwest::Client,
    url: String,
}

async fn needs(
    scope: &'static str,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match ask(scope, &request).await {
        Ok(identity) => {
            // Replaces what the client claims about itself.
            for (name, value) in IDENTITY.into_iter().zip(identity) {
                request.headers_mut().insert(HeaderName::from_static(name), value);
            }
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(refusal) => Ok(request.into_response(refusal)),
    }
}

/// The values of the identity headers of a valid key, or the refusal.
async fn ask(scope: &str, request: &ServiceRequest) -> Result<Vec<HeaderValue>, HttpResponse> {
    let unavailable = |_| HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, "1")).finish();
    let Keybearer { client, url } = request.app_data().expect("the app holds it");
    let mut asked = client.get(format!("{url}/auth?scope={scope}"));
    if let Some(peer) = request.peer_addr() {
        asked = asked.header("x-forwarded-for", peer.ip().to_string());
    }
    // All lines of the header, so that Keybearer sees a repeated one.
    for line in request.headers().get_all(header::AUTHORIZATION) {
        asked = asked.header("authorization", line.as_bytes());
    }
    let verdict = asked.send().await.map_err(unavailable)?;
    let (status, headers) = (verdict.status().as_u16(), verdict.headers().clone());
    let header_of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if status == 200 {
        let value = |name: &&str| HeaderValue::from_str(header_of(name).unwrap_or_default()).ok();
        return Ok(IDENTITY.iter().map(|name| value(name).unwrap_or(HeaderValue::from_static(""))).collect());
    }
    let status = if matches!(status, 400 | 401 | 403 | 429) { status } else { 503 };
    let mut refusal = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE));
    for (name, value) in PASSED_ON.iter().filter_map(|name| Some((*name, header_of(name)?))) {
        refusal.insert_header((name, value));
    }
    Err(refusal.body(verdict.bytes().await.map_err(unavailable)?))
}

async fn orders(request: HttpRequest) -> HttpResponse {
    let owner = request.headers().get("x-auth-owner").and_then(|owner| owner.to_str().ok()).unwrap_or_default();
    HttpResponse::Ok().content_type("application/json").body(format!("{{\"owner\":\"{owner}\"}}"))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let set = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let client = reqwest::Client::builder().timeout(Duration::from_secs(1)).build().expect("a client is made");
    let keybearer = Keybearer { client, url: set("KEYBEARER", "http://127.0.0.1:8080") };
    HttpServer::new(move || {
        let orders = web::resource("/orders").wrap(from_fn(|request, next| needs("orders:read", request, next)));
        App::new().app_data(keybearer.clone()).service(orders.route(web::get().to(self::orders)))
    })
    .bind(set("LISTEN", "127.0.0.1:8000"))?
    .run()
    .await
}
