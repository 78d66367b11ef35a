//! `keybearer keys import` and `export`: another system's keys by digest, all or nothing.

use std::fs;

use keybearer::model::Digest;

use crate::harness::{ADMIN, Home, Process};

fn digest(key: &str) -> String {
    hex::encode(Digest::of(key.as_bytes()).as_bytes())
}

fn line(key: &str, more: &str) -> String {
    format!("{{\"sha256\":\"{}\",\"owner\":\"{ADMIN}\",\"name\":\"old\"{more}}}\n", digest(key))
}

#[tokio::test]
async fn imported_keys_open_at_once_in_a_running_server() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    let secret = "secret-token:E92FB7EB-D882-47A4-A265-A0B6135DC842%20foo";
    assert_eq!(server.tries(secret).await, 401);
    let file = home.path("keys.jsonl");
    let lines = line(secret, ",\"scopes\":[\"a:read\"],\"hint\":\"old…foo\"")
        + &line("expired", ",\"expires_at\":\"2020-01-01T00:00:00Z\"");
    fs::write(&file, lines).unwrap();
    home.run(&["keys", "import", file.to_str().unwrap()]);
    assert_eq!(server.tries(secret).await, 200);
    assert_eq!(server.tries("expired").await, 401);
    assert_eq!(server.tries(&digest(secret)).await, 401);
    let record = server.bearer(secret).get("/api/v1/keys/current").await.json();
    assert_eq!((record["hint"].as_str(), record["prefix"].as_str()), (Some("old…foo"), None));
    assert_eq!(record["scopes"], serde_json::json!(["a:read"]));
}

#[tokio::test]
async fn csv_with_the_same_columns_is_taken_too() {
    let home = Home::new();
    home.add_admin();
    let file = home.path("keys.csv");
    let text =
        format!("sha256,owner,name,scopes,expires_at,hint\n{},{ADMIN},\"a, b\",x:read y:read,,h\n", digest("from-csv"));
    fs::write(&file, text).unwrap();
    home.run(&["keys", "import", file.to_str().unwrap()]);
    let server = Process::serve(&home);
    let record = server.bearer("from-csv").get("/api/v1/keys/current").await.json();
    assert_eq!(record["name"], "a, b");
    assert_eq!(record["scopes"], serde_json::json!(["x:read", "y:read"]));
}

#[test]
fn one_wrong_line_imports_nothing_and_is_named() {
    let home = Home::new();
    home.add_admin();
    let file = home.path("keys.jsonl");
    let good = line("good", "");
    for (bad, said) in [
        ("{\"sha256\":\"abc\"}\n".to_owned(), "line 2"),
        (line("good", ""), "line 2"),
        (line("x", "").replace(ADMIN, "nobody@example.com"), "line 2: there is no user nobody@example.com"),
        (line("x", ",\"scopes\":[\"no scope\"]"), "line 2"),
        (line("x", ",\"surprise\":1"), "line 2"),
        ("not json\n".to_owned(), "line 2"),
    ] {
        fs::write(&file, format!("{good}{bad}")).unwrap();
        let output = home.keybearer(&["keys", "import", file.to_str().unwrap()]).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(said), "{bad}: {told}");
        assert_eq!(home.run(&["keys", "list", "--json"]).trim(), "[]");
    }
}

#[test]
fn an_export_comes_back_as_it_was() {
    let home = Home::new();
    home.add_admin();
    let (id, _) = home.create_key(ADMIN, "one <b>");
    home.create_key(ADMIN, "two");
    home.run(&["keys", "disable", &id]);
    for name in ["keys.jsonl", "keys.csv"] {
        let (file, other) = (home.path(name), Home::new());
        other.add_admin();
        home.run(&["keys", "export", file.to_str().unwrap()]);
        other.run(&["keys", "import", file.to_str().unwrap()]);
        assert_eq!(home.run(&["keys", "export"]), other.run(&["keys", "export"]));
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_bulk_import_reaches_a_running_server() {
    let home = Home::new();
    home.add_admin();
    let (_, before) = home.create_key(ADMIN, "before");
    let server = Process::serve(&home);
    let file = home.path("keys.jsonl");
    let lines: String = (0..50_000).map(|number| line(&format!("bulk {number}").replace(' ', "-"), "")).collect();
    fs::write(&file, lines).unwrap();
    home.run(&["keys", "import", file.to_str().unwrap()]);
    for key in [before.as_str(), "bulk-0", "bulk-25000", "bulk-49999"] {
        assert_eq!(server.tries(key).await, 200, "{key}");
    }
    assert_eq!(server.tries("bulk-50000").await, 401);
    // Once more: the first line is refused, and with it all that was prepared for the import.
    let again = home.keybearer(&["keys", "import", file.to_str().unwrap()]).output().unwrap();
    let told = String::from_utf8(again.stderr).unwrap();
    assert!(!again.status.success() && told.contains("Nothing was imported"), "{told}");
    // The feed goes on after the gap.
    let (id, after) = home.create_key(ADMIN, "after");
    assert_eq!(server.tries(&after).await, 200);
    home.run(&["keys", "revoke", &id]);
    assert_eq!(server.tries(&after).await, 401);
}
