//! `keybearer keys import` and `export`: another system's keys by digest, all or nothing.

use std::fs;

use keybearer::model::Digest;

use crate::harness::{ADMIN, Home, MEMBER, PASSWORD, Process};

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

/// How many keys there are, and how many revoked ones are remembered.
fn counts(home: &Home) -> (i64, i64) {
    let count = "SELECT (SELECT count(*) FROM keys), (SELECT count(*) FROM tombstones)";
    home.sqlite().query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[tokio::test]
async fn no_export_brings_a_revoked_key_back_unnoticed() {
    let home = Home::new();
    home.add_admin();
    home.keybearer(&["users", "add", MEMBER, "--password-stdin"]).write_stdin(PASSWORD).assert().success();
    let server = Process::serve(&home);
    let made: Vec<(String, String)> =
        ["command", "itself", "rotated", "shell"].iter().map(|name| home.create_key(ADMIN, name)).collect();
    let (_, leavers) = home.create_key(MEMBER, "leaver's");
    let file = home.path("keys.jsonl");
    home.run(&["keys", "export", file.to_str().unwrap()]);
    home.run(&["keys", "revoke", &made[0].0]);
    assert_eq!(server.bearer(&made[1].1).call("DELETE", "/api/v1/keys/current").await.status, 204);
    home.run(&["keys", "rotate", &made[2].0]);
    home.sqlite().execute("DELETE FROM keys WHERE hex(id) = upper(?1)", [made[3].0.replace('-', "")]).unwrap();
    home.run(&["users", "remove", MEMBER]);
    home.keybearer(&["users", "add", MEMBER, "--password-stdin"]).write_stdin(PASSWORD).assert().success();
    let revoked = [&made[0].1, &made[1].1, &made[2].1, &made[3].1, &leavers];
    let before = counts(&home);
    assert_eq!(before, (1, 5));
    for (at, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
        let file = home.path("one.jsonl");
        fs::write(&file, format!("\n{line}\n")).unwrap();
        let refused = home.keybearer(&["keys", "import", file.to_str().unwrap()]).output().unwrap();
        let message = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{message}");
        assert!(message.contains("line 2: this key was revoked on 2"), "{message}");
        assert_eq!(server.tries(revoked[at]).await, 401);
    }
    assert_eq!(counts(&home), before);
    home.run(&["keys", "import", "--allow-revoked", file.to_str().unwrap()]);
    for key in revoked {
        assert_eq!(server.tries(key).await, 200);
    }
    assert_eq!(counts(&home), (6, 0));
    let events = home.run(&["events", "list", "--limit", "20"]);
    assert_eq!(events.matches("key.revived").count(), 5, "{events}");
    // Revoked again, it is remembered again.
    assert_eq!(server.bearer(revoked[0]).call("DELETE", "/api/v1/keys/current").await.status, 204);
    assert_eq!(counts(&home), (5, 1));
    assert!(home.run(&["check", "--json"]).contains("\"revoked_keys\": 1"));
}

#[tokio::test]
async fn short_tokens_leave_no_tombstone() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    let request = server.anon().request("POST", "/api/v1/tokens").basic_auth(ADMIN, Some(PASSWORD));
    let token = server.anon().send(request).await.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(server.bearer(&token).call("DELETE", "/api/v1/tokens").await.status, 204);
    assert_eq!(counts(&home), (0, 0));
}
