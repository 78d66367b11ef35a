//! Pages of other sites can read API responses only if the operator allows their origin, and never with cookies.

use keybearer::testing::CorsOrigin;

use crate::harness::{Answer, Client, Server};

const APP: &str = "https://app.example.com";
const CURRENT: &str = "/api/v1/keys/current";

fn allowing() -> Server {
    Server::with(|settings| settings.cors_origins = vec![CorsOrigin::parse(APP).unwrap()])
}

async fn from(client: &Client, origin: &str, method: &str, path: &str) -> Answer {
    client.send(client.request(method, path).header("origin", origin)).await
}

async fn question(client: &Client, origin: &str, path: &str) -> Answer {
    let request = client.request("OPTIONS", path).header("origin", origin);
    let asked = request
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,content-type");
    client.send(asked).await
}

fn names_cors(answer: &Answer) -> Vec<&str> {
    let names = answer.headers.keys().map(|name| name.as_str());
    names.filter(|name| name.starts_with("access-control-") || *name == "vary").collect()
}

#[tokio::test]
async fn by_default_no_origin_can_read_responses() {
    let server = Server::start();
    let (anon, bearer) = (server.anon(), server.bearer(&server.key(&[]).await.1));
    for answer in [from(&bearer, APP, "GET", CURRENT).await, from(&anon, APP, "GET", CURRENT).await] {
        assert_eq!(names_cors(&answer), [""; 0], "{answer:?}");
    }
    let asked = question(&anon, APP, CURRENT).await;
    assert_eq!((asked.status, names_cors(&asked).len()), (405, 0));
}

#[tokio::test]
async fn an_allowed_origin_reads_responses_and_errors_without_cookies() {
    let server = allowing();
    let (anon, bearer) = (server.anon(), server.bearer(&server.key(&[]).await.1));
    for (answer, status) in [
        (from(&bearer, APP, "GET", CURRENT).await, 200),
        (from(&anon, APP, "GET", CURRENT).await, 401),
        (from(&bearer, APP, "GET", "/api/v1/keys").await, 403),
        (from(&bearer, APP, "GET", "/api/v1/unknown").await, 404),
        (from(&bearer, APP, "PUT", CURRENT).await, 405),
    ] {
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin"), answer.header("vary")),
            (status, APP, "Origin")
        );
        assert!(answer.header("access-control-expose-headers").contains("www-authenticate"));
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    let asked = question(&anon, APP, CURRENT).await;
    assert_eq!((asked.status, asked.body.as_str(), asked.header("access-control-allow-origin")), (204, "", APP));
    assert!(asked.header("access-control-allow-headers").contains("authorization"));
    assert!(asked.header("access-control-allow-methods").contains("PATCH"));
    assert_eq!((asked.header("access-control-allow-credentials"), asked.header("access-control-max-age")), ("", "600"));
    let plain = anon.call("OPTIONS", CURRENT).await;
    assert_eq!((plain.status, plain.header("vary")), (405, "Origin"), "not a browser's question");
}

#[tokio::test]
async fn other_origins_and_other_routes_get_no_cors_headers() {
    let server = allowing();
    let (anon, bearer, admin) = (server.anon(), server.bearer(&server.key(&[]).await.1), server.admin().await);
    for origin in [
        "https://evil.test",
        "null",
        "*",
        "http://app.example.com",
        "https://app.example.com.evil.test",
        "https://app.example.com:444",
        "https://APP.example.com",
        "https://app.example.com, https://evil.test",
    ] {
        let answer = from(&bearer, origin, "GET", CURRENT).await;
        assert_eq!((answer.status, names_cors(&answer)), (200, vec!["vary"]), "{origin}");
        assert_eq!(question(&anon, origin, CURRENT).await.status, 405, "{origin}");
    }
    let twice =
        bearer.send(bearer.request("GET", CURRENT).header("origin", APP).header("origin", "https://evil.test")).await;
    assert_eq!(names_cors(&twice), ["vary"]);
    for path in ["/keys", "/login", "/account", "/livez", "/auth", "/unknown"] {
        assert!(names_cors(&from(&admin, APP, "GET", path).await).iter().all(|name| *name == "vary"), "{path}");
        assert!(names_cors(&question(&admin, APP, path).await).is_empty(), "{path}");
    }
}
