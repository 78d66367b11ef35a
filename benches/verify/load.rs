//! The generator: a closed loop over keep-alive connections on one thread, without pipelining.
//! Each connection sends its next request in the moment that it has read the answer to the one before.
//! It must cost less a request than the server under test, or it would measure itself.

use crate::answer;
use crate::histogram::Histogram;
use crate::process;
use crate::schedule::Schedule;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// After this long without any answer the server counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(50);
const STATUSES: usize = 600;

/// How hard and how long.
#[derive(Clone, Copy)]
pub struct Load {
    pub port: u16,
    /// How many the server runs on.
    pub cores: usize,
    pub connections: usize,
    pub warm_up: Duration,
    pub measured: Duration,
}

/// What one uninterrupted measurement saw, the warm-up not counted.
pub struct Slice {
    cores: usize,
    pub requests: u64,
    pub wall: Duration,
    pub server_cpu: Duration,
    pub generator_cpu: Duration,
    pub statuses: BTreeMap<u16, u64>,
    pub latency: Histogram,
    pub reconnects: u64,
}

impl Slice {
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.wall.as_secs_f64()
    }

    /// Microseconds of the server's processor a request.
    pub fn cost(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.requests.max(1) as f64
    }

    /// The share of the time in which the server was on its cores: near 1 when it, not the generator, was the limit.
    pub fn server_share(&self) -> f64 {
        self.server_cpu.as_secs_f64() / self.wall.as_secs_f64() / self.cores as f64
    }

    pub fn generator_share(&self) -> f64 {
        self.generator_cpu.as_secs_f64() / self.wall.as_secs_f64()
    }

    /// Answers with another status than `expected`.
    pub fn unexpected(&self, expected: u16) -> u64 {
        self.statuses.iter().filter(|(status, _)| **status != expected).map(|(_, count)| count).sum()
    }
}

impl Load {
    /// Runs on the calling thread. `server_cpu` tells the processor time that the server has used so far.
    pub fn run(&self, schedule: &mut Schedule, server_cpu: impl Fn() -> io::Result<Duration>) -> io::Result<Slice> {
        let mut poll = Poll::new()?;
        let mut connections = Vec::with_capacity(self.connections);
        for token in 0..self.connections {
            connections.push(Connection::open(self.port, Token(token), &poll)?);
        }
        let start = Instant::now();
        for connection in &mut connections {
            connection.send(schedule.next(), start)?;
        }
        self.pump(&mut poll, &mut connections, schedule, self.warm_up)?;
        let (server_before, generator_before) = (server_cpu()?, process::own_cpu_time()?);
        let tally = self.pump(&mut poll, &mut connections, schedule, self.measured)?;
        let (server_after, generator_after) = (server_cpu()?, process::own_cpu_time()?);
        Ok(Slice {
            cores: self.cores,
            requests: tally.latency.total(),
            wall: tally.wall,
            server_cpu: server_after.saturating_sub(server_before),
            generator_cpu: generator_after.saturating_sub(generator_before),
            statuses: (0u16..).zip(tally.statuses).filter(|(_, count)| *count > 0).collect(),
            latency: tally.latency,
            reconnects: tally.reconnects,
        })
    }

    fn pump(
        &self,
        poll: &mut Poll,
        connections: &mut [Connection],
        schedule: &mut Schedule,
        length: Duration,
    ) -> io::Result<Tally> {
        let mut tally = Tally::new();
        let mut events = Events::with_capacity(self.connections.max(1));
        let start = Instant::now();
        let mut now = start;
        let mut last_answer = start;
        while now - start < length {
            poll.poll(&mut events, Some(TICK)).or_else(ignore_interruption)?;
            for event in &events {
                let connection = &mut connections[event.token().0];
                match connection.receive()? {
                    Received::Part => continue,
                    Received::Answer { status, closes } => {
                        now = Instant::now();
                        tally.latency.record(now - connection.sent);
                        tally.statuses[usize::from(status) % STATUSES] += 1;
                        last_answer = now;
                        if closes {
                            connection.reopen(self.port, poll)?;
                            tally.reconnects += 1;
                        }
                    }
                    Received::Closed => {
                        connection.reopen(self.port, poll)?;
                        tally.reconnects += 1;
                    }
                }
                connection.send(schedule.next(), now)?;
            }
            if events.is_empty() {
                now = Instant::now();
                if now - last_answer > PATIENCE {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the server stopped answering"));
                }
            }
        }
        tally.wall = start.elapsed();
        Ok(tally)
    }
}

fn ignore_interruption(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

struct Tally {
    latency: Histogram,
    statuses: [u64; STATUSES],
    reconnects: u64,
    wall: Duration,
}

impl Tally {
    fn new() -> Self {
        Self { latency: Histogram::new(), statuses: [0; STATUSES], reconnects: 0, wall: Duration::ZERO }
    }
}

enum Received {
    Part,
    Answer { status: u16, closes: bool },
    Closed,
}

struct Connection {
    stream: TcpStream,
    token: Token,
    buffer: Vec<u8>,
    filled: usize,
    sent: Instant,
}

impl Connection {
    fn open(port: u16, token: Token, poll: &Poll) -> io::Result<Self> {
        let stream = connect(port, token, poll)?;
        Ok(Self { stream, token, buffer: vec![0; 16 * 1024], filled: 0, sent: Instant::now() })
    }

    fn reopen(&mut self, port: u16, poll: &Poll) -> io::Result<()> {
        self.stream = connect(port, self.token, poll)?;
        self.filled = 0;
        Ok(())
    }

    /// A request is far smaller than a socket's buffer, so it is written whole or something is wrong.
    fn send(&mut self, request: &[u8], now: Instant) -> io::Result<()> {
        let written = self.stream.write(request)?;
        if written != request.len() {
            return Err(io::Error::new(io::ErrorKind::WriteZero, "a request did not fit into the socket's buffer"));
        }
        self.sent = now;
        Ok(())
    }

    /// epoll tells of new bytes once, so this reads until the answer is complete or nothing is left.
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
                return Err(io::Error::other("the server sent more than the answer"));
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
