//! The signing keys that the server creates itself: protected, rotated by command and schedule.
//! SQLite only: it keeps them in a file beside the database's file.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Client, Home, Process, Server, eventually};
use crate::signing::{JWKS, SOON, published, published_are, token};

async fn is_active(client: &Client, id: &str, key: &str, jwt: &str) -> bool {
    let form = [("token", jwt), ("client_id", id), ("client_secret", key)];
    client.post("/oauth/introspect", &form).await.json()["active"] == true
}

fn ours(home: &Home) -> Server {
    Server::set(home, |settings| settings.auth.signing.file = None)
}

#[tokio::test]
async fn signing_keys_are_created_at_the_first_start_and_kept() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    let made = published_are(&server.anon(), 4).await;
    let file = home.path("keybearer.db-signing");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    let stored: Value = serde_json::from_str(&text).unwrap();
    for key in stored["keys"].as_array().unwrap() {
        let private = key["private_key"].as_str().unwrap().as_bytes();
        let private = data_encoding::BASE64.decode(private).unwrap();
        for name in ["keybearer.db", "keybearer.db-wal"] {
            let bytes = std::fs::read(home.path(name)).unwrap();
            assert!(!bytes.windows(32).any(|part| part == &private[private.len() - 32..]), "{name}");
        }
        let text = key["private_key"].as_str().unwrap();
        assert!(!server.log().contains(&text[text.len() - 30..]));
    }
    server.kill();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let server = Process::serve(&home);
    assert_eq!(published_are(&server.anon(), 4).await, made);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_running_server_follows_a_rotation_and_still_accepts_the_old_keys() {
    let home = Home::new();
    let server = ours(&home);
    let anon = server.anon();
    let before = published_are(&anon, 4).await;
    let (id, key) = server.key(&[]).await;
    let (old_kid, old) = token(&anon, &id, &key).await;
    let listed: Value = serde_json::from_str(&home.run(&["signing-keys", "list", "--json"])).unwrap();
    let states = |listed: &Value| listed.as_array().unwrap().iter().map(|key| key["state"].clone()).collect::<Vec<_>>();
    assert_eq!(states(&listed), ["signs", "signs", "next", "next"]);
    assert!(!listed.to_string().contains("private"));
    let next =
        listed.as_array().unwrap().iter().find(|key| key["algorithm"] == "RS256" && key["state"] == "next").unwrap();

    home.run(&["signing-keys", "rotate"]);
    let after = published_are(&anon, 6).await;
    assert!(before.iter().all(|kid| after.contains(kid)));
    let (new_kid, new) = token(&anon, &id, &key).await;
    assert_eq!(new_kid, next["kid"], "the one that was published before");
    assert_ne!(new_kid, old_kid);
    assert!(is_active(&anon, &id, &key, &old).await && is_active(&anon, &id, &key, &new).await);
    let table = home.run(&["signing-keys", "list"]);
    assert_eq!(table.matches("past").count(), 2, "{table}");

    home.run(&["signing-keys", "rotate", "--leaked"]);
    let gone = async || published(&anon).await.iter().all(|kid| !after.contains(kid));
    eventually(SOON, "the leaked keys are gone", gone).await;
    assert!(!is_active(&anon, &id, &key, &new).await);
    let (_, newest) = token(&anon, &id, &key).await;
    assert!(is_active(&anon, &id, &key, &newest).await);
    let events = home.run(&["events", "list", "--json"]);
    for action in ["signing_keys.rotated", "signing_keys.replaced"] {
        assert_eq!(events.matches(action).count(), 1, "{events}");
    }
    home.keybearer(&["signing-keys", "rotate", "--overlap", "30m"]).assert().failure().code(1);
    home.keybearer(&["signing-keys", "rotate", "--overlap", "soon"]).assert().failure().code(1);
    home.run(&["check"]);
}

#[tokio::test]
async fn keys_rotate_on_schedule_and_old_ones_are_dropped() {
    let server = ours(&Home::new());
    let anon = server.anon();
    let first = published_are(&anon, 4).await;
    server.clock.advance(Duration::from_secs(90 * 86_400 - 1));
    assert_eq!(published(&anon).await, first);
    server.clock.advance(Duration::from_secs(1));
    let second = published_are(&anon, 6).await;
    server.clock.advance(Duration::from_secs(24 * 3600));
    let third = published_are(&anon, 4).await;
    assert!(third.iter().all(|kid| second.contains(kid)));
    let events: Value = serde_json::from_str(&server.home.run(&["events", "list", "--json"])).unwrap();
    assert_eq!((&events[0]["action"], &events[0]["actor_kind"]), (&"signing_keys.rotated".into(), &"server".into()));
}

#[tokio::test]
async fn concurrent_rotations_each_build_on_the_previous_one() {
    let home = Home::new();
    let server = ours(&home);
    let anon = server.anon();
    published_are(&anon, 4).await;
    let rotations = (0..4).map(|_| {
        let home = home.clone();
        tokio::task::spawn_blocking(move || home.run(&["signing-keys", "rotate"]))
    });
    for rotation in rotations.collect::<Vec<_>>() {
        rotation.await.unwrap();
    }
    // Of each kind one that signs, one that is next, and one for each rotation.
    assert_eq!(published_are(&anon, 12).await.len(), 12);
    assert_eq!(home.run(&["signing-keys", "list"]).matches("signs").count(), 2);
    assert_eq!(home.run(&["events", "list", "--json"]).matches("signing_keys.rotated").count(), 4);
    let leftovers = std::fs::read_dir(home.path(""))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("-signing-new"));
    assert_eq!(leftovers.count(), 0);
}

#[tokio::test]
async fn readiness_includes_the_first_signing_keys() {
    let home = Home::new();
    let server = Process::serve(&home);
    let anon = server.anon();
    eventually(Duration::from_secs(60), "it is ready", async || {
        assert_eq!(anon.get("/livez").await.status, 200);
        let ready = anon.get("/readyz").await;
        assert!(ready.status == 200 || ready.json()["status"] == "signing_keys_missing", "{ready:?}");
        ready.status == 200
    })
    .await;
    assert_eq!(anon.get(JWKS).await.status, 200);
}

#[tokio::test]
async fn the_first_signing_keys_are_written_as_soon_as_possible() {
    let home = Home::new();
    // A directory stands where the server, in whose process the shell ends, drafts its file.
    let script = "mkdir keybearer.db-signing-unfinished-$$ && exec \"$0\" serve --listen 127.0.0.1:0";
    let server = Process::of(home.shell(script));
    let failed = "the first signing keys cannot be written";
    eventually(Duration::from_secs(60), failed, async || server.log().contains(failed)).await;
    let ready = server.anon().get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"signing_keys_missing".into()));
    std::fs::remove_dir(home.path(&format!("keybearer.db-signing-unfinished-{}", server.pid()))).unwrap();
    // Sooner than it would make new ones.
    eventually(Duration::from_secs(20), "it is ready", async || server.anon().get("/readyz").await.status == 200).await;
    assert_eq!(server.anon().get(JWKS).await.status, 200);
    assert_eq!(server.log().matches(failed).count(), 1, "{}", server.log());
}

#[test]
fn unusable_keys_in_the_servers_own_file_stop_the_start_and_are_not_shown() {
    let home = Home::new();
    home.add_admin();
    std::fs::write(home.path("keybearer.db-signing"), "{\"keys\":[{\"private_key\":\"MIIsecret\"}]}").unwrap();
    for words in [&["serve", "--listen", "127.0.0.1:0"][..], &["signing-keys", "list"]] {
        let done = home.keybearer(words).timeout(SOON).assert().failure().code(1);
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(said.contains("keybearer.db-signing") && !said.contains("MIIsecret"), "{words:?}: {said}");
    }
}

#[tokio::test]
async fn beside_the_operators_keys_no_file_is_created() {
    let server = Server::start();
    assert_eq!(server.anon().get(JWKS).await.status, 200);
    assert!(!server.home.path("keybearer.db-signing").exists());
}
