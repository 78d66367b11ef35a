//! Standard clients and resource servers by other authors, against the real server over TLS.
//! Each script is in its own language, in `clients/`; `tests/install-clients` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::home::Home;
use super::process::Process;
use super::tls::TestCa;

/// Runs `clients/{script}` on a fresh server; it prints "ok" or fails.
fn run(program: &Path, script: &str) {
    let home = Home::new();
    let ca = TestCa::new(home.path());
    ca.certify(home.path(), "server");
    // The server finds its keys: no client has to wait for them.
    home.run(&["signing-keys", "rotate"]);
    let verifier = home.key(&["--scope", "keybearer:verify"]);
    let client = home.key(&["--scope", "orders:read"]);
    let (_keybearer, address) = Process::keybearer(&home, &["--tls-cert", "server.pem", "--tls-key", "server.key"]);
    // Where Node looks for its modules.
    let place = tempfile::tempdir_in(installed("")).unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateways/clients");
    for name in [script, "stage.py", "stage.mjs"] {
        std::fs::copy(scripts.join(name), place.path().join(name)).unwrap();
    }
    let mut command = Command::new(program);
    command.current_dir(home.path()).arg(place.path().join(script)).env_remove("KEYBEARER_CONFIG");
    let ca = ca.certificate();
    for name in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        command.env(name, &ca);
    }
    command
        .env("ISSUER", format!("https://{address}"))
        .env("KEYBEARER", env!("CARGO_BIN_EXE_keybearer"))
        .envs([("VERIFIER_ID", &verifier.id), ("VERIFIER_KEY", &verifier.text)])
        .envs([("CLIENT_ID", &client.id), ("CLIENT_KEY", &client.text)]);
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim_end().ends_with("ok"), "{script}: {said}\n{complained}");
}

/// A program in target/clients, installed by `tests/install-clients`.
fn installed(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients").join(name);
    assert!(path.exists(), "{} is not here; run tests/install-clients", path.display());
    path
}

fn python(script: &str) {
    run(&installed("bin/python"), script);
}

fn node(script: &str) {
    run(Path::new("node"), script);
}

#[test]
#[ignore = "needs other people's clients: tests/run runs it"]
fn authlib_gets_checks_introspects_and_revokes_tokens() {
    python("authlib_client.py");
}

#[test]
#[ignore = "needs other people's clients: tests/run runs it"]
fn django_oauth_toolkit_protects_views_by_introspection() {
    python("django_resource_server.py");
}

#[test]
#[ignore = "needs other people's clients: tests/run runs it"]
fn fastmcp_accepts_keys_and_tokens() {
    python("fastmcp_server.py");
}

#[test]
#[ignore = "needs other people's clients: tests/run runs it"]
fn openid_client_discovers_and_uses_every_endpoint() {
    node("openid-client.mjs");
}

#[test]
#[ignore = "needs other people's clients: tests/run runs it"]
fn oauth4webapi_discovers_and_checks_access_tokens() {
    node("oauth4webapi.mjs");
}

#[test]
#[ignore = "needs other people's clients: tests/run runs it"]
fn jose_checks_tokens_and_identities_across_a_rotation() {
    node("jose.mjs");
}
