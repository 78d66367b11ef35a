//! Sessions on the server: they end when they should, everywhere at once.

use std::time::Duration;

use keybearer::testing::{PublicUrl, Role};

use crate::harness::{ADMIN, Client, MEMBER, PASSWORD, Server};

const OTHER: &str = "quite another long passphrase";

/// The same browser's cookies in another client.
fn copy(server: &Server, of: &Client) -> Client {
    let copy = server.anon();
    copy.cookies.lock().unwrap().clone_from(&of.cookies.lock().unwrap());
    copy
}

#[tokio::test]
async fn a_session_ends_after_eight_hours_without_use() {
    let server = Server::start();
    let member = server.member().await;
    server.clock.advance(Duration::from_secs(8 * 3600 - 1));
    assert_eq!(member.get("/keys").await.status, 200);
    server.clock.advance(Duration::from_secs(8 * 3600 - 1));
    assert_eq!(member.get("/keys").await.status, 200, "a request keeps it alive");
    server.clock.advance(Duration::from_secs(8 * 3600));
    let over = member.get("/keys").await;
    assert_eq!((over.status, over.location()), (303, "/login?next=%2Fkeys"));
}

#[tokio::test]
async fn a_session_ends_after_seven_days_even_if_in_use() {
    let server = Server::start();
    let member = server.member().await;
    for _ in 0..(7 * 4 - 1) {
        server.clock.advance(Duration::from_secs(6 * 3600));
        assert_eq!(member.get("/keys").await.status, 200);
    }
    server.clock.advance(Duration::from_secs(6 * 3600));
    assert_eq!(member.get("/keys").await.status, 303);
}

#[tokio::test]
async fn a_sign_in_creates_a_new_session_and_ends_the_old_one() {
    let server = Server::start();
    let member = server.member().await;
    let before = copy(&server, &member);
    assert_eq!(member.sign_in(MEMBER, PASSWORD).await.status, 303);
    assert_ne!(before.cookie("session"), member.cookie("session"));
    assert_eq!(member.get("/keys").await.status, 200);
    assert_eq!(before.get("/keys").await.status, 303);
}

#[tokio::test]
async fn a_session_id_chosen_by_a_stranger_is_never_adopted() {
    let server = Server::start();
    server.user(MEMBER, Role::Member).await;
    let victim = server.anon();
    let chosen = "A".repeat(43);
    victim.get("/login").await;
    let (form, session) = (victim.cookie_name("form"), victim.cookie_name("session"));
    victim.cookies.lock().unwrap().insert(form, chosen.clone());
    let token = victim.get("/login").await.input("csrf_token");
    victim.cookies.lock().unwrap().insert(session.clone(), chosen.clone());
    victim.post("/login", &[("csrf_token", &token), ("email", MEMBER), ("password", PASSWORD)]).await;
    assert_ne!(victim.cookie("session").unwrap(), chosen);
    let stranger = server.anon();
    stranger.cookies.lock().unwrap().insert(session, chosen);
    assert_eq!(stranger.get("/keys").await.status, 303);
}

#[tokio::test]
async fn signing_out_ends_the_session_on_the_server() {
    let server = Server::start();
    let member = server.member().await;
    let kept = copy(&server, &member);
    let token = kept.get("/keys/new").await.input("csrf_token");
    let out = member.form("/logout", &[]).await;
    assert_eq!((out.status, out.location()), (303, "/login"));
    assert!(out.header("clear-site-data").contains("\"cache\""), "{out:?}");
    assert!(!member.is_signed_in());
    assert_eq!(kept.get("/keys").await.status, 303);
    let late = kept.post("/keys", &[("csrf_token", &token), ("name", "n"), ("expires", "90d")]).await;
    assert_eq!((late.status, late.new_key()), (303, None));
}

#[tokio::test]
async fn a_password_change_ends_every_session() {
    let server = Server::start();
    let (member, elsewhere) = (server.member().await, server.member().await);
    for (current, new) in
        [("wrong password, sorry", OTHER), ("", OTHER), (PASSWORD, "short"), (PASSWORD, "passwordpassword")]
    {
        let refused = member.form("/account/password", &[("current_password", current), ("new_password", new)]).await;
        assert_eq!(refused.status, 422, "{current} {new}");
    }
    assert_eq!(elsewhere.get("/keys").await.status, 200);
    let changed = member.form("/account/password", &[("current_password", PASSWORD), ("new_password", OTHER)]).await;
    assert_eq!((changed.status, changed.location()), (303, "/login"));
    assert_eq!(elsewhere.get("/keys").await.status, 303);
    assert_eq!(server.anon().sign_in(MEMBER, PASSWORD).await.status, 422);
    assert_eq!(server.anon().sign_in(MEMBER, OTHER).await.status, 303);
}

#[tokio::test]
async fn a_password_set_at_the_command_line_ends_every_session_on_the_next_request() {
    let server = Server::start();
    let member = server.member().await;
    server.home.keybearer(&["users", "set-password", MEMBER, "--password-stdin"]).write_stdin(OTHER).assert().success();
    assert_eq!(member.get("/keys").await.status, 303);
}

#[tokio::test]
async fn a_deactivated_user_is_signed_out_at_once_and_cannot_sign_in() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    let (_, key) = member.make_key("mine").await;
    let id = server.user(MEMBER, Role::Member).await.id;
    assert_eq!(admin.form(&format!("/users/{id}/deactivate"), &[]).await.status, 303);
    assert_eq!(member.get("/keys").await.status, 303);
    assert_eq!(server.tries(&key).await, 401);
    assert_eq!(server.anon().sign_in(MEMBER, PASSWORD).await.status, 422);
    assert_eq!(server.tries(&key).await, 401, "a sign-in does not bring the account back");
    assert_eq!(admin.form(&format!("/users/{id}/activate"), &[]).await.status, 303);
    assert_eq!(member.get("/keys").await.status, 303, "keys come back, sessions do not");
    assert_eq!(server.tries(&key).await, 200);
}

#[tokio::test]
async fn a_user_can_end_only_their_own_sessions() {
    let server = Server::start();
    let (member, second) = (server.member().await, server.member().await);
    let (admin, _elsewhere) = (server.admin().await, server.admin().await);
    let page = admin.get("/account").await.body;
    let foreign: String = page
        .split("/account/sessions/")
        .map(|rest| rest.chars().take(36).collect())
        .find(|id: &String| id.matches('-').count() == 4)
        .unwrap();
    assert_eq!(member.form(&format!("/account/sessions/{foreign}/end"), &[]).await.status, 404);
    let answer = member.form("/account/sessions/end-others", &[]).await;
    assert_eq!(answer.status, 303);
    assert_eq!((member.get("/keys").await.status, second.get("/keys").await.status), (200, 303));
    assert_eq!(admin.form(&format!("/account/sessions/{foreign}/end"), &[]).await.status, 303, "it was there");
    assert_eq!(member.form("/account/sessions/01890a5d-ac96-774b-bcce-b302099a8057/end", &[]).await.status, 404);
    assert_eq!(admin.get("/keys").await.status, 200);
    let id = server.user(MEMBER, Role::Member).await.id;
    assert_eq!(admin.form(&format!("/users/{id}/sessions/end"), &[]).await.status, 303);
    assert_eq!(member.get("/keys").await.status, 303, "an admin ends anybody's");
}

#[tokio::test]
async fn cookies_are_hidden_from_scripts_and_other_sites() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let answer = server.anon().sign_in(ADMIN, PASSWORD).await;
    for (name, same_site) in [("kb_session", "Lax"), ("kb_device", "Strict")] {
        let cookie = set_cookie(&answer, name);
        assert!(cookie.contains("; HttpOnly") && cookie.contains(&format!("; SameSite={same_site}")), "{cookie}");
        assert!(cookie.contains("; Path=/") && !cookie.contains("Domain") && !cookie.contains("Secure"), "{cookie}");
    }
}

#[tokio::test]
async fn under_https_every_cookie_is_secure_and_bound_to_the_host() {
    let https = |settings: &mut keybearer::testing::HttpSettings| {
        settings.public_url = PublicUrl::parse("https://keys.test").unwrap();
    };
    let server = Server::with(https);
    server.user(ADMIN, Role::Admin).await;
    let landing = server.anon().get("/login").await;
    let answer = server.anon().sign_in(ADMIN, PASSWORD).await;
    for (answer, name) in [(&landing, "kb_form"), (&answer, "kb_session"), (&answer, "kb_device")] {
        let cookie = set_cookie(answer, name);
        assert!(cookie.starts_with("__Host-"), "{cookie}");
        for attribute in ["; HttpOnly", "; Secure", "; Path=/", "; SameSite="] {
            assert!(cookie.contains(attribute), "{attribute}: {cookie}");
        }
        assert!(!cookie.contains("Domain") && cookie.len() < 4096, "{cookie}");
    }
    // A cookie without the prefix could have been planted by a neighbouring host.
    let planted = server.anon();
    let (name, value) = server.admin().await.whole_cookie("session").unwrap();
    planted.cookies.lock().unwrap().insert(name.replace("__Host-", ""), value);
    assert_eq!(planted.get("/keys").await.status, 303);
}

fn set_cookie(answer: &crate::harness::Answer, name: &str) -> String {
    let cookies = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    cookies.filter(|cookie| cookie.split('=').next().unwrap().ends_with(name)).collect()
}

#[tokio::test]
async fn two_servers_on_one_host_have_separate_sessions() {
    let at = |url: &'static str| Server::with(move |settings| settings.public_url = PublicUrl::parse(url).unwrap());
    // Browsers do not tell ports apart: RFC 6265 §8.5. Behind proxies even the URLs may be the same.
    for urls in [
        ["http://127.0.0.1:8080", "http://127.0.0.1:8081"],
        ["http://keys.test", "http://keys.test"],
        ["https://keys.test", "https://keys.test:8443"],
    ] {
        let servers = urls.map(at);
        let first = servers[0].member().await;
        let second = servers[1].member().await;
        let names =
            [&first, &second].map(|browser| browser.cookies.lock().unwrap().keys().cloned().collect::<Vec<_>>());
        assert!(names[0].iter().all(|name| !names[1].contains(name)), "{names:?}");
        // One browser at both.
        let both: Vec<_> =
            [&first, &second].map(|browser| browser.cookies.lock().unwrap().clone()).into_iter().flatten().collect();
        for (browser, here) in [(&first, &servers[0]), (&second, &servers[1])] {
            *browser.cookies.lock().unwrap() = both.iter().cloned().collect();
            assert_eq!(browser.get("/keys").await.status, 200, "{:?}", here.site.settings.public_url);
        }
        assert_eq!(first.form("/logout", &[]).await.status, 303);
        assert_eq!(second.get("/keys").await.status, 200, "a sign-out here ends nothing there");
    }
}

#[tokio::test]
async fn a_session_survives_a_restart() {
    let server = Server::start();
    let member = server.member().await;
    let server = server.restart();
    assert_eq!(copy(&server, &member).get("/keys").await.status, 200);
}
