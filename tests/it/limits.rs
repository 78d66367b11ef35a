//! Rate limits per key, and for addresses that guess.

use std::time::Duration;

use keybearer::testing::{Networks, RateLimit};
use serde_json::json;

use crate::harness::{Home, MEMBER, Process, Server};

#[tokio::test]
async fn only_the_key_over_its_limit_is_refused() {
    let server = Server::start();
    let limit = RateLimit::new(60, 60, Some(3)).unwrap();
    let (_, key) = server.key_of(MEMBER, &[], |new| new.settings.rate_limit = Some(limit)).await;
    let (_, free) = server.key(&[]).await;
    let bearer = server.bearer(&key);
    for left in ["2", "1", "0"] {
        let answer = bearer.get("/auth").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), "\"key\";q=60;w=60");
        assert!(answer.header("ratelimit").starts_with(&format!("\"key\";r={left};t=")), "{answer:?}");
    }
    for path in ["/auth", "/api/v1/keys/current"] {
        let answer = bearer.get(path).await;
        assert_eq!(answer.problem(), (429, "rate_limited".to_owned()));
        assert_eq!((answer.header("retry-after"), answer.header("ratelimit")), ("1", "\"key\";r=0;t=1"));
    }
    assert_eq!(server.tries(&free).await, 200);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(bearer.get("/auth").await.status, 200);
    assert_eq!(bearer.get("/auth").await.status, 429);
}

#[tokio::test]
async fn a_verifier_gets_the_rate_limit() {
    let server = Server::start();
    let verifier = server.bearer(&server.key(&["keybearer:verify"]).await.1);
    let limit = RateLimit::new(1, 60, None).unwrap();
    let (_, key) = server.key_of(MEMBER, &[], |new| new.settings.rate_limit = Some(limit)).await;
    let body = json!({ "key": key }).to_string();
    assert_eq!(verifier.json("/api/v1/keys/verify", body.clone()).await.json()["code"], "valid");
    let refused = verifier.json("/api/v1/keys/verify", body).await;
    assert_eq!(refused.json(), json!({ "valid": false, "code": "rate_limited" }));
}

#[tokio::test]
async fn many_different_bad_keys_are_rate_limited_and_a_valid_one_never_is() {
    let server = Server::with(|settings| settings.trusted_proxies = Networks::parse(["127.0.0.1"]).unwrap());
    let (_, key) = server.key(&[]).await;
    let (bad, good) = (server.anon(), server.bearer(&key));
    let from = |client: &crate::harness::Client, address: &'static str, key: Option<&str>| {
        let request = client.request("GET", "/auth").header("x-forwarded-for", address);
        match key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        }
    };
    let mut held_back = 0;
    for number in 0..2600 {
        let answer = bad.send(from(&bad, "203.0.113.9", Some(&format!("guess-{number}")))).await;
        held_back += usize::from(answer.status == 429);
    }
    assert!(held_back > 300, "{held_back}");
    let answer = bad.send(from(&bad, "203.0.113.9", Some("one-more"))).await;
    assert_eq!(answer.problem(), (429, "throttled".to_owned()));
    assert!(answer.header("retry-after").parse::<u64>().unwrap() <= 60);
    assert_eq!(good.send(from(&good, "203.0.113.9", None)).await.status, 200);
    assert_eq!(bad.send(from(&bad, "203.0.113.10", Some("one-more"))).await.status, 401);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(bad.send(from(&bad, "203.0.113.9", Some("one-more"))).await.status, 401);
}

#[tokio::test]
async fn all_workers_share_one_limit_of_bad_keys() {
    let home = Home::new();
    let words = ["serve", "--listen", "127.0.0.1:0", "--workers", "4", "--bad-key-limit", "100"];
    let server = Process::of(home.command(&[&words[..], &["--trusted-proxy", "127.0.0.1"]].concat()));
    // Connections go to the workers in turn.
    let strangers: Vec<_> = (0..8).map(|_| server.anon()).collect();
    let mut held_back = 0;
    for number in 0..320 {
        let stranger = &strangers[number % strangers.len()];
        let request = stranger.request("GET", "/auth").header("x-forwarded-for", "203.0.113.9");
        let answer = stranger.send(request.header("x-api-key", format!("guess-{number}"))).await;
        held_back += usize::from(answer.status == 429);
    }
    // A minute may end in between, and the count is an estimate.
    assert!((60..=240).contains(&held_back), "{held_back}");
}

#[tokio::test]
async fn an_address_may_try_as_many_bad_keys_as_the_limit_allows_and_loopback_any_number() {
    let server = Server::set(&Home::new(), |settings| {
        settings.http.trusted_proxies = Networks::parse(["127.0.0.1"]).unwrap();
        settings.auth.bad_key_limit = 10;
    });
    let stranger = server.anon();
    let guess = async |from: &str, number: u32| {
        let request = stranger.request("GET", "/auth").header("x-forwarded-for", from);
        stranger.send(request.header("x-api-key", format!("guess-{number}"))).await.status
    };
    for number in 0..10 {
        // One client that tries again and again is no guesser.
        assert_eq!([guess("203.0.113.1", number).await, guess("203.0.113.1", number).await], [401, 401], "{number}");
    }
    assert_eq!((guess("203.0.113.1", 10).await, guess("203.0.113.2", 10).await), (429, 401));
    for number in 0..40 {
        assert_eq!(guess("127.0.0.1", number).await, 401);
    }
}
