//! Listening sockets that the service manager passes to the server (sd_listen_fds(3)).

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};

use crate::harness::{ADMIN, Client, Home, Process, raw};

/// `keybearer serve` as systemd would start it: with these as file descriptors 3 and 4.
fn serve_on(home: &Home, one: impl Into<OwnedFd>, two: impl Into<OwnedFd>, variables: &str, words: &str) -> Command {
    let line = format!("export LISTEN_PID=$$ {variables}; exec \"$0\" serve {words} 3<&0 4<&1 0</dev/null 1>/dev/null");
    let mut command = home.shell(&line);
    command.stdin(Stdio::from(one.into())).stdout(Stdio::from(two.into()));
    command
}

fn tcp() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn nothing() -> std::fs::File {
    std::fs::File::open("/dev/null").unwrap()
}

#[tokio::test]
async fn passed_sockets_are_used_instead_of_the_listen_addresses() {
    let home = Home::new();
    let path = home.path("http.sock");
    let (one, two) = (tcp(), UnixListener::bind(&path).unwrap());
    let (address, unused) = (one.local_addr().unwrap(), tcp().local_addr().unwrap());
    let words = format!("--listen {unused}");
    let server = Process::inheriting(serve_on(&home, one, two, "LISTEN_FDS=2", &words));
    assert_eq!(server.address, address);
    assert_eq!(server.anon().get("/livez").await.status, 200);
    assert_eq!(raw::through(&path, "GET /livez", &[]).status(), 200);
    assert!(TcpStream::connect(unused).is_err());
    let metadata = server.anon().get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["issuer"], format!("http://{address}"));
    let log = server.log();
    assert!(log.contains("systemd has passed sockets, which are used instead of --listen"), "{log}");
    server.signal("TERM");
    assert!(server.end().success());
    assert!(path.exists(), "the file is systemd's, which listens there for the next start");
}

#[tokio::test]
async fn a_passed_socket_is_used_for_what_its_name_says() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    let (one, two) = (tcp(), tcp());
    let (metrics, main) = (one.local_addr().unwrap(), two.local_addr().unwrap());
    let variables = "LISTEN_FDS=2 LISTEN_FDNAMES=metrics:keybearer.socket";
    let server = Process::inheriting(serve_on(&home, one, two, variables, ""));
    assert_eq!(server.address, main);
    assert_eq!(server.tries(&key).await, 200);
    assert!(Client::anon(metrics).get("/metrics").await.body.contains("keybearer_verdicts_total"));
    assert_eq!(Client::anon(metrics).get("/auth").await.status, 404);
    drop(server);

    // Only a socket for metrics: the main listener is the configured one.
    let one = tcp();
    let metrics = one.local_addr().unwrap();
    let variables = "LISTEN_FDS=1 LISTEN_FDNAMES=metrics";
    let server = Process::inheriting(serve_on(&home, one, nothing(), variables, "--listen 127.0.0.1:0"));
    assert_eq!(server.tries(&key).await, 200);
    assert_eq!(Client::anon(metrics).get("/metrics").await.status, 200);
}

#[cfg(feature = "grpc")]
#[test]
fn a_socket_called_grpc_is_the_grpc_listener() {
    use std::io::{Read, Write};
    let home = Home::new();
    let (one, two) = (tcp(), tcp());
    let grpc = one.local_addr().unwrap();
    let variables = "LISTEN_FDS=2 LISTEN_FDNAMES=grpc:http";
    let _server = Process::inheriting(serve_on(&home, one, two, variables, ""));
    let mut stream = TcpStream::connect(grpc).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "a SETTINGS frame");
}

#[test]
fn a_passed_descriptor_that_cannot_be_used_is_explained() {
    let home = Home::new();
    let (near, _far) = UnixStream::pair().unwrap();
    let descriptors: [(OwnedFd, &str, &str); 6] = [
        (nothing().into(), "LISTEN_FDS=1", "it is not a socket"),
        (UnixDatagram::unbound().unwrap().into(), "LISTEN_FDS=1", "it needs ListenStream="),
        (near.into(), "LISTEN_FDS=1", "it needs Accept=no"),
        (tcp().into(), "LISTEN_FDS=9", "do not describe open sockets"),
        (tcp().into(), "LISTEN_FDS=many", "do not describe open sockets"),
        (tcp().into(), "LISTEN_FDS=1 LISTEN_FDNAMES=a:b", "do not describe open sockets"),
    ];
    for (descriptor, variables, why) in descriptors {
        let mut command = serve_on(&home, descriptor, nothing(), variables, "");
        let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{variables}: {said}");
        assert!(said.contains(why) && said.contains("systemd"), "{variables}: {said}");
    }
    assert!(!home.path("keybearer.db").exists(), "nothing was created");
}

#[tokio::test]
async fn sockets_for_another_process_are_ignored() {
    let home = Home::new();
    home.add_admin();
    let one = tcp();
    let address = one.local_addr().unwrap();
    let variables = "LISTEN_FDS=1 LISTEN_PID=1";
    let server = Process::inheriting(serve_on(&home, one, nothing(), variables, "--listen 127.0.0.1:0"));
    assert_ne!(server.address, address);
    assert!(server.log().contains("If systemd starts the server through a shell, use exec"), "{}", server.log());
    assert_eq!(server.anon().get("/livez").await.status, 200);
}
