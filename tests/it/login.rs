//! Signing in: the same response for everyone who is refused, delays for guessers, none for the
//! owner, and no redirect to another site.

use std::time::Duration;

use keybearer::testing::{Networks, Role};

use crate::harness::{ADMIN, Answer, Client, MEMBER, PASSWORD, Server};

const WRONG: &str = "not the right password";

fn without_token(answer: &Answer, email: &str) -> String {
    let token = answer.input("csrf_token");
    answer.whole().replace(&token, "[token]").replace(email, "[email]")
}

/// The browser of a stranger, which has no cookie from this server.
async fn guess(server: &Server, email: &str, password: &str) -> Answer {
    server.anon().sign_in(email, password).await
}

async fn fail(server: &Server, email: &str, times: usize) {
    for number in 0..times {
        assert_eq!(guess(server, email, WRONG).await.status, 422, "failure {number} is free");
    }
}

#[tokio::test]
async fn unknown_wrong_and_deactivated_get_the_same_response() {
    let server = Server::start();
    let admin = server.admin().await;
    let gone = server.user("gone@example.com", Role::Member).await;
    admin.form(&format!("/users/{}/deactivate", gone.id), &[]).await;
    let form = ("form", "kb_form");
    let answer = async |email, password| {
        let client = server.anon();
        let answer = client.sign_in(email, password).await;
        assert_eq!(answer.status, 422);
        let cookie = client.cookie(form.0).unwrap();
        without_token(&answer, email).replace(&cookie, "[cookie]")
    };
    let unknown = answer("nobody@example.com", PASSWORD).await;
    assert!(unknown.contains("Incorrect email or password."), "{unknown}");
    assert_eq!(answer(ADMIN, WRONG).await, unknown);
    assert_eq!(answer("gone@example.com", PASSWORD).await, unknown);
    assert_eq!(answer("not-an-email", PASSWORD).await, unknown);
}

#[tokio::test]
async fn after_five_failures_the_next_attempt_must_wait_and_gets_retry_after() {
    let server = Server::start();
    server.user(MEMBER, Role::Member).await;
    fail(&server, MEMBER, 5).await;
    let response = guess(&server, MEMBER, PASSWORD).await;
    assert_eq!((response.status, response.header("retry-after")), (429, "1"), "the right password waits, too");
    assert_eq!(response.input("email"), MEMBER, "what was typed is kept");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(guess(&server, MEMBER, WRONG).await.status, 422);
    assert_eq!(guess(&server, MEMBER, WRONG).await.header("retry-after"), "2", "the wait doubles");
    server.clock.advance(Duration::from_secs(2));
    assert_eq!(guess(&server, MEMBER, PASSWORD).await.status, 303);
    fail(&server, MEMBER, 5).await;
}

#[tokio::test]
async fn unknown_accounts_wait_like_real_ones() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    fail(&server, "nobody@example.com", 5).await;
    assert_eq!(guess(&server, "nobody@example.com", WRONG).await.status, 429);
}

#[tokio::test]
async fn spellings_and_forged_addresses_do_not_start_a_new_count() {
    let server = Server::start();
    server.user(MEMBER, Role::Member).await;
    for (number, spelling) in
        ["grace@example.com", " GRACE@example.com", "Grace@Example.Com ", "grace@EXAMPLE.com\t", "\tgrace@example.com"]
            .iter()
            .enumerate()
    {
        let stranger = server.anon();
        let token = stranger.csrf_token().await;
        let form = [("csrf_token", token.as_str()), ("email", spelling), ("password", WRONG)];
        let mut request = stranger.request("POST", "/login").form(&form);
        for header in ["x-forwarded-for", "x-real-ip", "forwarded", "x-client-ip"] {
            request = request.header(header, format!("203.0.113.{number}"));
        }
        assert_eq!(stranger.send(request).await.status, 422, "{spelling}");
    }
    assert_eq!(guess(&server, MEMBER, PASSWORD).await.status, 429);
}

#[tokio::test]
async fn failures_survive_a_restart() {
    let server = Server::start();
    server.user(MEMBER, Role::Member).await;
    fail(&server, MEMBER, 5).await;
    let server = server.restart();
    assert_eq!(guess(&server, MEMBER, PASSWORD).await.status, 429);
}

#[tokio::test]
async fn strangers_do_not_lock_out_a_known_browser() {
    let server = Server::start();
    let owner = server.member().await;
    owner.form("/logout", &[]).await;
    fail(&server, MEMBER, 5).await;
    assert_eq!(guess(&server, MEMBER, PASSWORD).await.status, 429);
    assert_eq!(owner.sign_in(MEMBER, PASSWORD).await.status, 303);
    // Its own failures count against it alone.
    owner.form("/logout", &[]).await;
    for _ in 0..5 {
        assert_eq!(owner.sign_in(MEMBER, WRONG).await.status, 422);
    }
    assert_eq!(owner.sign_in(MEMBER, PASSWORD).await.status, 429);
}

#[tokio::test]
async fn a_device_cookie_of_another_account_gives_no_free_attempts() {
    let server = Server::start();
    let eve = server.person("eve@example.com", Role::Member).await;
    server.user(MEMBER, Role::Member).await;
    eve.form("/logout", &[]).await;
    for _ in 0..5 {
        assert_eq!(eve.sign_in(MEMBER, WRONG).await.status, 422);
    }
    assert_eq!(eve.sign_in(MEMBER, WRONG).await.status, 429);
}

#[tokio::test]
async fn a_guesser_with_many_addresses_gets_a_hundred_attempts_and_then_one_per_hour() {
    let server = Server::with(|settings| settings.trusted_proxies = Networks::parse(["127.0.0.1"]).unwrap());
    server.user(MEMBER, Role::Member).await;
    let mut heard = 0;
    for number in 0..130 {
        let stranger = server.anon();
        let token = stranger.csrf_token().await;
        let form = [("csrf_token", token.as_str()), ("email", MEMBER), ("password", WRONG)];
        let request =
            stranger.request("POST", "/login").header("x-forwarded-for", format!("203.0.113.{number}")).form(&form);
        heard += usize::from(stranger.send(request).await.status == 422);
        server.clock.advance(Duration::from_secs(300));
    }
    assert!((100..=105).contains(&heard), "{heard}");
}

#[tokio::test]
async fn parallel_guesses_do_not_slip_through() {
    let server = Server::start();
    server.user(MEMBER, Role::Member).await;
    let guesses = futures_util::future::join_all((0..30).map(|_| guess(&server, MEMBER, WRONG))).await;
    let heard = guesses.iter().filter(|answer| answer.status == 422).count();
    assert_eq!(heard, 5, "{:?}", guesses.iter().map(|answer| answer.status).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sign_in_redirects_only_to_pages_of_this_site() {
    let server = Server::start();
    server.user(MEMBER, Role::Member).await;
    for (next, to) in [
        ("/account", "/account"),
        ("/keys?after=x", "/keys?after=x"),
        ("//evil.test", "/keys"),
        ("/\\evil.test", "/keys"),
        ("https://evil.test", "/keys"),
        ("https:evil.test", "/keys"),
        ("\\/evil.test", "/keys"),
        ("/\t/evil.test", "/keys"),
        ("/a\r\nSet-Cookie: x=y", "/keys"),
        ("javascript:alert(1)", "/keys"),
        ("", "/keys"),
    ] {
        let client = server.anon();
        let encoded = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let page = client.get(&format!("/login?{encoded}")).await;
        assert_eq!(page.status, 200, "{next:?}");
        assert!(to == next || !page.body.contains("evil.test"), "{page:?}");
        let form = [("email", MEMBER), ("password", PASSWORD), ("next", next)];
        let answer = client.form("/login", &form).await;
        assert_eq!((answer.status, answer.location()), (303, to), "{next:?}");
    }
}

#[tokio::test]
async fn a_refused_sign_in_keeps_the_input_except_the_password() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let hostile = "\"><script>alert(1)</script>@example.com";
    let answer = guess(&server, hostile, "<b>my password</b>").await;
    assert_eq!(answer.status, 422);
    assert!(!answer.body.contains("<script>alert") && !answer.body.contains("my password"), "{answer:?}");
    assert!(answer.body.contains("&#34;&#62;&#60;script&#62;alert(1)"), "{answer:?}");
    for (email, password, status) in [
        (MEMBER, "x".repeat(1024), 422),
        (MEMBER, "x".repeat(1025), 422),
        (MEMBER, "x".repeat(70_000), 413),
        ("", PASSWORD.into(), 422),
        (MEMBER, String::new(), 422),
        (MEMBER, "a\0b".into(), 422),
    ] {
        assert_eq!(guess(&server, email, &password).await.status, status, "{email} {}", password.len());
    }
}

#[tokio::test]
async fn compatible_spellings_of_a_password_are_equal_and_none_is_truncated() {
    let server = Server::start();
    let admin = server.admin().await;
    let long = "w\u{fb01}ne and bread ".repeat(8);
    let added = admin.form("/users", &[("email", MEMBER), ("role", "member"), ("password", &long)]).await;
    assert_eq!((added.status, added.location()), (303, "/users"), "{added:?}");
    assert_eq!(guess(&server, MEMBER, &long.replace('\u{fb01}', "fi")).await.status, 303);
    assert_eq!(guess(&server, MEMBER, &long[..long.len() - 1]).await.status, 422);
}

#[tokio::test]
async fn many_concurrent_sign_ins_do_not_slow_down_verification() {
    let server = Server::start();
    let (_, key) = server.key(&[]).await;
    let tokens: Vec<Client> = (0..100).map(|_| server.anon()).collect();
    let attempts = tokens.iter().enumerate().map(|(number, client)| {
        let email = format!("user{number}@example.com");
        async move { client.sign_in(&email, WRONG).await.status }
    });
    let verifications = async {
        let bearer = server.bearer(&key);
        for _ in 0..200 {
            assert_eq!(bearer.get("/auth").await.status, 200);
        }
    };
    let (statuses, ()) = futures_util::future::join(futures_util::future::join_all(attempts), verifications).await;
    assert!(statuses.iter().all(|status| [422, 429, 503].contains(status)), "{statuses:?}");
}
