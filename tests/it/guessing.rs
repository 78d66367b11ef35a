//! Guessing at many accounts from few addresses: it is slowed down per address, without delaying anyone elsewhere, and
//! what was typed is stored nowhere.

use std::time::Duration;

use keybearer::testing::{Asking, ChainReport, EventFilter, Networks, Role, Time};
use serde_json::json;

use crate::harness::{Answer, Client, MEMBER, PASSWORD, Server, eventually};

const WRONG: &str = "not the right password";
const GUESSER: &str = "203.0.113.7";
const ELSEWHERE: &str = "198.51.100.1";

/// A server that believes what clients say about their address.
fn proxied() -> Server {
    Server::with(|settings| settings.trusted_proxies = Networks::parse(["127.0.0.1"]).unwrap())
}

/// A program requests a token.
async fn ask(client: &Client, from: &str, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password }).to_string();
    let request = client.request("POST", "/api/v1/tokens").header("content-type", "application/json");
    client.send(request.header("x-forwarded-for", from).body(body)).await
}

/// A person submits the form, in a new browser.
async fn sign_in(server: &Server, from: &str, email: &str, password: &str) -> Answer {
    let browser = server.anon();
    let token = browser.csrf_token().await;
    let form = [("csrf_token", token.as_str()), ("email", email), ("password", password)];
    browser.send(browser.request("POST", "/login").header("x-forwarded-for", from).form(&form)).await
}

/// Guesses at a new account each time; returns the number of attempts before the address has to wait.
async fn spray(server: &Server, from: impl Fn(usize) -> String) -> usize {
    let client = server.anon();
    for number in 0..80 {
        let answer = ask(&client, &from(number), &format!("user{number}@example.com"), WRONG).await;
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), "1");
            return number;
        }
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    panic!("nobody was slowed down")
}

#[tokio::test]
async fn trying_one_password_on_many_accounts_slows_down_only_that_address() {
    let server = proxied();
    server.user(MEMBER, Role::Member).await;
    // A /64 is one address: whoever has one can use any of it.
    assert_eq!(spray(&server, |number| format!("2001:db8::{number:x}")).await, 50);
    assert_eq!(spray(&server, |_| GUESSER.into()).await, 50, "other addresses have their own count");
    for from in [GUESSER, "2001:db8::ffff"] {
        assert_eq!(sign_in(&server, from, MEMBER, WRONG).await.status, 429, "the form counts with the API");
        assert_eq!(sign_in(&server, from, "no email at all", WRONG).await.status, 429);
    }
    assert_eq!(ask(&server.anon(), ELSEWHERE, MEMBER, PASSWORD).await.status, 200);
    assert_eq!(sign_in(&server, "2001:db8:0:1::1", MEMBER, PASSWORD).await.status, 303);
    // The wait grows and ends.
    let mut waits = Vec::new();
    for _ in 0..8 {
        server.clock.advance(Duration::from_secs(waits.last().copied().unwrap_or(1)));
        assert_eq!(ask(&server.anon(), GUESSER, "somebody@example.com", WRONG).await.status, 401);
        waits.push(
            ask(&server.anon(), GUESSER, "somebody.else@example.com", WRONG)
                .await
                .header("retry-after")
                .parse()
                .unwrap(),
        );
    }
    assert_eq!(waits, [2, 4, 8, 16, 16, 32, 32, 32], "one failure is forgiven every 30 s");
    server.clock.advance(Duration::from_secs(32));
    assert_eq!(ask(&server.anon(), GUESSER, MEMBER, PASSWORD).await.status, 200);
    assert_eq!(
        ask(&server.anon(), GUESSER, "next@example.com", WRONG).await.status,
        429,
        "a guesser's own account does not help"
    );
}

#[tokio::test]
async fn strangers_at_an_address_do_not_delay_a_user_known_there() {
    let server = proxied();
    server.user(MEMBER, Role::Member).await;
    server.user("eve@example.com", Role::Member).await;
    let program = server.anon();
    assert_eq!(ask(&program, GUESSER, MEMBER, PASSWORD).await.status, 200);
    spray(&server, |_| GUESSER.into()).await;
    assert_eq!(ask(&program, GUESSER, MEMBER, PASSWORD).await.status, 200);
    assert_eq!(sign_in(&server, GUESSER, MEMBER, PASSWORD).await.status, 303, "the form knows it, too");
    assert_eq!(ask(&program, GUESSER, "eve@example.com", PASSWORD).await.status, 429, "she has never been here");
    // To the strangers it looks like any account.
    let (known, invented) =
        (ask(&program, GUESSER, MEMBER, WRONG).await, ask(&program, GUESSER, "x@example.com", WRONG).await);
    assert_eq!((known.status, known.json()["code"].clone()), (429, invented.json()["code"].clone()));
    for _ in 0..4 {
        assert_eq!(ask(&program, GUESSER, MEMBER, WRONG).await.status, 429);
    }
    assert_eq!(ask(&program, GUESSER, MEMBER, PASSWORD).await.status, 429, "and their guesses at it count");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(ask(&program, GUESSER, MEMBER, PASSWORD).await.status, 200);
    // Guesses from anywhere hold back strangers, not who is known.
    for number in 0..55 {
        ask(&program, &format!("192.0.2.{number}"), MEMBER, WRONG).await;
    }
    assert_eq!(ask(&program, ELSEWHERE, MEMBER, PASSWORD).await.status, 429);
    assert_eq!(ask(&program, GUESSER, MEMBER, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_client_without_a_readable_address_is_not_known_by_address() {
    let server = proxied();
    server.user(MEMBER, Role::Member).await;
    let program = server.anon();
    assert_eq!(ask(&program, "unknown", MEMBER, PASSWORD).await.status, 200);
    assert_eq!(sign_in(&server, "_hidden", MEMBER, PASSWORD).await.status, 303);
    for number in 0..55 {
        ask(&program, &format!("192.0.2.{number}"), MEMBER, WRONG).await;
    }
    for unreadable in ["unknown", "_hidden", "203.0.113.9,"] {
        assert_eq!(ask(&program, unreadable, MEMBER, PASSWORD).await.status, 429, "{unreadable}");
    }
}

/// Attempts that were compared are counted and attempts that were turned away are not, however many arrive at once.
#[tokio::test]
async fn only_attempts_whose_password_was_compared_count() {
    let server = proxied();
    server.user(MEMBER, Role::Member).await;
    assert_eq!(ask(&server.anon(), GUESSER, MEMBER, PASSWORD).await.status, 200);
    let clients: Vec<Client> = (0..200).map(|_| server.anon()).collect();
    let flood = clients.iter().enumerate().map(|(number, client)| async move {
        ask(client, GUESSER, &format!("invented{number}@example.com"), WRONG).await.status
    });
    let owner_at = |from: &'static str| {
        let owner = server.anon();
        async move {
            let mut statuses = Vec::new();
            for _ in 0..10 {
                statuses.push(ask(&owner, from, MEMBER, PASSWORD).await.status);
            }
            statuses
        }
    };
    let flood = futures_util::future::join_all(flood);
    let (flood, elsewhere, here) = futures_util::future::join3(flood, owner_at(ELSEWHERE), owner_at(GUESSER)).await;
    assert_eq!(elsewhere, [200; 10], "one address does not fill the queue");
    assert_eq!(here, [200; 10], "a user who has signed in from it before is not kept out");
    assert!(flood.iter().all(|status| [401, 429, 503].contains(status)), "{flood:?}");
    let heard = flood.iter().filter(|status| **status == 401).count();
    let buckets = server.home.number("SELECT count(*) FROM login_throttle WHERE failures = 1");
    // Each account has a bucket for this address and one for anywhere.
    assert_eq!(buckets as usize, 2 * heard, "{flood:?}");
    assert!(heard <= 50, "{flood:?}");
}

async fn refusals(server: &Server) -> Vec<(String, Option<String>)> {
    let filter = EventFilter { search: Some("session.refused".into()), limit: 1000, ..EventFilter::default() };
    let page = server.site.auth.events(&Asking::operator(), filter).await.unwrap();
    page.rows.into_iter().map(|event| (event.object, event.address)).collect()
}

#[tokio::test]
async fn failed_sign_ins_are_summarised_in_the_audit_log_without_omissions() {
    let server = proxied();
    let client = server.anon();
    for number in 0..40 {
        assert_eq!(ask(&client, GUESSER, &format!("user{number}@example.com"), WRONG).await.status, 401);
    }
    server.user(MEMBER, Role::Member).await;
    assert_eq!(ask(&client, GUESSER, MEMBER, WRONG).await.status, 401);
    // A botnet: an address and an account for each try.
    for number in 0..230 {
        let email = format!("bot{number}@example.com");
        assert_eq!(ask(&client, &format!("192.0.2.{number}"), &email, WRONG).await.status, 401, "{number}");
        server.clock.advance(Duration::from_secs(10));
    }
    let during = refusals(&server).await;
    let from_guesser = during.iter().filter(|(_, address)| address.as_deref() == Some(GUESSER));
    let at: Vec<&str> = from_guesser.map(|(object, _)| object.as_str()).collect();
    assert_eq!(at.iter().filter(|object| **object == "unknown account").count(), 10);
    assert!(
        at.contains(&MEMBER) && at.len() == 11,
        "an attack on a user is not hidden behind invented accounts: {at:?}"
    );
    assert_eq!(during.len(), 201);
    // They are logged at the end of the hour, even without another attempt.
    server.clock.advance(Duration::from_secs(3600));
    let counted = async || {
        let refusals = refusals(&server).await;
        let more = refusals.iter().filter_map(|(object, _)| object.split_once(" more failed sign-ins to "));
        let more: Vec<(u64, String)> = more.map(|(count, from)| (count.parse().unwrap(), from.to_owned())).collect();
        (refusals.len() as u64 - more.len() as u64 + more.iter().map(|(count, _)| count).sum::<u64>(), more)
    };
    eventually(Duration::from_secs(20), "the rest is logged", async || !counted().await.1.is_empty()).await;
    let (all, more) = counted().await;
    assert!(
        more.contains(&(30, format!("unknown accounts from {GUESSER} in the hour from 2026-11-23 08:00 UTC"))),
        "{more:?}"
    );
    assert_eq!(all, 40 + 1 + 230, "{more:?}");
    assert!(matches!(server.site.auth.verify_events(&Asking::operator()).await.unwrap(), ChainReport::Whole { .. }));
}

#[tokio::test]
async fn text_typed_in_place_of_an_email_is_stored_nowhere() {
    let server = Server::start();
    server.user(MEMBER, Role::Member).await;
    let (_, key) = server.key(&[]).await;
    let typed = ["My secret passphrase 42", key.as_str(), "P4ssw0rd@home.example", "nobody@example.com"];
    for text in typed {
        assert_eq!(server.anon().sign_in(text, WRONG).await.status, 422);
        let api = ask(&server.anon(), GUESSER, text, WRONG).await;
        assert_eq!(api.status, 401);
        let anon = server.anon();
        let basic = anon.request("POST", "/api/v1/tokens").basic_auth(text, Some(WRONG));
        assert_eq!(anon.send(basic).await.status, 401);
    }
    assert_eq!(server.anon().sign_in(MEMBER, WRONG).await.status, 422);
    let labels: Vec<String> = refusals(&server).await.into_iter().map(|(object, _)| object).collect();
    assert_eq!(labels.iter().filter(|label| *label == "unknown account").count() + 1, labels.len(), "{labels:?}");
    assert!(labels.contains(&MEMBER.to_owned()), "a user's own email is logged: {labels:?}");
    for (place, stored) in server.home.stored() {
        let stored = stored.to_ascii_lowercase();
        for text in typed {
            let text = text.to_ascii_lowercase();
            assert!(!stored.windows(text.len()).any(|window| window == text.as_bytes()), "{text} is in {place}");
        }
    }
}

#[tokio::test]
async fn a_key_in_a_user_agent_or_a_name_is_stored_nowhere() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key("mine").await;
    let bearer = server.bearer(&key);
    assert_eq!(
        bearer.send(bearer.request("GET", "/auth").header("user-agent", &format!("job/1 {key} x"))).await.status,
        200
    );
    eventually(Duration::from_secs(10), "its last use is shown", async || {
        member.get(&format!("/keys/{id}")).await.body.contains("job/1 [key] x")
    })
    .await;
    assert_eq!(member.form(&format!("/keys/{id}/edit"), &[("name", &format!("key {key}"))]).await.status, 422);
    let scoped = member.form("/keys", &[("name", "n"), ("expires", "90d"), ("scopes", &key)]).await;
    assert!(scoped.status == 422 && scoped.body.contains("Keys are never stored"), "{scoped:?}");
    let manager = server.key_of(MEMBER, &["keybearer:keys"], |_| {}).await.1;
    let manager = server.bearer(&manager);
    let (plain, escaped) = (key.clone(), key.replace('_', "\\u005f"));
    for metadata in [
        format!("{{\"old\":\"{plain}\"}}"),
        format!("{{\"old\":[{{\"x\":\"{escaped}\"}}]}}"),
        format!("{{\"{escaped}\":1}}"),
    ] {
        let answer = manager.json("/api/v1/keys", format!("{{\"name\":\"n\",\"metadata\":{metadata}}}")).await;
        assert_eq!(answer.problem(), (422, "invalid_field".into()));
    }
    // What is refused is not repeated either.
    let unknown = manager.json("/api/v1/keys", format!("{{\"name\":\"n\",\"{key}\":1}}")).await;
    assert!(
        unknown.status == 422 && unknown.body.contains("[key]") && !unknown.body.contains(&key[3..]),
        "{unknown:?}"
    );
    let add = ["users", "add", &format!("{key}@example.com"), "--password-stdin"];
    let as_email = server.home.keybearer(&add).write_stdin(PASSWORD).output().unwrap();
    let said = String::from_utf8_lossy(&as_email.stderr).into_owned();
    assert!(as_email.status.code() == Some(1) && said.contains("Keys are never stored"), "{said}");
    let digest = hex::encode([7; 32]);
    let line = json!({ "sha256": digest, "owner": MEMBER, "name": "imported", "hint": &key }).to_string();
    let imported = server.home.keybearer(&["keys", "import", "-"]).write_stdin(line).output().unwrap();
    assert!(imported.status.code() == Some(1) && String::from_utf8_lossy(&imported.stderr).contains("line 1, hint"));
    let visitor = server.anon();
    let token = visitor.csrf_token().await;
    let form = [("csrf_token", token.as_str()), ("email", MEMBER), ("password", PASSWORD)];
    assert_eq!(
        visitor.send(visitor.request("POST", "/login").header("user-agent", &key).form(&form)).await.status,
        303
    );
    assert!(!visitor.get("/account").await.body.contains(&key));
    let home = server.home.clone();
    drop(server);
    for (place, bytes) in home.stored() {
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{place}");
    }
}

#[tokio::test]
async fn changing_the_clock_does_not_lengthen_a_wait() {
    let server = proxied();
    server.user(MEMBER, Role::Member).await;
    let start = Time::parse("2026-11-23T08:00:00Z").unwrap();
    let fail = async || {
        for _ in 0..6 {
            assert_eq!(ask(&server.anon(), GUESSER, MEMBER, WRONG).await.status, 401);
            server.clock.advance(Duration::from_secs(1));
        }
        let response = ask(&server.anon(), GUESSER, MEMBER, PASSWORD).await;
        assert_eq!((response.status, response.header("retry-after")), (429, "1"));
    };
    let enters_after = async |seconds: u64| {
        assert_eq!(ask(&server.anon(), GUESSER, MEMBER, PASSWORD).await.status, 429);
        server.clock.advance(Duration::from_secs(seconds));
        assert_eq!(ask(&server.anon(), GUESSER, MEMBER, PASSWORD).await.status, 200);
    };
    fail().await;
    server.clock.set(start.minus(Duration::from_secs(3600)));
    enters_after(2).await;
    // Ten years ahead for a moment, and back.
    server.clock.set(start.plus(Duration::from_secs(10 * 365 * 86_400)));
    fail().await;
    server.clock.set(start);
    enters_after(2).await;
    // To 1970, and forward again.
    server.clock.set(Time::from_millis(0));
    fail().await;
    server.clock.set(start);
    assert_eq!(ask(&server.anon(), GUESSER, MEMBER, PASSWORD).await.status, 200);
    let end = start.millis() + 60_000;
    let ahead = server.home.number(format!("SELECT count(*) FROM login_throttle WHERE last_at > {end}"));
    assert_eq!(ahead, 0, "no bucket of a clock that was ahead lives on");
}

#[tokio::test]
async fn a_confirmed_password_counts_like_a_sign_in() {
    let server = Server::start();
    let member = server.member().await;
    let change = [("current_password", WRONG), ("new_password", "quite another long passphrase")];
    for _ in 0..5 {
        assert_eq!(member.form("/account/password", &change).await.status, 422);
    }
    let held = member.form("/account/password", &change).await;
    assert!(held.status == 422 && held.body.contains("Too many failed attempts"), "{held:?}");
}
