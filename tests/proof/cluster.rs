//! The nodes: `keybearer serve` on three machines. One that exits is started again, as by systemd.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::clocks::Clocks;
use super::command::{must, run};
use super::network::{METRICS_PORT, NODES, Network, database_address, node, node_address};
use super::options::Options;

pub const LEASE: Duration = Duration::from_secs(2);
/// What nodes are started with; the user of the load has no session and may try many keys.
const SETTINGS: [&str; 8] =
    ["--lease", "2s", "--bad-key-limit", "0", "--connections-per-address", "0", "--workers", "2"];

pub struct Cluster {
    server: PathBuf,
    place: PathBuf,
    network: Arc<Network>,
    pub clocks: Clocks,
    url: String,
    pub managing_key: String,
    /// `None` while a node must stay down.
    nodes: [Mutex<Option<Child>>; NODES],
    /// Starts that failed, as they do while the database is away.
    pub failed_starts: AtomicUsize,
    /// Ends by a signal that nobody sent.
    pub crashes: AtomicUsize,
}

impl Cluster {
    pub fn start(options: &Options, network: Arc<Network>) -> Self {
        let hosts = [0, 1].map(|number| database_address(number).to_string()).join(",");
        let mut cluster = Cluster {
            server: options.server.clone(),
            place: options.place.clone(),
            network,
            clocks: Clocks::new(options),
            url: format!("postgres://keybearer@{hosts}/keybearer?target_session_attrs=read-write&sslmode=disable"),
            managing_key: String::new(),
            nodes: Default::default(),
            failed_starts: AtomicUsize::default(),
            crashes: AtomicUsize::default(),
        };
        cluster.keybearer(
            "umask 077; echo 'Tautology-93-gravel' | \"$0\" users add ada@example.com --admin --password-stdin",
        );
        let create = "\"$0\" keys create --owner ada@example.com --name load --scope keybearer:keys --expires never";
        cluster.managing_key = cluster.keybearer(create);
        for number in 0..NODES {
            *cluster.nodes[number].lock().unwrap() = Some(cluster.spawn(number));
        }
        cluster
    }

    /// A line for the shell, in which `"$0"` is `keybearer`.
    fn keybearer(&self, line: &str) -> String {
        let database = format!("KEYBEARER_DATABASE={}", self.url);
        let signing = format!("KEYBEARER_SIGNING_KEYS={}", self.signing_keys());
        must("env", &[&database, &signing, "sh", "-c", line, &self.server.display().to_string()]).trim().to_owned()
    }

    fn signing_keys(&self) -> String {
        self.place.join("signing-keys.pem").display().to_string()
    }

    fn spawn(&self, number: usize) -> Child {
        let log = OpenOptions::new().create(true).append(true).open(self.place.join(format!("{}.log", node(number))));
        let address = node_address(number);
        let (listen, metrics) = (format!("{address}:8080"), format!("{address}:{METRICS_PORT}"));
        let mut serve = Command::new("ip");
        serve.args(self.network.on(&node(number))).arg("env").args(self.clocks.environment(number)).arg(&self.server);
        serve.args(["serve", "--listen", &listen, "--metrics-listen", &metrics]).args(SETTINGS);
        serve.current_dir(&self.place);
        serve.env("KEYBEARER_DATABASE", &self.url).env("KEYBEARER_SIGNING_KEYS", self.signing_keys());
        serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.unwrap()).spawn().unwrap()
    }

    /// Starts again what has exited by itself.
    pub fn tend(&self) {
        for number in 0..NODES {
            let mut held = self.nodes[number].lock().unwrap();
            let Some(child) = &mut *held else { continue };
            let Some(status) = child.try_wait().unwrap() else { continue };
            match status.code() {
                Some(_) => self.failed_starts.fetch_add(1, Ordering::Relaxed),
                None => self.crashes.fetch_add(1, Ordering::Relaxed),
            };
            println!("{} exited: {status}", node(number));
            *held = Some(self.spawn(number));
        }
    }

    /// `ip`, the shell and `env` become the server, so the child is the server.
    pub fn signal(&self, number: usize, name: &str) {
        if let Some(child) = &*self.nodes[number].lock().unwrap() {
            let _ = run("kill", &[&format!("-{name}"), &child.id().to_string()]); // it may have ended
        }
    }

    /// `kill -9`; it stays down until `revive`.
    pub fn kill(&self, number: usize) {
        if let Some(mut child) = self.nodes[number].lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn revive(&self, number: usize) {
        *self.nodes[number].lock().unwrap() = Some(self.spawn(number));
    }

    /// In order, so that each leaves the table of nodes.
    pub fn stop(&self) {
        for number in 0..NODES {
            self.signal(number, "TERM");
        }
        std::thread::sleep(Duration::from_secs(1));
        for number in 0..NODES {
            self.kill(number);
        }
    }

    /// Structure, references and the chain of the audit log.
    pub fn is_database_sound(&self) -> bool {
        let database = format!("KEYBEARER_DATABASE={}", self.url);
        match run("env", &[&database, &self.server.display().to_string(), "check"]) {
            Ok(_) => true,
            Err(said) => {
                println!("{said}");
                false
            }
        }
    }
}
