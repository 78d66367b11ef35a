//! The server waits for a peer only for a limited time, in every phase of every request.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use keybearer::testing::{Deadlines, HttpSettings, TlsFiles};

use crate::harness::{Server, raw};

const SHORT: Duration = Duration::from_millis(400);
/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(120);
const ASK: &[u8] = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";

fn start(idle: Duration, head: Duration, unread: Duration) -> Server {
    Server::with(|settings: &mut HttpSettings| settings.deadlines = Deadlines { idle, head, unread })
}

fn connect(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

/// Sends a request and reads the whole, short response.
fn ask(socket: &mut TcpStream) {
    socket.write_all(ASK).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut piece = [0; 512];
        let read = socket.read(&mut piece).unwrap();
        assert!(read > 0, "closed in an answer: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_an_active_one_is_not() {
    let server = start(SHORT, LONG, LONG);
    let mut socket = connect(&server);
    for _ in 0..6 {
        ask(&mut socket);
        thread::sleep(SHORT / 4);
    }
    ask(&mut socket);
    let since = Instant::now();
    let end = raw::read(&mut socket);
    assert!(end.closed && end.text.is_empty(), "{}", end.text);
    assert!(since.elapsed() >= SHORT.mul_f32(0.9), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_slow_request_head_is_cut_off() {
    // Not as short: actix-http takes the time from a clock that it sets twice a second.
    let server = start(LONG, SHORT * 3, LONG);
    for asked_before in [0, 1, 3] {
        let mut socket = connect(&server);
        (0..asked_before).for_each(|_| ask(&mut socket));
        let mut drops = socket.try_clone().unwrap();
        let dripping = thread::spawn(move || {
            let head = b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x'));
            head.take(2000)
                .take_while(|byte| {
                    thread::sleep(Duration::from_millis(10));
                    drops.write_all(&[**byte]).is_ok()
                })
                .count()
        });
        let end = raw::read(&mut socket);
        assert!(end.closed && [0, 408].contains(&end.status()), "after {asked_before}: {}", end.text);
        drop(socket);
        assert!(dripping.join().unwrap() < 2000, "the server took every drop");
    }
}

#[tokio::test]
async fn a_body_has_its_own_deadline_with_and_without_expect_continue() {
    // The head's is not as short, as above.
    let server = start(SHORT, SHORT * 3, SHORT);
    let (_, key) = server.key(&["keybearer:verify"]).await;
    let body = format!(r#"{{"key":"{key}"}}"#);
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut socket = connect(&server);
        let head = format!(
            "POST /api/v1/keys/verify HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n{expect}\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        for byte in body.bytes() {
            thread::sleep(SHORT * 4 / body.len() as u32);
            socket.write_all(&[byte]).unwrap();
        }
        let answer = raw::read(&mut socket);
        assert!(answer.text.contains("HTTP/1.1 200 OK") && answer.text.contains(r#""valid":true"#), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off_and_a_slow_one_is_not() {
    let server = start(LONG, LONG, SHORT);
    let (_, key) = server.key(&[]).await;
    let large = format!("GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\n\r\n");
    let count = 200;
    let mut slow = connect(&server);
    let mut asking = slow.try_clone().unwrap();
    // From a thread: the server takes no more than it can answer.
    let request = large.clone();
    let asked = thread::spawn(move || {
        (0..count).for_each(|_| asking.write_all(request.as_bytes()).unwrap());
        asking.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    });
    let (mut answers, mut piece) = (Vec::new(), vec![0; 1 << 20]);
    loop {
        thread::sleep(SHORT / 8);
        match slow.read(&mut piece).unwrap() {
            0 => break,
            read => answers.extend_from_slice(&piece[..read]),
        }
    }
    asked.join().unwrap();
    let answers = String::from_utf8(answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), count + 1, "{} bytes", answers.len());

    let mut deaf = connect(&server);
    let error =
        (0..100_000).find_map(|_| deaf.write_all(large.as_bytes()).err()).expect("nobody takes that many requests");
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    ask(&mut connect(&server));
}

#[tokio::test]
async fn an_idle_tls_connection_is_closed_with_close_notify() {
    let files = tempfile::tempdir().unwrap();
    let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    let made = Command::new("openssl")
        .args("req -x509 -newkey ed25519 -nodes -days 2 -subj /CN=keys.test -keyout".split(' '))
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let server = Server::with(|settings| {
        settings.deadlines = Deadlines { idle: SHORT, head: LONG, unread: LONG };
        settings.tls = Some(TlsFiles { cert: cert.clone(), key: key.clone() });
    });
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-servername", "keys.test", "-connect"])
        .arg(server.address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut asking = client.stdin.take().unwrap();
    asking.write_all(ASK).unwrap();
    let mut response = String::new();
    client.stdout.take().unwrap().read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with('}'), "{response}");
    // It ends with an error when the connection breaks off without the alert that TLS has for an end.
    assert!(client.wait().unwrap().success());
    drop(asking);
}

#[tokio::test]
async fn a_response_before_the_end_of_the_body_closes_the_connection() {
    let server = start(LONG, LONG, LONG);
    let (_, key) = server.key(&["keybearer:verify"]).await;
    let good = format!("X-Api-Key: {key}\r\n");
    let begun = [
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "Content-Length: 10\r\n\r\n",
        "Content-Length: 10\r\n\r\n{}",
    ];
    let targets = [
        ("/api/v1/keys/verify", "X-Api-Key: kb_x\r\n", 401),
        ("/api/v1/keys/verify", "", 401),
        ("/auth", "", 401),
        ("/auth", &good, 200),
        ("/api/v1/openapi.json", "", 405),
        ("/nowhere", "", 404),
        ("/keys", "", 303),
    ];
    let asked = targets.iter().flat_map(|(target, key, status)| begun.map(|rest| (*target, *key, *status, rest)));
    let asked: Vec<_> = asked
        .map(|(target, key, status, rest)| {
            let mut socket = connect(&server);
            let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{key}{rest}");
            socket.write_all(head.as_bytes()).unwrap();
            (target, status, rest, socket)
        })
        .collect();
    for (target, status, rest, mut socket) in asked {
        let answer = raw::read(&mut socket);
        assert_eq!((answer.status(), answer.answers()), (status, 1), "{target} {rest:?}: {}", answer.text);
        assert!(answer.closed, "{target} {rest:?}: {}", answer.text);
        assert!(answer.text.to_lowercase().contains("connection: close\r\n"), "{target} {rest:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_head_is_timed_from_its_first_byte_wherever_that_arrived() {
    let server = start(LONG, SHORT * 3, LONG);
    let (_, key) = server.key(&["keybearer:verify"]).await;
    let body = format!("{{\"key\":\"{key}\"}}");
    let posted = format!(
        "POST /api/v1/keys/verify HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nContent-Type: application/json\r\n"
    );
    let with_length = format!("{posted}Content-Length: {}\r\n\r\n{body}", body.len());
    let in_chunks = format!("{posted}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let auth = format!("GET /auth HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\n\r\n");
    let wholes = [std::str::from_utf8(ASK).unwrap(), &auth, &with_length, &in_chunks];
    let begin = |sent: String| {
        let mut socket = connect(&server);
        socket.write_all(sent.as_bytes()).unwrap();
        (sent, socket)
    };
    let rests = ["G", "GET /livez HTTP/1.1\r\nHost: a\r\n"];
    let timed: Vec<_> =
        wholes.iter().flat_map(|whole| rests.map(|rest| begin(format!("{whole}{whole}{rest}")))).collect();
    // The same without a rest: they wait for the next request, for long.
    let idle: Vec<_> = wholes.iter().map(|whole| begin((*whole).to_owned())).collect();
    for (sent, mut socket) in timed {
        let end = raw::read(&mut socket);
        assert!(end.closed && end.text.matches("HTTP/1.1 200 ").count() == 2, "{sent}: {}", end.text);
    }
    for (sent, mut socket) in idle {
        socket.set_read_timeout(Some(SHORT * 3)).unwrap();
        let end = raw::read(&mut socket);
        assert!(!end.closed && end.text.contains("HTTP/1.1 200 "), "{sent}: {}", end.text);
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        ask(&mut socket);
    }
}

#[tokio::test]
async fn a_client_that_reads_a_response_too_slowly_is_cut_off_in_every_phase() {
    let server = start(LONG, LONG, SHORT);
    let (_, key) = server.key(&[]).await;
    let large = |more| format!("GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\n{more}\r\n");
    // In the socket alone; in a socket whose connection is over; in a socket and our memory.
    for requests in [large(""), large("Connection: close\r\n"), large("").repeat(200)] {
        let mut socket = raw::connect_from([127, 0, 0, 1], server.address);
        let mut asking = socket.try_clone().unwrap();
        let asked = thread::spawn(move || asking.write_all(requests.as_bytes()).is_ok());
        let end = loop {
            thread::sleep(SHORT / 4);
            if let Some(error) = socket.take_error().unwrap() {
                break error;
            }
            assert!(socket.read(&mut [0; 2]).unwrap() > 0, "closed as if all had been read");
        };
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
        asked.join().unwrap();
    }
    ask(&mut connect(&server));
}
