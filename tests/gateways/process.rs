//! Processes that a test starts and stops: Keybearer and the gateways.

use std::fs::File;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::home::{Home, documented};

pub struct Process(Child);

impl Process {
    /// Starts it, with its output in `output.log` of its home, and waits until it accepts connections.
    pub fn start(mut command: Command, home: &Home, address: SocketAddr) -> Self {
        let name = format!("{}.log", address.port());
        let log = File::create(home.path().join(&name)).unwrap();
        let output = log.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(output).stderr(log).spawn();
        let mut process = Process(child.unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let patience = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            let ended = process.0.try_wait().unwrap();
            if ended.is_some() || Instant::now() > patience {
                let said = std::fs::read_to_string(home.path().join(&name)).unwrap();
                panic!("{command:?} does not listen ({ended:?}):\n{said}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        process
    }

    /// `keybearer serve` with the documented policies and additional arguments, at an address and at the socket of its
    /// home; `{machine}` is this machine's own address.
    pub fn keybearer(home: &Home, more: &[&str]) -> (Self, SocketAddr) {
        home.write("keybearer.toml", &documented("keybearer.toml"));
        let address = free_address();
        let listen = format!("{address},unix:{}", home.socket().display());
        let mut command = home.command(&["serve", "--listen", &listen, "--workers", "2"]);
        command.args(more.iter().map(|word| word.replace("{machine}", &machine().to_string())));
        (Self::start(command, home, address), address)
    }

    /// Runs `during` while the process is stopped: it keeps its connections and sends nothing.
    pub fn paused<T>(&self, during: impl Fn() -> T) -> T {
        for _ in 0..5 {
            self.signal("STOP");
            // A thread that waits for the disk stops later than the order is given.
            let patience = Instant::now() + Duration::from_secs(30);
            while !self.is_paused() {
                assert!(Instant::now() < patience, "it does not stop");
                std::thread::sleep(Duration::from_millis(5));
            }
            let result = during();
            // Whoever stops and continues the whole group of the test's processes has continued it too.
            let held = self.is_paused();
            self.signal("CONT");
            if held {
                return result;
            }
        }
        panic!("it is continued by somebody else");
    }

    fn is_paused(&self) -> bool {
        let is_stopped = |task: std::fs::DirEntry| {
            let state = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            state.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        };
        let mut tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        tasks.all(|task| is_stopped(task.unwrap()))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Kills the process, as a power failure would.
    pub fn kill(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address on which nothing listens at this moment.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// This machine's address in its network; loopback if it has none. Nothing is sent.
fn machine() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let towards_others = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    towards_others.map_or(IpAddr::from([127, 0, 0, 1]), |address| address.ip())
}
