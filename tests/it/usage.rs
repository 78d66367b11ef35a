//! Who used which key, when: exact after a clean end, nearly so after a kill.

use std::time::Duration;

use keybearer::testing::{RateLimit, Role};
use serde_json::{Value, json};

use crate::harness::{ADMIN, Client, Home, MEMBER, Process, Server, eventually, rounds};

/// As the page of a key says it.
const NEVER_USED: &str = "<dt>Last used</dt><dd>Never</dd>";

fn stored_uses(home: &Home) -> i64 {
    home.number("SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM key_hourly_use")
}

#[tokio::test]
async fn a_use_shows_at_once_with_address_and_program() {
    let server = Server::start();
    let admin = server.admin().await;
    let (id, key) = admin.make_key("worker").await;
    assert!(admin.get(&format!("/keys/{id}")).await.body.contains(NEVER_USED));
    server.clock.advance(Duration::from_secs(60));
    let used = server.bearer(&key);
    used.send(used.request("GET", "/auth").header("user-agent", "invoices/2.1 <b>")).await;
    let page = admin.get(&format!("/keys/{id}")).await.body;
    assert!(page.contains("2026-11-23T08:01:00Z") && page.contains("127.0.0.1"), "{page}");
    assert!(page.contains("invoices/2.1 &#60;b&#62;"), "{page}");
    let record = used.get("/api/v1/keys/current").await.json();
    assert_eq!(record["last_used_at"], "2026-11-23T08:01:00Z");
}

#[tokio::test]
async fn only_an_accepted_key_counts_as_used() {
    let server = Server::start();
    let admin = server.admin().await;
    let (id, key) = admin.make_key("worker").await;
    server.bearer(&key).get("/auth?scope=orders:read").await;
    admin.form(&format!("/keys/{id}/disable"), &[]).await;
    server.tries(&key).await;
    assert!(admin.get(&format!("/keys/{id}")).await.body.contains(NEVER_USED));
}

#[tokio::test]
async fn after_a_clean_end_every_use_is_counted() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    let (_, one) = home.create_key(ADMIN, "one");
    let (gone, other) = home.create_key(ADMIN, "other");
    for _ in 0..150 {
        assert_eq!(server.tries(&one).await, 200);
        assert_eq!(server.tries(&other).await, 200);
    }
    home.run(&["keys", "revoke", &gone]);
    server.signal("TERM");
    server.stopped_log();
    assert_eq!(stored_uses(&home), 150);
}

/// More than are written at once, and some that exist no longer.
#[tokio::test]
async fn the_uses_of_many_keys_are_counted_key_by_key() {
    const KEYS: usize = 200;
    let home = Home::new();
    home.add_admin();
    let key = |number: usize| format!("old-key-{number}");
    let line = |number: usize| {
        let digest = hex::encode(keybearer::testing::Digest::of(key(number).as_bytes()).as_bytes());
        format!("{{\"sha256\":\"{digest}\",\"owner\":\"{ADMIN}\",\"name\":\"{number}\"}}\n")
    };
    std::fs::write(home.path("keys.jsonl"), (0..KEYS).map(line).collect::<String>()).unwrap();
    home.run(&["keys", "import", "keys.jsonl"]);
    let server = Process::ready(&home).await;
    for round in 0..3 {
        for number in 0..KEYS {
            if number % 3 >= round {
                assert_eq!(server.bearer(&key(number)).get("/auth").await.status, 200);
            }
        }
    }
    home.execute("DELETE FROM keys WHERE name IN ('7', '8', '99')");
    server.signal("TERM");
    server.stopped_log();
    // Each key was used once, twice or three times.
    let wrong = "SELECT count(*) FROM keys k WHERE (SELECT sum(u.count) FROM key_hourly_use u WHERE u.key_id = k.id)
         <> CAST(k.name AS INTEGER) % 3 + 1 OR NOT EXISTS (SELECT 1 FROM key_last_use l WHERE l.key_id = k.id)";
    assert_eq!((home.number(wrong), home.number("SELECT count(*) FROM keys")), (0, KEYS as i64 - 3));
    let lost = "SELECT count(*) FROM key_hourly_use WHERE key_id NOT IN (SELECT id FROM keys)";
    assert_eq!(home.number(lost), 0);
}

#[tokio::test]
async fn a_kill_loses_at_most_the_last_second_and_counts_nothing_twice() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    let mut settled = 0;
    for _ in 0..rounds("CRASHES", 10).div_ceil(3) {
        let server = Process::serve(&home);
        for _ in 0..40 {
            assert_eq!(server.tries(&key).await, 200);
        }
        settled += 40;
        let is_written = async || stored_uses(&home) == settled;
        eventually(Duration::from_secs(20), "the uses are written", is_written).await;
        // These may be lost, each of them.
        for _ in 0..20 {
            assert_eq!(server.tries(&key).await, 200);
        }
        server.kill();
        let stored = stored_uses(&home);
        assert!((settled..=settled + 20).contains(&stored), "{stored} of {settled} and 20 more");
        settled = stored;
    }
    let server = Process::serve(&home);
    server.signal("TERM");
    server.stopped_log();
    assert_eq!(stored_uses(&home), settled);
}

#[tokio::test]
async fn old_counts_are_pruned() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    home.execute("INSERT INTO key_hourly_use (key_id, hour, count) SELECT id, 1000, 7 FROM keys");
    assert_eq!(stored_uses(&home), 7);
    let server = Process::serve(&home);
    assert_eq!(server.tries(&key).await, 200);
    eventually(Duration::from_secs(10), "the old hour is gone", || {
        let left = stored_uses(&home);
        async move { left <= 1 }
    })
    .await;
}

#[tokio::test]
async fn uses_are_exact_when_the_index_starts_over_in_between() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    let server = Process::serve(&home);
    for _ in 0..20 {
        assert_eq!(server.tries(&key).await, 200);
    }
    // A feed that has lost lines: nobody can tell what changed, so the index is filled anew.
    home.execute("UPDATE keys SET name = 'two', scopes = ''; DELETE FROM changes; UPDATE keys SET scopes = 'a'");
    for _ in 0..20 {
        assert_eq!(server.tries(&key).await, 200);
    }
    server.signal("TERM");
    server.stopped_log();
    assert_eq!(stored_uses(&home), 40);
}

async fn manager(server: &Server) -> Client {
    server.user(ADMIN, Role::Admin).await;
    server.bearer(&server.key_of(ADMIN, &["keybearer:keys", "keybearer:verify"], |_| {}).await.1)
}

async fn usage(client: &Client, id: &str, query: &str) -> Value {
    let answer = client.get(&format!("/api/v1/keys/{id}/usage{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn usage_says_how_often_a_key_was_accepted_and_refused_by_whom_and_why() {
    let server = Server::start();
    let manager = manager(&server).await;
    let (id, key) = server.key_of(MEMBER, &["orders:read"], |_| {}).await;
    let client = server.bearer(&key);
    let ask =
        async |path: &str, agent: &str| client.send(client.request("GET", path).header("user-agent", agent)).await;
    for _ in 0..3 {
        assert_eq!(ask("/auth?scope=orders:read", "invoices/2.1").await.status, 200);
    }
    server.clock.advance(Duration::from_secs(3600));
    assert_eq!(ask("/auth", "=cmd()").await.status, 200);
    assert_eq!(ask("/auth?scope=orders:write", "invoices/2.1").await.status, 403);
    server.admin().await.form(&format!("/keys/{id}/disable"), &[]).await;
    assert_eq!(ask("/auth", &format!("x {key}")).await.status, 401);

    let day = usage(&manager, &id, "").await;
    assert_eq!([&day["since"], &day["until"], &day["by"]], ["2026-11-22T10:00:00Z", "2026-11-23T10:00:00Z", "hour"]);
    assert_eq!(day["buckets"].as_array().unwrap().len(), 24);
    assert_eq!(day["buckets"][22], json!({ "start": "2026-11-23T08:00:00Z", "accepted": 3, "refused": {} }));
    let totals = json!({ "accepted": 4, "refused": { "insufficient_scope": 1, "disabled": 1 } });
    assert_eq!(day["totals"], totals);
    let clients = day["clients"].as_array().unwrap();
    let named = |client: &Value| (client["user_agent"].as_str().unwrap().to_owned(), client["count"].as_u64().unwrap());
    assert_eq!(
        clients.iter().map(named).collect::<Vec<_>>(),
        [("=cmd()".to_owned(), 1), ("invoices/2.1".to_owned(), 3)]
    );
    assert_eq!(clients[1]["address"], "127.0.0.1");
    let refusals = day["latest_refusals"].as_array().unwrap();
    let reasons: Vec<_> = refusals.iter().map(|one| one["reason"].as_str().unwrap()).collect();
    assert_eq!((reasons, &refusals[0]["user_agent"]), (vec!["disabled", "insufficient_scope"], &json!("x [key]")));

    let month = usage(&manager, &id, "?by=day").await;
    assert_eq!((month["buckets"].as_array().unwrap().len(), &month["totals"]), (30, &totals));
    let before = usage(&manager, &id, "?since=2026-11-20T00:00:00Z&until=2026-11-21T00:00:00Z").await;
    assert_eq!((&before["totals"]["accepted"], before["clients"].as_array().unwrap().len()), (&json!(0), 0));
    for (query, field) in [("?by=week", "by"), ("?since=2026-01-01T00:00:00Z", "since"), ("?until=x", "until")] {
        let answer = manager.get(&format!("/api/v1/keys/{id}/usage{query}")).await;
        assert_eq!((answer.status, &answer.json()["field"]), (422, &json!(field)), "{query}");
    }
    let record = manager.get(&format!("/api/v1/keys/{id}")).await.json();
    assert_eq!((&record["state"], &record["last_used"][0]["user_agent"]), (&json!("disabled"), &json!("=cmd()")));
    assert_eq!(record["last_used"][1]["count"], 3);
}

#[tokio::test]
async fn an_explanation_lists_every_check_and_is_not_a_use() {
    let server = Server::start();
    let manager = manager(&server).await;
    let limit = RateLimit::new(2, 3600, None).unwrap();
    let (id, key) = server.key_of(MEMBER, &["orders:*"], |new| new.settings.rate_limit = Some(limit)).await;
    let explain = async |body: Value| {
        let mut body = body;
        body["explain"] = json!(true);
        let answer = manager.json("/api/v1/keys/verify", body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        let outcome = |check: &Value| check["outcome"].as_str().unwrap()[..1].to_owned();
        let outcomes: String = answer["checks"].as_array().unwrap().iter().map(outcome).collect();
        (answer["code"].as_str().unwrap().to_owned(), outcomes)
    };
    let is = |code: &str, outcomes: &str| (code.to_owned(), outcomes.to_owned());
    for _ in 0..5 {
        assert_eq!(explain(json!({ "key": key, "scopes": ["orders:read"] })).await, is("valid", "ppppppp"));
    }
    assert_eq!(explain(json!({ "key": key, "scopes": ["x"] })).await, is("insufficient_scope", "pppppfs"));
    assert_eq!(explain(json!({ "key": "junk" })).await, is("malformed", "fssssss"));
    let unknown = "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs";
    assert_eq!(explain(json!({ "key": unknown })).await, is("not_found", "fssssss"));
    assert_eq!(usage(&manager, &id, "").await["totals"], json!({ "accepted": 0, "refused": {} }));
    for status in [200, 200, 429] {
        assert_eq!(server.bearer(&key).get("/auth").await.status, status);
    }
    assert_eq!(explain(json!({ "key": key })).await, is("rate_limited", "ppppppf"));
    server.admin().await.form(&format!("/keys/{id}/disable"), &[]).await;
    assert_eq!(explain(json!({ "key": key })).await, is("disabled", "ppfssss"));
    let totals = json!({ "accepted": 2, "refused": { "rate_limited": 1 } });
    assert_eq!(usage(&manager, &id, "").await["totals"], totals);
}

#[tokio::test]
async fn clients_refusals_and_sums_come_into_the_database_and_go_with_the_key() {
    let home = Home::new();
    home.add_admin();
    let server = Process::ready(&home).await;
    let (id, key) = home.create_key(ADMIN, "one");
    let client = server.bearer(&key);
    for n in 0..60 {
        let agent = format!("program/{n}");
        let path = if n % 2 == 0 { "/auth" } else { "/auth?scope=absent:scope" };
        client.send(client.request("GET", path).header("user-agent", &agent)).await;
        client.send(client.request("GET", "/auth").header("user-agent", &agent)).await;
    }
    let stored = |table: &str| home.number(format!("SELECT count(*) FROM {table}"));
    eventually(Duration::from_secs(20), "everything is written", async || {
        stored_uses(&home) == 90
            && home.number("SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM key_hourly_refusals") == 30
    })
    .await;
    assert!(stored("key_clients") == 50 && (20..=30).contains(&stored("key_latest_refusals")));
    for (outcome, count) in [("accepted", 90), ("insufficient_scope", 30)] {
        let sums = format!(
            "SELECT count(*) FROM (SELECT sum(count) AS n FROM usage_totals WHERE outcome = '{outcome}'
             GROUP BY owner_id) AS sums WHERE n = {count}"
        );
        assert_eq!(home.number(sums), 2, "the owner's sums and everybody's");
    }
    let shown: Value = serde_json::from_str(&home.run(&["keys", "usage", &id, "--by", "day", "--json"])).unwrap();
    assert_eq!(shown["totals"], json!({ "accepted": 90, "refused": { "insufficient_scope": 30 } }));
    assert_eq!(shown["clients"].as_array().unwrap().len(), 50);
    let table = home.run(&["keys", "usage", &id]);
    assert!(table.contains("program/59") && table.contains("30 insufficient_scope"), "{table}");
    let csv = home.run(&["keys", "usage", "--owner", ADMIN, "--by", "day", "--csv"]);
    assert_eq!((csv.lines().count(), csv.lines().last().unwrap().split(',').nth(1)), (31, Some("90")), "{csv}");
    home.run(&["keys", "revoke", &id]);
    assert_eq!(["key_clients", "key_latest_refusals", "key_hourly_refusals"].map(stored), [0; 3]);
    assert!(home.run(&["keys", "usage", "--by", "day"]).contains("90"), "sums outlive their keys");
}

#[tokio::test]
async fn the_page_of_a_key_shows_its_use_its_clients_and_why_requests_were_refused() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = server.key_of(MEMBER, &["orders:read"], |_| {}).await;
    let path = format!("/keys/{id}");
    let page = member.get(&path).await.body;
    assert!(page.contains("Never used: no request has come") && !page.contains("<svg class=\"chart\""), "{page}");
    let client = server.bearer(&key);
    let ask =
        async |path: &str, agent: &str| client.send(client.request("GET", path).header("user-agent", agent)).await;
    for _ in 0..3 {
        ask("/auth", "old/1").await;
    }
    assert!(!member.get(&path).await.body.contains("</svg>New</span>"), "nobody is new while nobody else is known");
    server.clock.advance(Duration::from_secs(10 * 86_400));
    ask("/auth", "<b>new</b>").await;
    ask("/auth?scope=orders:write", "old/1").await;

    // The sessions of ten days ago have ended.
    let (admin, member) = (server.admin().await, server.member().await);
    let page = member.get(&path).await.body;
    assert!(page.contains("<title>23 Nov: 3 accepted, 0 refused</title>"), "{page}");
    assert!(page.contains("<title>3 Dec: 1 accepted, 1 refused</title>"), "{page}");
    assert!(page.contains("aria-label=\"Requests by day in the last 30 days: 4 accepted, 1 refused."), "{page}");
    assert!(page.contains("<dd>4<small>") && page.contains("<dd>1<small>1 scope</small>"), "{page}");
    assert_eq!(page.matches("</svg>New</span>").count(), 1);
    assert!(page.contains("&#60;b&#62;new&#60;/b&#62;") && page.contains("<b>Scope missing</b>"), "{page}");
    let day = member.get(&format!("{path}?use=24h")).await.body;
    assert!(day.contains("1 accepted, 1 refused") && !day.contains("23 Nov: 3"), "{day}");
    let csv = admin.get(&format!("{path}/usage.csv?use=30d")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(csv.header("content-disposition").contains("attachment"));
    assert!(csv.body.contains("2026-11-23T00:00:00Z,3,0,0,0,0,0,0,0\r\n"), "{}", csv.body);
    let stranger = server.person("other@example.com", Role::Member).await;
    for path in [format!("{path}/usage.csv"), format!("{path}/explain")] {
        assert_eq!(stranger.get(&path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_owner_asks_whether_a_request_would_be_accepted() {
    let server = Server::start();
    let member = server.member().await;
    let (id, _) = server.key_of(MEMBER, &["orders:read"], |_| {}).await;
    let path = format!("/keys/{id}/explain");
    let asked = member.form(&path, &[("address", "203.0.113.7"), ("needs", "orders:read")]).await;
    assert!(asked.status == 200 && asked.body.contains("Yes, it would be accepted."), "{asked:?}");
    let asked = member.form(&path, &[("address", ""), ("needs", "orders:write")]).await;
    assert!(asked.body.contains("No, it would be refused.") && asked.body.contains("does not have orders:write"));
    let asked = member.form(&path, &[("address", "nowhere"), ("needs", "a b")]).await;
    assert!(asked.status == 422 && asked.body.contains("value=\"nowhere\"") && asked.body.contains("value=\"a b\""));
    assert!(member.get(&format!("/keys/{id}")).await.body.contains(NEVER_USED));
}
