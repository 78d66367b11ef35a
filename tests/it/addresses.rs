//! The client's address: what trusted proxies say about it, and what happens if it cannot be read.

use keybearer::testing::{Networks, Role};
use reqwest::header::HeaderValue;
use serde_json::json;

use crate::harness::{ADMIN, Answer, Client, Home, MEMBER, Process, Server};

const CURRENT: &str = "/api/v1/keys/current";
const FORWARDED: &str = "x-forwarded-for";

/// Values that are not an address, or not one that counts.
const UNREADABLE: [&[u8]; 12] = [
    b"",
    b",",
    b"unknown",
    b"_hidden",
    b"unix:",
    b"203.0.113.9,",
    b"203.0.113.9, 203.0.113",
    b"127.0.0.1, unknown",
    b"203.0.113.9, \xff",
    b"for=127.0.0.1",
    b"127.0.0.1 127.0.0.1",
    b"\"127.0.0.1",
];

/// A server behind a proxy on this machine.
fn start() -> Server {
    Server::with(|settings| settings.trusted_proxies = Networks::parse(["127.0.0.1/32"]).unwrap())
}

async fn ask_from(client: &Client, path: &str, lines: &[&[u8]]) -> Answer {
    let mut request = client.request("GET", path);
    for line in lines {
        request = request.header(FORWARDED, HeaderValue::from_bytes(line).unwrap());
    }
    client.send(request).await
}

#[tokio::test]
async fn an_unreadable_forwarded_address_is_in_no_range() {
    let server = start();
    let ranges = || Networks::parse(["127.0.0.0/8", "203.0.113.0/24", "::/0", "0.0.0.0/0"]).unwrap();
    let (_, key) = server.key_of(MEMBER, &[], |new| new.settings.allowed_ips = ranges()).await;
    let bearer = server.bearer(&key);
    for path in [CURRENT, "/auth", "/auth/nginx"] {
        for line in UNREADABLE {
            for lines in [&[line][..], &[b"203.0.113.9", line], &[line, b"127.0.0.1"]] {
                let answer = ask_from(&bearer, path, lines).await;
                assert_eq!(answer.problem(), (403, "ip_not_allowed".to_owned()), "{path} {lines:?}");
            }
        }
    }
    // The proxy speaks for itself: a health check of its own, say.
    assert_eq!(bearer.get("/auth").await.status, 200);
    // What stands left of the client's own address is the client's story.
    assert_eq!(ask_from(&bearer, "/auth", &[b"unknown, \xff, 203.0.113.9, 127.0.0.1"]).await.status, 200);
}

#[tokio::test]
async fn a_managing_key_bound_to_addresses_creates_no_key_from_an_unknown_address() {
    let server = start();
    server.user(ADMIN, Role::Admin).await;
    let home = || Networks::parse(["127.0.0.0/8"]).unwrap();
    let (id, manager) = server.key_of(ADMIN, &["keybearer:keys"], |new| new.settings.allowed_ips = home()).await;
    let manager = server.bearer(&manager);
    for line in UNREADABLE {
        let request = manager.request("POST", "/api/v1/keys").header(FORWARDED, HeaderValue::from_bytes(line).unwrap());
        let answer = manager.send(request.json(&json!({ "name": "from anywhere" }))).await;
        assert_eq!(answer.problem(), (403, "ip_not_allowed".to_owned()), "{line:?}");
        let path = format!("/api/v1/keys/{id}");
        let request = manager.request("DELETE", &path).header(FORWARDED, HeaderValue::from_bytes(line).unwrap());
        assert_eq!(manager.send(request).await.status, 403, "{line:?}");
    }
    let (_, verifier) = server.key_of(ADMIN, &["keybearer:verify"], |new| new.settings.allowed_ips = home()).await;
    let verifier = server.bearer(&verifier);
    let ask = |path, line| verifier.request("POST", path).header(FORWARDED, HeaderValue::from_bytes(line).unwrap());
    let body = json!({ "key": "kb_x" });
    let answer = verifier.send(ask("/api/v1/keys/verify", b"_hidden").json(&body)).await;
    assert_eq!(answer.problem(), (403, "ip_not_allowed".to_owned()));
    let answer = verifier.send(ask("/oauth/introspect", b"203.0.113.9, \xe9").form(&[("token", "kb_x")])).await;
    assert_eq!(answer.status, 403, "{answer:?}");
}

#[tokio::test]
async fn every_address_format_that_proxies_write_is_read() {
    let server = start();
    let ranges = Networks::parse(["203.0.113.7", "2001:db8::7", "fe80::7"]).unwrap();
    let (_, key) = server.key_of(MEMBER, &[], |new| new.settings.allowed_ips = ranges).await;
    let bearer = server.bearer(&key);
    for line in [
        "203.0.113.7:8080",
        "\"203.0.113.7\"",
        "\t203.0.113.7 ,  127.0.0.1\t",
        "::ffff:203.0.113.7",
        "[2001:db8::7]",
        "[2001:DB8:0::7]:443",
        "\"[2001:db8::7]:443\", 127.0.0.1:1",
        "[fe80::7%25eth0]",
        "fe80::7%eth0",
    ] {
        for path in [CURRENT, "/auth"] {
            let answer = ask_from(&bearer, path, &[line.as_bytes()]).await;
            assert_eq!(answer.status, 200, "{line}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn clients_with_unknown_addresses_share_one_bucket() {
    let server = start();
    let stranger = server.anon();
    let mut held_back = 0;
    for number in 0..1300 {
        let line = UNREADABLE[number % UNREADABLE.len()];
        let request = stranger.request("GET", "/auth").header(FORWARDED, HeaderValue::from_bytes(line).unwrap());
        let answer = stranger.send(request.header("x-api-key", format!("guess-{number}"))).await;
        held_back += usize::from(answer.status == 429);
    }
    assert!(held_back > 0);
    let elsewhere = stranger.request("GET", "/auth").header("x-api-key", "guess").header(FORWARDED, "203.0.113.7");
    assert_eq!(stranger.send(elsewhere).await.status, 401);
}

#[tokio::test]
async fn a_sign_in_from_an_unknown_address_is_counted_and_logged_as_unknown() {
    let server = start();
    let admin = server.admin().await;
    server.user(MEMBER, Role::Member).await;
    let guess = async |line: &[u8]| {
        let stranger = server.anon();
        let token = stranger.csrf_token().await;
        let form = [("csrf_token", token.as_str()), ("email", MEMBER), ("password", "not this one, I fear")];
        let request = stranger.request("POST", "/login").header(FORWARDED, HeaderValue::from_bytes(line).unwrap());
        stranger.send(request.form(&form)).await.status
    };
    for line in &UNREADABLE[..5] {
        assert_eq!(guess(line).await, 422, "{line:?}");
    }
    assert_eq!(guess(b"203.0.113.9, \xff").await, 429);
    assert_eq!(guess(b"127.0.0.1").await, 422);
    let page = admin.get("/events").await.body;
    assert!(page.contains("<code>unknown</code>"), "{page}");
}

#[tokio::test]
async fn the_request_log_and_the_last_use_show_an_unknown_address() {
    let home = Home::new();
    home.add_admin();
    let (id, key) = home.create_key(ADMIN, "one");
    let words = ["serve", "--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1"];
    let server = Process::of(home.command(&words));
    let bearer = server.bearer(&key);
    assert_eq!(ask_from(&bearer, CURRENT, &[b"203.0.113.9, \xff"]).await.status, 200);
    server.signal("TERM");
    let log = server.stopped_log();
    assert!(log.contains("\"address\":\"unknown\""), "{log}");
    let last = home.text("SELECT l.address FROM key_last_use l JOIN keys k ON k.id = l.key_id");
    assert_eq!(last, "unknown", "{id}");
}

#[tokio::test]
async fn ranges_of_mapped_addresses_match_the_corresponding_ipv4_addresses() {
    let home = Home::new();
    home.add_admin();
    let create = |range| {
        let made = home.run(&["keys", "create", "--owner", ADMIN, "--name", "n", "--allow-ip", range, "--json"]);
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), text("key"), made["allowed_ips"][0].as_str().unwrap().to_owned())
    };
    let mut keys = Vec::new();
    for (range, stored, inside, outside) in [
        ("::ffff:203.0.113.7", "203.0.113.7/32", "203.0.113.7", "203.0.113.8"),
        ("::ffff:203.0.113.7/120", "203.0.113.0/24", "203.0.113.9", "203.0.114.1"),
        ("::ffff:0:0/96", "0.0.0.0/0", "203.0.113.7", "2001:db8::7"),
    ] {
        let (_, key, shown) = create(range);
        assert_eq!(shown, stored);
        keys.push((key, range, inside, outside));
        // As older versions stored it.
        let (id, key, _) = create(range);
        let old = if range.contains('/') { range.to_owned() } else { format!("{range}/128") };
        let older = format!("UPDATE keys SET allowed_ips = '{old}' WHERE id = {}", crate::harness::id(&id));
        assert_eq!(home.execute(older), 1);
        keys.push((key, range, inside, outside));
    }
    let words = ["serve", "--listen", "127.0.0.1:0", "--trusted-proxy", "::ffff:127.0.0.1/126"];
    let server = Process::of(home.command(&words));
    for (key, range, inside, outside) in keys {
        let bearer = server.bearer(&key);
        assert_eq!(ask_from(&bearer, "/auth", &[inside.as_bytes()]).await.status, 200, "{range}");
        assert_eq!(ask_from(&bearer, "/auth", &[outside.as_bytes()]).await.status, 403, "{range}");
    }
    for (words, code) in [
        (&["keys", "create", "--owner", ADMIN, "--name", "n", "--allow-ip", "::ffff:203.0.113.0/24"][..], 1),
        (&["serve", "--trusted-proxy", "::ffff:127.0.0.0/8"], 2),
    ] {
        let output = home.keybearer(words).assert().code(code).get_output().stderr.clone();
        let said = String::from_utf8(output).unwrap();
        assert!(said.contains("covers more than IPv4 addresses"), "{said}");
    }
}
