//! What programs get: locations, the issuer, its metadata and the description are below the base path.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use keybearer::testing::{CorsOrigin, Role};

use super::{BASE, UNKNOWN, URL, at, person, server};
use crate::harness::{ADMIN, Server};

#[tokio::test]
async fn new_records_are_below_the_base_path() {
    let server = server();
    server.user(ADMIN, Role::Admin).await;
    let (_, key) = server.key_of(ADMIN, &["keybearer:keys", "keybearer:users"], |_| {}).await;
    for (client, email) in
        [(server.bearer(&key), "one@example.com"), (server.bearer(&key).below(BASE), "two@example.com")]
    {
        let rotate = format!("/api/v1/keys/{}/rotate", server.key_of(ADMIN, &[], |_| {}).await.0);
        for (path, parent, body) in [
            ("/api/v1/keys", "/api/v1/keys", "{\"name\":\"n\"}".to_owned()),
            ("/api/v1/users", "/api/v1/users", format!("{{\"email\":\"{email}\"}}")),
            (&rotate, "/api/v1/keys", "{\"overlap\":\"1h\"}".to_owned()),
        ] {
            let answer = client.json(path, body).await;
            assert_eq!(answer.status, 201, "{path}: {answer:?}");
            let location = answer.location();
            assert!(location.starts_with(&format!("{BASE}{parent}/")), "{location}");
            assert_eq!(server.bearer(&key).get(location).await.status, 200, "{location}");
        }
    }
}

#[tokio::test]
async fn cors_applies_to_the_api_below_the_base_path() {
    let origin = "https://app.test";
    let server = Server::with(|settings| {
        at(URL)(settings);
        settings.cors_origins = vec![CorsOrigin::parse(origin).unwrap()];
    });
    let (_, key) = server.key(&[]).await;
    for client in [server.bearer(&key), server.bearer(&key).below(BASE)] {
        let request = |path: &str| client.request("GET", path).header("origin", origin);
        let allowed = client.send(request("/api/v1/keys/current")).await;
        assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, origin));
        assert_eq!(client.send(request("/login")).await.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn the_issuer_has_the_base_path_and_its_metadata_is_found() {
    let server = server();
    let (id, key) = server.key(&["orders:read"]).await;
    let anon = server.anon();
    let forms = [
        // RFC 8414 §3.1: the issuer's path is at the end.
        "/.well-known/oauth-authorization-server/tools/api-keys",
        "/tools/api-keys/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server",
    ];
    for form in forms {
        let metadata = anon.get(form).await;
        assert_eq!(metadata.status, 200, "{form}");
        let metadata = metadata.json();
        assert_eq!(metadata["issuer"], URL);
        let own = |name: &str| {
            let url = metadata[name].as_str().unwrap();
            url.strip_prefix("https://example.test").unwrap_or_else(|| panic!("{name}: {url}")).to_owned()
        };
        assert_eq!(anon.get(&own("jwks_uri")).await.status, 200);
        let credential = BASE64.encode(format!("{id}:{key}").as_bytes());
        let basic = |path: &str| anon.request("POST", path).header("authorization", format!("Basic {credential}"));
        let asked = basic(&own("token_endpoint")).form(&[("grant_type", "client_credentials")]);
        let token = anon.send(asked).await.json()["access_token"].as_str().unwrap().to_owned();
        let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!((&claims["iss"], &claims["aud"]), (&URL.into(), &URL.into()));
        let told = anon.send(basic(&own("introspection_endpoint")).form(&[("token", &token)])).await.json();
        assert_eq!((&told["active"], &told["iss"]), (&true.into(), &URL.into()), "{told}");
        assert_eq!(anon.send(basic(&own("revocation_endpoint")).form(&[("token", "x")])).await.status, 200);
    }
    assert_eq!(anon.get("/.well-known/oauth-authorization-server/tools").await.status, 404);
}

#[tokio::test]
async fn the_description_and_its_page_name_the_base_path() {
    let server = server();
    let (_, key) = server.key(&[]).await;
    let program = server.bearer(&key).below(BASE);
    let document = program.get("/api/v1/openapi.json").await.json();
    assert_eq!(document["servers"], serde_json::json!([{ "url": URL }]));
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert!(paths.len() > 15);
    for path in paths {
        let status = program.get(&path.replace("{id}", UNKNOWN).replace("{policy}", "none")).await.status;
        assert_ne!(status, 404, "{path}");
    }
    let member = person(&server, "new@example.com", Role::Member).await;
    let curl = format!("{URL}/api/v1/keys/current");
    for path in ["/reference", "/keys"] {
        assert!(member.get(path).await.body.contains(&curl), "{path}");
    }
    let token = member.csrf_token().await;
    let shown = member.post("/keys", &[("csrf_token", &token), ("name", "n"), ("expires", "30d")]).await;
    assert!(shown.new_key().is_some() && shown.body.contains(&curl), "{shown:?}");
}
