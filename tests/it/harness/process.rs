//! The real binary, as a server.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Client, Home, eventually};

pub struct Process {
    /// 0.0.0.0:0 if it listens on Unix sockets only.
    pub address: SocketAddr,
    child: Child,
    log: Arc<Mutex<String>>,
    follower: Option<JoinHandle<()>>,
}

impl Process {
    /// `keybearer serve` in this home, once it accepts connections.
    pub fn serve(home: &Home) -> Self {
        Self::of(home.command(&["serve", "--listen", "127.0.0.1:0"]))
    }

    pub fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self::inheriting(command)
    }

    /// Like `of`, with the standard input and output that the command has.
    pub fn inheriting(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        drop(command); // it may hold sockets that are the child's now
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, receiver) = mpsc::channel();
        let (stderr, copy) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let follower = Some(thread::spawn(move || follow(stderr, &copy, &sender)));
        let mut process = Process { address: SocketAddr::from(([0, 0, 0, 0], 0)), child, log, follower };
        let address = receiver.recv_timeout(Duration::from_secs(60));
        process.address = address.unwrap_or_else(|_| panic!("it does not listen:\n{}", process.log()));
        process
    }

    /// Like `serve`, once it is ready: at the first start it serves requests while it still creates signing keys.
    pub async fn ready(home: &Home) -> Self {
        let server = Self::serve(home);
        server.becomes_ready().await;
        server
    }

    pub async fn becomes_ready(&self) {
        let is_ready = async || self.anon().get("/readyz").await.status == 200;
        eventually(Duration::from_secs(60), "it is ready", is_ready).await;
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn anon(&self) -> Client {
        Client::anon(self.address)
    }

    pub fn bearer(&self, key: &str) -> Client {
        Client::bearer(self.address, key)
    }

    /// The status that this key gets.
    pub async fn tries(&self, key: &str) -> u16 {
        self.bearer(key).get("/api/v1/keys/current").await.status
    }

    /// The status of a key that is not valid as the `str` of a header.
    pub async fn tries_bytes(&self, key: &[u8]) -> u16 {
        let value = reqwest::header::HeaderValue::from_bytes(key).unwrap();
        self.anon().send(self.anon().request("GET", "/auth").header("x-api-key", value)).await.status
    }

    /// `kill -9`, which is a power failure for the process.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it exits.
    pub fn end(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Its whole output, once it has exited.
    pub fn stopped_log(mut self) -> String {
        self.child.wait().unwrap();
        self.follower.take().unwrap().join().unwrap();
        self.log()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

/// Copies the log and sends the first TCP address, from the line that says that the server is up.
fn follow(stderr: ChildStderr, log: &Mutex<String>, sender: &mpsc::Sender<SocketAddr>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if line.contains("keybearer is up") {
            let addresses = line.split("\"listen\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            let address = addresses.split(", ").find_map(|address| address.parse().ok());
            let _ = sender.send(address.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))); // nobody waits any more
        }
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}
