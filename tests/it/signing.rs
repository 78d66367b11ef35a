//! The server's signing keys: created at the first start, protected, rotated by command and schedule.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use keybearer::testing::SigningAlgorithm;
use serde_json::Value;

use crate::harness::{Client, Home, Process, Server, eventually, signing};

const SOON: Duration = Duration::from_secs(10);
const JWKS: &str = "/.well-known/jwks.json";

async fn published(client: &Client) -> Vec<String> {
    let answer = client.get(JWKS).await;
    if answer.status != 200 {
        assert_eq!(answer.problem(), (503, "unavailable".into()));
        return Vec::new();
    }
    answer.json()["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Waits until this many keys are published.
async fn published_are(client: &Client, count: usize) -> Vec<String> {
    eventually(SOON, "the keys are published", async || published(client).await.len() == count).await;
    published(client).await
}

/// The key that signs tokens, and whether it verifies this token.
async fn token(client: &Client, id: &str, key: &str) -> (String, String) {
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", key)];
    let body = client.post("/oauth/token", &form).await.json();
    let jwt = body["access_token"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    (jsonwebtoken::decode_header(&jwt).unwrap().kid.unwrap(), jwt)
}

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

/// Reading one would wait for a writer, or fill the memory.
#[test]
fn signing_keys_are_read_only_from_a_regular_file() {
    let home = Home::new();
    home.add_admin();
    assert!(std::process::Command::new("mkfifo").arg(home.path("pipe")).status().unwrap().success());
    for (file, what) in [("pipe", "a named pipe"), ("/dev/zero", "a device"), ("/", "a folder")] {
        for words in [&["signing-keys", "list"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            let mut command = home.keybearer(words);
            let refused = command.env("KEYBEARER_SIGNING_KEYS", file).assert().failure().code(1);
            let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
            assert!(said.contains(&format!("KEYBEARER_SIGNING_KEYS {file}: it is {what}, not a file")), "{said}");
        }
    }
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
async fn the_operators_keys_are_used_and_reloaded_and_never_written() {
    let home = Home::new();
    let file = home.path("keys.pem");
    let (rsa, ed) = (signing::pem(SigningAlgorithm::Rs256), signing::pem(SigningAlgorithm::EdDSA));
    std::fs::write(&file, format!("{rsa}{ed}")).unwrap();
    let given = file.clone();
    let server = Server::set(&home, |settings| settings.auth.signing.file = Some(given));
    let anon = server.anon();
    let before = published(&anon).await;
    assert_eq!(before.len(), 2, "at once: nothing is to be made");
    assert!(!home.path("keybearer.db-signing").exists());
    std::fs::write(&file, format!("{}{rsa}{ed}", signing::pem(SigningAlgorithm::Rs256))).unwrap();
    let after = published_are(&anon, 3).await;
    let (id, key) = server.key(&[]).await;
    assert_eq!(token(&anon, &id, &key).await.0, after[0]);
    assert!(!before.contains(&after[0]));
    // A slip of the pen changes nothing, and is mended as quickly.
    std::fs::write(&file, "no key").unwrap();
    assert_eq!(published(&anon).await, after);
    std::fs::write(&file, format!("{rsa}{ed}{}{}", signing::pem(SigningAlgorithm::EdDSA), "no key")).unwrap();
    let holds = async || published(&anon).await[..2] == before;
    eventually(SOON, "the mended file is taken", holds).await;
    let environment = [("KEYBEARER_SIGNING_KEYS", file.to_str().unwrap())];
    home.keybearer(&["signing-keys", "rotate"]).envs(environment).assert().failure().code(1);
}

#[test]
fn unusable_keys_stop_the_start_and_are_named() {
    let home = Home::new();
    home.add_admin();
    std::fs::write(home.path("keybearer.db-signing"), "{\"keys\":[{\"private_key\":\"MIIsecret\"}]}").unwrap();
    std::fs::write(home.path("empty.pem"), "").unwrap();
    std::fs::write(home.path("ed.pem"), signing::pem(SigningAlgorithm::EdDSA)).unwrap();
    for (words, code, says) in [
        (&["serve", "--listen", "127.0.0.1:0"][..], 1, "keybearer.db-signing"),
        (&["signing-keys", "list"], 1, "keybearer.db-signing"),
        (&["serve", "--listen", "127.0.0.1:0", "--signing-keys", "missing.pem"], 1, "--signing-keys missing.pem"),
        (&["serve", "--listen", "127.0.0.1:0", "--signing-keys", "empty.pem"], 1, "it contains no key"),
        (&["serve", "--listen", "127.0.0.1:0", "--signing-keys", "ed.pem"], 1, "--access-token-algorithm RS256"),
        (&["serve", "--access-token-algorithm", "HS256"], 2, "--access-token-algorithm"),
        (&["serve", "--identity-algorithm", "none"], 2, "--identity-algorithm"),
        (&["serve", "--access-token-lifetime", "2h"], 2, "--access-token-lifetime"),
        (&["serve", "--signing-rotation", "1s"], 2, "--signing-rotation"),
    ] {
        let done = home.keybearer(words).timeout(SOON).assert().failure().code(code);
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(said.contains(says) && !said.contains("MIIsecret"), "{words:?}: {said}");
    }
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
    let script = "mkdir keybearer.db-signing-new-$$ && exec \"$0\" serve --listen 127.0.0.1:0";
    let mut command = std::process::Command::new("sh");
    command.current_dir(home.path("")).args(["-c", script]).arg(home.command(&[]).get_program());
    let server = Process::of(command);
    let failed = "the first signing keys cannot be written";
    eventually(Duration::from_secs(60), failed, async || server.log().contains(failed)).await;
    let ready = server.anon().get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"signing_keys_missing".into()));
    std::fs::remove_dir(home.path(&format!("keybearer.db-signing-new-{}", server.pid()))).unwrap();
    // Sooner than it would make new ones.
    eventually(Duration::from_secs(20), "it is ready", async || server.anon().get("/readyz").await.status == 200).await;
    assert_eq!(server.anon().get(JWKS).await.status, 200);
    assert_eq!(server.log().matches(failed).count(), 1, "{}", server.log());
}
