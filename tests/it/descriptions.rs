//! The description of a key: in the API, the dashboard, the command line, an import and an export.

use std::fs;

use keybearer::testing::Role;
use serde_json::{Value, json};

use crate::harness::{ADMIN, Client, Home, Server};

const KEYS: &str = "/api/v1/keys";
const TEXT: &str = "Runs at night.\nAsk <Ada> & friends; “=1+1” is no formula.";

async fn manager(server: &Server) -> Client {
    server.user(ADMIN, Role::Admin).await;
    server.bearer(&server.key_of(ADMIN, &["keybearer:keys"], |_| {}).await.1)
}

pub async fn patch(client: &Client, id: &str, body: &Value) -> (u16, Value) {
    let request = client.request("PATCH", &format!("{KEYS}/{id}")).header("content-type", "application/json");
    let answer = client.send(request.body(body.to_string())).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn the_api_creates_changes_clears_and_rotates_a_description() {
    let server = Server::start();
    let manager = manager(&server).await;
    let made = manager.json(KEYS, json!({ "name": "n", "description": format!("  {TEXT}\r\n") }).to_string()).await;
    assert_eq!((made.status, &made.json()["description"]), (201, &json!(TEXT)));
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let tag = manager.get(&format!("{KEYS}/{id}")).await.header("etag").to_owned();
    // A change of the description alone is a change, and another field's leaves it alone.
    assert_eq!(patch(&manager, &id, &json!({ "description": "other" })).await.1["description"], "other");
    assert_ne!(manager.get(&format!("{KEYS}/{id}")).await.header("etag"), tag);
    assert_eq!(patch(&manager, &id, &json!({ "name": "m" })).await.1["description"], "other");
    let rotated = manager.json(&format!("{KEYS}/{id}/rotate"), r#"{"overlap":"1h"}"#).await;
    assert_eq!(rotated.json()["description"], "other");
    for none in [json!(null), json!(""), json!(" \n ")] {
        assert_eq!(patch(&manager, &id, &json!({ "description": "again" })).await.1["description"], "again");
        assert_eq!(patch(&manager, &id, &json!({ "description": none })).await.1["description"], Value::Null);
    }
}

#[tokio::test]
async fn an_overlong_description_control_characters_or_a_key_are_refused() {
    let server = Server::start();
    let manager = manager(&server).await;
    let (id, key) = server.key(&[]).await;
    let longest = "é".repeat(500);
    assert_eq!(patch(&manager, &id, &json!({ "description": longest })).await.1["description"], longest);
    for wrong in ["é".repeat(501), "a\u{202e}b".into(), "a\u{0}b".into(), "a\u{1b}[2J".into(), format!("my key: {key}")]
    {
        let (status, body) = patch(&manager, &id, &json!({ "description": wrong })).await;
        assert_eq!((status, &body["field"]), (422, &json!("description")), "{body}");
        assert!(!body.to_string().contains(&key));
    }
    assert_eq!(manager.get(&format!("{KEYS}/{id}")).await.json()["description"], longest);
}

#[tokio::test]
async fn the_dashboard_accepts_shows_and_edits_a_description_as_text() {
    let server = Server::start();
    let member = server.member().await;
    let form = [("name", "n"), ("expires", "90d"), ("description", TEXT)];
    let (id, _) = member.make_key_with(&form).await;
    let page = member.get(&format!("/keys/{id}")).await;
    assert!(page.body.contains("Runs at night.<br/>Ask &#60;Ada&#62; &#38; friends"), "{}", page.body);
    let edit = format!("/keys/{id}/edit");
    // An edit form of before has no such field, and so does not empty it.
    assert_eq!(member.form(&edit, &[("name", "m")]).await.status, 303);
    assert!(member.get(&format!("/keys/{id}")).await.body.contains("Runs at night.<br/>"));
    let long = "x".repeat(501);
    let refused = member.form(&edit, &[("name", "m"), ("description", &long)]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("href=\"#description\"") && refused.body.contains(&long));
    assert_eq!(member.form(&edit, &[("name", "m"), ("description", "")]).await.status, 303);
    assert!(!member.get(&format!("/keys/{id}")).await.body.contains("<dt>Description</dt>"));
}

#[test]
fn the_command_line_creates_shows_exports_and_imports_a_description() {
    let home = Home::new();
    home.add_admin();
    home.run(&["keys", "create", "--owner", ADMIN, "--name", "n", "--description", TEXT]);
    let records: Value = serde_json::from_str(&home.run(&["keys", "list", "--json"])).unwrap();
    assert_eq!(records[0]["description"], TEXT);
    let id = records[0]["id"].as_str().unwrap();
    assert!(home.run(&["keys", "show", id]).contains("description  Runs at night. Ask <Ada>"));
    for form in ["keys.jsonl", "keys.csv"] {
        let path = home.path(form);
        let path = path.to_str().unwrap();
        home.run(&["keys", "export", path]);
        let other = Home::new();
        other.add_admin();
        other.run(&["keys", "import", path]);
        let records: Value = serde_json::from_str(&other.run(&["keys", "list", "--json"])).unwrap();
        assert_eq!(records[0]["description"], TEXT, "{}", fs::read_to_string(path).unwrap());
    }
}
