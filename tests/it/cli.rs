//! The command line: data on stdout, messages on stderr, exit codes that scripts rely on.

use std::time::Duration;

use crate::harness::{ADMIN, Engine, Home, MEMBER, PASSWORD, Process, Server, eventually};
use sha2::{Digest, Sha256};

#[test]
fn a_created_key_is_the_only_output_on_stdout() {
    let home = Home::new();
    home.add_admin();
    let made = home
        .keybearer(&["keys", "create", "--owner", ADMIN, "--name", "ci", "--scope", "orders:read"])
        .assert()
        .success();
    let (out, said) = (
        String::from_utf8(made.get_output().stdout.clone()).unwrap(),
        String::from_utf8(made.get_output().stderr.clone()).unwrap(),
    );
    let key = out.trim_end();
    assert!(out == format!("{key}\n") && key.starts_with("kb_") && key.len() == 52, "{out}");
    assert!(said.contains("not shown again") && !said.contains(key), "{said}");
    let stored = home.bytes("SELECT digest FROM keys");
    assert_eq!(stored, Sha256::digest(key.as_bytes()).to_vec());
    for words in [&["keys", "list"][..], &["keys", "list", "--json"], &["events", "list", "--json"]] {
        assert!(!home.run(words).contains(key));
    }
}

#[test]
fn exit_code_1_means_refused_2_means_wrong_usage_and_both_give_the_reason() {
    let home = Home::new();
    home.add_admin();
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (words, code, says) in [
        (
            &["keys", "create", "--owner", "nobody@example.com", "--name", "n"][..],
            1,
            "keybearer users add nobody@example.com",
        ),
        (&["keys", "list", "--owner", "nobody@example.com"], 1, "nobody@example.com"),
        (&["keys", "create", "--owner", ADMIN, "--name", ""], 1, "name"),
        (&["keys", "create", "--owner", ADMIN, "--name", "n", "--expires", "yesterday"], 1, "expiry"),
        (&["keys", "create", "--owner", ADMIN, "--name", "n", "--expires", "2020-01-01T00:00:00Z"], 1, "future"),
        (&["keys", "create", "--owner", ADMIN, "--name", "n", "--scope", "keybearer:root"], 1, "keybearer:"),
        (&["keys", "create", "--owner", ADMIN, "--name", "n", "--allow-ip", "everywhere"], 1, ""),
        (&["keys", "create", "--owner", ADMIN, "--name", "n", "--prefix", "other"], 1, "--key-prefix"),
        (&["keys", "revoke", unknown], 1, "no such key"),
        (&["keys", "show", "nonsense"], 1, "no such key"),
        (&["keys", "disable", unknown], 1, "no such key"),
        (&["users", "show", "nobody@example.com"], 1, "no such user"),
        (&["users", "deactivate", ADMIN], 1, "last active admin"),
        (&["users", "remove", ADMIN], 1, "last active admin"),
        (&["--database", "missing.db", "users", "list"], 1, "no database"),
        (&["keys", "create", "--name", "n"], 2, "--owner"),
        (&["keys", "revoke"], 2, ""),
        (&["keys", "revoke", unknown, "--stdin"], 2, ""),
        (&["keys", "find"], 2, ""),
        (&["frobnicate"], 2, "frobnicate"),
        (&["serve", "--listen", "nonsense"], 2, "--listen"),
        (&["serve", "--public-url", "ftp://x"], 2, "--public-url"),
        (&["serve", "--key-prefix", "UPPER"], 2, "--key-prefix"),
        (&["serve", "--trusted-proxy", "somebody"], 2, "--trusted-proxy"),
        (&["serve", "--workers", "0"], 2, "--workers"),
        (&["serve", "--cors-origin", "*"], 2, "--cors-origin"),
        (&["serve", "--cors-origin", "https://app.example.com/"], 2, "--cors-origin"),
        (&["serve", "--token-lifetime", "25h"], 2, "--token-lifetime"),
        (&["serve", "--tls-cert", "only.pem"], 2, "--tls-key"),
        (&["serve", "--tls-cert", "a.pem", "--tls-key", "b.pem"], 1, "--tls-cert"),
        (&["--config", "missing.toml", "users", "list"], 2, "missing.toml"),
        (&["--database", "postgres:x", "users", "list"], 2, "postgres://USER@HOST/NAME"),
        (&["--database", "mysql://u", "users", "list"], 2, "sqlite:PATH or postgres://USER@HOST/NAME"),
        (&["--database", "file:///keys.db", "serve"], 2, "sqlite:PATH or postgres://USER@HOST/NAME"),
        (&["copy", "--from", "mysql://u", "--to", "new.db"], 2, "sqlite:PATH or postgres://USER@HOST/NAME"),
    ] {
        let done = home.keybearer(words).assert().failure().code(code);
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(said.contains(says), "{words:?}: {said}");
        assert!(done.get_output().stdout.is_empty(), "{words:?}");
    }
    assert!(!home.path("missing.db").exists());
}

#[test]
fn settings_come_from_flag_then_environment_then_file() {
    let home = Home::new();
    home.add_admin();
    std::fs::write(home.path("keybearer.toml"), "key-prefix = \"fromfile\"\n").unwrap();
    let made = |words: &[&str], environment: Option<&str>| {
        let mut command = home.keybearer(&[&["keys", "create", "--owner", ADMIN, "--name", "n"], words].concat());
        environment.map(|prefix| command.env("KEYBEARER_KEY_PREFIX", prefix));
        String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
    };
    assert!(made(&[], None).starts_with("fromfile_"));
    assert!(made(&[], Some("fromenv,second")).starts_with("fromenv_"));
    assert!(made(&["--prefix", "second"], Some("fromenv,second")).starts_with("second_"));
    std::fs::write(home.path("keybearer.toml"), "key-prefux = \"typo\"\n").unwrap();
    let refused = home.keybearer(&["users", "list"]).assert().failure().code(2);
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("key-prefux"));
    std::fs::remove_file(home.path("keybearer.toml")).unwrap();
    let refused = home.keybearer(&["users", "list"]).env("KEYBEARER_LISTEM", "x").assert().failure().code(2);
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("KEYBEARER_LISTEM"));
}

#[tokio::test]
async fn leaked_keys_are_revoked_wherever_they_appear_in_a_text() {
    let server = Server::start();
    let mut leaked = Vec::new();
    for _ in 0..12 {
        leaked.push(server.key(&[]).await.1);
    }
    let (_, kept) = server.key(&[]).await;
    let mut text =
        format!("GET /?key={}&x=1\nAuthorization: Bearer {}\n\"{}\"", leaked[0], leaked[1], leaked[2]).into_bytes();
    text.extend(b"\xff\xfe\0 not utf-8 ");
    for (number, key) in leaked[3..].iter().enumerate() {
        // Some of them lie across the borders at which the text is read.
        text.resize((1 << 16) * (number + 1) - 20, b'.');
        text.extend(format!("x_{key}_y").bytes());
    }
    text.extend(leaked[0].bytes());
    let find = ["keys", "find", "--stdin"];
    let found = server.home.keybearer(&[&find[..], &["--json"]].concat()).write_stdin(text.clone()).assert().success();
    let found: Vec<serde_json::Value> = serde_json::from_slice(&found.get_output().stdout).unwrap();
    assert_eq!(found.len(), leaked.len());
    let table = server.home.keybearer(&find).write_stdin(text.clone()).assert().success();
    let table = String::from_utf8_lossy(&table.get_output().stdout).into_owned();
    assert!(
        found.iter().all(|key| table.contains(key["id"].as_str().unwrap()) && key["owner"]["email"] == MEMBER),
        "{table}"
    );
    assert!(leaked.iter().all(|key| !table.contains(key)));
    assert_eq!(server.tries(&leaked[0]).await, 200, "finding changes nothing");
    let done = server.home.keybearer(&["keys", "revoke", "--stdin"]).write_stdin(text).assert().success();
    assert!(String::from_utf8_lossy(&done.get_output().stderr).contains("Revoked 12 keys."));
    assert!(leaked.iter().all(|key| !String::from_utf8_lossy(&done.get_output().stdout).contains(key)));
    for key in &leaked {
        assert_eq!(server.tries(key).await, 401);
    }
    assert_eq!(server.tries(&kept).await, 200);
}

#[test]
fn the_message_for_a_text_without_live_keys_says_what_was_searched_for() {
    let home = Home::new();
    home.add_admin();
    let (id, gone) = home.create_key(ADMIN, "n");
    home.run(&["keys", "revoke", &id]);
    for (text, says) in [
        ("nothing here".to_owned(), "No key was found"),
        (format!("{gone}\n{gone}"), "One key was found in the text, but it is not stored here"),
        (gone[..51].to_owned(), "No key was found"),
        (String::new(), "There is no text on stdin"),
    ] {
        let done =
            home.keybearer(&["keys", "revoke", "--stdin", "--json"]).write_stdin(text.clone()).assert().success();
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(said.contains(says) && said.contains("Nothing was revoked."), "{said}");
        assert!(says.contains("stdin") || said.contains("UTF-16") && said.contains("imported keys"), "{said}");
        assert_eq!(String::from_utf8_lossy(&done.get_output().stdout).trim(), "[]");
        let found = home.keybearer(&["keys", "find", "--stdin"]).write_stdin(text).assert().success();
        assert_eq!(String::from_utf8_lossy(&found.get_output().stderr), said.replace(" Nothing was revoked.", ""));
        assert!(found.get_output().stdout.is_empty());
    }
}

#[tokio::test]
async fn leaked_keys_are_found_in_utf_16_and_imported_ones_as_words() {
    let home = Home::new();
    home.add_admin();
    let imported = [
        "secret-token:E92FB7EB-D882-47A4-A265-A0B6135DC842%20foo",
        "legacy_key_123",
        "in/a+path==",
        "im-schlüsselbund",
        "basic-password",
        "percent/encoded:key",
        "old",
        "still-here-1",
    ];
    let line = |key: &&str| {
        let digest = hex::encode(Sha256::digest(key.as_bytes()));
        format!("{{\"sha256\":\"{digest}\",\"owner\":\"{ADMIN}\",\"name\":\"old\"}}\n")
    };
    std::fs::write(home.path("old.jsonl"), imported.iter().map(line).collect::<String>()).unwrap();
    home.run(&["keys", "import", home.path("old.jsonl").to_str().unwrap()]);
    let (one, two) = (home.create_key(ADMIN, "one").1, home.create_key(ADMIN, "two").1);
    let server = Process::serve(&home);
    let basic = data_encoding::BASE64.encode(format!("deploy:{}", imported[4]).as_bytes());
    let text = format!(
        "GET /?token={} 200\r\n{{\"key\":\"{}\"}}\r\n+KEY={}\r\n„{}“\r\nAuthorization: Basic {basic}\r\n?k=percent%2Fencoded%3Akey&x\r\nold\r\n\
         no still-here-12, no xstill-here-1\r\n{one}\r\n",
        imported[0], imported[1], imported[2], imported[3]
    );
    let mut bytes = format!("a first line in UTF-8, as >> appends {two}\n").into_bytes();
    bytes.extend(format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes));
    let done = home.keybearer(&["keys", "revoke", "--stdin"]).write_stdin(bytes).assert().success();
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(said.contains("Revoked 8 keys."), "{said}");
    for key in imported[..6].iter().chain([&one.as_str(), &two.as_str()]) {
        assert_eq!(server.tries_bytes(key.as_bytes()).await, 401, "{key}");
    }
    assert_eq!(server.tries("still-here-1").await, 200);
    assert_eq!(server.tries("old").await, 200, "too short to differ from an ordinary word");
}

/// Many different words, so that the digests of imported keys are compared in memory.
#[test]
fn an_imported_key_is_found_in_a_long_log() {
    let home = Home::new();
    home.add_admin();
    let digest = hex::encode(Sha256::digest(b"needle-in-the-hay"));
    let line = format!("{{\"sha256\":\"{digest}\",\"owner\":\"{ADMIN}\",\"name\":\"old\"}}\n");
    std::fs::write(home.path("old.jsonl"), line).unwrap();
    let words: String = (0..70_000).map(|number| format!("{number:x}/word{number} ")).collect();
    for round in 0..2 {
        if round == 1 {
            home.run(&["keys", "import", home.path("old.jsonl").to_str().unwrap()]);
        }
        let text = format!("{words}key:needle-in-the-hay.\n");
        let done = home.keybearer(&["keys", "revoke", "--stdin"]).write_stdin(text).assert().success();
        let revoked = String::from_utf8_lossy(&done.get_output().stderr).contains("Revoked 1 key.");
        assert_eq!(revoked, round == 1);
    }
}

#[tokio::test]
async fn existing_ids_are_revoked_and_the_others_are_named() {
    let server = Server::start();
    let keys = server.keys(5).await;
    let id = |number: usize| keys[number].0.as_str();
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    server.home.run(&["keys", "revoke", id(0)]);
    let mixed = server.home.keybearer(&["keys", "revoke", id(0), id(1), unknown, "nonsense", id(2), id(1)]);
    let mixed = { mixed }.output().unwrap();
    let (out, said) = (String::from_utf8(mixed.stdout).unwrap(), String::from_utf8(mixed.stderr).unwrap());
    assert_eq!(mixed.status.code(), Some(1), "{said}");
    for name in [id(0), unknown, "nonsense"] {
        assert!(said.contains(name) && !out.contains(name), "{said}");
    }
    assert!(said.contains("Revoked 2 keys.") && !said.contains(id(1)), "{said}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with(id(1)) && lines[1].starts_with(id(2)), "{out}");

    let output = server.home.keybearer(&["keys", "revoke", "--json", id(3), id(0), id(3)]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let output: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.as_array().unwrap().len(), 2, "{output}");
    assert_eq!((&output[0]["id"], &output[0]["outcome"]), (&id(3).into(), &"revoked".into()));
    assert!(output[0]["hint"].is_string(), "{output}");
    assert_eq!(output[1], serde_json::json!({ "id": id(0), "outcome": "not_found" }));
    for (number, (_, key)) in keys.iter().enumerate() {
        assert_eq!(server.tries(key).await, if number == 4 { 200 } else { 401 });
    }
}

/// The characters that programs write around a word.
type Around = fn(&str) -> Vec<u8>;

#[tokio::test]
async fn leaked_keys_are_found_in_wrapped_base64_and_words_between_any_punctuation() {
    let server = Server::start();
    let texts: [(&str, Around); 7] = [
        ("in-colour", |word| format!("\u{1b}[31m-{word}\u{1b}[m\n").into_bytes()),
        ("json-in-json", |word| format!("{{\"log\":\"{{\\\"m\\\":\\\"a\\\\n{word}\\\\tb\\\"}}\"}}\n").into_bytes()),
        ("windows-1252", |word| [&b"the key \x84"[..], word.as_bytes(), b"\x93\xa0is\n"].concat()),
        ("full-width", |word| format!("（{word}）\n").into_bytes()),
        ("tilde-caret", |word| format!("~{word}^\n").into_bytes()),
        ("dollar", |word| format!("{word}$X\n").into_bytes()),
        ("in-wrapped-base64", |word| {
            let text = format!("{} {word} {}", "first ".repeat(9), "then ".repeat(30));
            let encoded = data_encoding::BASE64.encode(text.as_bytes());
            encoded.as_bytes().chunks(76).flat_map(|line| [line, b"\n"].concat()).collect()
        }),
    ];
    let line = |word: &str| {
        let digest = hex::encode(Sha256::digest(word.as_bytes()));
        format!("{{\"sha256\":\"{digest}\",\"owner\":\"{ADMIN}\",\"name\":\"old\"}}\n")
    };
    server.user(ADMIN, keybearer::testing::Role::Admin).await;
    let lines: String = texts.iter().map(|(word, _)| line(word)).collect();
    server.home.keybearer(&["keys", "import", "-"]).write_stdin(lines).assert().success();
    let mut text: Vec<u8> = texts.iter().flat_map(|(word, around)| around(word)).collect();
    let mut ours = Vec::new();
    // Wherever the key stands between two line ends, and in UTF-16 too.
    for shift in [0, 20, 40, 60] {
        for is_wide in [false, true] {
            let key = server.key(&[]).await.1;
            let plain = format!("{} {key} and more", "x".repeat(shift));
            let bytes =
                if is_wide { plain.encode_utf16().flat_map(u16::to_le_bytes).collect() } else { plain.into_bytes() };
            for line in data_encoding::BASE64.encode(&bytes).as_bytes().chunks(76) {
                text.extend([line, b"\n"].concat());
            }
            text.extend(b"and then:\n");
            ours.push(key);
        }
    }
    let done = server.home.keybearer(&["keys", "revoke", "--stdin"]).write_stdin(text).assert().success();
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    for (word, _) in texts {
        assert_eq!(server.tries(word).await, 401, "{word}: {said}");
    }
    for (number, key) in ours.iter().enumerate() {
        assert_eq!(server.tries(key).await, 401, "key {number}: {said}");
    }
    assert!(said.contains("Revoked 15 keys."), "{said}");
}

#[test]
fn a_key_given_as_an_argument_is_not_repeated() {
    let home = Home::new();
    home.add_admin();
    let (id, key) = home.create_key(ADMIN, "n");
    let imported = "legacy-secret-0815";
    let digest = hex::encode(Sha256::digest(imported.as_bytes()));
    let line = format!("{{\"sha256\":\"{digest}\",\"owner\":\"{ADMIN}\",\"name\":\"old\"}}\n");
    home.keybearer(&["keys", "import", "-"]).write_stdin(line).assert().success();
    let said = |words: &[&str]| {
        let output = home.keybearer(words).output().unwrap();
        assert!(!output.status.success(), "{words:?}");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(
            ![&key[3..], &key.to_lowercase()[3..], imported].iter().any(|key| said.contains(key)),
            "a key is shown"
        );
        said
    };
    for key in [key.as_str(), imported, &format!("Bearer {key}")] {
        for command in ["revoke", "show", "disable", "enable", "rotate"] {
            let said = said(&["keys", command, key]);
            assert!(said.contains("not the id of a key") && said.contains("keys revoke --stdin"), "{said}");
        }
        for words in [&["keys", "revoke", key, "nonsense"][..], &["keys", "revoke", "--json", key, "nonsense", key]] {
            assert!(said(words).contains("nonsense"));
        }
    }
    for words in [
        &["users", "show", &key][..],
        &["users", "remove", &key],
        &["users", "add", &key],
        &["users", &key],
        &["keys", "list", "--owner", &key],
        &["keys", "create", "--owner", ADMIN, "--name", &key],
        &["keys", "create", "--owner", ADMIN, "--name", "n", "--prefix", &key],
        &["keys", "create", "--owner", ADMIN, "--name", "n", "--scope", &format!("{key} x")],
        &["keys", "create", "--owner", ADMIN, "--name", "n", "--expires", &key],
        &["keys", "create", "--owner", ADMIN, "--name", "n", "--rate-limit", &key],
        &["keys", "create", "--owner", ADMIN, "--name", "n", "--allow-ip", &key],
        &["keys", "import", &key],
        &["keys", "export", &format!("{key}/x")],
        &["events", "list", "--limit", &key],
        &["events", "list", &format!("--{key}")],
        &["serve", "--listen", &key],
        &["--database", &key, "users", "list"],
        &["--config", &key, "users", "list"],
        &[&key],
    ] {
        said(words);
    }
    let mut command = home.keybearer(&["users", "list"]);
    let output = command.env("KEYBEARER_WORKERZ", &key).env("KEYBEARER_DATABASE", &key).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains(&key[3..]));
    assert_eq!(home.run(&["keys", "show", &id.to_uppercase(), "--json"]), home.run(&["keys", "show", &id, "--json"]));
    home.run(&["keys", "revoke", &id.to_uppercase()]);
}

#[test]
fn stored_text_does_not_control_the_terminal() {
    let home = Home::new();
    home.add_admin();
    home.create_key(ADMIN, "n");
    home.execute("UPDATE keys SET name = '\u{1b}[31mred\u{202e}\u{7}'");
    for words in [&["keys", "list"][..], &["keys", "list", "--json"]] {
        let shown = home.run(words);
        assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
    }
}

#[test]
fn a_closed_pipe_ends_the_output_quietly() {
    let home = Home::new();
    home.add_admin();
    let mut command = home.command(&["users", "list", "--json"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command.stdout(writer).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_password_is_read_from_stdin_and_a_weak_one_refused() {
    let home = Home::new();
    for weak in ["", "short", "aaaaaaaaaaaaaaaaaaaa", "password1234567"] {
        let refused =
            home.keybearer(&["users", "add", ADMIN, "--password-stdin"]).write_stdin(weak).assert().failure().code(1);
        assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("password"), "{weak}");
    }
    home.keybearer(&["users", "add", ADMIN]).write_stdin(PASSWORD).assert().failure().code(2);
    home.add_admin();
    home.keybearer(&["users", "add", "ADA@example.com", "--password-stdin"])
        .write_stdin(PASSWORD)
        .assert()
        .failure()
        .code(1);
    let shown: serde_json::Value = serde_json::from_str(&home.run(&["users", "show", ADMIN, "--json"])).unwrap();
    assert_eq!((&shown["role"], &shown["active"]), (&"admin".into(), &true.into()));
    let hash = home.text("SELECT password_hash FROM users");
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
}

#[tokio::test]
async fn commands_and_the_server_write_concurrently() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    let commands: Vec<_> = (0..6)
        .map(|number| {
            let home = home.clone();
            tokio::task::spawn_blocking(move || home.create_key(ADMIN, &format!("key {number}")).1)
        })
        .collect();
    for command in commands {
        let key = command.await.unwrap();
        // On PostgreSQL, a new key does not wait for a busy server for ever.
        let patience = if Engine::of_tests() == Engine::Postgres { Duration::from_secs(10) } else { Duration::ZERO };
        eventually(patience, "the new key is accepted", async || server.tries(&key).await == 200).await;
    }
    home.run(&["check"]);
}

#[test]
fn completions_a_manual_and_help_are_printed() {
    let home = Home::new();
    for words in [
        &["completions", "bash"][..],
        &["completions", "zsh"],
        &["man"],
        &["--help"],
        &["keys", "create", "--help"],
        &["--version"],
    ] {
        assert!(home.run(words).contains("keybearer"), "{words:?}");
    }
}

#[test]
fn messages_about_one_thing_use_the_singular() {
    let home = Home::new();
    home.add_admin();
    home.add_member();
    let line = format!("{{\"sha256\":\"{}\",\"owner\":\"{MEMBER}\",\"name\":\"n\"}}", "0".repeat(64));
    std::fs::write(home.path("one.jsonl"), line).unwrap();
    let said = |words: &[&str]| {
        let output = home.keybearer(words).output().unwrap();
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat()
    };
    for (words, says) in [
        (&["keys", "import", "one.jsonl"][..], "Imported 1 key."),
        (&["events", "list"], "1 key "),
        (&["keys", "export", "exported.jsonl"], "Exported 1 key to exported.jsonl."),
        (&["users", "deactivate", MEMBER], "so 1 key is"),
        (&["users", "activate", MEMBER], "and 1 key."),
        (&["users", "remove", MEMBER], "and revoked 1 key."),
    ] {
        let text = said(words);
        assert!(text.contains(says), "{words:?}: {text}");
    }
    home.execute("UPDATE events SET object = 'someone else' WHERE seq = 2");
    let text = said(&["check"]);
    assert!(text.contains("is damaged (1 finding)"), "{text}");
}

#[tokio::test]
async fn a_password_on_stdin_is_read_in_its_own_encoding() {
    let server = Server::start();
    let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let line = format!("{PASSWORD}\r\n");
    let marked = format!("\u{feff}{line}");
    for (number, bytes) in [
        marked.clone().into_bytes(),
        utf16(&marked, u16::to_le_bytes),
        utf16(&marked, u16::to_be_bytes),
        utf16(&line, u16::to_le_bytes),
        utf16(&line, u16::to_be_bytes),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("user{number}@example.com");
        server.home.keybearer(&["users", "add", &email, "--password-stdin"]).write_stdin(bytes).assert().success();
        crate::harness::Client::signed_in(server.address, &email).await;
    }
    let utf32 = line.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    for (bytes, why) in [
        (b"correct h\xf6rse battery staple".to_vec(), "Windows-1252"),
        (b"correct horse\0 battery staple".to_vec(), "zero byte"),
        (utf16("пароль и ещё слово", u16::to_le_bytes), "UTF-8"),
        (utf32, "UTF-32"),
        (vec![b'x'; 5000], "longer than"),
    ] {
        let mut command = server.home.keybearer(&["users", "set-password", "user0@example.com", "--password-stdin"]);
        let refused = command.write_stdin(bytes).assert().failure().code(1);
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains(why) && said.contains("The password on stdin"), "{said}");
    }
}
