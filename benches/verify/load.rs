//! The generator: a closed loop over keep-alive connections on one thread, without pipelining. Each connection sends
//! its next request as soon as it has read the last response. A request must cost the generator less than the server,
//! or the generator would measure itself.

use crate::verify::{answer, latency::Latencies, schedule::Schedule, server::Server};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 32;
/// After this long without a response, the server counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests per second that few servers reach; buffers are made for it.
pub const MAX_RATE: f64 = 250_000.0;
const TICK: Duration = Duration::from_millis(50);

/// One uninterrupted measurement, without its warm-up.
#[derive(Clone, Copy)]
pub struct Slice {
    /// Requests per second.
    pub rate: f64,
    /// Microseconds of the server's processor time per request.
    pub cost: f64,
    /// The share of its cores that the server used: near 1 if it was the limit, and not the generator.
    pub share: f64,
    /// In microseconds, as are those below.
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// Runs on the calling thread. A response with another status than `right` is an error.
pub fn run(server: &Server, schedule: &mut Schedule, right: u16, measured: Duration) -> io::Result<Slice> {
    let mut generator = Generator::open(server.port)?;
    generator.pump(schedule, None, measured / 5)?;
    let before = server.cpu_time()?;
    let (latencies, wall) = generator.pump(schedule, Some(right), measured)?;
    let used = (server.cpu_time()?.saturating_sub(before)).as_secs_f64();
    let (seconds, requests) = (wall.as_secs_f64(), latencies.count() as f64);
    let (rate, cost, share) = (requests / seconds, used * 1e6 / requests, used / seconds / server.cores as f64);
    let [p50, p99, p999, max] = latencies.quantiles([0.5, 0.99, 0.999, 1.0]);
    Ok(Slice { rate, cost, share, p50, p99, p999, max })
}

struct Generator {
    poll: Poll,
    connections: Vec<Connection>,
}

impl Generator {
    fn open(port: u16) -> io::Result<Self> {
        let poll = Poll::new()?;
        let connections = (0..CONNECTIONS).map(|token| Connection::open(port, Token(token), &poll));
        Ok(Self { connections: connections.collect::<io::Result<_>>()?, poll })
    }

    /// Keeps every connection busy for `length`; the first call sends the first requests. Without a `right` status, any
    /// will do.
    fn pump(
        &mut self,
        schedule: &mut Schedule,
        right: Option<u16>,
        length: Duration,
    ) -> io::Result<(Latencies, Duration)> {
        let room = (length.as_secs_f64() * MAX_RATE) as usize;
        let mut latencies = Latencies::with_room(room);
        let mut events = Events::with_capacity(CONNECTIONS);
        let start = Instant::now();
        let (mut now, mut last_answer) = (start, start);
        for connection in self.connections.iter_mut().filter(|connection| connection.sent.is_none()) {
            connection.send(schedule.next(), now)?;
        }
        while now - start < length {
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                let closes = match connection.receive()? {
                    Received::Part => continue,
                    Received::Closed => true,
                    Received::Answer { status, closes } => {
                        now = Instant::now();
                        last_answer = now;
                        latencies.record(now - connection.sent.unwrap_or(now));
                        if let Some(right) = right.filter(|right| *right != status) {
                            return Err(io::Error::other(format!("the server answered {status}, not {right}")));
                        }
                        closes
                    }
                };
                if closes {
                    connection.reopen(&self.poll)?;
                }
                connection.send(schedule.next(), now)?;
            }
            if events.is_empty() {
                now = Instant::now();
                if now - last_answer > PATIENCE {
                    return Err(io::Error::other("the server stopped answering"));
                }
            }
        }
        Ok((latencies, start.elapsed()))
    }
}

enum Received {
    Part,
    Answer { status: u16, closes: bool },
    Closed,
}

struct Connection {
    stream: TcpStream,
    port: u16,
    token: Token,
    buffer: Vec<u8>,
    filled: usize,
    /// When the last request was sent.
    sent: Option<Instant>,
}

impl Connection {
    fn open(port: u16, token: Token, poll: &Poll) -> io::Result<Self> {
        let stream = connect(port, token, poll)?;
        Ok(Self { stream, port, token, buffer: vec![0; 16 * 1024], filled: 0, sent: None })
    }

    fn reopen(&mut self, poll: &Poll) -> io::Result<()> {
        self.stream = connect(self.port, self.token, poll)?;
        self.filled = 0;
        Ok(())
    }

    /// A request is far smaller than a socket's buffer, so a partial write is an error.
    fn send(&mut self, request: &[u8], now: Instant) -> io::Result<()> {
        let written = self.stream.write(request)?;
        if written != request.len() {
            return Err(io::Error::other("a request did not fit into the socket's buffer"));
        }
        self.sent = Some(now);
        Ok(())
    }

    /// epoll reports new bytes once, so this reads until the response is complete or nothing is left.
    fn receive(&mut self) -> io::Result<Received> {
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(2 * self.filled, 0);
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Ok(Received::Closed),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Received::Part),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Received::Closed),
                Err(error) => return Err(error),
            }
            let Some(found) = answer::parse(&self.buffer[..self.filled])? else { continue };
            if found.length != self.filled {
                return Err(io::Error::other("the server sent more than one response"));
            }
            self.filled = 0;
            return Ok(Received::Answer { status: found.status, closes: found.closes });
        }
    }
}

fn connect(port: u16, token: Token, poll: &Poll) -> io::Result<TcpStream> {
    let stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    poll.registry().register(&mut stream, token, Interest::READABLE)?;
    Ok(stream)
}
