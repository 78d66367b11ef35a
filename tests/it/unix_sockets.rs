//! Unix sockets: their files, who can connect, and what the addresses of their clients are.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keybearer::testing::{Deadlines, ListenAddress};

use crate::harness::{ADMIN, Home, Process, Server, eventually, raw};

const CURRENT: &str = "GET /api/v1/keys/current";

/// `--listen unix:` this file of the home.
fn unix(home: &Home, name: &str) -> String {
    format!("unix:{}", home.path(name).display())
}

fn serve(home: &Home, words: &[&str]) -> Process {
    Process::of(home.command(&[&["serve"], words].concat()))
}

fn status(socket: &Path, line: &str, headers: &[&str]) -> u16 {
    raw::through(socket, line, headers).status()
}

fn is_alive(socket: &Path) -> bool {
    status(socket, "GET /livez", &[]) == 200
}

/// The whole log of a server that is stopped.
fn stopped(server: Process) -> String {
    server.signal("TERM");
    server.stopped_log()
}

/// The message of a `serve` that must exit with this code.
fn refused(home: &Home, words: &[&str], code: i32) -> String {
    let output = home.keybearer(&[&["serve"], words].concat()).assert().code(code).get_output().stderr.clone();
    String::from_utf8(output).unwrap()
}

#[test]
fn a_server_listens_at_several_addresses_and_removes_its_sockets_when_it_stops() {
    let home = Home::new();
    home.add_admin();
    let (one, two) = (home.path("one.sock"), home.path("two.sock"));
    let list = format!("{}, 127.0.0.1:0 ,{}?mode=600", unix(&home, "one.sock"), unix(&home, "two.sock"));
    let array = format!("listen = {:?}\n", list.split(',').map(str::trim).collect::<Vec<_>>());
    for (variable, file) in [(Some(&list), ""), (None, array.as_str()), (None, &format!("listen = {list:?}\n"))] {
        std::fs::write(home.path("keybearer.toml"), file).unwrap();
        let mut command = home.command(&["serve"]);
        command.envs(variable.map(|list| ("KEYBEARER_LISTEN", list)));
        let server = Process::of(command);
        assert!(is_alive(&one) && is_alive(&two), "{}", server.log());
        let mut tcp = std::net::TcpStream::connect(server.address).unwrap();
        tcp.write_all(raw::request("GET /livez", &["Connection: close"], "").as_bytes()).unwrap();
        assert_eq!(raw::read(&mut tcp).status(), 200);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&one), mode(&two)), (0o660, 0o600));
        server.signal("TERM");
        assert!(server.end().success());
        assert!(!one.exists() && !two.exists());
    }
    let flags = serve(&home, &["--listen", &unix(&home, "one.sock"), "--listen", "127.0.0.1:0"]);
    assert!(is_alive(&one) && !two.exists(), "flags replace the file: {}", flags.log());
}

/// Someone who could connect for a moment could keep the connection.
#[test]
fn a_sockets_file_never_has_a_wider_mode_than_the_configured_one() {
    let home = Home::new();
    home.add_admin();
    let socket = home.path("http.sock");
    for (umask, mode, expected) in [("000", "", 0o660), ("077", "?mode=666", 0o666), ("022", "?mode=600", 0o600)] {
        let (stop, seen) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mode = std::fs::symlink_metadata(&socket).ok().map(|found| found.mode() & 0o7777);
                    seen.lock().unwrap().extend(mode);
                }
            });
            let line = format!("umask {umask}; exec \"$0\" serve --listen '{}{mode}'", unix(&home, "http.sock"));
            let server = Process::of(home.shell(&line));
            while seen.lock().unwrap().is_empty() {
                std::thread::yield_now();
            }
            stop.store(true, Ordering::Relaxed);
            assert!(is_alive(&socket));
            let log = stopped(server);
            assert_eq!(log.contains("lets every user of this machine connect"), expected == 0o666, "{log}");
        });
        let seen = seen.into_inner().unwrap();
        assert_eq!(seen, BTreeSet::from([expected]), "{umask} {mode}");
    }
}

#[test]
fn a_socket_whose_server_was_killed_is_replaced() {
    let home = Home::new();
    home.add_admin();
    let (socket, listen) = (home.path("http.sock"), unix(&home, "http.sock"));
    serve(&home, &["--listen", &listen]).kill();
    assert!(socket.exists());
    let server = serve(&home, &["--listen", &listen]);
    assert!(is_alive(&socket));
    assert!(server.log().contains("nobody listens on the socket that is there"), "{}", server.log());
}

#[test]
fn a_socket_on_which_another_program_listens_is_left_alone() {
    let (home, other) = (Home::new(), Home::new());
    home.add_admin();
    other.add_admin();
    let (socket, listen) = (home.path("http.sock"), unix(&home, "http.sock"));
    let server = serve(&home, &["--listen", &listen]);
    let inode = || std::fs::symlink_metadata(&socket).unwrap().ino();
    let before = inode();
    let said = refused(&other, &["--listen", &listen], 1);
    assert!(said.contains("another program already listens there") && said.contains("--listen"), "{said}");
    assert!(inode() == before && is_alive(&socket));
    drop(server);

    // Its queue is full, so a connection would have to wait.
    let busy = home.path("busy.sock");
    let listener = UnixListener::bind(&busy).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let mut held = Vec::new();
    loop {
        use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
        let queued = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
        let is_queued = connect(&queued, &SocketAddrUnix::new(&busy).unwrap()).is_ok();
        held.push(queued);
        if !is_queued {
            break;
        }
    }
    let said = refused(&other, &["--listen", &unix(&home, "busy.sock")], 1);
    assert!(said.contains("another program already listens there"), "{said}");
    let datagrams = std::os::unix::net::UnixDatagram::bind(home.path("datagrams.sock")).unwrap();
    let said = refused(&other, &["--listen", &unix(&home, "datagrams.sock")], 1);
    assert!(said.contains("another program already listens there"), "{said}");
    drop(datagrams);
}

/// Each finds the socket of a server that is gone, or one on which another is just about to listen.
#[test]
fn one_of_several_servers_that_start_at_once_gets_the_socket() {
    let homes: Vec<_> = (0..5).map(|_| Home::new()).collect();
    homes.iter().for_each(Home::add_admin);
    let (socket, listen) = (homes[0].path("http.sock"), unix(&homes[0], "http.sock"));
    drop(UnixListener::bind(&socket).unwrap());
    let start = |home: &Home| {
        let mut command = home.command(&["serve", "--listen", &listen]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut servers: Vec<_> = homes.iter().map(start).collect();
    let patience = Instant::now() + Duration::from_secs(60);
    while servers.len() > 1 {
        assert!(Instant::now() < patience, "{} servers run", servers.len());
        servers.retain_mut(|server| server.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(is_alive(&socket));
    assert_eq!(servers.len(), 1);
    servers[0].kill().unwrap();
    servers[0].wait().unwrap();
}

#[test]
fn a_file_that_is_not_a_socket_is_never_removed() {
    let home = Home::new();
    home.add_admin();
    let path = home.path("http.sock");
    let left = home.path("left.sock");
    drop(UnixListener::bind(&left).unwrap());
    for what in ["a file", "a directory", "a link", "a dangling link"] {
        let made = match what {
            "a file" => std::fs::write(&path, "mine"),
            "a directory" => std::fs::create_dir(&path),
            "a link" => std::os::unix::fs::symlink(&left, &path),
            _ => std::os::unix::fs::symlink("gone", &path),
        };
        made.unwrap();
        let said = refused(&home, &["--listen", &unix(&home, "http.sock")], 1);
        assert!(said.contains("not a socket") && said.contains("Move it away"), "{what}: {said}");
        let found = std::fs::symlink_metadata(&path).unwrap();
        assert!(!found.file_type().is_socket(), "{what}");
        let removed = if found.is_dir() { std::fs::remove_dir(&path) } else { std::fs::remove_file(&path) };
        removed.unwrap();
    }
    assert!(left.exists());
}

#[test]
fn a_server_that_stops_leaves_a_file_that_has_taken_the_place_of_its_socket() {
    let home = Home::new();
    home.add_admin();
    let socket = home.path("http.sock");
    let server = serve(&home, &["--listen", &unix(&home, "http.sock")]);
    std::fs::rename(&socket, home.path("moved.sock")).unwrap();
    let _other = UnixListener::bind(&socket).unwrap();
    server.signal("TERM");
    assert!(server.end().success());
    assert!(UnixStream::connect(&socket).is_ok());
}

#[test]
fn an_address_that_cannot_be_opened_is_explained_and_nothing_stays_open() {
    let home = Home::new();
    home.add_admin();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let socket = home.path("http.sock");
    for second in [taken.as_str(), "unix:/nowhere/at/all.sock"] {
        let said = refused(&home, &["--listen", &unix(&home, "http.sock"), "--listen", second], 1);
        assert!(said.contains(second) && said.contains("another --listen address"), "{said}");
        assert!(!socket.exists(), "{second}");
    }
    let said = refused(&home, &["--listen", &unix(&home, "http.sock"), "--metrics-listen", &taken], 1);
    assert!(said.contains("--metrics-listen") && !socket.exists(), "{said}");
    let said = refused(&home, &["--listen", "unix:/nowhere/at/all.sock"], 1);
    assert!(said.contains("the directory /nowhere/at does not exist. Create it"), "{said}");
    let long = format!("unix:/{}", "a".repeat(107));
    for (listen, why) in [
        ("unix:http.sock", "not absolute"),
        ("unix:", "not absolute"),
        (long.as_str(), "the path has 108 bytes"),
        ("unix:/run/kb.sock?mode=rw", "octal digits"),
        ("unix:/run/kb.sock,unix:/run/kb.sock", "twice"),
        ("127.0.0.1:80,127.0.0.1:80", "twice"),
        ("0.0.0.0:80,[::]:80", "accepts connections to 0.0.0.0:80 too"),
    ] {
        let said = refused(&home, &["--listen", listen], 2);
        assert!(said.contains(why) && said.contains("--listen"), "{listen}: {said}");
    }
}

#[test]
fn only_a_trusted_unix_socket_can_name_the_clients_address() {
    let home = Home::new();
    home.add_admin();
    let create = |ranges: &[&str]| {
        let words = ["keys", "create", "--owner", ADMIN, "--name", "n"];
        let ranges = ranges.iter().flat_map(|range| ["--allow-ip", range]);
        home.run(&words.into_iter().chain(ranges).collect::<Vec<_>>())
    };
    let (anywhere, here) = (create(&["0.0.0.0/0", "::/0"]), create(&["203.0.113.7"]));
    let (anywhere, here) = (format!("X-API-Key: {anywhere}"), format!("X-API-Key: {here}"));
    let (socket, listen) = (home.path("http.sock"), unix(&home, "http.sock"));
    let from = |address: &str| format!("X-Forwarded-For: {address}");

    let server = serve(&home, &["--listen", &listen, "--trusted-proxy", "127.0.0.1/32,::1"]);
    for line in [CURRENT, "GET /auth", "GET /auth/nginx"] {
        assert_eq!(status(&socket, line, &[&anywhere]), 403, "{line}");
        for address in ["203.0.113.7", "127.0.0.1", "unix"] {
            assert_eq!(status(&socket, line, &[&here, &from(address)]), 403, "{line} {address}");
        }
    }
    assert!(stopped(server).contains("--trusted-proxy unix"));

    let words = ["--listen", &listen, "--listen", "127.0.0.1:0", "--trusted-proxy", "unix,198.51.100.0/24"];
    let server = serve(&home, &words);
    for line in [CURRENT, "GET /auth", "GET /auth/nginx"] {
        for (header, expected) in [
            ("203.0.113.7", 200),
            ("[203.0.113.7]:443", 403),
            ("203.0.113.7:443", 200),
            ("10.0.0.1, 203.0.113.7", 200),
            ("203.0.113.7, 198.51.100.2", 200),
            ("203.0.113.7, 10.0.0.1", 403),
            ("203.0.113.7, unix", 403),
            ("203.0.113.7, unix:", 403),
            ("203.0.113.7,", 403),
            ("unix", 403),
        ] {
            assert_eq!(status(&socket, line, &[&here, &from(header)]), expected, "{line} {header}");
        }
        // Without the header, the client is the proxy itself, which has no address.
        assert_eq!(status(&socket, line, &[&anywhere]), 403, "{line}");
        assert_eq!(status(&socket, line, &[&anywhere, &from("unix")]), 403, "{line}");
    }
    let mut tcp = std::net::TcpStream::connect(server.address).unwrap();
    let forged = raw::request("GET /auth", &[&here, &from("203.0.113.7"), "Connection: close"], "");
    tcp.write_all(forged.as_bytes()).unwrap();
    assert_eq!(raw::read(&mut tcp).status(), 403, "the loopback address is not trusted");
    let log = stopped(server);
    assert!(!log.contains("--trusted-proxy unix"), "{log}");
    for address in ["203.0.113.7", "unix", "unknown"] {
        assert!(log.contains(&format!("\"address\":\"{address}\"")), "{log}");
    }
}

#[test]
fn a_sign_in_through_a_unix_socket_is_counted_and_logged_as_local() {
    let home = Home::new();
    home.add_admin();
    let socket = home.path("http.sock");
    let _server = serve(&home, &["--listen", &unix(&home, "http.sock")]);
    let guess = "Authorization: Basic YWRhQGV4YW1wbGUuY29tOm5vdCB0aGlzIG9uZSwgSSBmZWFy"; // ada@example.com:not this one, I fear
    assert_eq!(status(&socket, "POST /api/v1/tokens", &[guess, "Content-Length: 0"]), 401);
    assert!(home.run(&["events", "list"]).contains("unix"));
}

#[test]
fn the_peers_of_a_trusted_unix_socket_can_hold_all_connections() {
    let home = Home::new();
    home.add_admin();
    let (socket, listen) = (home.path("http.sock"), unix(&home, "http.sock"));
    let served = || {
        let mut stream = UnixStream::connect(&socket).unwrap();
        let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"); // it may be closed before
        matches!(stream.read(&mut [0; 4096]), Ok(read) if read > 0).then_some(stream)
    };
    let words = ["--listen", &listen, "--connections-per-address", "3"];
    let server = serve(&home, &words);
    assert_eq!((0..6).filter_map(|_| served()).collect::<Vec<_>>().len(), 3);
    drop(server);
    let _server = serve(&home, &[&words[..], &["--trusted-proxy", "unix"]].concat());
    assert_eq!((0..6).filter_map(|_| served()).collect::<Vec<_>>().len(), 6);
}

#[test]
fn the_limit_of_connections_applies_to_all_listeners_together() {
    let home = Home::new();
    home.add_admin();
    let socket = home.path("http.sock");
    let words = ["--listen", "127.0.0.1:0", "--listen", &unix(&home, "http.sock")];
    let limits = ["--workers", "1", "--connections", "2", "--connections-per-address", "0"];
    let server = serve(&home, &[&words[..], &limits].concat());
    const ASK: &[u8] = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut held: Vec<_> = (0..2).map(|_| std::net::TcpStream::connect(server.address).unwrap()).collect();
    for stream in &mut held {
        stream.write_all(ASK).unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
    }
    let mut third = UnixStream::connect(&socket).unwrap();
    third.write_all(ASK).unwrap();
    third.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let waits = third.read(&mut [0; 4096]);
    assert!(waits.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)));
    held.pop();
    third.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(third.read(&mut [0; 4096]).unwrap() > 0);
}

#[test]
fn a_stop_closes_idle_connections_and_finishes_requests_in_flight() {
    let home = Home::new();
    home.add_admin();
    let socket = home.path("http.sock");
    let server = serve(&home, &["--listen", &unix(&home, "http.sock"), "--workers", "1"]);
    let mut idle = UnixStream::connect(&socket).unwrap();
    idle.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 4096]).unwrap() > 0);
    let mut busy = UnixStream::connect(&socket).unwrap();
    busy.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let form = ["Content-Type: application/x-www-form-urlencoded", "Content-Length: 29"];
    busy.write_all(raw::request("POST /oauth/token", &form, "grant_type=").as_bytes()).unwrap();
    // The one worker has begun that request before it answers a later one.
    assert!(is_alive(&socket));
    server.signal("TERM");
    assert_eq!(idle.read(&mut [0; 4096]).unwrap(), 0, "the idle connection is closed");
    busy.write_all(b"client_credentials").unwrap();
    let answer = raw::read(&mut busy);
    assert!(answer.status() == 401 && answer.text.contains("invalid_client"), "{}", answer.text);
    assert!(server.end().success());
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_server_on_unix_sockets_only_says_that_it_does_not_know_its_url() {
    let home = Home::new();
    let listen = unix(&home, "http.sock");
    let server = serve(&home, &["--listen", &listen]);
    eventually(Duration::from_secs(20), "there is a link", async || server.log().contains("/setup?token=")).await;
    eventually(Duration::from_secs(20), "there is a hint", async || server.log().contains("set --public-url")).await;
    let log = server.log();
    assert!(log.contains("http://localhost/setup?token=") && log.contains("--public-url is not set"), "{log}");
    assert!(!log.contains("plain HTTP"), "{log}");
    let metadata = raw::through(&home.path("http.sock"), "GET /.well-known/oauth-authorization-server", &[]).text;
    assert!(metadata.contains("\"issuer\":\"http://localhost\""), "{metadata}");
    drop(server);
    for url in ["https://keys.example.com", "http://localhost"] {
        let server = serve(&home, &["--listen", &listen, "--public-url", url]);
        eventually(Duration::from_secs(20), "there is a link", async || server.log().contains("/setup?token=")).await;
        assert!(server.log().contains(&format!("{url}/setup?token=")), "{}", server.log());
        assert!(!server.log().contains("--public-url"), "{}", server.log());
    }
    // The first address with a host makes the URL.
    let server = serve(&home, &["--listen", &listen, "--listen", "127.0.0.1:0"]);
    eventually(Duration::from_secs(20), "there is a link", async || server.log().contains("/setup?token=")).await;
    assert!(server.log().contains(&format!("http://{}/setup?token=", server.address)), "{}", server.log());
}

#[tokio::test]
async fn metrics_and_commands_work_beside_a_unix_socket() {
    let home = Home::new();
    home.add_admin();
    let metrics = home.path("metrics.sock");
    let words = ["--listen", "127.0.0.1:0", "--metrics-listen", &unix(&home, "metrics.sock")];
    let server = serve(&home, &words);
    let (_, key) = home.create_key(ADMIN, "one");
    assert_eq!(server.tries(&key).await, 200);
    let answer = raw::through(&metrics, "GET /metrics", &[]);
    assert!(answer.text.contains("keybearer_verdicts_total{code=\"valid\"} 1\n"), "{}", answer.text);
    assert_eq!(status(&metrics, "GET /auth", &[]), 404);
    server.signal("TERM");
    assert!(server.end().success());
    assert!(!metrics.exists());
}

/// What an HTTP/2 client sends first: the preface and empty SETTINGS (RFC 9113 §3.4).
#[cfg(feature = "grpc")]
#[test]
fn grpc_is_served_at_a_unix_socket() {
    let home = Home::new();
    home.add_admin();
    let grpc = home.path("grpc.sock");
    let server = serve(&home, &["--listen", "127.0.0.1:0", "--grpc-listen", &unix(&home, "grpc.sock")]);
    let mut stream = UnixStream::connect(&grpc).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "a SETTINGS frame");
    drop(stream);
    server.signal("TERM");
    assert!(server.end().success());
    assert!(!grpc.exists());
}

/// The kernel counts what waits at a Unix socket in another way than at a TCP socket.
#[tokio::test]
async fn a_client_at_a_unix_socket_that_stops_reading_is_cut_off_and_a_slow_one_is_not() {
    let (home, short, long) = (Home::new(), Duration::from_millis(1500), Duration::from_secs(120));
    let server = Server::on(&home, |settings| {
        settings.deadlines = Deadlines { idle: long, head: long, unread: short };
        settings.listen.push(ListenAddress::parse(&unix(&home, "http.sock")).unwrap());
    });
    let (_, key) = server.key(&[]).await;
    let large = format!("GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\n\r\n");
    let connect = || {
        let socket = UnixStream::connect(home.path("http.sock")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    };
    let (mut slow, count) = (connect(), 100);
    let (mut asking, request) = (slow.try_clone().unwrap(), large.clone());
    // From a thread: the server takes no more than it can answer.
    let asked = std::thread::spawn(move || {
        (0..count).for_each(|_| asking.write_all(request.as_bytes()).unwrap());
        asking.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    });
    let (mut answers, mut piece) = (Vec::new(), vec![0; 1 << 20]);
    loop {
        std::thread::sleep(short / 30);
        match slow.read(&mut piece).unwrap() {
            0 => break,
            read => answers.extend_from_slice(&piece[..read]),
        }
    }
    asked.join().unwrap();
    assert_eq!(String::from_utf8(answers).unwrap().matches("HTTP/1.1 200 OK").count(), count + 1);

    let mut deaf = connect();
    let error =
        (0..100_000).find_map(|_| deaf.write_all(large.as_bytes()).err()).expect("nobody takes that many requests");
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    // What was in the socket can still be read, and then it ends.
    let mut rest = Vec::new();
    let end = deaf.read_to_end(&mut rest);
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert!(is_alive(&home.path("http.sock")));
}
