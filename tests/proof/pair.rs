//! A primary and its synchronous standby, and this process as the one who promotes.

use std::fs;
use std::sync::Arc;

use super::command::must;
use super::databases::{Machines, eventually};
use super::network::{Network, database, database_address};
use super::options::Options;

pub struct Pair {
    machines: Machines,
    pub primary: usize,
}

impl Pair {
    pub fn create(options: &Options, network: Arc<Network>) -> Self {
        let mut made = Pair { machines: Machines::new(options, network), primary: 0 };
        let data = made.machines.data(0);
        let initdb = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
        made.machines.on(0, "initdb", &[&["--pgdata", data.as_str()], &initdb[..]].concat()).unwrap();
        // Only these namespaces reach it.
        let rules = "local all all trust\nhost all all 10.77.0.0/24 trust\nhost replication all 10.77.0.0/24 trust\n";
        fs::write(format!("{data}/pg_hba.conf"), rules).unwrap();
        made.configure(0, None);
        made.control(0, &["start"]);
        made.machines.sql(0, "CREATE ROLE keybearer LOGIN; CREATE DATABASE keybearer OWNER keybearer").unwrap();
        made.make_standby(1);
        made
    }

    fn control(&self, number: usize, words: &[&str]) {
        let (data, log) = (self.machines.data(number), format!("{}.log", self.machines.data(number)));
        let start = ["--pgdata", &data, "--log", &log, "--wait", "--silent", "--timeout=60"];
        self.machines.on(number, "pg_ctl", &[&start[..], words].concat()).unwrap();
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
        fs::write(format!("{}/postgresql.conf", self.machines.data(number)), lines.concat()).unwrap();
    }

    fn upstream(&self, number: usize) -> String {
        let (host, name) = (database_address(1 - number), database(number));
        format!("host={host} user=postgres application_name={name} connect_timeout=2")
    }

    /// Copies the primary, and lets its commits wait for the copy from now on.
    pub fn make_standby(&mut self, number: usize) {
        let (data, host) = (self.machines.data(number), database_address(self.primary).to_string());
        let source = ["--host", &host, "--username=postgres", "--pgdata", &data];
        let way = ["--checkpoint=fast", "--wal-method=stream", "--no-sync"];
        // A link that was just healed may not carry anything yet.
        eventually("the primary is copied", || {
            let _ = fs::remove_dir_all(&data); // there is none at first
            self.machines.on(number, "pg_basebackup", &[&source[..], &way[..]].concat()).is_ok()
        });
        self.configure(number, None);
        fs::write(format!("{data}/standby.signal"), "").unwrap();
        must("chown", &[&self.machines.user, &format!("{data}/standby.signal")]);
        self.control(number, &["start"]);
        self.configure(self.primary, Some(number));
        self.control(self.primary, &["reload"]);
        self.machines.await_standby(self.primary);
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
