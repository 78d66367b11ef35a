//! The key index seen from outside: invariants 1 to 4 of the design. Memory answers lookups, SQLite is
//! authoritative, and an acknowledged revocation is effective everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keybearer::testing::{KeyId, Role, Time};
use sha2::{Digest, Sha256};

use crate::harness::{ADMIN, Client, Home, MEMBER, Process, Server, eventually, rounds};

/// A change made in the database is noticed within a second, on a busy machine slightly later.
const SOON: Duration = Duration::from_millis(1500);

/// Writes `count` keys to the database directly; returns their texts.
fn insert_keys(home: &Home, owner: [u8; 16], count: usize) -> Vec<String> {
    let prefix = keybearer::testing::KeyPrefix::parse("kb").unwrap();
    let mut db = home.sqlite();
    let tx = db.transaction().unwrap();
    let mut keys = Vec::with_capacity(count);
    for number in 0..count {
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&number.to_be_bytes());
        let key = keybearer::testing::PlainKey::generate(&prefix, &secret);
        let mut random = [1; 10];
        random[2..].copy_from_slice(&number.to_be_bytes());
        let id = KeyId::new(Time::from_millis(1_000_000), random);
        tx.execute(
            "INSERT INTO keys (id, digest, owner_id, name, prefix, hint, scopes, enabled, created_at, allowed_ips, metadata)
             VALUES (?1, ?2, ?3, 'bulk', 'kb', 'kb_…bulk', '', 1, 0, '', '{}')",
            (id.as_bytes(), Sha256::digest(key.expose().as_bytes()).to_vec(), owner),
        )
        .unwrap();
        keys.push(key.expose().to_owned());
    }
    tx.commit().unwrap();
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
    assert_eq!(server.site.auth.database_state().await.unwrap().keys, 20_000);
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
    let in_database: i64 = server.home.sqlite().query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).unwrap();
    let state = server.site.auth.database_state().await.unwrap();
    assert_eq!((state.index_is_full, state.keys), (true, in_database as u64));
    let newest: i64 = server.home.sqlite().query_row("SELECT max(rev) FROM changes", [], |row| row.get(0)).unwrap();
    assert_eq!(state.revision, newest as u64);
}

#[tokio::test]
async fn every_change_that_can_alter_a_verdict_is_in_the_feed() {
    let server = Server::start();
    server.key(&[]).await;
    let db = server.home.sqlite();
    let newest = || -> i64 { db.query_row("SELECT max(rev) FROM changes", [], |row| row.get(0)).unwrap() };
    for change in [
        "UPDATE keys SET enabled = 0",
        "UPDATE keys SET enabled = 1",
        "UPDATE keys SET expires_at = 1000",
        "UPDATE keys SET scopes = 'a'",
        "UPDATE keys SET allowed_ips = '10.0.0.0/8'",
        "UPDATE keys SET rate_limit = '1/1/1'",
        "UPDATE keys SET digest = zeroblob(32)",
        "UPDATE users SET active = 0",
        "UPDATE users SET role = 'admin'",
        "DELETE FROM keys",
    ] {
        let before = newest();
        assert!(db.execute(change, []).unwrap() > 0, "{change}");
        assert!(newest() > before, "{change}");
    }
}

#[tokio::test]
async fn a_change_in_the_sqlite_shell_takes_effect_within_a_second() {
    let server = Server::start();
    let (_, key) = server.key(&["orders:read"]).await;
    let db = server.home.sqlite();
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
        assert!(db.execute(change, []).unwrap() > 0);
        becomes(path, status, change).await;
    }
}

#[tokio::test]
async fn an_owner_demoted_in_the_sqlite_shell_manages_only_their_own_keys_within_a_second() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let (_, key) = server.key_of(ADMIN, &["keybearer:users"], |_| {}).await;
    for (role, status) in [("member", 403), ("admin", 200)] {
        let change = format!("UPDATE users SET role = '{role}'");
        assert!(server.home.sqlite().execute(&change, []).unwrap() > 0);
        eventually(SOON, role, async || server.bearer(&key).get("/api/v1/users").await.status == status).await;
    }
}

#[tokio::test]
async fn a_pruned_feed_makes_the_index_reload() {
    let server = Server::start();
    let (_, kept) = server.key(&[]).await;
    let (_, gone) = server.key(&[]).await;
    assert_eq!(server.tries(&gone).await, 200);
    let mut db = server.home.sqlite();
    let tx = db.transaction().unwrap();
    let digest = Sha256::digest(gone.as_bytes()).to_vec();
    tx.execute("DELETE FROM keys WHERE digest = ?1", [digest]).unwrap();
    tx.execute("DELETE FROM changes", []).unwrap();
    tx.execute("INSERT INTO changes (kind, id) SELECT 'user', id FROM users", []).unwrap();
    tx.commit().unwrap();
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

#[tokio::test]
async fn a_command_killed_after_its_commit_has_revoked_the_key() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    // Killed at its first, second, … sync: before, at and after the commit.
    for number in 1..8 {
        let (id, key) = home.create_key(crate::harness::ADMIN, "n");
        assert_eq!(server.tries(&key).await, 200);
        let revoke = home.command(&["keys", "revoke", &id]);
        let mut command = std::process::Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]);
        command.args(["-e", &format!("inject=fsync,fdatasync:signal=KILL:when={number}")]);
        command.arg(revoke.get_program()).args(revoke.get_args()).current_dir(revoke.get_current_dir().unwrap());
        command.output().unwrap();
        let digest = Sha256::digest(key.as_bytes()).to_vec();
        let lives: bool = home
            .sqlite()
            .query_row("SELECT EXISTS (SELECT 1 FROM keys WHERE digest = ?1)", [digest], |row| row.get(0))
            .unwrap();
        let expected = if lives { 200 } else { 401 };
        eventually(SOON, "the server follows the database", async || server.tries(&key).await == expected).await;
    }
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
