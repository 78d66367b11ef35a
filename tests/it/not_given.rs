//! When something is created, `null` means the same as absent: generated clients send it for unset fields.

use keybearer::testing::Role;
use serde_json::{Value, json};

use crate::harness::{ADMIN, Answer, Client, MEMBER, PASSWORD, Server};

async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.json(path, body.to_string()).await
}

/// The body of a response, without what differs between any two creations.
fn shape(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    for name in ["id", "key", "hint", "token", "refresh_token", "email", "last_used_at", "rotated_from"] {
        body.as_object_mut().unwrap().remove(name);
    }
    (answer.status, body)
}

#[tokio::test]
async fn null_means_the_same_as_absent() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    server.user(MEMBER, Role::Member).await;
    let scopes = ["keybearer:keys", "keybearer:users", "keybearer:verify", "*"];
    let manager = server.bearer(&server.key_of(ADMIN, &scopes, |_| {}).await.1);
    let nobody = server.anon();
    let key = server.key(&[]).await.1;
    let first = format!("/api/v1/keys/{}/rotate", server.key(&[]).await.0);
    let second = format!("/api/v1/keys/{}/rotate", server.key(&[]).await.0);
    let password = json!({ "email": MEMBER, "password": PASSWORD });
    for (client, paths, required, optional) in [
        (
            &manager,
            ["/api/v1/keys", "/api/v1/keys"],
            json!({ "name": "n" }),
            vec![
                "description",
                "owner",
                "prefix",
                "scopes",
                "expires_at",
                "expires_in",
                "expires",
                "allowed_ips",
                "rate_limit",
                "metadata",
            ],
        ),
        (
            &manager,
            [&*first, &*second],
            json!({}),
            vec!["overlap", "end_if_unused_for", "expires_at", "expires_in", "expires"],
        ),
        (&manager, ["/api/v1/keys/verify", "/api/v1/keys/verify"], json!({ "key": key }), vec!["scopes", "ip"]),
        (&nobody, ["/api/v1/tokens", "/api/v1/tokens"], password, vec!["scopes", "refresh_token"]),
    ] {
        let mut with_nulls = required.clone();
        optional.iter().for_each(|name| with_nulls[name] = Value::Null);
        let absent = post(client, paths[0], &required).await;
        let null = post(client, paths[1], &with_nulls).await;
        assert!(absent.status < 300, "{absent:?}");
        assert_eq!(shape(&null), shape(&absent), "{with_nulls}");
    }
    let new = json!({ "email": "new@example.com", "role": null, "password": null, "invite": null });
    let added = post(&manager, "/api/v1/users", &new).await;
    assert_eq!((added.status, &added.json()["role"]), (201, &json!("member")), "{added:?}");
}

#[tokio::test]
async fn a_key_that_never_expires_must_be_requested_explicitly() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let manager = server.bearer(&server.key_of(ADMIN, &["keybearer:keys"], |_| {}).await.1);
    let expiry = async |body: Value| post(&manager, "/api/v1/keys", &body).await.json()["expires_at"].clone();
    let nulls = json!({ "name": "n", "expires": null, "expires_at": null, "expires_in": null });
    assert_eq!(expiry(nulls).await, "2027-02-21T08:00:00Z");
    assert_eq!(expiry(json!({ "name": "n", "expires": "never", "expires_at": null })).await, Value::Null);
    // A change takes null for what it has always meant: nothing there any more.
    let made = post(&manager, "/api/v1/keys", &json!({ "name": "n" })).await.json();
    let path = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
    let change = manager.request("PATCH", &path).header("content-type", "application/json");
    let changed = manager.send(change.body(r#"{"expires_at":null}"#)).await;
    assert_eq!((changed.status, &changed.json()["expires_at"]), (200, &Value::Null));
}

#[tokio::test]
async fn the_openapi_document_says_where_null_is_accepted() {
    let server = Server::start();
    let document = server.bearer(&server.key(&[]).await.1).get("/api/v1/openapi.json").await.json();
    let schemas = &document["components"]["schemas"];
    for (name, required) in [
        ("NewKey", vec!["name"]),
        ("Rotation", vec![]),
        ("NewUser", vec!["email"]),
        ("Question", vec!["key"]),
        ("TokenRequest", vec![]),
    ] {
        let properties = schemas[name]["properties"].as_object().unwrap_or_else(|| panic!("{name}: {schemas}"));
        for (property, schema) in properties {
            let takes_null = schema.to_string().contains("\"null\"");
            assert_eq!(takes_null, !required.contains(&property.as_str()), "{name}.{property}: {schema}");
        }
    }
}
