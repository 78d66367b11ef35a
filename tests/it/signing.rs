//! The signing keys that an operator gives the server in a file. Those that it creates itself are in `sqlite/signing`.

use std::time::Duration;

use keybearer::testing::SigningAlgorithm;

use crate::harness::{Client, Home, Server, eventually, signing};

pub const SOON: Duration = Duration::from_secs(10);
pub const JWKS: &str = "/.well-known/jwks.json";

pub async fn published(client: &Client) -> Vec<String> {
    let answer = client.get(JWKS).await;
    if answer.status != 200 {
        assert_eq!(answer.problem(), (503, "unavailable".into()));
        return Vec::new();
    }
    answer.json()["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Waits until this many keys are published.
pub async fn published_are(client: &Client, count: usize) -> Vec<String> {
    eventually(SOON, "the keys are published", async || published(client).await.len() == count).await;
    published(client).await
}

/// The key that signs tokens, and whether it verifies this token.
pub async fn token(client: &Client, id: &str, key: &str) -> (String, String) {
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", key)];
    let body = client.post("/oauth/token", &form).await.json();
    let jwt = body["access_token"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    (jsonwebtoken::decode_header(&jwt).unwrap().kid.unwrap(), jwt)
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
    std::fs::write(home.path("empty.pem"), "").unwrap();
    std::fs::write(home.path("ed.pem"), signing::pem(SigningAlgorithm::EdDSA)).unwrap();
    for (words, code, says) in [
        (&["serve", "--listen", "127.0.0.1:0", "--signing-keys", "missing.pem"][..], 1, "--signing-keys missing.pem"),
        (&["serve", "--listen", "127.0.0.1:0", "--signing-keys", "empty.pem"], 1, "it contains no key"),
        (&["serve", "--listen", "127.0.0.1:0", "--signing-keys", "ed.pem"], 1, "--access-token-algorithm RS256"),
        (&["serve", "--access-token-algorithm", "HS256"], 2, "--access-token-algorithm"),
        (&["serve", "--identity-algorithm", "none"], 2, "--identity-algorithm"),
        (&["serve", "--access-token-lifetime", "2h"], 2, "--access-token-lifetime"),
        (&["serve", "--signing-rotation", "1s"], 2, "--signing-rotation"),
    ] {
        let done = home.keybearer(words).timeout(SOON).assert().failure().code(code);
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(said.contains(says), "{words:?}: {said}");
    }
}
