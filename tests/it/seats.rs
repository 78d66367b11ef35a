//! One address cannot take all connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use keybearer::testing::{HttpSettings, Networks};

use crate::harness::{Home, Process, Server, eventually, raw};

const ASK: &[u8] = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
/// What an HTTP/2 client sends first: the preface and empty SETTINGS (RFC 9113 §3.4).
#[cfg(feature = "grpc")]
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn three_for_each(settings: &mut HttpSettings) {
    settings.connections_per_address = 3;
    settings.trusted_proxies = Networks::parse(["127.0.0.9"]).unwrap();
}

/// Serves with these limits of open files (soft, hard) and the default number of connections; returns its log and the
/// limits that it has then.
#[cfg(target_os = "linux")]
fn limits_of_open_files(soft: u32, hard: u32) -> (String, String) {
    let home = Home::new();
    let line = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" serve --listen 127.0.0.1:0");
    let server = Process::of(home.shell(&line));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let limits = limits.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
    (server.log(), limits)
}

#[cfg(target_os = "linux")]
#[test]
fn the_limit_of_open_files_is_raised_for_the_connections_or_the_log_says_that_it_is_too_low() {
    let numbers = |limits: &str| limits.split_whitespace().skip(3).take(2).map(str::to_owned).collect::<Vec<_>>();
    let (log, limits) = limits_of_open_files(512, 12_000);
    assert_eq!(numbers(&limits), ["12000", "12000"]);
    assert!(!log.contains("LimitNOFILE"), "{log}");
    let (log, limits) = limits_of_open_files(512, 1024);
    assert_eq!(numbers(&limits), ["1024", "1024"]);
    assert!(log.contains("LimitNOFILE") && log.contains("1024") && log.contains("10256"), "{log}");
}

/// The connection, if the server accepts it.
fn served(from: [u8; 4], to: SocketAddr, word: &[u8]) -> Option<TcpStream> {
    let mut socket = raw::connect_from(from, to);
    let _ = socket.write_all(word); // it may be closed before
    let answer = socket.read(&mut [0; 4096]);
    matches!(answer, Ok(read) if read > 0).then_some(socket)
}

async fn has_its_share(to: SocketAddr, word: &[u8]) {
    let mut held: Vec<_> = (0..6).filter_map(|_| served([127, 0, 0, 1], to, word)).collect();
    assert_eq!(held.len(), 3);
    let other: Vec<_> = (0..2).filter_map(|_| served([127, 0, 0, 2], to, word)).collect();
    assert_eq!(other.len(), 2, "another address is served");
    let proxy: Vec<_> = (0..6).filter_map(|_| served([127, 0, 0, 9], to, word)).collect();
    assert_eq!(proxy.len(), 6, "a trusted proxy speaks for many");
    held.pop();
    let again = std::cell::RefCell::default();
    eventually(Duration::from_secs(10), "a place that was left is free", async || {
        again.replace(served([127, 0, 0, 1], to, word));
        again.borrow().is_some()
    })
    .await;
    assert!(served([127, 0, 0, 1], to, word).is_none());
}

#[tokio::test]
async fn an_address_gets_only_its_share_of_connections() {
    let server = Server::with(three_for_each);
    has_its_share(server.address, ASK).await;
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn an_address_gets_only_its_share_of_grpc_connections() {
    let server = Server::with(|settings| {
        three_for_each(settings);
        settings.grpc_listen = Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into());
    });
    has_its_share(server.grpc.unwrap(), PREFACE).await;
}

#[tokio::test]
async fn a_closing_connection_with_a_slow_reader_keeps_its_seat() {
    let server = Server::with(three_for_each);
    let (_, key) = server.key(&[]).await;
    let large =
        format!("GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nConnection: close\r\n\r\n");
    let held: Vec<_> = (0..3).map(|_| served([127, 0, 0, 1], server.address, large.as_bytes()).unwrap()).collect();
    assert!(served([127, 0, 0, 1], server.address, ASK).is_none());
    drop(held);
    eventually(Duration::from_secs(10), "the seats are free", async || {
        served([127, 0, 0, 1], server.address, ASK).is_some()
    })
    .await;
}

/// A connection that has just been closed keeps its seat until the peer has acknowledged the last bytes. It must not keep
/// it for much longer.
#[tokio::test]
async fn a_client_that_opens_a_connection_per_request_is_never_refused() {
    let server = Server::with(|settings| settings.connections_per_address = 400);
    for number in 0..4_000 {
        let request = raw::request("GET /livez", &["Connection: close"], "");
        let mut socket = raw::connect_from([127, 0, 0, 1], server.address);
        socket.write_all(request.as_bytes()).unwrap();
        let answer = raw::read(&mut socket);
        assert_eq!(answer.status(), 200, "request {number}");
    }
}
