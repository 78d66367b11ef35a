//! `keybearer keys import` and `export`: another system's keys by digest, all or nothing.

use std::fs;
use std::time::SystemTime;

use keybearer::testing::Digest;

use crate::harness::{ADMIN, Home, MEMBER, PASSWORD, Process};

fn digest(key: &str) -> String {
    hex::encode(Digest::of(key.as_bytes()).as_bytes())
}

pub fn line(key: &str, more: &str) -> String {
    format!("{{\"sha256\":\"{}\",\"owner\":\"{ADMIN}\",\"name\":\"old\"{more}}}\n", digest(key))
}

#[tokio::test]
async fn imported_keys_work_at_once_in_a_running_server() {
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
async fn csv_with_the_same_columns_is_accepted() {
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
fn one_invalid_line_stops_the_import_and_is_named() {
    let home = Home::new();
    home.add_admin();
    let file = home.path("keys.jsonl");
    let good = line("good", "");
    for (bad, said) in [
        ("{\"sha256\":\"abc\"}\n".to_owned(), "line 2"),
        (line("good", ""), "line 2"),
        (line("x", "").replace(ADMIN, "nobody@example.com"), "line 2: user nobody@example.com does not exist"),
        (line("x", ",\"scopes\":[\"no scope\"]"), "line 2"),
        (line("x", ",\"surprise\":1"), "line 2"),
        ("not json\n".to_owned(), "line 2"),
    ] {
        fs::write(&file, format!("{good}{bad}")).unwrap();
        let output = home.keybearer(&["keys", "import", file.to_str().unwrap()]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(said), "{bad}: {stderr}");
        assert_eq!(home.run(&["keys", "list", "--json"]).trim(), "[]");
    }
}

#[test]
fn an_export_survives_a_round_trip() {
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
    let stderr = String::from_utf8(again.stderr).unwrap();
    assert!(!again.status.success() && stderr.contains("Nothing was imported"), "{stderr}");
    // The feed goes on after the gap.
    let (id, after) = home.create_key(ADMIN, "after");
    assert_eq!(server.tries(&after).await, 200);
    home.run(&["keys", "revoke", &id]);
    assert_eq!(server.tries(&after).await, 401);
}

/// The numbers of keys and of tombstones.
fn counts(home: &Home) -> (i64, i64) {
    let count = "SELECT (SELECT count(*) FROM keys), (SELECT count(*) FROM tombstones)";
    home.numbers(count).try_into().map(|[keys, tombstones]: [i64; 2]| (keys, tombstones)).unwrap()
}

#[tokio::test]
async fn importing_an_export_never_silently_revives_a_revoked_key() {
    let home = Home::new();
    home.add_admin();
    home.add_member();
    let server = Process::serve(&home);
    let made: Vec<(String, String)> =
        ["command", "itself", "rotated", "shell"].iter().map(|name| home.create_key(ADMIN, name)).collect();
    let (_, leavers) = home.create_key(MEMBER, "leaver's");
    let file = home.path("keys.jsonl");
    home.run(&["keys", "export", file.to_str().unwrap()]);
    home.run(&["keys", "revoke", &made[0].0]);
    assert_eq!(server.bearer(&made[1].1).call("DELETE", "/api/v1/keys/current").await.status, 204);
    home.run(&["keys", "rotate", &made[2].0]);
    home.execute(format!("DELETE FROM keys WHERE id = {}", crate::harness::id(&made[3].0)));
    home.run(&["users", "remove", MEMBER]);
    home.add_member();
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

#[test]
fn a_key_deleted_in_the_databases_own_shell_leaves_a_tombstone_with_the_current_time() {
    let home = Home::new();
    home.add_admin();
    home.create_key(ADMIN, "n");
    let millis = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    let before = millis();
    home.execute("DELETE FROM keys");
    let revoked_at = home.number("SELECT revoked_at FROM tombstones");
    // The engine's clock may be read in coarser steps.
    assert!((before - 1000..=millis() + 1000).contains(&revoked_at), "{revoked_at}, not {before}");
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

/// Imports what this command reads on stdin or from `path`; returns the exit code and the message.
fn import(home: &Home, path: &str, stdin: &[u8]) -> (Option<i32>, String) {
    let output = home.keybearer(&["keys", "import", path]).write_stdin(stdin).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

pub fn names(home: &Home) -> Vec<String> {
    let exported = home.run(&["keys", "export"]);
    let name =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["name"].as_str().unwrap().to_owned();
    exported.lines().map(name).collect()
}

#[test]
fn input_that_can_be_read_only_once_is_imported() {
    let home = Home::new();
    home.add_admin();
    let lines = |keys: [&str; 2]| keys.map(|key| line(key, "")).concat().into_bytes();
    assert_eq!(import(&home, "-", &lines(["a", "b"])).0, Some(0));
    assert_eq!(import(&home, "/dev/stdin", &lines(["c", "d"])).0, Some(0));
    let pipe = home.path("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = {
        let (pipe, text) = (pipe.clone(), lines(["e", "f"]));
        std::thread::spawn(move || fs::write(pipe, text).unwrap())
    };
    assert_eq!(import(&home, pipe.to_str().unwrap(), b"").0, Some(0));
    writer.join().unwrap();
    assert_eq!(names(&home).len(), 6);
    // A file behind stdin is read from where it is, both times.
    let file = home.path("file.jsonl");
    fs::write(&file, [&b"the first line\n"[..], &lines(["g", "h"])].concat()).unwrap();
    let script = "{ read -r first; \"$0\" keys import -; } < file.jsonl";
    assert!(home.shell(script).status().unwrap().success());
    assert_eq!(names(&home).len(), 8);
    let left = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(left.into_iter().all(|name| !name.contains("-import-")), "no copy is left");
}

#[test]
fn a_file_that_cannot_contain_keys_is_refused_at_once_with_the_reason() {
    let home = Home::new();
    home.add_admin();
    fs::create_dir(home.path("folder")).unwrap();
    fs::create_dir(home.path("folder.csv")).unwrap();
    let one = line("k", "");
    let csv = format!("{},{ADMIN},name\n", digest("k"));
    let utf_32: Vec<u8> = "\u{feff}{}".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
    let latin = [b"{\"name\":\"caf", &[0xe9][..], b"\"}\n"].concat();
    let bare_utf_32: Vec<u8> = one.chars().flat_map(|c| (c as u32).to_be_bytes()).collect();
    let old_mac = format!("sha256,owner,name\r{},{ADMIN},n\r", digest("k"));
    let long_old_mac = old_mac.clone() + &old_mac.repeat(1000);
    let old_mac_json = one.replace('\n', "\r").repeat(2);
    let files: [(&str, &[u8], &str); 22] = [
        ("-", &bare_utf_32, "UTF-32"),
        ("-", old_mac.as_bytes(), "line 1: its lines end in a carriage return only"),
        ("-", long_old_mac.as_bytes(), "line 1: its lines end in a carriage return only"),
        ("-", old_mac_json.as_bytes(), "line 1: its lines end in a carriage return only"),
        ("folder", b"", "is a directory"),
        ("folder.csv", b"", "is a directory"),
        ("/dev/zero", b"", "is a device"),
        ("missing.jsonl", b"", "missing.jsonl cannot be read"),
        ("-", b"", "stdin: it is empty"),
        ("-", b"\xef\xbb\xbf\r\n \n", "stdin: it is empty"),
        ("-", b"sha256,owner,name\n", "has a header and no keys"),
        ("-", csv.as_bytes(), "line 1: it is neither JSON nor the header of a CSV file"),
        ("-", b"<!doctype html>\n", "line 1: this is HTML"),
        ("-", b"\n[{\n", "line 2: this is a JSON array"),
        ("-", b"PK\x03\x04....", "line 1: this is a ZIP file"),
        ("-", b"\x1f\x8b\x08 \r \r .", "line 1: this is compressed"),
        ("-", &utf_32, "UTF-32"),
        ("-", &latin, "line 1: it is not UTF-8"),
        ("-", b"sha256,owner,name,colour\n", "column 4 of the header"),
        ("-", b"sha256,name\n", "the header lacks owner"),
        ("-", b"sha256,owner,name\n\"a\n", "line 2: a quote is not closed"),
        ("-", &[one.as_bytes(), &b"x".repeat(70_000)].concat(), "line 2: it is longer than 65,536 bytes"),
    ];
    for (path, text, said) in files {
        let (code, message) = import(&home, path, text);
        assert_eq!(code, Some(1), "{said}: {message}");
        assert!(message.contains(said), "{said}: {message}");
        assert!(!message.contains(&digest("k")), "{message}");
    }
    assert!(names(&home).is_empty());
}

#[test]
fn text_is_read_in_the_encodings_of_windows() {
    let home = Home::new();
    home.add_admin();
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let mut expected = Vec::new();
    for (at, form) in ["json", "csv"].iter().cycle().take(6).enumerate() {
        let (key, name) = (format!("key {at}"), format!("schlüssel {at}"));
        let text = match *form {
            "json" => line(&key, "").replace("\"old\"", &format!("\"{name}\"")),
            _ => format!("sha256,owner,name\r\n{},{ADMIN},{name}\r\n", digest(&key)),
        };
        let marked = format!("\u{feff}{text}");
        let bytes = match at / 2 {
            0 => marked.into_bytes(),
            1 => utf16(&marked, u16::to_le_bytes),
            _ => utf16(&marked, u16::to_be_bytes),
        };
        let (code, message) = import(&home, "-", &bytes);
        assert_eq!(code, Some(0), "{message}");
        expected.push(name);
    }
    assert_eq!(names(&home), expected);
}

#[test]
fn a_blank_json_field_differs_from_an_absent_one() {
    let home = Home::new();
    home.add_admin();
    for field in ["expires_at", "rate_limit", "prefix", "hint"] {
        for blank in ["", " "] {
            let (code, message) = import(&home, "-", line("k", &format!(",\"{field}\":\"{blank}\"")).as_bytes());
            assert_eq!(code, Some(1), "{message}");
            assert!(message.contains(&format!("line 1, {field}: It is blank. Write null")), "{message}");
        }
    }
    for (key, end) in [("a", "null"), ("b", "\"never\"")] {
        assert_eq!(import(&home, "-", line(key, &format!(",\"expires_at\":{end}")).as_bytes()).0, Some(0));
    }
    assert_eq!(home.run(&["keys", "export"]).matches("\"expires_at\":null").count(), 2);
}

#[test]
fn null_in_any_json_field_means_the_same_as_absent() {
    let home = Home::new();
    home.add_admin();
    let fields = ["scopes", "expires_at", "hint", "prefix", "enabled", "allowed_ips", "rate_limit", "metadata"];
    let nulls: String = fields.iter().map(|field| format!(",\"{field}\":null")).collect();
    let text = line("a", "") + &line("b", &nulls);
    assert_eq!(import(&home, "-", text.as_bytes()).0, Some(0));
    let exported = home.run(&["keys", "export"]);
    let bare: Vec<String> =
        exported.lines().map(|line| line.replace(&digest("a"), "").replace(&digest("b"), "")).collect();
    assert_eq!(bare.len(), 2);
    assert_eq!(bare[0], bare[1]);
}

#[test]
fn csv_is_read_in_the_formats_that_spreadsheets_write() {
    let home = Home::new();
    home.add_admin();
    let text = |separator: &str, end: &str, key: &str| {
        let header = ["Name", "sha256", "owner", "enabled", "scopes", "expires_at"].join(separator);
        let name = if separator == "\t" { "\"a b\"" } else { &format!("\"a{separator} b\"") };
        let row = [name, digest(key).as_str(), ADMIN, "FALSE", "x:read y:read", end].join(separator);
        format!("{header}\r\n\r\n{row}\r\n")
    };
    for (key, separator, before) in [("a", ";", ""), ("b", ",", ""), ("c", "\t", ""), ("d", ";", "sep=;\r\n")] {
        let text = before.to_owned() + &text(separator, "2030-01-31T12:00:00+01:00", key);
        let (code, message) = import(&home, "-", text.as_bytes());
        assert_eq!(code, Some(0), "{separator}: {message}");
    }
    let exported = home.run(&["keys", "export"]);
    let expected = "\"scopes\":[\"x:read\",\"y:read\"],\"expires_at\":\"2030-01-31T11:00:00Z\",\"hint\":\"imported\",\"enabled\":false";
    assert_eq!(exported.matches(expected).count(), 4, "{exported}");
    assert_eq!(names(&home), ["a; b", "a, b", "a b", "a; b"]);
    let (code, message) = import(&home, "-", text(";", "31.01.2027 12:00", "e").as_bytes());
    assert_eq!(code, Some(1));
    assert!(message.contains("line 3, expires_at:") && message.contains("2027-01-31T12:00:00Z"), "{message}");
}

#[test]
fn import_messages_contain_no_terminal_escapes() {
    let home = Home::new();
    home.add_admin();
    let (code, message) = import(&home, "-", b"{\"\\u001b[31m\":1}\n");
    assert_eq!(code, Some(1));
    assert!(message.contains("line 1: unknown field") && !message.contains('\u{1b}'), "{message:?}");
}
