//! Bytes on a socket, for requests that no well-behaved client sends.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

pub struct Raw {
    pub text: String,
    /// Whether the server closed the connection.
    pub closed: bool,
}

impl Raw {
    /// The status of the first response; 0 if there is none.
    pub fn status(&self) -> u16 {
        self.text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub fn answers(&self) -> usize {
        self.text.matches("HTTP/1.1 ").count()
    }
}

/// Sends `request` and reads until the server closes the connection or is silent for a while.
pub fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> Raw {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let _ = socket.write_all(request.as_ref()); // it may close before it has read everything
    read(&mut socket)
}

/// Sends one request through a Unix socket and reads all of the response, after which the server closes the connection.
pub fn through(socket: &Path, line: &str, headers: &[&str]) -> Raw {
    let mut socket = UnixStream::connect(socket).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(request(line, &[headers, &["Connection: close"]].concat(), "").as_bytes()).unwrap();
    read(&mut socket)
}

pub fn read(socket: &mut impl Read) -> Raw {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let closed = loop {
        match socket.read(&mut chunk) {
            Ok(0) => break true,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break false,
            Err(_) => break true,
        }
    };
    Raw { text: String::from_utf8_lossy(&bytes).into_owned(), closed }
}

/// `lines` as a request's head, with the fields that every request needs.
pub fn request(line: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nHost: keys.test\r\n{headers}\r\n{body}")
}

/// A connection from this address of the machine (such as `127.0.0.2`), with a receive buffer so small
/// that the server notices when nobody reads.
pub fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_recv_buffer_size(&socket, 4096).unwrap();
    bind(&socket, &SocketAddr::from((from, 0))).unwrap();
    connect(&socket, &to).unwrap();
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}
