//! The audit log: each change logs its event in its own transaction, and an altered event is
//! detected.

use crate::harness::{ADMIN, MEMBER, PASSWORD, Server};
use keybearer::testing::Role;

fn lines(server: &Server) -> Vec<serde_json::Value> {
    let mut events: Vec<_> =
        serde_json::from_str(&server.home.run(&["events", "list", "--limit", "1000", "--json"])).unwrap();
    events.reverse();
    events
}

#[tokio::test]
async fn each_action_logs_one_event_with_who_what_when_and_from_where() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key("mine").await;
    member.form(&format!("/keys/{id}/disable"), &[]).await;
    member.form(&format!("/keys/{id}/disable"), &[]).await;
    member.form(&format!("/keys/{id}/enable"), &[]).await;
    member.form(&format!("/keys/{id}/edit"), &[("name", "renamed")]).await;
    let revoked = server.bearer(&key).call("DELETE", "/api/v1/keys/current").await;
    server.anon().sign_in(MEMBER, "wrong password, sorry").await;
    member.form("/logout", &[]).await;
    let events = lines(&server);
    let acts: Vec<_> =
        events.iter().map(|line| (line["actor_kind"].as_str().unwrap(), line["action"].as_str().unwrap())).collect();
    assert_eq!(
        acts,
        [
            ("operator", "user.added"),
            ("user", "session.started"),
            ("user", "key.created"),
            ("user", "key.disabled"),
            ("user", "key.enabled"),
            ("user", "key.changed"),
            ("key", "key.revoked"),
            ("anonymous", "session.refused"),
            ("user", "session.left"),
        ]
    );
    assert_eq!(events[6]["request_id"], revoked.header("x-request-id"));
    assert!(events[1..].iter().all(|line| line["address"] == "127.0.0.1" && line["at"] == "2026-11-23T08:00:00Z"));
    assert!(events[2..6].iter().all(|line| line["actor"] == MEMBER && line["object_id"] == id.as_str()));
    assert!(!serde_json::to_string(&events).unwrap().contains(&key));
}

#[tokio::test]
async fn a_refused_or_empty_change_logs_no_event_of_that_change() {
    let server = Server::start();
    let (member, stranger) = (server.member().await, server.person("eve@example.com", Role::Member).await);
    let (id, _) = member.make_key("mine").await;
    let before = lines(&server).len();
    stranger.form(&format!("/keys/{id}/revoke"), &[]).await;
    member.form("/keys", &[("name", ""), ("expires", "90d")]).await;
    member.post(&format!("/keys/{id}/revoke"), &[]).await;
    assert_eq!(lines(&server).len(), before);
}

#[tokio::test]
async fn an_altered_event_is_detected() {
    for (touch, line) in [
        ("UPDATE events SET actor = 'mallory@example.com' WHERE seq = 3", "line 3"),
        ("UPDATE events SET at = at + 1 WHERE seq = 2", "line 2"),
        ("UPDATE events SET address = NULL WHERE seq = 2", "line 2"),
        ("DELETE FROM events WHERE seq = 3", "line 4"),
        ("DELETE FROM events WHERE seq = 1", "line 2"),
        ("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)", "line"),
        (
            "UPDATE events SET seq = CASE seq WHEN 2 THEN -3 ELSE 2 END WHERE seq IN (2, 3); UPDATE events SET seq = 3 WHERE seq = -3",
            "line 2",
        ),
    ] {
        let server = Server::start();
        let member = server.member().await;
        member.make_key("one").await;
        member.make_key("two").await;
        server.home.run(&["events", "verify"]);
        server.home.execute(touch);
        let found = server.home.keybearer(&["events", "verify"]).assert().failure().code(1);
        let said = String::from_utf8_lossy(&found.get_output().stderr).into_owned();
        assert!(said.contains(line), "{touch}: {said}");
        server.home.keybearer(&["check"]).assert().failure().code(1);
    }
}

#[tokio::test]
async fn a_change_fails_if_its_event_cannot_be_logged() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key("mine").await;
    server.home.refuse_rows("events");
    assert_eq!(member.form(&format!("/keys/{id}/revoke"), &[]).await.status, 503);
    assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 503);
    assert_eq!(server.tries(&key).await, 200);
    let refused = member.form("/keys", &[("name", "n"), ("expires", "90d")]).await;
    assert_eq!((refused.status, refused.new_key()), (503, None));
    server.home.accept_rows("events");
    let keys = server.home.number("SELECT count(*) FROM keys");
    assert_eq!(keys, 1);
    assert_eq!(member.form(&format!("/keys/{id}/revoke"), &[]).await.status, 303);
}

#[tokio::test]
async fn only_an_admin_reads_the_log_and_it_shows_hostile_text_escaped() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    member.make_key("<script>alert(1)</script>").await;
    server.anon().sign_in("<img src=x onerror=alert(1)>", PASSWORD).await;
    assert_eq!(member.get("/events").await.status, 403);
    for page in ["/events", "/admin/keys", "/events?q=script", "/events?q=%22%3E%3Cscript%3E"] {
        let page = admin.get(page).await;
        assert_eq!(page.status, 200);
        assert!(!page.body.contains("<script>alert") && !page.body.contains("<img src=x"), "{page:?}");
    }
    assert!(admin.get("/events").await.body.contains(ADMIN));
}
