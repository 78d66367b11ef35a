//! Refresh tokens: valid once, except for a client that sends one twice at once or missed the response. A
//! token that is reused later was copied, and its family ends.

use std::time::Duration;

use keybearer::testing::{Networks, Role};
use serde_json::json;

use crate::harness::{Answer, Home, MEMBER, PASSWORD, Process, Server};

const TOKENS: &str = "/api/v1/tokens";

/// What a program has: a token and a refresh token.
type Held = (String, String);

fn held(answer: &Answer) -> Held {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    (body["token"].as_str().unwrap().to_owned(), body["refresh_token"].as_str().unwrap().to_owned())
}

async fn sign_in(server: &Server) -> Held {
    server.user(MEMBER, Role::Member).await;
    let client = server.anon();
    held(&client.send(client.request("POST", TOKENS).basic_auth(MEMBER, Some(PASSWORD))).await)
}

async fn refresh(server: &Server, refresh_token: &str) -> Answer {
    server.anon().json(TOKENS, json!({ "refresh_token": refresh_token }).to_string()).await
}

async fn refresh_as(server: &Server, refresh_token: &str, address: &str, program: &str) -> Answer {
    let client = server.anon();
    let request = client.request("POST", TOKENS).header("x-forwarded-for", address).header("user-agent", program);
    client.send(request.json(&json!({ "refresh_token": refresh_token }))).await
}

fn strict() -> Server {
    Server::set(&Home::new(), |settings| settings.auth.refresh_reuse = Duration::ZERO)
}

#[tokio::test]
async fn a_client_that_missed_the_response_gets_it_again() {
    let server = Server::start();
    let (first, one) = sign_in(&server).await;
    let pair = held(&refresh(&server, &one).await);
    server.clock.advance(Duration::from_secs(9));
    let again = refresh(&server, &one).await;
    assert_eq!(held(&again), pair);
    let body = again.json();
    assert_eq!((&body["expires_in"], &body["refresh_expires_in"]), (&json!(3591), &json!(2_591_991)));
    assert_eq!(again.header("cache-control"), "no-store");
    assert_eq!((server.tries(&first).await, server.tries(&pair.0).await), (401, 200));
    assert_eq!(refresh(&server, &pair.1).await.status, 200, "nothing was revoked");
}

#[tokio::test]
async fn concurrent_refreshes_get_the_same_pair() {
    let server = Server::start();
    let (_, one) = sign_in(&server).await;
    let answers = futures_util::future::join_all((0..20).map(|_| refresh(&server, &one))).await;
    let pairs: Vec<Held> = answers.iter().map(held).collect();
    assert!(pairs.iter().all(|pair| *pair == pairs[0]));
    assert_eq!(server.tries(&pairs[0].0).await, 200);
    let tokens = server.home.number("SELECT count(*) FROM keys");
    assert_eq!(tokens, 1, "a family has one token at a time");
    assert_eq!(refresh(&server, &pairs[0].1).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_reused_later_ends_the_family() {
    for (server, is_strict) in [(Server::start(), false), (strict(), true)] {
        let (_, one) = sign_in(&server).await;
        let (other, others) = sign_in(&server).await;
        let (second, two) = held(&refresh(&server, &one).await);
        if !is_strict {
            server.clock.advance(Duration::from_secs(10));
        }
        assert_eq!(refresh(&server, &one).await.problem(), (401, "invalid_credentials".into()));
        assert_eq!(server.tries(&second).await, 401, "the thief's or the owner's: nobody can tell");
        assert_eq!(refresh(&server, &two).await.status, 401);
        assert_eq!(server.tries(&other).await, 200, "another sign-in is another family");
        assert_eq!(refresh(&server, &others).await.status, 200);
        let events = server.home.run(&["events", "list", "--json"]);
        assert!(events.contains("token.reused") && !events.contains(&one) && !events.contains(&second));
    }
}

#[tokio::test]
async fn one_of_many_concurrent_strict_refreshes_succeeds_and_the_family_ends() {
    let server = strict();
    let (_, one) = sign_in(&server).await;
    let answers = futures_util::future::join_all((0..20).map(|_| refresh(&server, &one))).await;
    let good: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(good.len(), 1);
    let (token, next) = held(good[0]);
    assert_eq!((server.tries(&token).await, refresh(&server, &next).await.status), (401, 401));
}

#[tokio::test]
async fn a_client_several_refreshes_behind_gets_the_current_pair() {
    let server = Server::start();
    let (_, one) = sign_in(&server).await;
    let (_, two) = held(&refresh(&server, &one).await);
    let (third, three) = held(&refresh(&server, &two).await);
    for late in [&one, &two] {
        assert_eq!(held(&refresh(&server, late).await), (third.clone(), three.clone()));
    }
    server.clock.advance(Duration::from_secs(9));
    let last = held(&refresh(&server, &three).await);
    server.clock.advance(Duration::from_secs(2));
    assert_eq!(held(&refresh(&server, &three).await), last);
    assert_eq!(refresh(&server, &two).await.status, 401, "its seconds are over");
    assert_eq!(server.tries(&last.0).await, 401);
}

#[tokio::test]
async fn a_second_client_with_the_same_refresh_token_ends_the_family_at_once() {
    let behind = |settings: &mut keybearer::testing::HttpSettings| {
        settings.trusted_proxies = Networks::parse(["127.0.0.0/8"]).unwrap();
    };
    let server = Server::with(behind);
    let (_, one) = sign_in(&server).await;
    let pair = held(&refresh_as(&server, &one, "203.0.113.7", "app/1").await);
    assert_eq!(held(&refresh_as(&server, &one, "198.51.100.7", "app/1").await), pair, "on another network");
    assert_eq!(held(&refresh_as(&server, &one, "203.0.113.7", "app/2").await), pair, "another version");
    assert_eq!(refresh_as(&server, &one, "198.51.100.7", "thief/1").await.status, 401);
    assert_eq!(server.tries(&pair.0).await, 401);
}

#[tokio::test]
async fn two_clients_with_unknown_addresses_are_not_treated_as_one() {
    let behind = |settings: &mut keybearer::testing::HttpSettings| {
        settings.trusted_proxies = Networks::parse(["127.0.0.0/8"]).unwrap();
    };
    let server = Server::with(behind);
    let (_, one) = sign_in(&server).await;
    let pair = held(&refresh_as(&server, &one, "unknown", "app/1").await);
    assert_eq!(held(&refresh_as(&server, &one, "_hidden", "app/1").await), pair, "the same program");
    assert_eq!(refresh_as(&server, &one, "unknown", "thief/1").await.status, 401);
    assert_eq!(server.tries(&pair.0).await, 401);
}

#[tokio::test]
async fn an_ended_family_repeats_no_response() {
    for how in ["token", "sign-out", "deactivation", "disabling"] {
        let server = Server::start();
        let (_, one) = sign_in(&server).await;
        let (token, two) = held(&refresh(&server, &one).await);
        let member = server.user(MEMBER, Role::Member).await.id;
        let id = server.bearer(&token).get("/api/v1/keys/current").await.json()["id"].as_str().unwrap().to_owned();
        match how {
            "token" => assert_eq!(server.bearer(&token).call("DELETE", TOKENS).await.status, 204),
            "sign-out" => {
                let admin = server.admin().await;
                assert_eq!(admin.form(&format!("/users/{member}/sessions/end"), &[]).await.status, 303);
            }
            "deactivation" => drop(server.home.run(&["users", "deactivate", MEMBER])),
            _ => drop(server.home.run(&["keys", "disable", &id])),
        }
        for late in [&one, &two] {
            assert_eq!(refresh(&server, late).await.problem(), (401, "invalid_credentials".into()), "{how}");
        }
        assert_eq!(server.tries(&token).await, 401, "{how}");
    }
}

#[tokio::test]
async fn the_next_pair_is_not_stored_and_its_seed_is_deleted() {
    let server = Server::start();
    let (_, one) = sign_in(&server).await;
    let (token, two) = held(&refresh(&server, &one).await);
    let seeds = |server: &Server| {
        let sql =
            "SELECT count(*) FROM refresh_tokens WHERE NOT (seed IS NULL AND used_from IS NULL AND used_with IS NULL)";
        server.home.number(sql)
    };
    assert_eq!(seeds(&server), 1);
    server.clock.advance(Duration::from_secs(10));
    refresh(&server, &two).await;
    assert_eq!(seeds(&server), 1, "that of the last use alone");
    server.clock.advance(Duration::from_secs(300));
    sign_in(&server).await;
    assert_eq!(seeds(&server), 0);
    for (place, bytes) in server.home.stored() {
        for text in [&one, &two, &token] {
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{place}");
        }
    }
    let server = strict();
    let (_, one) = sign_in(&server).await;
    refresh(&server, &one).await;
    assert_eq!(seeds(&server), 0, "a strict server keeps none");
}

#[tokio::test]
async fn setting_the_clock_back_does_not_extend_the_reuse_window() {
    let server = Server::start();
    let (_, one) = sign_in(&server).await;
    let (token, _) = held(&refresh(&server, &one).await);
    server.clock.set(keybearer::testing::Clock::now(&*server.clock).minus(Duration::from_secs(60)));
    assert_eq!(refresh(&server, &one).await.status, 401);
    assert_eq!(server.tries(&token).await, 401);
}

#[tokio::test]
async fn the_operator_chooses_how_long_a_refresh_token_may_be_reused() {
    let home = Home::new();
    home.add_admin();
    for (reuse, expected) in [("0", 401), ("5m", 200)] {
        let server = Process::of(home.command(&["serve", "--listen", "127.0.0.1:0", "--refresh-reuse", reuse]));
        let client = server.anon();
        let login = client.request("POST", TOKENS).basic_auth(crate::harness::ADMIN, Some(PASSWORD));
        let (_, one) = held(&client.send(login).await);
        let refresh = async || client.json(TOKENS, json!({ "refresh_token": one }).to_string()).await.status;
        assert_eq!((refresh().await, refresh().await), (200, expected), "{reuse}");
    }
}
