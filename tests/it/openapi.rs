//! The OpenAPI document: complete according to the routing table, consistent, and not public.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::Server;
use keybearer::testing::ROUTES;

async fn document(server: &Server) -> Value {
    let answer = server.bearer(&server.key(&[]).await.1).get("/api/v1/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{answer:?}");
    answer.json()
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

#[tokio::test]
async fn the_document_describes_every_api_route_and_no_other() {
    let server = Server::start();
    let document = document(&server).await;
    let mut described: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, method, _) in operations(&document).filter(|(path, _, _)| !path.starts_with("/auth")) {
        described.entry(path.to_owned()).or_default().insert(method.to_uppercase());
    }
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let for_programs = ["/api/", "/oauth/", "/.well-known/", "/livez", "/readyz", "/metrics"];
    for route in ROUTES.iter().filter(|route| for_programs.iter().any(|start| route.path.starts_with(start))) {
        expected.entry(route.path.to_owned()).or_default().insert(route.method.to_owned());
    }
    assert!(expected.len() > 10);
    assert_eq!(described, expected);
    for door in ["/auth", "/auth/nginx", "/auth/envoy/{policy}"] {
        assert!(document["paths"][door].is_object(), "{door}");
    }
}

#[tokio::test]
async fn every_reference_resolves_and_every_operation_is_complete() {
    let server = Server::start();
    let document = document(&server).await;
    assert_eq!((&document["openapi"], &document["servers"][0]["url"]), (&"3.1.0".into(), &"http://keys.test".into()));
    let mut waiting = vec![&document];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                waiting.extend(map.values());
            }
            Value::Array(list) => waiting.extend(list),
            _ => {}
        }
    }
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let what = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{what}: its id is taken");
        let group = &operation["tags"][0];
        assert!(document["tags"].as_array().unwrap().iter().any(|tag| tag["name"] == *group), "{what}: {group}");
        let answers = operation["responses"].as_object().unwrap();
        assert!(answers.keys().any(|status| status.starts_with('2')), "{what}");
        let is_secured = !operation["security"].as_array().unwrap().is_empty();
        assert_eq!(answers.contains_key("401"), is_secured, "{what}");
        let takes_json = !operation["requestBody"]["content"]["application/json"].is_null();
        assert_eq!(takes_json, answers.contains_key("415"), "{what}");
        let named = path.matches('{').count();
        let parameters =
            operation["parameters"].as_array().map_or(0, |all| all.iter().filter(|one| one["in"] == "path").count());
        assert_eq!(parameters, named, "{what}");
    }
}

#[tokio::test]
async fn the_document_needs_a_key_and_the_reference_page_a_session() {
    let server = Server::start();
    assert_eq!(server.anon().get("/api/v1/openapi.json").await.problem(), (401, "missing_key".into()));
    assert_eq!(server.admin().await.get("/api/v1/openapi.json").await.problem(), (401, "missing_key".into()));
    assert_eq!(server.anon().get("/reference").await.location(), "/login?next=%2Freference");
}

#[tokio::test]
async fn the_reference_page_describes_every_operation_and_record() {
    let server = Server::start();
    let (document, page) = (document(&server).await, server.member().await.get("/reference").await);
    assert_eq!(page.status, 200);
    for (path, method, operation) in operations(&document) {
        assert!(page.body.contains(&format!("<code>{} {path}</code>", method.to_uppercase())), "{method} {path}");
        assert!(
            page.body.contains(operation["summary"].as_str().unwrap().split('\'').next().unwrap()),
            "{method} {path}"
        );
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.body.contains(&format!("id=\"record-{name}\"")), "{name}");
    }
    let anchors = page.body.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    for anchor in anchors {
        assert!(page.body.contains(&format!("id=\"{anchor}\"")), "#{anchor} leads nowhere");
    }
    assert!(!page.body.contains("http://cdn") && !page.body.contains("https://"), "nothing of others");
}
