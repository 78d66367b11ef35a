//! The listener as part of the program: startup, shutdown, log.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use super::envoy::{Envoy, Question};
use crate::harness::{ADMIN, Home, Process, eventually};

const POLICY: &str = "[policy.any-key]\n";
/// A deadline that even a busy machine meets.
const LONG: Duration = Duration::from_secs(60);

struct Stage {
    key: String,
    grpc: SocketAddr,
    server: Process,
    home: Home,
}

impl Stage {
    fn start() -> Self {
        let home = Home::new();
        home.add_admin();
        let (_, key) = home.create_key(ADMIN, "one");
        std::fs::write(home.path("keybearer.toml"), POLICY).unwrap();
        let grpc = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let words = ["serve", "--listen", "127.0.0.1:0", "--workers", "4", "--grpc-listen", &grpc.to_string()];
        let mut command = home.command(&words);
        command.env("RUST_LOG", "trace");
        Stage { key, grpc, server: Process::of(command), home }
    }

    async fn status(&self, envoy: &Envoy) -> i32 {
        envoy.verdict(Question::of("any-key").key(&self.key)).await.0
    }
}

#[tokio::test]
async fn a_command_is_effective_on_the_next_check_and_no_log_contains_a_key() {
    let stage = Stage::start();
    let envoy = Envoy::at(stage.grpc);
    assert_eq!(stage.status(&envoy).await, 200);
    stage.home.keybearer(&["keys", "revoke", "--stdin"]).write_stdin(stage.key.as_str()).assert().success();
    assert_eq!(stage.status(&envoy).await, 401);
    stage.server.signal("TERM");
    let log = stage.server.stopped_log();
    assert!(log.contains("gRPC ext_authz is up"), "{log}");
    assert!(!log.contains(&stage.key[3..]), "a key is in the log");
}

#[tokio::test]
async fn the_server_stops_on_a_signal_while_a_gateway_stays_connected() {
    let stage = Stage::start();
    let envoy = Envoy::at(stage.grpc);
    let silent = TcpStream::connect(stage.grpc).unwrap();
    assert_eq!(stage.status(&envoy).await, 200);
    let ordered = Instant::now();
    stage.server.signal("TERM");
    assert!(stage.server.end().success());
    assert!(ordered.elapsed() < Duration::from_secs(10), "{:?}", ordered.elapsed());
    drop(silent);
    assert!(envoy.tries(Question::of("any-key").request()).await.is_err());
}

#[test]
fn an_address_in_use_stops_the_start_and_is_named() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let refused =
        home.keybearer(&["serve", "--listen", "127.0.0.1:0", "--grpc-listen", &at]).assert().failure().code(1);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains(&at) && said.contains("--grpc-listen"), "{said}");
}

#[tokio::test]
async fn the_listener_pauses_without_file_descriptors_and_then_resumes() {
    let stage = Stage::start();
    let envoy = Envoy::at(stage.grpc);
    assert_eq!(stage.status(&envoy).await, 200);
    let pid = stage.server.pid();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let limit = format!("--nofile={0}:{0}", open + 8);
    assert!(Command::new("prlimit").args([&limit, &format!("--pid={pid}")]).status().unwrap().success());
    let idle: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(stage.grpc).unwrap()).collect();
    let refused = "the gRPC listener cannot accept a connection";
    eventually(LONG, "it says that it cannot accept", async || stage.server.log().contains(refused)).await;
    assert_eq!(stage.status(&envoy).await, 200, "who is connected is served");
    drop(idle);
    let later = Envoy::at(stage.grpc);
    let question = || Question::of("any-key").key(&stage.key).request();
    eventually(LONG, "it accepts again", async || later.tries(question()).await.is_ok()).await;
}
