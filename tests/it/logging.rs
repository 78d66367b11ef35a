//! The server's log: it never contains a credential, and blocks nothing while nobody
//! reads it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{ADMIN, Client, Home, PASSWORD, Process, eventually, raw};

const HOSTILE: [&str; 12] = [
    "trace",
    "=trace",
    "TRACE,keybearer=trace",
    "5",
    "actix_http=trace,actix_http::h1=trace,actix_http::h1::dispatcher=trace,actix_http::h1::decoder=trace",
    "actix_http,actix_web,actix_server,actix_rt,actix_tls,actix_router,actix_codec",
    "hyper=trace,hyper_util=trace,h2=trace,tonic=trace,tower=trace,rustls=trace,mio=trace,tokio=trace,log=trace",
    "actix_http[span]=trace",
    "actix_http[{method=GET}]=trace",
    "[{authorization=.*}]=trace",
    ".*=trace",
    "actix=trace,a=trace,r=trace,h=trace,keybearer_=trace",
];

/// A credential in every place where one is ever sent, including wrong places.
async fn send_everywhere(address: SocketAddr, key: &str) {
    let anon = Client::anon(address);
    let basic = data_encoding::BASE64.encode(format!("{ADMIN}:{PASSWORD}").as_bytes());
    for request in [
        anon.request("GET", "/auth").bearer_auth(key),
        anon.request("GET", "/auth").header("X-API-Key", key),
        anon.request("GET", "/api/v1/keys/current").bearer_auth(key),
        anon.request("GET", "/api/v1/keys/current").header("Cookie", format!("kb_session={key}")),
        anon.request("GET", "/auth").header("X-Unheard-Of", key).header("Authorization", format!("Other {key}")),
        anon.request("POST", "/api/v1/tokens").header("Authorization", format!("Basic {basic}")),
        anon.request("POST", "/oauth/token").basic_auth(key, Some(PASSWORD)).form(&[("grant_type", "x")]),
        anon.request("POST", "/oauth/introspect").form(&[("token", key)]),
        anon.request("POST", "/login").form(&[("email", ADMIN), ("password", PASSWORD)]),
        anon.request("POST", "/api/v1/keys/verify")
            .bearer_auth(key)
            .header("content-type", "application/json")
            .body(format!(r#"{{"key":"{key}","password":"{PASSWORD}"}}"#)),
        anon.request("POST", "/api/v1/leaks").header("content-type", "application/json").body(format!("[\"{key}\"]")),
        anon.request("GET", &format!("/admin/keys?q={key}")),
        anon.request("GET", &format!("/api/v1/keys/{key}?access_token={key}")),
        anon.request("GET", &format!("/auth/{key}?policy={key}")),
    ] {
        request.send().await.unwrap();
    }
    raw::exchange(
        address,
        format!("{key} /{key} HTTP/1.1\r\nHost: {key}\r\nConnection: close\r\n{key}: {key}\r\n\r\n"),
    );
    raw::exchange(address, format!("GET / HTTP/1.1\r\n{key}\r\n\r\n"));
}

#[tokio::test]
async fn successful_checks_are_logged_as_a_sample_and_refused_ones_all() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    for (setting, sampled) in [("10", 3), ("1", 25), ("0", 0)] {
        let words = ["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--log-checks", setting];
        let server = Process::of(home.command(&words));
        server.becomes_ready().await;
        for _ in 0..25 {
            assert_eq!(server.bearer(&key).get("/api/v1/keys/current").await.status, 200);
        }
        for _ in 0..5 {
            assert_eq!(server.bearer("kb_x").get("/api/v1/keys/current").await.status, 401);
        }
        server.signal("TERM");
        let log = server.stopped_log();
        let of_checks = log.lines().filter(|line| line.contains("/api/v1/keys/current"));
        let (refused, good): (Vec<_>, Vec<_>) = of_checks.partition(|line| line.contains("\"status\":401"));
        assert_eq!((good.len(), refused.len()), (sampled, 5), "{setting}: {log}");
        let says_one_in = |line: &&str| line.contains("one_in");
        assert_eq!(good.iter().all(says_one_in), setting != "1", "{log}");
        assert!(!refused.iter().any(says_one_in), "{log}");
    }
}

#[tokio::test]
async fn no_level_and_no_directive_of_rust_log_prints_a_credential() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    let basic = data_encoding::BASE64.encode(PASSWORD.as_bytes());
    for wish in HOSTILE {
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("RUST_LOG", wish);
        let server = Process::of(command);
        send_everywhere(server.address, &key).await;
        server.signal("TERM");
        let log = server.stopped_log();
        let first = log.lines().next().unwrap();
        assert!(first.contains("RUST_LOG=") && first.contains("WARN"), "{wish} is not answered: {first}");
        assert_eq!(log.matches("RUST_LOG=").count(), 1, "{wish}: {log}");
        let lines: String = log.lines().filter(|line| !line.contains("RUST_LOG=")).collect();
        for secret in [&key[3..], &key[20..40], PASSWORD, &basic[4..20], "authorization", "user-agent"] {
            assert!(!lines.to_lowercase().contains(&secret.to_lowercase()), "{wish}: {secret} is in the log:\n{log}");
        }
    }
}

#[tokio::test]
async fn malformed_requests_log_no_warning_or_error() {
    let home = Home::new();
    let server = Process::serve(&home);
    for (garbled, status) in [
        ("GARBAGE\r\n\r\n", 400),
        ("GET / HTTP/9.9\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        ("POST /oauth/introspect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n", 400),
    ] {
        assert_eq!(raw::exchange(server.address, garbled).status(), status, "{garbled}");
    }
    server.signal("TERM");
    // The PostgreSQL of the tests has no standby.
    let log: Vec<_> =
        server.stopped_log().lines().filter(|line| !line.contains("standby")).map(str::to_owned).collect();
    let log = log.join("\n");
    assert!(!log.contains("\"ERROR\"") && !log.contains("\"WARN\""), "{log}");
}

#[tokio::test]
async fn rust_log_filters_our_own_lines() {
    let home = Home::new();
    home.add_admin();
    for (wish, is_noticed, has_requests) in [
        ("", false, true),
        ("info", false, true),
        ("keybearer=info,actix_http=error", false, true),
        ("off", false, false),
    ] {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = home.command(&["serve", "--listen", &port.to_string()]);
        let child = command.env("RUST_LOG", wish).stderr(Stdio::piped()).spawn().unwrap();
        let client = Client::anon(port);
        eventually(Duration::from_secs(60), "it answers", async || client.tries("GET", "/livez").await.is_some()).await;
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(log.contains("RUST_LOG"), is_noticed, "{wish}: {log}");
        assert_eq!(log.contains("\"request\""), has_requests, "{wish}: {log}");
    }
}

/// A server of whose log only the first lines are read.
struct Unread {
    address: SocketAddr,
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Unread {
    fn start(home: &Home) -> Self {
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--workers", "2"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::with_capacity(256, child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("keybearer is up") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended");
        }
        let address = line.split("\"listen\":\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        Unread { address, child, stderr }
    }

    /// Sends so many requests that their log lines fit in no buffer; each gets a response.
    fn fill(&self) {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = raw::request("GET /livez", &[], "");
        for _ in 0..80 {
            socket.write_all(request.repeat(100).as_bytes()).unwrap();
            let (mut read, mut chunk) = (Vec::new(), [0; 65536]);
            while read.windows(7).filter(|text| *text == b"\"alive\"").count() < 100 {
                let more = socket.read(&mut chunk).expect("every request is answered");
                read.extend_from_slice(&chunk[..more]);
            }
        }
    }
}

#[tokio::test]
async fn an_unread_log_blocks_nothing_and_later_reports_what_is_missing() {
    let home = Home::new();
    home.add_admin();
    let verifier = home.run(&["keys", "create", "--owner", ADMIN, "--name", "v", "--scope", "keybearer:verify"]);
    let mut server = Unread::start(&home);
    server.fill();
    let client = Client::bearer(server.address, &verifier);
    assert_eq!(client.get("/auth").await.status, 200);
    let dropped = async || {
        let metrics = client.get("/metrics").await.body;
        let count = metrics.split("\nkeybearer_log_lines_dropped_total ").nth(1).unwrap();
        count.lines().next().unwrap().parse::<u64>().unwrap()
    };
    assert!(dropped().await > 0);
    let reported = Arc::new(AtomicU64::new(0));
    let (mut stderr, sum) = (server.stderr, Arc::clone(&reported));
    let reading = thread::spawn(move || {
        let mut line = String::new();
        while stderr.read_line(&mut line).unwrap() > 0 {
            if line.contains("lines are missing from this log") {
                let lines = line.split("\"lines\":").nth(1).unwrap();
                let lines = lines.split(|c: char| !c.is_ascii_digit()).next().unwrap();
                sum.fetch_add(lines.parse::<u64>().unwrap(), Ordering::SeqCst);
            }
            line.clear();
        }
    });
    // Each question leaves a line, and so a place for the next report.
    let all_are_told = async || reported.load(Ordering::SeqCst) == dropped().await;
    eventually(Duration::from_secs(60), "the reports tell of every missing line", all_are_told).await;
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    reading.join().unwrap();
}

#[test]
fn an_unread_log_does_not_delay_shutdown() {
    let home = Home::new();
    home.add_admin();
    let mut server = Unread::start(&home);
    server.fill();
    Command::new("kill").arg(server.child.id().to_string()).status().unwrap();
    assert!(server.child.wait().unwrap().success());
}

#[tokio::test]
async fn an_unwritable_log_blocks_nothing() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    for nowhere in ["2>&-", "2>/dev/full", "2>&- >&- <&-"] {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let script = format!("exec \"$0\" serve --listen {port} {nowhere}");
        let mut child = home.shell(&script).spawn().unwrap();
        let client = Client::bearer(port, &key);
        eventually(Duration::from_secs(60), "it answers", async || client.tries("GET", "/livez").await.is_some()).await;
        assert_eq!(client.get("/auth").await.status, 200, "{nowhere}");
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(child.wait().unwrap().success(), "{nowhere}");
        home.run(&["check"]);
    }
}
