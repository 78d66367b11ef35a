//! The first admin: created through the one-time link, exactly once.

use crate::harness::{ADMIN, Answer, Client, Engine, Home, PASSWORD, Process, Server};

async fn link(server: &Server) -> String {
    server.site.auth.open_setup().await.unwrap().expect("there is no user yet").expose()
}

/// Sends the form of the page that the real link, or afterwards the login page, has just shown.
async fn set_up(client: &Client, link: &str, token: &str, email: &str, password: &str) -> Answer {
    let page = client.get(&format!("/setup?token={link}")).await;
    let page = if page.status == 200 { page } else { client.get("/login").await };
    let csrf_token = page.input("csrf_token");
    let form = [("csrf_token", csrf_token.as_str()), ("token", token), ("email", email), ("password", password)];
    client.post("/setup", &form).await
}

#[tokio::test]
async fn the_link_creates_the_first_admin_and_works_once() {
    let server = Server::start();
    let token = link(&server).await;
    let page = server.anon().get(&format!("/setup?token={token}")).await;
    assert_eq!((page.status, page.input("token")), (200, token.clone()));
    let first = server.anon();
    let done = set_up(&first, &token, &token, ADMIN, PASSWORD).await;
    assert_eq!((done.status, done.location()), (303, "/keys"));
    let keys = first.get("/keys").await;
    assert!(keys.status == 200 && keys.body.contains("Your admin account is ready."), "signed in: {keys:?}");
    assert_eq!(set_up(&server.anon(), &token, &token, "eve@example.com", PASSWORD).await.status, 403);
    assert_eq!(server.anon().get(&format!("/setup?token={token}")).await.status, 403);
    let admin = Client::signed_in(server.address, ADMIN).await;
    assert_eq!(admin.get("/users").await.status, 200);
    assert!(server.site.auth.open_setup().await.unwrap().is_none(), "there is no second link");
}

#[tokio::test]
async fn before_the_setup_the_login_page_leads_to_the_link_and_has_no_form() {
    let server = Server::start();
    let before = server.anon().get("/login").await;
    assert!(before.status == 200 && before.body.contains("Open the setup link"), "{before:?}");
    assert!(!before.body.contains("<form") && !before.body.contains("token="), "{before:?}");
    server.home.add_admin();
    let after = server.anon().get("/login").await;
    assert!(after.body.contains("action=\"/login\"") && !after.body.contains("setup link"), "{after:?}");
}

#[tokio::test]
async fn a_forged_link_is_refused() {
    let server = Server::start();
    let token = link(&server).await;
    let last = if token.ends_with('A') { "E" } else { "A" };
    for forged in ["", "x", &token[1..], &format!("{}{last}", &token[..42]), &format!("{token}A"), &"A".repeat(43)] {
        assert_eq!(server.anon().get(&format!("/setup?token={forged}")).await.status, 403, "{forged}");
        assert_eq!(set_up(&server.anon(), &token, forged, ADMIN, PASSWORD).await.status, 403, "{forged}");
    }
    assert_eq!(server.anon().get("/setup").await.status, 403);
    assert_eq!(set_up(&server.anon(), &token, &token, ADMIN, PASSWORD).await.status, 303, "it still serves its owner");
}

#[tokio::test]
async fn a_weak_password_is_refused_with_the_reason_and_the_link_stays_valid() {
    let server = Server::start();
    let token = link(&server).await;
    for (email, password) in [(ADMIN, "short"), (ADMIN, "keybearer12345678"), (ADMIN, ADMIN), ("nonsense", PASSWORD)] {
        let refused = set_up(&server.anon(), &token, &token, email, password).await;
        assert_eq!(refused.status, 422);
        assert_eq!((refused.input("token"), refused.input("email")), (token.clone(), email.to_owned()));
        assert!(refused.body.contains("field-error"), "{refused:?}");
    }
    assert_eq!(set_up(&server.anon(), &token, &token, ADMIN, PASSWORD).await.status, 303);
}

#[tokio::test]
async fn exactly_one_of_fifty_concurrent_setups_succeeds() {
    let server = Server::start();
    let token = link(&server).await;
    let racers = (0..50).map(|number| {
        let (client, token, email) = (server.anon(), &token, format!("racer{number}@example.com"));
        async move { set_up(&client, token, token, &email, PASSWORD).await.status }
    });
    let statuses = futures_util::future::join_all(racers).await;
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [303, 403, 503].contains(status)), "{statuses:?}");
    let users = server.home.number("SELECT count(*) FROM users");
    assert_eq!(users, 1);
}

#[tokio::test]
async fn the_command_line_closes_the_link_at_once() {
    let server = Server::start();
    let token = link(&server).await;
    server.home.add_admin();
    assert_eq!(server.anon().get(&format!("/setup?token={token}")).await.status, 403);
    assert_eq!(set_up(&server.anon(), &token, &token, "eve@example.com", PASSWORD).await.status, 403);
}

#[tokio::test]
async fn the_server_prints_the_link_while_there_is_no_user() {
    let home = Home::new();
    let first = Process::serve(&home);
    let link = wait_for_link(&first).await;
    assert_eq!(first.anon().get(&link).await.status, 200);
    first.kill();
    let second = Process::serve(&home);
    assert_eq!(second.anon().get(&wait_for_link(&second).await).await.status, 200);
    // On PostgreSQL, the first link may be that of another node.
    let first_link = if Engine::of_tests() == Engine::Postgres { 200 } else { 403 };
    assert_eq!(second.anon().get(&link).await.status, first_link, "a restart prints another");
    second.kill();
    home.add_admin();
    let third = Process::serve(&home);
    third.anon().get("/livez").await;
    third.signal("TERM");
    let log = third.stopped_log();
    assert!(!log.contains("/setup?token="), "{log}");
}

async fn wait_for_link(process: &Process) -> String {
    let found =
        || process.log().lines().find_map(|line| line.find("/setup?token=").map(|at| line[at..].trim().to_owned()));
    crate::harness::eventually(std::time::Duration::from_secs(5), "the link is printed", async || found().is_some())
        .await;
    found().unwrap()
}
