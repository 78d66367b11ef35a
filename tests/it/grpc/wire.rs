//! Frames that no well-behaved peer sends (RFC 9113): each costs its sender the connection or the request,
//! and affects nobody else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use keybearer::testing::grpc::CheckResponse;
use tonic::Code;

use super::envoy::{Envoy, Question};
use super::{start, with_grpc};
use crate::harness::Server;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
/// `:method POST`, `:scheme http`, `:path /`, from HPACK's static table.
const POST: &[u8] = &[0x83, 0x86, 0x84];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn open(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.write_all(PREFACE).unwrap();
    socket.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
    socket
}

/// Whether the server has closed the connection.
fn is_closed(mut socket: TcpStream) -> bool {
    let mut rest = Vec::new();
    match socket.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

async fn serves(envoy: &Envoy, key: &str) {
    assert_eq!(envoy.verdict(Question::of("any-key").key(key)).await.0, 200);
}

#[tokio::test]
async fn oversized_and_unknown_requests_are_refused_and_the_connection_stays_open() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    let (_, key) = server.key(&[]).await;
    let large = Question::of("any-key").key(&key).header("cookie", &"x".repeat(300_000));
    assert_eq!(envoy.tries(large.request()).await.unwrap_err().code(), Code::OutOfRange);
    let within = Question::of("any-key").key(&key).header("cookie", &"x".repeat(60_000));
    assert_eq!(envoy.verdict(within).await.0, 200);
    for path in
        ["/envoy.service.auth.v3.Authorization/Other", "/envoy.service.auth.v2.Authorization/Check", "/api/v1/keys"]
    {
        let answer: Result<CheckResponse, _> = envoy.calls(path, Question::of("any-key").key(&key).request()).await;
        assert_eq!(answer.unwrap_err().code(), Code::Unimplemented, "{path}");
    }
    serves(&envoy, &key).await;
}

#[tokio::test]
async fn a_flood_closes_its_connection() {
    let server = start();
    let address = server.grpc.unwrap();
    let envoy = Envoy::at(address);
    let (_, key) = server.key(&[]).await;
    let resets: Vec<u8> = (0..20_000u32)
        .map(|number| 2 * number + 1)
        .flat_map(|stream| {
            [frame(HEADERS, END_HEADERS, stream, POST), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        })
        .collect();
    // A field that is never ended: literal, not indexed, with a name and a value.
    let filler = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x7d][..], &[b'y'; 16_000]].concat();
    let mut endless = frame(HEADERS, 0, 1, POST);
    for _ in 0..2_000 {
        endless.extend(frame(CONTINUATION, 0, 1, &filler));
    }
    let garbage = b"GET / HTTP/1.1\r\nHost: keys.test\r\n\r\n".repeat(100);
    for (what, bytes) in [("resets", resets), ("continuations", endless), ("garbage", garbage)] {
        let mut socket = open(address);
        let _ = socket.write_all(&bytes); // it may be closed before all is written
        assert!(is_closed(socket), "{what}");
        serves(&envoy, &key).await;
    }
}

#[tokio::test]
async fn the_grpc_listener_refuses_http_1_and_the_main_listener_http_2() {
    let server = start();
    let answer = crate::harness::raw::exchange(server.grpc.unwrap(), "GET /livez HTTP/1.1\r\nHost: keys.test\r\n\r\n");
    assert!(answer.closed && !answer.text.contains("HTTP/1.1 200"), "{}", answer.text);
    let mut socket = open(server.address);
    let mut answer = [0; 512];
    let read = socket.read(&mut answer).unwrap_or(0);
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_finish_the_preface_in_time_is_cut_off() {
    let head = Duration::from_secs(1);
    let server = Server::with(|settings| {
        with_grpc(settings);
        settings.deadlines.head = head;
    });
    let address = server.grpc.unwrap();
    let (_, key) = server.key(&[]).await;
    let envoy = Envoy::at(address);
    serves(&envoy, &key).await;
    let mut whole = open(address);
    for length in [0, 1, 14, PREFACE.len() - 1] {
        let mut socket = TcpStream::connect(address).unwrap();
        // Far below the half minute after which HTTP/2 itself asks who is there.
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.write_all(&PREFACE[..length]).unwrap();
        assert!(is_closed(socket), "after {length} bytes");
    }
    // Further bytes do not extend the time either.
    let mut socket = TcpStream::connect(address).unwrap();
    let sent = PREFACE[..PREFACE.len() - 1].iter().take_while(|byte| {
        std::thread::sleep(head / 4);
        socket.write_all(&[**byte]).is_ok()
    });
    assert!(sent.count() < PREFACE.len() - 1, "the server took every byte");
    serves(&envoy, &key).await;
    let ping = frame(PING, 0, 0, b"are you?");
    whole.write_all(&ping).unwrap();
    let pong = [&[0, 0, 8, PING, ACK][..], &[0; 4], b"are you?"].concat();
    let mut read = Vec::new();
    while !read.ends_with(&pong) {
        let mut piece = [0; 256];
        let count = whole.read(&mut piece).unwrap();
        assert!(count > 0, "who has greeted was cut off");
        read.extend_from_slice(&piece[..count]);
    }
}
