//! PostgreSQL on two machines: a primary and its synchronous standby.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::command::{must, run};
use super::network::{Network, database, database_address};
use super::options::Options;

pub struct Databases {
    network: Arc<Network>,
    place: PathBuf,
    programs: PathBuf,
    user: String,
    pub primary: usize,
}

impl Databases {
    pub fn create(options: &Options, network: Arc<Network>) -> Self {
        let mut made = Databases {
            network,
            place: options.place.clone(),
            programs: options.postgres.clone(),
            user: options.user.clone(),
            primary: 0,
        };
        let data = made.data(0);
        let initdb = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
        made.on(0, "initdb", &[&["--pgdata", data.as_str()], &initdb[..]].concat()).unwrap();
        // Only these namespaces reach it.
        let rules = "local all all trust\nhost all all 10.77.0.0/24 trust\nhost replication all 10.77.0.0/24 trust\n";
        fs::write(format!("{data}/pg_hba.conf"), rules).unwrap();
        made.configure(0, None);
        made.control(0, &["start"]);
        made.sql(0, "CREATE ROLE keybearer LOGIN; CREATE DATABASE keybearer OWNER keybearer").unwrap();
        made.make_standby(1);
        made
    }

    fn data(&self, number: usize) -> String {
        self.place.join(database(number)).display().to_string()
    }

    /// A program of PostgreSQL on a machine.
    fn on(&self, number: usize, program: &str, words: &[&str]) -> Result<String, String> {
        let (namespace, program) = (self.network.namespace(&database(number)), self.programs.join(program));
        let program = program.display().to_string();
        let start = ["netns", "exec", namespace.as_str(), "runuser", "-u", &self.user, "--", program.as_str()];
        run("ip", &[&start[..], words].concat())
    }

    fn control(&self, number: usize, words: &[&str]) {
        let (data, log) = (self.data(number), format!("{}.log", self.data(number)));
        let start = ["--pgdata", &data, "--log", &log, "--wait", "--silent", "--timeout=60"];
        self.on(number, "pg_ctl", &[&start[..], words].concat()).unwrap();
    }

    fn sql(&self, number: usize, text: &str) -> Result<String, String> {
        let host = database_address(number).to_string();
        let words: Vec<&str> = text.split("; ").flat_map(|statement| ["--command", statement]).collect();
        let start = ["--host", &host, "--username=postgres", "--no-psqlrc", "-qAt"];
        self.on(number, "psql", &[&start[..], &words].concat()).map(|said| said.trim().to_owned())
    }

    /// Writes the settings, with the standby that commits wait for.
    fn configure(&self, number: usize, standby: Option<usize>) {
        let settings = [
            ("listen_addresses", database_address(number).to_string()),
            ("unix_socket_directories", String::new()),
            ("primary_conninfo", self.upstream(number)),
            ("synchronous_standby_names", standby.map(database).unwrap_or_default()),
            ("max_connections", "200".to_owned()),
            ("wal_sender_timeout", "3s".to_owned()),
            ("wal_receiver_timeout", "3s".to_owned()),
            ("wal_retrieve_retry_interval", "300ms".to_owned()),
            ("shared_buffers", "32MB".to_owned()),
            ("max_wal_size", "256MB".to_owned()),
        ];
        let lines: Vec<String> = settings.iter().map(|(name, value)| format!("{name} = '{value}'\n")).collect();
        fs::write(format!("{}/postgresql.conf", self.data(number)), lines.concat()).unwrap();
    }

    fn upstream(&self, number: usize) -> String {
        let (host, name) = (database_address(1 - number), database(number));
        format!("host={host} user=postgres application_name={name} connect_timeout=2")
    }

    /// Copies the primary, and lets its commits wait for the copy from now on.
    pub fn make_standby(&mut self, number: usize) {
        let (data, host) = (self.data(number), database_address(self.primary).to_string());
        let source = ["--host", &host, "--username=postgres", "--pgdata", &data];
        let way = ["--checkpoint=fast", "--wal-method=stream", "--no-sync"];
        // A link that was just healed may not carry anything yet.
        eventually("the primary is copied", || {
            let _ = fs::remove_dir_all(&data); // there is none at first
            self.on(number, "pg_basebackup", &[&source[..], &way[..]].concat()).is_ok()
        });
        self.configure(number, None);
        fs::write(format!("{data}/standby.signal"), "").unwrap();
        must("chown", &[&self.user, &format!("{data}/standby.signal")]);
        self.control(number, &["start"]);
        self.configure(self.primary, Some(number));
        self.control(self.primary, &["reload"]);
        // Once it is synchronous and has what was committed before, no acknowledged change depends on one machine.
        let here = self.sql(self.primary, "SELECT pg_current_wal_lsn()").unwrap();
        let has_all =
            format!("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND flush_lsn >= '{here}'");
        eventually("the standby follows", || self.sql(self.primary, &has_all).is_ok_and(|said| said == "1"));
    }

    pub fn restart(&self) {
        self.control(self.primary, &["--mode=immediate", "restart"]);
    }

    /// The standby becomes the primary; until there is a new standby, it commits alone, as under Patroni.
    pub fn promote(&mut self) {
        self.primary = 1 - self.primary;
        self.configure(self.primary, None);
        self.control(self.primary, &["reload"]);
        self.control(self.primary, &["promote"]);
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
