//! Who used which key, when: exact after a clean end, nearly so after a kill.

use std::time::Duration;

use crate::harness::{ADMIN, Home, Process, Server, eventually, rounds};

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
