//! Signals: only a few stop the server, and those let it finish its work.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::harness::{ADMIN, Home, Process};

#[tokio::test]
async fn common_operator_signals_do_not_stop_the_server() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    let server = Process::serve(&home);
    for name in ["HUP", "USR1", "USR2", "ALRM", "PIPE", "IO", "VTALRM", "PROF", "XFSZ", "HUP"] {
        server.signal(name);
        assert_eq!(server.tries(&key).await, 200, "{name}");
    }
    server.signal("TERM");
    let log = server.stopped_log();
    assert!(log.contains("SIGHUP: nothing to read again"), "{log}");
    assert!(log.contains("\"stopped\""), "{log}");
}

#[test]
fn the_server_shuts_down_on_each_termination_signal() {
    let home = Home::new();
    home.add_admin();
    for name in ["TERM", "INT", "QUIT"] {
        let server = Process::serve(&home);
        server.signal(name);
        assert!(server.end().success(), "{name}");
    }
}

#[test]
fn systemd_is_told_when_the_server_is_ready_reads_files_again_lives_and_stops() {
    let home = Home::new();
    let socket = UnixDatagram::bind(home.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut serve = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("NOTIFY_SOCKET", home.path("notify")).env("WATCHDOG_USEC", "4000000");
    let server = Process::of(serve);
    let told = |what: &str| loop {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("not told {what}: {error}"));
        let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if said.starts_with(what) {
            return said;
        }
        assert_eq!(said, "WATCHDOG=1\n", "while waiting for {what}");
    };
    told("READY=1");
    (0..3).for_each(|_| drop(told("WATCHDOG=1")));
    server.signal("HUP");
    assert!(told("RELOADING=1").contains("MONOTONIC_USEC="));
    told("READY=1");
    server.signal("TERM");
    told("STOPPING=1");
    assert!(server.end().success());
}
