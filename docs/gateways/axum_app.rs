// Port 8000 is this API, 8080 Keybearer. In Cargo.toml: axum 0.8, reqwest 0.13, tokio 1 (macros, net, rt-multi-thread).
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const IDENTITY: [&str; 5] = ["x-auth-key-id", "x-auth-owner", "x-auth-owner-id", "x-auth-scopes", "x-auth-identity"];
const PASSED_ON: [&str; 5] = ["content-type", "www-authenticate", "retry-after", "ratelimit", "ratelimit-policy"];

/// The URL to ask, and the client that asks it; connections are reused.
#[derive(Clone)]
struct Needs {
    keybearer: reqwest::Client,
    url: String,
}

async fn judge(
    State(needs): State<Needs>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut asked = needs.keybearer.get(needs.url).header("x-forwarded-for", peer.ip().to_string());
    // All lines of the header, so that Keybearer sees a repeated one.
    for line in request.headers().get_all(header::AUTHORIZATION) {
        asked = asked.header(header::AUTHORIZATION, line);
    }
    let unavailable = (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]);
    let Ok(verdict) = asked.send().await else { return unavailable.into_response() };
    let (status, mut headers) = (verdict.status(), verdict.headers().clone());
    if status == StatusCode::OK {
        // Replaces what the client claims about itself.
        for name in IDENTITY {
            let value = headers.remove(name).unwrap_or(HeaderValue::from_static(""));
            request.headers_mut().insert(name, value);
        }
        return next.run(request).await;
    }
    let Ok(body) = verdict.bytes().await else { return unavailable.into_response() };
    let status =
        if matches!(status.as_u16(), 400 | 401 | 403 | 429) { status } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = (status, body).into_response();
    for name in PASSED_ON {
        if let Some(value) = headers.remove(name) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn orders(headers: HeaderMap) -> String {
    let owner = headers.get("x-auth-owner").and_then(|owner| owner.to_str().ok()).unwrap_or_default();
    format!("{{\"owner\":\"{owner}\"}}")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let set = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let url = format!("{}/auth?scope=orders:read", set("KEYBEARER", "http://127.0.0.1:8080"));
    let needs = Needs { keybearer: reqwest::Client::builder().timeout(Duration::from_secs(1)).build()?, url };
    let app = Router::new().route("/orders", get(orders).route_layer(from_fn_with_state(needs, judge)));
    let listener = tokio::net::TcpListener::bind(set("LISTEN", "127.0.0.1:8000")).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
