//! Signing keys as an operator would give them, created once for all tests: generating RSA keys is expensive.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use keybearer::testing::{SigningAlgorithm, fresh};

pub fn keys() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-signing-keys.pem");
    if !path.exists() {
        // Tests run side by side: whole or not at all.
        let draft = path.with_extension(std::process::id().to_string());
        std::fs::write(&draft, SigningAlgorithm::ALL.map(pem).concat()).unwrap();
        // The server warns about keys that others can read.
        std::fs::set_permissions(&draft, Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(&draft, &path).unwrap();
    }
    path
}

/// A new private key in PEM.
pub fn pem(algorithm: SigningAlgorithm) -> String {
    let text = data_encoding::BASE64.encode(fresh(algorithm).unwrap().private.expose());
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}
