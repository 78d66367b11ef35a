//! The key index seen from outside: invariants 1 to 4 of the design. Memory answers lookups, the database
//! is authoritative, and an acknowledged revocation is effective everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keybearer::testing::{KeyId, Role, Time};
use sha2::{Digest, Sha256};

use crate::harness::{ADMIN, Client, Home, MEMBER, Server, bytes, eventually, rounds};

/// A change made in the database is noticed within a second, on a busy machine slightly later.
const SOON: Duration = Duration::from_millis(1500);

/// Writes `count` keys to the database directly; returns their texts.
fn insert_keys(home: &Home, owner: [u8; 16], count: usize) -> Vec<String> {
    let prefix = keybearer::testing::KeyPrefix::parse("kb").unwrap();
    let (mut keys, mut rows) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for number in 0..count {
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&number.to_be_bytes());
        let key = keybearer::testing::PlainKey::generate(&prefix, &secret);
        let mut random = [1; 10];
        random[2..].copy_from_slice(&number.to_be_bytes());
        let id = KeyId::new(Time::from_millis(1_000_000), random);
        let digest = bytes(Sha256::digest(key.expose().as_bytes()));
        let (id, owner) = (bytes(id.as_bytes()), bytes(owner));
        rows.push(format!("({id}, {digest}, {owner}, 'bulk', 'kb', 'kb_…bulk', '', 1, 0, '', '{{}}')"));
        keys.push(key.expose().to_owned());
    }
    let columns = "id, digest, owner_id, name, prefix, hint, scopes, enabled, created_at, allowed_ips, metadata";
    let inserts = rows.chunks(1000).map(|rows| format!("INSERT INTO keys ({columns}) VALUES {}", rows.join(", ")));
    home.execute(inserts.collect::<Vec<_>>().join("; "));
    keys
}

#[tokio::test]
async fn every_verdict_is_correct_while_the_index_is_loading() {
    let server = Server::start();
    let owner = *server.user(MEMBER, Role::Member).await.id.as_bytes();
    let home = server.home.clone();
    drop(server);
    let keys = insert_keys(&home, owner, 20_000);
    let server = Server::on(&home, |_| {});
    for (asked, key) in keys.iter().rev().step_by(97).enumerate() {
        assert_eq!(server.bearer(key).get("/auth").await.status, 200, "{asked} asked");
        let unknown = format!("kb_{}{}", "A".repeat(43), "4gH3Qs");
        assert_eq!(server.bearer(&unknown).get("/auth").await.status, 401);
    }
    eventually(Duration::from_secs(30), "the index fills", async || server.index_is_full().await).await;
    assert_eq!(server.site.auth.database_state().await.keys, 20_000);
    for key in keys.iter().step_by(997) {
        assert_eq!(server.bearer(key).get("/auth").await.status, 200);
    }
}

#[tokio::test]
async fn a_key_revoked_while_the_index_is_loading_stays_revoked() {
    let server = Server::start();
    let owner = *server.user(MEMBER, Role::Member).await.id.as_bytes();
    let home = server.home.clone();
    drop(server);
    let keys = insert_keys(&home, owner, 20_000);
    let server = Server::on(&home, |_| {});
    let dead: Vec<_> = keys.iter().step_by(1999).collect();
    for key in &dead {
        assert_eq!(server.bearer(key).call("DELETE", "/api/v1/keys/current").await.status, 204);
        assert_eq!(server.tries(key).await, 401);
    }
    let full = async || server.index_is_full().await;
    eventually(Duration::from_secs(30), "the index fills", full).await;
    for key in dead {
        assert_eq!(server.tries(key).await, 401);
    }
}

#[tokio::test]
async fn the_loaded_index_matches_the_database() {
    let server = Server::start();
    let admin = server.admin().await;
    let mut keys = Vec::new();
    for number in 0..20 {
        keys.push(admin.make_key(&format!("key {number}")).await);
    }
    for (id, _) in keys.iter().step_by(2) {
        admin.form(&format!("/keys/{id}/revoke"), &[]).await;
    }
    let in_database = server.home.number("SELECT count(*) FROM keys");
    let state = server.site.auth.database_state().await;
    assert_eq!((state.index_is_full, state.keys), (true, in_database as u64));
    let newest = server.home.number("SELECT max(rev) FROM changes");
    assert_eq!(state.revision, newest as u64);
}

#[tokio::test]
async fn every_change_of_a_key_or_its_owner_is_in_the_feed() {
    let server = Server::start();
    server.key(&[]).await;
    let newest = || server.home.number("SELECT max(rev) FROM changes");
    let digest = format!("UPDATE keys SET digest = {}", bytes([0; 32]));
    for change in [
        "UPDATE keys SET enabled = 0",
        "UPDATE keys SET enabled = 1",
        "UPDATE keys SET expires_at = 1000",
        "UPDATE keys SET scopes = 'a'",
        "UPDATE keys SET allowed_ips = '10.0.0.0/8'",
        "UPDATE keys SET rate_limit = '1/1/1'",
        "UPDATE keys SET name = 'a'",
        "UPDATE keys SET description = 'a'",
        "UPDATE keys SET metadata = '{\"a\":1}'",
        "UPDATE keys SET hint = 'a'",
        "UPDATE keys SET created_at = 1000",
        &digest,
        "UPDATE users SET active = 0",
        "UPDATE users SET role = 'admin'",
        "DELETE FROM keys",
    ] {
        let before = newest();
        assert!(server.home.execute(change) > 0, "{change}");
        assert!(newest() > before, "{change}");
    }
}

#[tokio::test]
async fn a_change_in_the_databases_own_shell_takes_effect_within_a_second() {
    let server = Server::start();
    let (_, key) = server.key(&["orders:read"]).await;
    let becomes = async |path: &str, status: u16, why: &str| {
        eventually(SOON, why, async || server.bearer(&key).get(path).await.status == status).await;
    };
    for (change, path, status) in [
        ("UPDATE keys SET enabled = 0", "/auth", 401),
        ("UPDATE keys SET enabled = 1", "/auth", 200),
        ("UPDATE users SET active = 0", "/auth", 401),
        ("UPDATE users SET active = 1", "/auth", 200),
        ("UPDATE keys SET scopes = ''", "/auth?scope=orders:read", 403),
        ("UPDATE keys SET scopes = 'orders:*'", "/auth?scope=orders:read", 200),
        ("UPDATE keys SET allowed_ips = '203.0.113.0/24'", "/auth", 403),
        ("UPDATE keys SET allowed_ips = ''", "/auth", 200),
        ("UPDATE keys SET expires_at = 1000", "/auth", 401),
        ("UPDATE keys SET expires_at = NULL", "/auth", 200),
        ("DELETE FROM keys", "/auth", 401),
    ] {
        assert!(server.home.execute(change) > 0);
        becomes(path, status, change).await;
    }
}

#[tokio::test]
async fn a_record_changed_in_the_databases_own_shell_is_returned_within_a_second() {
    let server = Server::start();
    let (_, key) = server.key(&["orders:read"]).await;
    let current = async || server.bearer(&key).get("/api/v1/keys/current").await.json();
    for (change, field, value) in [
        ("UPDATE keys SET name = 'other'", "/name", "other"),
        ("UPDATE keys SET description = 'billing'", "/description", "billing"),
        ("UPDATE keys SET metadata = '{\"team\":\"a\"}'", "/metadata/team", "a"),
        ("UPDATE users SET email = 'new@example.com'", "/owner/email", "new@example.com"),
    ] {
        current().await;
        assert!(server.home.execute(change) > 0);
        let is_there = async || current().await.pointer(field).is_some_and(|seen| seen == value);
        eventually(SOON, change, is_there).await;
    }
}

#[tokio::test]
async fn an_owner_demoted_in_the_databases_own_shell_manages_only_their_own_keys_within_a_second() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let (_, key) = server.key_of(ADMIN, &["keybearer:users"], |_| {}).await;
    for (role, status) in [("member", 403), ("admin", 200)] {
        let change = format!("UPDATE users SET role = '{role}'");
        assert!(server.home.execute(change) > 0);
        eventually(SOON, role, async || server.bearer(&key).get("/api/v1/users").await.status == status).await;
    }
}

#[tokio::test]
async fn a_pruned_feed_makes_the_index_reload() {
    let server = Server::start();
    let (_, kept) = server.key(&[]).await;
    let (_, gone) = server.key(&[]).await;
    assert_eq!(server.tries(&gone).await, 200);
    server.home.execute(format!(
        "DELETE FROM keys WHERE digest = {};
         DELETE FROM changes;
         INSERT INTO changes (kind, id) SELECT 'user', id FROM users",
        bytes(Sha256::digest(gone.as_bytes()))
    ));
    eventually(SOON, "the deleted key is refused", async || server.tries(&gone).await == 401).await;
    assert_eq!(server.tries(&kept).await, 200);
}

#[tokio::test]
async fn a_command_in_another_process_has_taken_effect_when_it_exits() {
    let server = Server::start();
    let (id, key) = server.key(&[]).await;
    for _ in 0..rounds("RACES", 300).div_ceil(100) {
        server.home.run(&["keys", "disable", &id]);
        assert_eq!(server.tries(&key).await, 401);
        server.home.run(&["keys", "enable", &id]);
        assert_eq!(server.tries(&key).await, 200);
        server.home.run(&["users", "deactivate", MEMBER]);
        assert_eq!(server.tries(&key).await, 401);
        server.home.run(&["users", "activate", MEMBER]);
        assert_eq!(server.tries(&key).await, 200);
        let (new_id, new_key) = server.home.create_key(MEMBER, "from the command line");
        assert_eq!(server.tries(&new_key).await, 200, "a key that was printed opens");
        server.home.run(&["keys", "revoke", &new_id]);
        assert_eq!(server.tries(&new_key).await, 401);
    }
    server.home.run(&["users", "remove", MEMBER]);
    assert_eq!(server.tries(&key).await, 401);
}

/// Many clients verify over the network while keys are revoked in three ways. After a revocation
/// is acknowledged, no request with that key succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_succeeds_after_a_revocation_is_acknowledged() {
    let server = Arc::new(Server::start());
    let admin = Arc::new(server.admin().await);
    let races = rounds("RACES", 300);
    let together = 30;
    for race in 0..races.div_ceil(together) {
        let mut keys = Vec::new();
        for _ in 0..together {
            keys.push(server.key(&[]).await);
        }
        let one_race = keys.into_iter().enumerate().map(|(number, (id, key))| {
            let (server, admin) = (Arc::clone(&server), Arc::clone(&admin));
            tokio::spawn(async move {
                let revoked = Arc::new(AtomicBool::new(false));
                let readers: Vec<_> = (0..3).map(|_| verify_until_refused(&server, &key, &revoked)).collect();
                match number % together {
                    0 => {
                        let home = server.home.clone();
                        tokio::task::spawn_blocking(move || home.run(&["keys", "revoke", &id])).await.unwrap();
                    }
                    odd if odd % 2 == 1 => {
                        let answer = Client::bearer(server.address, &key).call("DELETE", "/api/v1/keys/current").await;
                        assert_eq!(answer.status, 204);
                    }
                    _ => assert_eq!(admin.form(&format!("/keys/{id}/revoke"), &[]).await.status, 303),
                }
                revoked.store(true, Ordering::SeqCst);
                for reader in readers {
                    assert!(reader.await.unwrap() > 0);
                }
            })
        });
        for done in futures_util::future::join_all(one_race).await {
            done.unwrap_or_else(|error| panic!("race {race}: {error}"));
        }
    }
}

fn verify_until_refused(server: &Server, key: &str, revoked: &Arc<AtomicBool>) -> tokio::task::JoinHandle<usize> {
    let (client, revoked) = (server.bearer(key), Arc::clone(revoked));
    tokio::spawn(async move {
        let (mut asked, mut after) = (0, 0);
        while after < 5 {
            let was_revoked = revoked.load(Ordering::SeqCst);
            let status = client.get("/auth").await.status;
            assert!([200, 401].contains(&status), "{status}");
            assert!(!(was_revoked && status == 200), "accepted after its revocation was answered");
            asked += 1;
            after += usize::from(was_revoked);
        }
        asked
    })
}
