//! TLS on the main listener: what it offers, and what it does not.

use std::process::{Command, Output, Stdio};

use crate::harness::{Home, Process};

fn openssl(home: &Home, words: &[&str]) -> Output {
    Command::new("openssl").current_dir(home.path("")).args(words).stdin(Stdio::null()).output().unwrap()
}

/// HTTP/2 belongs to the gRPC listener: offered here, it would be a second way to everything.
#[test]
fn only_http_1_1_is_offered_on_the_main_listener() {
    let home = Home::new();
    let request = "req -x509 -newkey ed25519 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=keys.test";
    let made = openssl(&home, &request.split(' ').collect::<Vec<_>>());
    assert!(made.status.success(), "{made:?}");
    let words = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let server = Process::of(home.command(&words));
    let at = server.address.to_string();
    let agreed = |offer: &str| {
        let output = openssl(&home, &["s_client", "-connect", &at, "-servername", "keys.test", "-alpn", offer]);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let both = agreed("h2,http/1.1");
    assert!(both.contains("ALPN protocol: http/1.1"), "{both}");
    let h2 = agreed("h2");
    assert!(!h2.contains("ALPN protocol: h2") && h2.contains("alert no application protocol"), "{h2}");
    let old = openssl(&home, &["s_client", "-connect", &at, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    assert!(!old.status.success(), "{old:?}");
}
