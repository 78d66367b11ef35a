//! A small blocking HTTP client for everything but the measured load: probes, managing keys, signing in.

use crate::verify::{answer, schedule::Route};
use rustix::net;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

/// Maximum time per answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// One keep-alive connection, opened again when the server has closed it.
pub struct Client {
    /// The loopback address that it connects from, if it needs one of its own.
    from: Option<Ipv4Addr>,
    port: u16,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(port: u16) -> Self {
        Self { from: None, port, stream: None, buffer: Vec::new() }
    }

    pub fn from(from: Ipv4Addr, port: u16) -> Self {
        Self { from: Some(from), ..Self::new(port) }
    }

    /// Sends a rendered request.
    pub fn send(&mut self, request: &[u8]) -> io::Result<Response> {
        let outcome = self.exchange(request);
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }

    pub fn ask(&mut self, route: &Route, key: &[u8]) -> io::Result<Response> {
        let mut request = Vec::new();
        route.render(key, &mut request);
        self.send(&request)
    }

    /// Calls the management API, with a JSON body unless it is empty.
    pub fn call(&mut self, method: &str, path: &str, bearer: Option<&str>, body: &str) -> io::Result<Response> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        if let Some(bearer) = bearer {
            request += &format!("Authorization: Bearer {bearer}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        self.send(format!("{request}\r\n{body}").as_bytes())
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Response> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            empty => empty.insert(connect(self.from, self.port)?),
        };
        stream.write_all(request)?;
        self.buffer.clear();
        let mut chunk = [0; 16 * 1024];
        loop {
            let count = stream.read(&mut chunk)?;
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            self.buffer.extend_from_slice(&chunk[..count]);
            if let Some(found) = answer::parse(&self.buffer)? {
                if found.closes {
                    self.stream = None;
                }
                return Ok(Response {
                    status: found.status,
                    headers: header_list(&self.buffer[..found.head]),
                    body: self.buffer[found.head..found.length].to_vec(),
                });
            }
        }
    }
}

fn connect(from: Option<Ipv4Addr>, port: u16) -> io::Result<TcpStream> {
    let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let stream = match from {
        None => TcpStream::connect(to)?,
        Some(from) => {
            let socket = net::socket(net::AddressFamily::INET, net::SocketType::STREAM, None)?;
            net::bind(&socket, &SocketAddrV4::new(from, 0))?;
            net::connect(&socket, &to)?;
            TcpStream::from(socket)
        }
    };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn header_list(head: &[u8]) -> Vec<(String, String)> {
    String::from_utf8_lossy(head)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}
