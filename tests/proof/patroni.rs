//! Patroni on both machines of the databases, with an etcd of one member on a third. It decides which database is the
//! primary, by a lock in etcd; this process only does harm.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::databases::{Machines, eventually};
use super::network::{ETCD, Network, database, database_address, etcd_address};
use super::options::Options;

const REST_PORT: u16 = 8008;

pub struct Patroni {
    machines: Machines,
}

impl Patroni {
    pub fn create(options: &Options, network: Arc<Network>) -> Self {
        let made = Patroni { machines: Machines::new(options, network) };
        let (place, address) = (&made.machines.place, etcd_address());
        let url = format!("http://{address}:2379");
        let data = place.join("etcd").display().to_string();
        let clients = ["--listen-client-urls", &url, "--advertise-client-urls", &url];
        made.spawn(ETCD, "etcd", &[&["--data-dir", data.as_str(), "--logger=zap"], &clients[..]].concat());
        made.start(0);
        eventually("Patroni has created the first database", || made.has_role(0, "primary"));
        made.machines.sql(0, "CREATE ROLE keybearer LOGIN; CREATE DATABASE keybearer OWNER keybearer").unwrap();
        made.start(1);
        made.await_standby(0);
        made
    }

    fn spawn(&self, machine: &str, program: &str, words: &[&str]) {
        let log = self.machines.place.join(format!("{machine}-{program}.log"));
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut start = Command::new("ip");
        start.args(self.machines.start(machine, program)).args(words).current_dir("/").stdin(Stdio::null());
        let mut child = start.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        std::thread::spawn(move || child.wait()); // so that it does not stay a zombie
    }

    /// Starts Patroni on a machine, and it starts PostgreSQL.
    pub fn start(&self, number: usize) {
        let file = self.machines.place.join(format!("{}.yml", database(number)));
        fs::write(&file, self.settings(number)).unwrap();
        self.spawn(&database(number), "patroni", &[&file.display().to_string()]);
    }

    /// `docs/nodes.md` shows the same with TLS and passwords.
    fn settings(&self, number: usize) -> String {
        include_str!("patroni.yml")
            .replace("NAME", &database(number))
            .replace("ADDRESS", &database_address(number).to_string())
            .replace("ETCD", &etcd_address().to_string())
            .replace("DATA", &self.machines.data(number))
            .replace("PROGRAMS", &self.machines.programs.display().to_string())
    }

    /// Whether Patroni says that this is the database's role, by the status of its REST API.
    fn has_role(&self, number: usize, role: &str) -> bool {
        let address = SocketAddr::from((database_address(number), REST_PORT));
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(format!("GET /{role} HTTP/1.0\r\n\r\n").as_bytes())?;
            let mut status = [0; 12];
            stream.read_exact(&mut status)?;
            Ok(status.ends_with(b" 200"))
        };
        ask().unwrap_or(false)
    }

    pub fn primary(&self) -> Option<usize> {
        [0, 1].into_iter().find(|&number| self.has_role(number, "primary"))
    }

    /// Waits until one of these is the primary, and returns it and how long that took.
    pub fn await_primary(&self, candidates: &[usize]) -> (usize, Duration) {
        let began = Instant::now();
        let mut found = None;
        eventually("Patroni promotes", || {
            found = candidates.iter().copied().find(|&number| self.has_role(number, "primary"));
            found.is_some()
        });
        (found.unwrap(), began.elapsed())
    }

    /// Waits until the other one follows it, and Patroni would promote that one.
    pub fn await_standby(&self, primary: usize) {
        self.machines.await_standby(primary);
        eventually("Patroni knows the standby", || self.has_role(1 - primary, "synchronous"));
    }
}
