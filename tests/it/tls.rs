//! TLS on the main listener: what it offers, what it does not, and new certificates while it runs.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::harness::{Client, Home, Process, eventually, raw};

const SOON: Duration = Duration::from_secs(60);

fn openssl(home: &Home, words: &[&str]) -> Output {
    Command::new("openssl").current_dir(home.path("")).args(words).stdin(Stdio::null()).output().unwrap()
}

/// A certificate and key in a folder with this name, for a host with this name.
fn make_pair(home: &Home, name: &str) {
    std::fs::create_dir(home.path(name)).unwrap();
    let request = format!(
        "req -x509 -newkey ed25519 -nodes -keyout {name}/key.pem -out {name}/cert.pem -days 2 -subj /CN={name}.test"
    );
    let made = openssl(home, &request.split(' ').collect::<Vec<_>>());
    assert!(made.status.success(), "{made:?}");
}

fn serve(home: &Home, pair: &str, more: &[&str]) -> Process {
    let (cert, key) = (format!("{pair}/cert.pem"), format!("{pair}/key.pem"));
    let words = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    Process::of(home.command(&[&words, more].concat()))
}

/// Both outputs of a handshake.
fn shake_hands(home: &Home, server: &Process, words: &[&str]) -> String {
    let at = server.address.to_string();
    let output = openssl(home, &[&["s_client", "-connect", &at, "-servername", "keys.test"], words].concat());
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn presents(home: &Home, server: &Process, name: &str) -> bool {
    shake_hands(home, server, &[]).contains(&format!("subject=CN = {name}.test"))
}

/// HTTP/2 belongs to the gRPC listener: offered here, it would be a second entrance to everything.
#[test]
fn only_http_1_1_is_offered_on_the_main_listener() {
    let home = Home::new();
    make_pair(&home, "keys");
    let server = serve(&home, "keys", &[]);
    let both = shake_hands(&home, &server, &["-alpn", "h2,http/1.1"]);
    assert!(both.contains("ALPN protocol: http/1.1"), "{both}");
    let h2 = shake_hands(&home, &server, &["-alpn", "h2"]);
    assert!(!h2.contains("ALPN protocol: h2") && h2.contains("alert no application protocol"), "{h2}");
    let at = server.address.to_string();
    let old = openssl(&home, &["s_client", "-connect", &at, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    assert!(!old.status.success(), "{old:?}");
}

/// A connection that stays open.
struct Open(Child);

impl Open {
    fn to(server: &Process) -> Self {
        let words = ["s_client", "-quiet", "-connect", &server.address.to_string()];
        let mut command = Command::new("openssl");
        let command = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Open(command.spawn().unwrap())
    }

    fn is_answered(&mut self) -> bool {
        let request = "GET /livez HTTP/1.1\r\nHost: keys.test\r\n\r\n";
        self.0.stdin.as_mut().unwrap().write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        let mut answer = BufReader::new(self.0.stdout.as_mut().unwrap());
        while !line.contains("alive") {
            let before = line.len();
            if answer.read_line(&mut line).unwrap() == 0 || line.len() == before {
                return false;
            }
            if line.ends_with("\r\n\r\n") {
                let mut body = [0; 18];
                std::io::Read::read_exact(&mut answer, &mut body).unwrap();
                line.push_str(&String::from_utf8_lossy(&body));
            }
        }
        true
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart() {
    let home = Home::new();
    for name in ["a", "b", "c"] {
        make_pair(&home, name);
    }
    std::os::unix::fs::symlink("a", home.path("live")).unwrap();
    let server = serve(&home, "live", &[]);
    assert!(presents(&home, &server, "a"));
    let mut open = Open::to(&server);
    assert!(open.is_answered());
    let resumed = |words: &[&str]| shake_hands(&home, &server, &[&["-tls1_2"], words].concat());
    resumed(&["-sess_out", "session"]);
    assert!(resumed(&["-sess_in", "session"]).contains("Reused, TLSv1.2"), "sessions are resumed");

    // As secrets are mounted in Kubernetes: a link that is turned round.
    std::os::unix::fs::symlink("b", home.path("next")).unwrap();
    std::fs::rename(home.path("next"), home.path("live")).unwrap();
    eventually(SOON, "the other one is used", async || presents(&home, &server, "b")).await;
    assert!(resumed(&["-sess_in", "session"]).contains("New, TLSv1.2"), "no session outlives its certificate");
    assert!(open.is_answered(), "who is connected stays connected");

    // One file after the other, in place.
    let is_refused = async || server.log().contains("--tls-cert and --tls-key do not match");
    std::fs::copy(home.path("c/cert.pem"), home.path("b/cert.pem")).unwrap();
    eventually(SOON, "it says that they do not match", is_refused).await;
    assert!(presents(&home, &server, "b"));
    std::fs::copy(home.path("c/key.pem"), home.path("b/key.pem")).unwrap();
    eventually(SOON, "the pair is whole", async || presents(&home, &server, "c")).await;
    assert!(open.is_answered());
    server.signal("TERM");
    let log = server.stopped_log();
    assert_eq!(log.matches("stays in use").count(), 1, "it complains once:\n{log}");
}

/// Reading one would wait for a writer forever.
#[tokio::test]
async fn a_pipe_in_place_of_a_certificate_blocks_neither_startup_nor_shutdown() {
    let home = Home::new();
    make_pair(&home, "a");
    let pipe = |name: &str| assert!(Command::new("mkfifo").arg(home.path(name)).status().unwrap().success());
    pipe("pipe");
    for (cert, key) in [("pipe", "a/key.pem"), ("a/cert.pem", "pipe"), ("/dev/zero", "a/key.pem"), ("a", "a/key.pem")] {
        let words = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        let refused = home.keybearer(&words).assert().failure().code(1);
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        let flag = if key == "pipe" { "--tls-key pipe".to_owned() } else { format!("--tls-cert {cert}") };
        assert!(said.contains(&flag) && said.contains(", not a file"), "{said}");
    }
    let server = serve(&home, "a", &[]);
    pipe("a/next");
    std::fs::rename(home.path("a/next"), home.path("a/cert.pem")).unwrap();
    eventually(SOON, "it says so", async || server.log().contains("it is a named pipe, not a file")).await;
    assert!(presents(&home, &server, "a"));
    server.signal("HUP");
    server.signal("TERM");
    server.stopped_log();
}

#[tokio::test]
async fn a_bad_certificate_is_refused_and_logged_on_each_sighup() {
    let home = Home::new();
    make_pair(&home, "a");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = serve(&home, "a", &["--metrics-listen", &free.to_string()]);
    let metrics = Client::anon(free).get("/metrics").await.body;
    assert!(metrics.contains("\nkeybearer_tls_certificate_expiry_timestamp_seconds "), "{metrics}");
    assert!(server.log().contains("\"expires\":\""), "{}", server.log());
    let says = |what: &'static str| {
        let (server, before) = (&server, server.log().matches(what).count());
        async move { eventually(SOON, what, async || server.log().matches(what).count() > before).await }
    };
    let same = says("the certificate is the same as before");
    server.signal("HUP");
    same.await;
    let noticed = says("stays in use");
    for bad in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(home.path("a/cert.pem"), bad).unwrap();
        let said = says("stays in use");
        server.signal("HUP");
        said.await;
        assert!(presents(&home, &server, "a"), "{bad:?}");
    }
    noticed.await;
    let missing = says("No such file");
    std::fs::remove_file(home.path("a/cert.pem")).unwrap();
    missing.await;
    assert!(presents(&home, &server, "a"));
}

/// A proxy on the same machine would only have to trust one more certificate.
#[test]
fn a_unix_socket_uses_plain_http_beside_a_tls_listener() {
    let home = Home::new();
    make_pair(&home, "keys");
    let socket = home.path("http.sock");
    let unix = format!("unix:{}", socket.display());
    let server = serve(&home, "keys", &["--listen", &unix]);
    assert!(presents(&home, &server, "keys"));
    assert_eq!(raw::through(&socket, "GET /livez", &[]).status(), 200);
    server.signal("TERM");
    let log = server.stopped_log();
    assert!(!log.contains("--tls-cert has no effect") && log.contains("\"url\":\"https://127.0.0.1:"), "{log}");
    let words = ["serve", "--listen", &unix, "--tls-cert", "keys/cert.pem", "--tls-key", "keys/key.pem"];
    let server = Process::of(home.command(&words));
    assert_eq!(raw::through(&socket, "GET /livez", &[]).status(), 200);
    server.signal("TERM");
    let log = server.stopped_log();
    assert!(log.contains("--tls-cert has no effect") && log.contains("\"url\":\"http://localhost\""), "{log}");
}
