//! Bytes on the wire: ambiguous requests are refused, slow or endless ones are cut off,
//! and accepted ones are finished.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{ADMIN, Client, Home, Process, Server, raw};

#[tokio::test]
async fn ambiguous_framing_is_refused_and_the_connection_closed() {
    let server = Server::start();
    let smuggled = "GET /livez HTTP/1.1\r\nHost: keys.test\r\n\r\n";
    for (what, request) in [
        (
            "content-length and transfer-encoding",
            raw::request(
                "POST /login",
                &["Content-Length: 4", "Transfer-Encoding: chunked"],
                &format!("0\r\n\r\n{smuggled}"),
            ),
        ),
        ("two content-lengths", raw::request("POST /login", &["Content-Length: 0", "Content-Length: 44"], smuggled)),
        ("two content-lengths in one", raw::request("POST /login", &["Content-Length: 0, 44"], smuggled)),
        ("a signed content-length", raw::request("POST /login", &["Content-Length: +44"], smuggled)),
        ("a hexadecimal content-length", raw::request("POST /login", &["Content-Length: 0x2c"], smuggled)),
        ("an unknown transfer-encoding", raw::request("POST /login", &["Transfer-Encoding: xchunked"], smuggled)),
        (
            "a list of transfer-encodings",
            raw::request("POST /login", &["Transfer-Encoding: chunked, identity"], smuggled),
        ),
        (
            "two transfer-encodings",
            raw::request("POST /login", &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
        ),
        ("a blank before the colon", raw::request("POST /login", &["Content-Length : 44"], smuggled)),
        ("a folded line", raw::request("GET /livez", &["X-A: b", " c: d"], "")),
        ("a control character in a name", raw::request("GET /livez", &["X\u{1}A: b"], "")),
        ("a nul in a value", raw::request("GET /livez", &["X-A: b\0c"], "")),
        ("a lone carriage return", "GET /livez HTTP/1.1\r\nHost: a\rX: b\r\n\r\n".to_owned()),
        ("a line without a colon", raw::request("GET /livez", &["nonsense"], "")),
        ("no version", "GET /livez\r\n\r\n".to_owned()),
        ("another version", "GET /livez HTTP/3.0\r\nHost: a\r\n\r\n".to_owned()),
        ("another protocol", "\u{16}\u{3}\u{1}\u{2}\u{0}\r\n\r\n".to_owned()),
    ] {
        let answer = raw::exchange(server.address, &request);
        assert_eq!(answer.status(), 400, "{what}: {}", answer.text);
        assert_eq!(answer.answers(), 1, "{what}: {}", answer.text);
        assert!(answer.closed, "{what}");
    }
    assert_eq!(server.anon().get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_request_must_have_exactly_one_host() {
    let server = Server::start();
    for hosts in [
        &[][..],
        &["Host: a", "Host: a"],
        &["Host: a", "Host: b"],
        &["Host: a/b"],
        &["Host: a?b"],
        &["Host: a#b"],
        &["Host: a b"],
        &["Host: a@b"],
        &["Host:"],
        &["Host: a,b"],
        &["Host: a:80:80"],
        &["Host: a:b"],
        &["Host: a:65536"],
        &["Host: :80"],
        &["Host: a%00"],
        &["Host: [::1"],
        &["Host: ::1"],
        &["Host: [a]"],
        &["Host: [::1]b"],
        &["Host: b@a:80"],
        &["Host: a\\b"],
    ] {
        for path in ["/livez", "/auth", "/keys"] {
            let lines: String = hosts.iter().map(|host| format!("{host}\r\n")).collect();
            let answer =
                raw::exchange(server.address, format!("GET {path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"));
            assert_eq!(answer.status(), 400, "{hosts:?} {path}: {}", answer.text);
        }
    }
    for host in ["a", "a:8080", "[::1]:80", "keys.example.com"] {
        for target in ["/livez".to_owned(), format!("http://{host}/livez")] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = raw::exchange(server.address, request);
            assert_eq!(answer.status(), 200, "{target} {host}: {}", answer.text);
        }
    }
    for own in ["a:80:80", "[::1", "a%00", "b@a", ":80", "a:b", "", "a b", "[a]"] {
        for path in ["/livez", "/auth", "/keys"] {
            let request = format!("GET http://{own}{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let answer = raw::exchange(server.address, request);
            assert_eq!(answer.status(), 400, "{own} {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_bare_line_feed_is_read_in_only_one_way() {
    let server = Server::start();
    let answer = raw::exchange(server.address, "GET /livez HTTP/1.1\nHost: a\nConnection: close\n\n");
    assert!([200, 400].contains(&answer.status()) && answer.answers() == 1, "{}", answer.text);
}

#[tokio::test]
async fn endless_heads_are_cut_off() {
    let server = Server::start();
    let one = format!("GET /livez HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET /livez HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-Header: y\r\n".repeat(10_000));
    let address = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(1 << 17));
    let names = format!("GET /livez HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-Header: y\r\n".repeat(120));
    for request in [one, many, address, names] {
        let answer = raw::exchange(server.address, &request);
        // The rest of what was sent may reset the connection before the answer is read.
        assert!([400, 414, 431, 0].contains(&answer.status()), "{}", answer.text);
        assert!(answer.closed, "{}", answer.text);
    }
    assert_eq!(server.anon().get("/livez").await.status, 200);
}

/// Without a service: the HTTP library refuses these itself.
#[tokio::test]
async fn an_unreadable_request_is_refused_with_the_reason_in_the_form_its_gateway_expects() {
    let server = Server::start();
    let many = (0..120).map(|number| format!("X-{number}: a\r\n")).collect::<String>();
    let first = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    for (begun, path, fields, status, reported) in [
        ("", "/auth/nginx", &*many, 403, "431"),
        ("", "/auth/nginx?policy=a", &many, 403, "431"),
        ("", "/auth/nginx", "A : b\r\n", 403, "400"),
        (first, "/auth/nginx/suffix", &many, 403, "431"),
        ("", "/auth", &many, 431, ""),
        ("", "/auth/envoy/any-key/orders", &many, 431, ""),
        ("", "/api/v1/keys/current", &many, 431, ""),
        (first, "/keys", "A : b\r\n", 400, ""),
    ] {
        let mut socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        if !begun.is_empty() {
            socket.write_all(begun.as_bytes()).unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\"alive\"}") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                answer.extend(byte);
            }
        }
        socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes()).unwrap();
        let answer = raw::read(&mut socket);
        assert!(answer.closed && answer.status() == status && answer.answers() == 1, "{path}: {}", answer.text);
        let (head, body) = answer.text.split_once("\r\n\r\n").unwrap();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or("");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        let status = if reported.is_empty() { status } else { reported.parse().unwrap() };
        let code = if status == 431 { "headers_too_large" } else { "invalid_request" };
        assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()), "{path}");
        assert_eq!((field("content-type"), field("cache-control")), ("application/problem+json", "no-store"));
        assert_eq!(
            (field("x-auth-status"), field("x-auth-reason").is_empty()),
            (reported, reported.is_empty()),
            "{path}"
        );
        assert_eq!(problem["request_id"], field("x-request-id"));
        assert_eq!(field("content-length"), body.len().to_string());
    }
    let answer = raw::exchange(server.address, format!("HEAD /auth HTTP/1.1\r\nHost: a\r\n{many}\r\n"));
    assert!(answer.status() == 431 && answer.text.ends_with("\r\n\r\n"), "{}", answer.text);
    assert_eq!(server.anon().get("/livez").await.status, 200);
}

#[tokio::test]
async fn each_of_several_requests_on_one_connection_gets_a_response() {
    let server = Server::start();
    let (_, key) = server.key(&[]).await;
    let one = format!("GET /auth HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n");
    let none = "GET /auth HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = raw::exchange(server.address, format!("{one}{none}{one}{none}{last}"));
    let statuses: Vec<&str> = answer.text.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect();
    assert_eq!(statuses, ["200", "401", "200", "401", "200"], "a key opens its own request alone");
}

#[tokio::test]
async fn a_truncated_body_changes_nothing() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key("mine").await;
    let cookies: Vec<String> =
        member.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let body = format!("csrf_token={}", member.csrf_token().await);
    let head = format!(
        "POST /keys/{id}/revoke HTTP/1.1\r\nHost: a\r\nCookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        cookies.join("; "),
        body.len() + 1
    );
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let answer = raw::read(&mut socket);
    assert!([0, 400].contains(&answer.status()), "{}", answer.text);
    assert_eq!(server.tries(&key).await, 200);
}

#[tokio::test]
#[ignore = "waits for the real deadline of ten seconds; tests/run runs it"]
async fn a_slow_head_is_closed_at_the_deadline() {
    let server = Server::start();
    let mut sockets: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    let started = Instant::now();
    for socket in &mut sockets {
        socket.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ").unwrap();
    }
    assert_eq!(server.anon().get("/livez").await.status, 200, "others are served meanwhile");
    for socket in &mut sockets {
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let answer = raw::read(socket);
        assert!(answer.closed && [0, 408].contains(&answer.status()), "{}", answer.text);
    }
    let waited = started.elapsed();
    assert!(waited > Duration::from_secs(5) && waited < Duration::from_secs(25), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_signal_cuts_off_no_response() {
    for signal in ["TERM", "INT"] {
        let home = Home::new();
        home.add_admin();
        let (_, key) = home.create_key(ADMIN, "n");
        let server = Process::serve(&home);
        let address = server.address;
        let mut in_flight = Vec::new();
        for number in 0..12 {
            let client = Client::anon(address);
            let token = client.csrf_token().await;
            in_flight.push((client, token, format!("user{number}@example.com")));
        }
        // A sign-in takes long enough (its hash) to be in flight when the order comes.
        let sign_ins: Vec<_> = in_flight
            .into_iter()
            .map(|(client, token, email)| {
                tokio::spawn(async move {
                    client
                        .post(
                            "/login",
                            &[("csrf_token", &token), ("email", &email), ("password", "wrong password, sorry")],
                        )
                        .await
                })
            })
            .collect();
        let mut sign_ins = sign_ins.into_iter();
        // When the first is answered, the others have been sent, too.
        let first = sign_ins.next().unwrap().await.unwrap();
        assert_eq!(first.status, 422);
        server.signal(signal);
        for sign_in in sign_ins {
            let answer = sign_in.await.expect("an answer that was begun is whole");
            assert!(answer.status == 422 && answer.body.trim_end().ends_with("</html>"), "{answer:?}");
        }
        assert_eq!(server.end().code(), Some(0), "{signal}");
        assert!(TcpStream::connect(address).is_err());
        let server = Process::serve(&home);
        assert_eq!(server.tries(&key).await, 200);
        home.run(&["check"]);
    }
}

#[tokio::test]
async fn an_idle_connection_does_not_delay_shutdown() {
    let home = Home::new();
    let server = Process::serve(&home);
    let idle = Client::anon(server.address);
    assert_eq!(idle.get("/livez").await.status, 200);
    let silent = TcpStream::connect(server.address).unwrap();
    let started = Instant::now();
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    drop(silent);
}
