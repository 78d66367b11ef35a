//! The audit log: each change logs its event in its own transaction, and an altered event is
//! detected.

use crate::harness::{ADMIN, MEMBER, PASSWORD, Server, eventually};
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
        ("UPDATE events SET detail = NULL WHERE seq = 3", "line 3"),
        ("UPDATE events SET detail = '{}' WHERE seq = 2", "line 2"),
        ("UPDATE events SET detail = replace(detail, 'never', 'ever') || ' ' WHERE seq = 3", "line 3"),
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

#[tokio::test]
async fn an_event_says_what_changed_and_never_contains_a_key() {
    let server = Server::start();
    let (member, admin) = (server.member().await, server.admin().await);
    let (id, key) = member.make_key_with(&[("name", "mine"), ("scopes", "orders:read"), ("expires", "never")]).await;
    member.form(&format!("/keys/{id}/edit"), &[("name", "renamed")]).await;
    member.form(&format!("/keys/{id}/disable"), &[]).await;
    member.form(&format!("/keys/{id}/enable"), &[]).await;
    let rotated = member.form(&format!("/keys/{id}/rotate"), &[("overlap", "24h")]).await.new_key().unwrap();
    let owner = server.user(MEMBER, Role::Member).await.id;
    admin.form(&format!("/users/{owner}/deactivate"), &[]).await;
    let events = lines(&server);
    let detail = |action: &str| {
        events.iter().rfind(|event| event["action"] == action).unwrap_or_else(|| panic!("{action}: {events:?}"))["detail"]
            .clone()
    };
    assert_eq!(detail("key.changed")["name"], serde_json::json!(["mine", "renamed"]));
    assert!(detail("key.changed").get("scopes").is_none(), "it did not change");
    assert!(detail("key.changed")["session"].is_string());
    assert_eq!(detail("key.enabled")["enabled"], serde_json::json!([false, true]));
    assert_eq!(detail("key.rotated")["ends_at"], "2026-11-24T08:00:00Z");
    let made = detail("key.created");
    assert_eq!((&made["replaces"], &made["scopes"]), (&serde_json::json!(id), &serde_json::json!("orders:read")));
    assert_eq!(detail("user.deactivated")["active"], serde_json::json!([true, false]));
    assert_eq!(detail("session.started"), serde_json::Value::Null);
    let all = serde_json::to_string(&events).unwrap();
    assert!(!all.contains(&key) && !all.contains(&rotated));
    assert!(server.home.run(&["events", "list"]).contains("name: mine → renamed"));

    let page = admin.get(&format!("/events?object={id}")).await.body;
    for said in ["changed the name of", "rotated", "; the old one ends in 24 hours", "<bdi>renamed</bdi>"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let history = admin.get(&format!("/keys/{id}")).await.body;
    assert!(history.contains("this key") && history.contains(&format!("/events?object={id}")), "{history}");
    assert!(admin.get(&format!("/users/{owner}")).await.body.contains("this person"));
}

#[tokio::test]
async fn events_are_filtered_in_the_same_way_everywhere() {
    let server = Server::start();
    let (member, admin) = (server.member().await, server.admin().await);
    let (id, key) = member.make_key("mine").await;
    let (other, _) = member.make_key("other").await;
    server.anon().sign_in(MEMBER, "wrong password, sorry").await;
    member.form(&format!("/keys/{other}/revoke"), &[]).await;
    let hint = server.home.text("SELECT hint FROM keys");
    let (_, reader) = server.key_of(ADMIN, &["keybearer:events"], |_| {}).await;
    let api = server.bearer(&reader);
    let actions = async |query: &str| -> Vec<String> {
        let answer = api.get(&format!("/api/v1/events?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let page = answer.json();
        page["events"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(actions("outcome=refused").await, ["session.refused"]);
    assert_eq!(actions("outcome=done&action=session.refused").await, Vec::<String>::new());
    assert_eq!(actions(&format!("person={MEMBER}&action=key.*")).await, ["key.revoked", "key.created", "key.created"]);
    assert_eq!(actions(&format!("search={id}")).await, ["key.created"]);
    assert_eq!(actions(&format!("search={hint}")).await, ["key.created"]);
    assert_eq!(actions(&format!("object_id={other}")).await, ["key.revoked", "key.created"]);
    assert_eq!(actions("search=other&action=key.revoked").await, ["key.revoked"]);
    assert_eq!(actions("until=2026-11-23T08:00:00Z").await, Vec::<String>::new());
    assert_eq!(actions("since=2026-11-23T08:00:00Z&outcome=refused").await, ["session.refused"]);
    assert_eq!(api.get("/api/v1/events?action=key.unknown").await.status, 422);

    let listed = server.home.run(&["events", "list", "--action", "key.*", "--object", &other]);
    assert_eq!(listed.matches(" key.").count(), 2, "{listed}");
    for (query, found, not) in [
        ("outcome=refused", "failed to sign in as", "created"),
        ("from=2026-11-24", "No events found", "created"),
        ("from=2026-11-23&to=2026-11-23&action=key.revoked", "revoked", "failed to sign in"),
        (&format!("q={id}"), "created", "failed to sign in"),
        (&format!("person={MEMBER}&action=key.*"), "created", "failed to sign in"),
    ] {
        let page = admin.get(&format!("/events?{query}")).await;
        let body = page.body.split("<main").nth(1).unwrap().split("</form>").nth(1).unwrap();
        assert!(page.status == 200 && body.contains(found) && !body.contains(not), "{query}: {body}");
    }
    let wrong = admin.get("/events?from=yesterday&q=kept").await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("Enter a date") && wrong.body.contains("value=\"kept\""), "{wrong:?}");
    assert_eq!(server.tries(&key).await, 200);
}

#[tokio::test]
async fn the_pages_of_the_log_lead_forth_and_back() {
    let server = Server::start();
    let admin = server.admin().await;
    server.keys(120).await;
    let link = |body: &str, rel: &str| {
        let found = body.split(&format!("rel=\"{rel}\" href=\"")).nth(1)?;
        Some(found.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&"))
    };
    let rows = |body: &str| body.matches("<div class=\"event\">").count();
    for filter in ["", "?action=key.*", "?q=key"] {
        let first = admin.get(&format!("/events{filter}")).await.body;
        assert_eq!((rows(&first), link(&first, "prev")), (50, None), "{filter}");
        let second = admin.get(&link(&first, "next").unwrap()).await.body;
        let third = admin.get(&link(&second, "next").unwrap()).await.body;
        assert!(rows(&third) >= 20 && link(&third, "next").is_none(), "{filter}: {third}");
        let back = admin.get(&link(&third, "prev").unwrap()).await.body;
        let seen =
            |body: &str| body.split("<dt>Line</dt>").skip(1).map(|rest| rest[..12].to_owned()).collect::<Vec<_>>();
        assert_eq!(seen(&back), seen(&second), "{filter}");
        let start = admin.get(&link(&back, "prev").unwrap()).await.body;
        assert_eq!((seen(&start), link(&start, "prev")), (seen(&first), None), "{filter}");
    }
    assert!(admin.get("/events").await.body.contains("1–50 of 12"));
}

#[tokio::test]
async fn an_export_has_every_filtered_event_and_no_formulas() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    member.make_key("=HYPERLINK(1)").await;
    server.keys(600).await;
    let csv = admin.get("/events/export?format=csv&action=key.created").await;
    assert_eq!((csv.status, csv.header("content-type")), (200, "text/csv; charset=utf-8"));
    let lines: Vec<_> = csv.body.lines().collect();
    assert!(lines.len() == 602 && lines[0].starts_with("\"seq\",\"at\","), "{}", lines.len());
    assert!(csv.body.contains("\"'=HYPERLINK(1) ("), "{}", lines[601]);
    let json = admin.get("/events/export?format=jsonl&action=key.created").await.body;
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((json.lines().count(), &first["action"]), (601, &serde_json::json!("key.created")));
    assert!(first["detail"].is_object(), "{first}");
    assert_eq!(server.home.run(&["events", "export", "--action", "key.created"]).trim(), csv.body.trim());
    assert_eq!(server.home.run(&["events", "export", "--action", "key.created", "--json"]).trim(), json.trim());
    assert_eq!(admin.get("/events/export?format=xls").await.status, 422);
    assert_eq!(member.get("/events/export?format=csv").await.status, 403);
}

#[tokio::test]
async fn the_page_says_whether_the_chain_is_intact() {
    let server = Server::start();
    let admin = server.admin().await;
    let says = async |client: &crate::harness::Client, text: &str| client.get("/events").await.body.contains(text);
    let within = std::time::Duration::from_secs(60);
    eventually(within, "the chain is intact", || says(&admin, "Chain intact")).await;
    server.home.execute("UPDATE events SET object = 'other' WHERE seq = 1");
    let server = server.restart();
    let admin = server.admin().await;
    eventually(within, "the chain is broken", || says(&admin, "line 1 does not follow")).await;
}
