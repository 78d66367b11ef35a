//! Key material is in one response and nowhere else: not in files, logs, events or the environment.

use std::fs;
use std::time::Duration;

use crate::harness::{ADMIN, Client, Home, MEMBER, PASSWORD, Process, eventually, raw};

#[tokio::test]
async fn no_secret_is_stored_anywhere_after_a_typical_session() {
    let home = Home::new();
    home.add_admin();
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("RUST_LOG", "trace");
    let server = Process::of(command);
    let admin = Client::signed_in(server.address, ADMIN).await;
    let token = admin.csrf_token().await;
    let form = [("csrf_token", token.as_str()), ("name", "mine"), ("expires", "90d")];
    let key = admin.post("/keys", &form).await.new_key().unwrap();
    admin.post("/keys", &form).await;
    let (_, from_command) = home.create_key(ADMIN, "command line");
    let bearer = server.bearer(&key);
    bearer.get("/api/v1/keys/current").await;
    bearer.get("/auth?scope=orders:read").await;
    bearer.get(&format!("/unknown/{key}")).await;
    bearer.get(&format!("/auth?key={key}")).await;
    bearer.json("/api/v1/keys/verify", format!("{{\"key\":\"{key}\"")).await;
    bearer.json("/api/v1/keys/verify", format!("{{\"{key}\":1}}")).await;
    bearer.post("/oauth/introspect", &[("token", &key), ("ip", &key)]).await;
    bearer.post("/oauth/revoke", &[("token", &key), ("token", &key)]).await;
    let client = [("client_id", key.as_str()), ("client_secret", &key), ("grant_type", &key), ("scope", &key)];
    server.anon().post("/oauth/token", &client).await;
    let basic = server.anon();
    let made = async || basic.get("/.well-known/jwks.json").await.status == 200;
    eventually(Duration::from_secs(20), "the signing keys are made", made).await;
    let id = home.run(&["keys", "list", "--json"]);
    let id = serde_json::from_str::<serde_json::Value>(&id).unwrap()[1]["id"].as_str().unwrap().to_owned();
    let grant = [("grant_type", "client_credentials")];
    let jwt = basic.send(basic.request("POST", "/oauth/token").basic_auth(&id, Some(&key)).form(&grant)).await;
    let jwt = jwt.json()["access_token"].as_str().unwrap_or_else(|| panic!("{jwt:?}")).to_owned();
    bearer.post("/oauth/introspect", &[("token", &jwt)]).await;
    let identity = bearer.get("/auth?identity=1").await.header("x-auth-identity").to_owned();
    assert!(identity.len() > 100);
    server.anon().sign_in(MEMBER, &key).await;
    server.anon().sign_in(&key, PASSWORD).await;
    server.anon().sign_in(ADMIN, "a wrong but precious password").await;
    raw::exchange(server.address, format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer {key}\r\n\r\n"));
    raw::exchange(server.address, format!("{key} / HTTP/1.1\r\nHost: a b\r\n\r\n"));
    for path in ["/admin/keys?q=", "/keys?q=", "/users?q=", "/events?q=", "/find?q="] {
        admin.get(&format!("{path}{key}")).await;
        admin.get("/find").await;
    }
    for (path, field) in [("/find", "q"), ("/admin/leaks", "text"), ("/admin/leaks/revoke", "key")] {
        admin.form(path, &[(field, &key)]).await;
    }
    server.anon().json("/api/v1/leaks", format!("{{\"keys\":[\"{key}\"],\"{key}\":1}}")).await;
    server.anon().json("/api/v1/leaks", format!("{{\"text\":\"x {from_command}\"}}")).await;
    bearer.call("DELETE", "/api/v1/keys/current").await;
    let by_basic = admin.request("POST", "/api/v1/tokens").basic_auth(ADMIN, Some(PASSWORD));
    let issued = admin.send(by_basic).await.json();
    let text = |field: &str| issued[field].as_str().unwrap().to_owned();
    let again = format!("{{\"refresh_token\":\"{}\"}}", text("refresh_token"));
    let refreshed = server.anon().json("/api/v1/tokens", again.clone()).await.json();
    server.anon().json("/api/v1/tokens", again).await;

    let session = admin.cookie("session").unwrap();
    let device = admin.cookie("device").unwrap();
    // For root alone: the server keeps its memory to itself.
    let environment = fs::read(format!("/proc/{}/environ", server.pid())).unwrap_or_default();
    let words = fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
    server.signal("TERM");
    let mut places = vec![
        ("environment".to_owned(), environment),
        ("words".into(), words),
        ("log".into(), server.stopped_log().into_bytes()),
    ];
    places.extend(home.stored());
    places.push(("events".into(), home.run(&["events", "list", "--limit", "1000", "--json"]).into_bytes()));
    assert!(places.iter().any(|(name, bytes)| name == "log" && bytes.len() > 1000), "the log is there");
    let secret_part = key[3..46].to_owned();
    let secrets = [
        ("key", key),
        ("the key's random part", secret_part),
        ("key from the command line", from_command),
        ("password", PASSWORD.to_owned()),
        ("token", text("token")),
        ("refresh token", text("refresh_token")),
        ("the next token", refreshed["token"].as_str().unwrap().to_owned()),
        ("the next refresh token", refreshed["refresh_token"].as_str().unwrap().to_owned()),
        ("HTTP Basic", data_encoding::BASE64.encode(format!("{ADMIN}:{PASSWORD}").as_bytes())),
        ("wrong password", "a wrong but precious password".into()),
        ("session cookie", session),
        ("device cookie", device),
        ("csrf token", token),
        ("token", jwt),
        ("signed identity", identity),
    ];
    for (place, bytes) in &places {
        for (what, secret) in &secrets {
            let text = String::from_utf8_lossy(bytes);
            let found = text.lines().find(|line| line.contains(secret.as_str()));
            assert!(found.is_none(), "{what} is in {place}: {found:?}");
        }
    }
}

#[tokio::test]
async fn text_from_strangers_cannot_start_a_new_log_line() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    let anon = server.anon();
    let request =
        anon.request("GET", "/livez").header("user-agent", "x\u{80}\u{9b}31m").header("x-request-id", "forged");
    let answer = anon.send(request).await;
    assert_ne!(answer.header("x-request-id"), "forged");
    anon.sign_in("a\r\n{\"level\":\"INFO\",\"message\":\"forged\"}\u{1b}[31m\u{202e}@b", PASSWORD).await;
    server.signal("TERM");
    let log = server.stopped_log();
    for line in log.lines().filter(|line| !line.is_empty()) {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line["message"] != "forged"),
            "{line}"
        );
    }
    let events = home.run(&["events", "list", "--json"]);
    assert!(!events.contains(['\u{1b}', '\u{202e}', '\r']), "{events}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn only_root_can_read_the_servers_memory() {
    use std::os::unix::fs::{MetadataExt, chown};
    use std::os::unix::process::CommandExt;

    let home = Home::new();
    home.add_admin();
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    if rustix::process::getuid().is_root() {
        // As an operator would: a user of its own.
        let nobody = 65534;
        let entries = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.chain([home.path("")]) {
            chown(path, Some(nobody), Some(nobody)).unwrap();
        }
        command.uid(nobody).gid(nobody);
    }
    let server = Process::of(command);
    // What the kernel gives to root, debuggers and core dumps of the same user do not get (proc(5)).
    let memory = fs::metadata(format!("/proc/{}/mem", server.pid())).unwrap();
    assert_eq!(memory.uid(), 0);
    assert_eq!(server.anon().get("/livez").await.status, 200);
}
