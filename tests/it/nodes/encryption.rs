//! TLS to the database: the server's certificate and name are verified, unless the URL says `sslmode=disable`.
//! `tests/postgres` gives its server a certificate for `localhost`, and names the root of it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::harness::{ADMIN, Home, Process};

/// The root certificate of the tests' server.
fn root() -> String {
    std::env::var("KEYBEARER_TEST_POSTGRES_CA").expect("tests/postgres names the root certificate")
}

/// The URL with this host and these settings.
fn url(home: &Home, host: &str, settings: &str) -> String {
    let url = home.database_url();
    let (base, _) = url.split_once('?').unwrap();
    format!("{}{settings}", base.replacen("@127.0.0.1:", &format!("@{host}:"), 1))
}

fn refused(home: &Home, url: &str) -> String {
    let output = home.keybearer(&["keys", "list"]).env("KEYBEARER_DATABASE", url).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[tokio::test]
async fn a_server_whose_certificate_has_a_known_root_and_its_name_is_used() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    for settings in [format!("?sslrootcert={}", root()), format!("?sslmode=verify-full&sslrootcert={}", root())] {
        let mut serve = home.command(&["serve", "--listen", "127.0.0.1:0"]);
        serve.env("KEYBEARER_DATABASE", url(&home, "localhost", &settings));
        let server = Process::of(serve);
        server.becomes_ready().await;
        assert_eq!(server.tries(&key).await, 200);
        let encrypted = "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
             WHERE a.datname = current_database() AND a.application_name = 'keybearer' AND NOT s.ssl";
        assert_eq!(home.number(encrypted), 0, "a connection is not encrypted");
    }
}

#[test]
fn a_server_with_another_name_or_another_root_is_refused() {
    let home = Home::new();
    home.add_admin();
    let known = format!("?sslrootcert={}", root());
    let said = refused(&home, &url(&home, "127.0.0.1", &known));
    assert!(said.contains("not valid for name"), "{said}");
    let stranger = home.path("stranger.pem");
    let own_root = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=stranger", "-keyout", "/dev/null", "-out"])
        .arg(&stranger)
        .output()
        .unwrap();
    assert!(own_root.status.success(), "{own_root:?}");
    for settings in [format!("?sslrootcert={}", stranger.display()), String::new()] {
        let said = refused(&home, &url(&home, "localhost", &settings));
        assert!(said.contains("certificate"), "{settings}: {said}");
    }
    let said = refused(&home, &url(&home, "localhost", "?sslrootcert=/nowhere/root.pem"));
    assert!(said.contains("/nowhere/root.pem cannot be read"), "{said}");
}

#[test]
fn a_server_without_tls_is_refused_unless_the_url_asks_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // A server that answers every request for TLS with no.
    thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 8];
            if connection.read_exact(&mut request).is_ok() {
                let _ = connection.write_all(b"N"); // it may have gone
            }
        }
    });
    let home = Home::new();
    for settings in [String::new(), "?sslmode=verify-full".to_owned(), format!("?sslrootcert={}", root())] {
        let said = refused(&home, &format!("postgres://kb:hidden@localhost:{port}/keys{settings}"));
        assert!(said.contains("TLS"), "{said}");
        assert!(!said.contains("hidden"), "{said}");
    }
}
