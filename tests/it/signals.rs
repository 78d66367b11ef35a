//! Signals: only a few stop the server, and those let it finish its work.

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
