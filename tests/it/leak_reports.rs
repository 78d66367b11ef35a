//! Reports of leaked keys over the API: from anybody, who learns nothing, and from GitHub, whose signature counts.

use std::fs;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64;
use keybearer::testing::{Asking, Digest, EventFilter, KeyPrefix, Networks, PlainKey};
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Home, MEMBER, PASSWORD, Server, eventually};

const SOON: Duration = Duration::from_secs(60);

fn strange_key(byte: u8) -> String {
    PlainKey::generate(&KeyPrefix::parse("kb").unwrap(), &[byte; 32]).expose().to_owned()
}

async fn report(server: &Server, body: Value) -> Answer {
    server.anon().json("/api/v1/leaks", body.to_string()).await
}

async fn is_soon_refused(server: &Server, key: &str) {
    eventually(SOON, "the key is refused", async || server.tries(key).await == 401).await;
}

#[tokio::test]
async fn anybody_can_have_a_leaked_key_revoked_and_learns_nothing_about_it() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    let (id, key) = member.make_key("in a log").await;
    let nothing = report(&server, json!({ "keys": [strange_key(1)] })).await;
    let accepted = report(&server, json!({ "keys": [format!(" {key}\n"), strange_key(2), "", "x"] })).await;
    assert_eq!((accepted.status, accepted.body.as_str()), (202, "{\"accepted\":true}"), "{accepted:?}");
    assert_eq!(accepted.whole(), nothing.whole(), "the same answer");
    is_soon_refused(&server, &key).await;
    let filter = EventFilter { limit: 10, ..EventFilter::default() };
    let events = server.site.auth.events(&Asking::operator(), filter).await.unwrap();
    let events = serde_json::to_value(events.rows).unwrap();
    let of_the_key: Vec<_> = events.as_array().unwrap().iter().filter(|event| event["object_id"] == *id).collect();
    assert_eq!(of_the_key[0]["action"], "key.revoked");
    assert_eq!((&of_the_key[0]["actor_kind"], &of_the_key[0]["actor"]), (&"leak_report".into(), &"leak report".into()));
    assert_eq!(of_the_key[0]["address"], "127.0.0.1");
    assert!(!events.to_string().contains(&key[3..40]));
    assert!(member.get("/keys").await.body.contains("A key of yours was revoked because it was found in a leak"));
    assert!(!admin.get("/keys").await.body.contains("found in a leak"));
}

#[tokio::test]
async fn keys_and_tokens_in_a_text_are_revoked() {
    let server = Server::start();
    let (id, key) = server.key(&[]).await;
    let (other, disabled) = server.key(&[]).await;
    let admin = server.admin().await;
    admin.form(&format!("/keys/{other}/disable"), &[]).await;
    let anon = server.anon();
    let issued = anon.send(anon.request("POST", "/api/v1/tokens").basic_auth(MEMBER, Some(PASSWORD))).await.json();
    let (token, refresh) = (issued["token"].as_str().unwrap(), issued["refresh_token"].as_str().unwrap());
    assert_eq!(server.tries(token).await, 200);
    let basic = BASE64.encode(format!("{id}:{key}").as_bytes());
    let text = format!("Authorization: Basic {basic}\nrefresh={refresh}\n{{\"k\":\"{disabled}\"}}");
    assert_eq!(report(&server, json!({ "text": text })).await.status, 202);
    is_soon_refused(&server, &key).await;
    is_soon_refused(&server, token).await;
    let is_gone = async || admin.get(&format!("/keys/{other}")).await.status == 404;
    eventually(SOON, "the disabled key is gone", is_gone).await;
}

#[tokio::test]
async fn an_accepted_report_outlives_the_server() {
    let server = Server::start();
    let keys = server.keys(20).await;
    let texts: Vec<_> = keys.iter().map(|(_, key)| key.as_str()).collect();
    assert_eq!(report(&server, json!({ "keys": texts })).await.status, 202);
    let server = server.restart();
    for (_, key) in &keys {
        assert_eq!(server.tries(key).await, 401);
    }
}

/// Texts that could only be imported keys.
fn guesses(number: u32) -> Vec<String> {
    (0..number).map(|number| format!("guess-{number}")).collect()
}

#[tokio::test]
async fn a_report_that_cannot_be_read_is_refused_with_the_reason() {
    let server = Server::start();
    let (_, key) = server.key(&[]).await;
    let many: Vec<String> = (0..1_001).map(|_| key.clone()).collect();
    let distinct: String = (0..1_001_u32)
        .map(|number| {
            let mut secret = [0; 32];
            secret[..4].copy_from_slice(&number.to_be_bytes());
            PlainKey::generate(&KeyPrefix::parse("kb").unwrap(), &secret).expose().to_owned() + "\n"
        })
        .collect();
    for (body, expected) in [
        (json!({}), (422, "invalid_field")),
        (json!({ "keys": [key], "text": key }), (422, "invalid_field")),
        (json!({ "keys": key }), (422, "invalid_field")),
        (json!({ "keys": [1] }), (422, "invalid_field")),
        (json!({ "keys": many }), (422, "invalid_field")),
        (json!({ "keys": guesses(101) }), (422, "invalid_field")),
        (json!({ "text": distinct }), (422, "invalid_field")),
        (json!({ "key": key }), (422, "invalid_field")),
        (json!({ "text": "x".repeat(300_000) }), (413, "too_large")),
    ] {
        let answer = report(&server, body).await;
        let (status, code) = answer.problem();
        assert_eq!((status, code.as_str()), expected, "{answer:?}");
        assert!(!answer.body.contains(&key[3..40]));
    }
    assert_eq!(report(&server, json!({ "keys": guesses(100) })).await.status, 202);
    let form = server.anon().post("/api/v1/leaks", &[("text", &key)]).await;
    assert_eq!(form.problem().0, 415);
    assert_eq!(server.tries(&key).await, 200);
}

#[tokio::test]
async fn reports_are_limited_per_address() {
    let server = Server::with(|settings| settings.trusted_proxies = Networks::parse(["127.0.0.1"]).unwrap());
    let anon = server.anon();
    let send = async |from: &str| {
        let request = anon.request("POST", "/api/v1/leaks").header("content-type", "application/json");
        anon.send(request.header("x-forwarded-for", from).body("{\"keys\":[\"x\"]}")).await
    };
    for _ in 0..60 {
        assert_eq!(send("192.0.2.1").await.status, 202);
    }
    let refused = send("192.0.2.1").await;
    assert_eq!(
        (refused.problem(), refused.header("retry-after")),
        ((429, "throttled".to_owned()), "60"),
        "{refused:?}"
    );
    assert_eq!(send("192.0.2.2").await.status, 202);
}

/// GitHub, as far as this server can tell: whoever has this key.
struct GitHub {
    id: &'static str,
    key: EcdsaKeyPair,
}

impl GitHub {
    fn new(id: &'static str) -> Self {
        GitHub { id, key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap() }
    }

    /// The file that GitHub publishes.
    fn published(keys: &[&GitHub]) -> String {
        use aws_lc_rs::encoding::AsDer;
        let entry = |github: &&GitHub| {
            let der = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(github.key.public_key()).unwrap();
            let encoded = BASE64.encode(der.as_ref());
            let lines: Vec<&str> =
                encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
            json!({ "key_identifier": github.id, "key": pem, "is_current": true })
        };
        json!({ "public_keys": keys.iter().map(entry).collect::<Vec<_>>() }).to_string()
    }

    fn sign(&self, body: &str) -> String {
        BASE64.encode(self.key.sign(&SystemRandom::new(), body.as_bytes()).unwrap().as_ref())
    }

    async fn sends(&self, client: &Client, body: &str) -> Answer {
        sends(client, self.id, &self.sign(body), body).await
    }
}

async fn sends(client: &Client, id: &str, signature: &str, body: &str) -> Answer {
    let request = client.request("POST", "/api/v1/leaks/github").header("content-type", "application/json");
    let request = request.header("Github-Public-Key-Identifier", id).header("Github-Public-Key-Signature", signature);
    client.send(request.body(body.to_owned())).await
}

fn hash(key: &str) -> String {
    hex::encode(Digest::of(key.as_bytes()).as_bytes())
}

#[tokio::test]
async fn keys_that_github_reports_are_revoked_and_their_owners_learn_where_they_were() {
    let home = Home::new();
    let (github, next) = (GitHub::new("one"), GitHub::new("two"));
    let file = home.path("github.json");
    fs::write(&file, GitHub::published(&[&github])).unwrap();
    let server = Server::on(&home, |settings| settings.github_keys = Some(file.clone()));
    let member = server.member().await;
    let (id, key) = member.make_key("committed").await;
    let (gone_id, gone) = member.make_key("gone").await;
    member.form(&format!("/keys/{gone_id}/revoke"), &[]).await;
    let url = "https://github.com/octocat/Hello-World/blob/12345600/foo/bar.txt";
    let found = |token: &str| json!({ "token": token, "type": "keybearer_key", "url": url, "source": "content" });
    let body = json!([found(&key), found(&gone), found(&strange_key(3))]).to_string();
    let anon = server.anon();
    let answer = github.sends(&anon, &body).await;
    let verdict =
        |key: &str, label: &str| json!({ "token_hash": hash(key), "token_type": "keybearer_key", "label": label });
    let expected = json!([
        verdict(&key, "true_positive"),
        verdict(&gone, "true_positive"),
        verdict(&strange_key(3), "false_positive")
    ]);
    assert_eq!((answer.status, answer.json()), (200, expected), "{answer:?}");
    assert_eq!(server.tries(&key).await, 401, "revoked before the answer");
    let told = member.get("/keys").await;
    assert!(told.body.contains("committed") && told.body.contains(url), "{told:?}");
    let admin = server.admin().await;
    let events = admin.get("/events?q=GitHub").await;
    assert!(events.body.contains("GitHub secret scanning") && events.body.contains("committed"), "{id}: {events:?}");

    let empty = "[]";
    for (id, signature, body) in [
        ("one", github.sign("[ ]"), empty),
        ("two", github.sign(empty), empty),
        ("one", next.sign(empty), empty),
        ("one", String::new(), empty),
        ("", github.sign(empty), empty),
        ("one", "not base64".to_owned(), empty),
    ] {
        let refused = sends(&anon, id, &signature, body).await;
        assert_eq!(refused.problem(), (403, "invalid_signature".to_owned()), "{id} {signature}: {refused:?}");
    }
    assert_eq!(github.sends(&anon, "{}").await.problem(), (400, "invalid_json".to_owned()));
    assert_eq!(github.sends(&anon, empty).await.status, 200);

    fs::write(&file, GitHub::published(&[&next])).unwrap();
    assert_eq!(next.sends(&anon, empty).await.status, 200, "the file is read again");
    assert_eq!(github.sends(&anon, empty).await.status, 403);
    fs::write(&file, "{").unwrap();
    assert_eq!(next.sends(&anon, empty).await.status, 200, "an unusable file changes nothing");
}

#[tokio::test]
async fn without_githubs_keys_there_is_no_such_route_and_bad_keys_stop_the_start() {
    let server = Server::start();
    let github = GitHub::new("one");
    assert_eq!(github.sends(&server.anon(), "[]").await.problem(), (404, "not_found".to_owned()));
    let home = Home::new();
    home.add_admin();
    for (content, reason) in [
        ("", "--github-keys"),
        ("{\"public_keys\":[]}", "has no keys"),
        ("{\"public_keys\":[{\"key_identifier\":\"one\",\"key\":\"x\"}]}", "--github-keys"),
    ] {
        fs::write(home.path("github.json"), content).unwrap();
        let words = ["serve", "--listen", "127.0.0.1:0", "--github-keys", "github.json"];
        let output = home.keybearer(&words).assert().failure().get_output().stderr.clone();
        let said = String::from_utf8(output).unwrap();
        assert!(said.contains(reason), "{said}");
    }
}
