//! PostgreSQL on two machines, and what both ways to run it need.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::command::run;
use super::network::{Network, database, database_address};
use super::options::Options;
use super::pair::Pair;
use super::patroni::Patroni;

/// Who decides which one is the primary.
pub enum Databases {
    Pair(Pair),
    Patroni(Patroni),
}

impl Databases {
    pub fn create(options: &Options, network: Arc<Network>) -> Self {
        match options.with_patroni {
            true => Databases::Patroni(Patroni::create(options, network)),
            false => Databases::Pair(Pair::create(options, network)),
        }
    }
}

pub struct Machines {
    network: Arc<Network>,
    pub place: PathBuf,
    pub programs: PathBuf,
    pub user: String,
}

impl Machines {
    pub fn new(options: &Options, network: Arc<Network>) -> Self {
        let (place, programs, user) = (options.place.clone(), options.postgres.clone(), options.user.clone());
        Machines { network, place, programs, user }
    }

    pub fn data(&self, number: usize) -> String {
        self.place.join(database(number)).display().to_string()
    }

    /// The words for `ip` that run a program on a machine as the databases' user.
    pub fn start(&self, machine: &str, program: &str) -> Vec<String> {
        let mut words = self.network.on(machine);
        words.extend(["runuser", "-u", &self.user, "--", program].map(str::to_owned));
        words
    }

    /// A program of PostgreSQL on a machine.
    pub fn on(&self, number: usize, program: &str, words: &[&str]) -> Result<String, String> {
        let start = self.start(&database(number), &self.programs.join(program).display().to_string());
        let start: Vec<&str> = start.iter().map(String::as_str).collect();
        run("ip", &[&start[..], words].concat())
    }

    pub fn sql(&self, number: usize, text: &str) -> Result<String, String> {
        let server = format!("host={} user=postgres dbname=postgres connect_timeout=2", database_address(number));
        let words: Vec<&str> = text.split("; ").flat_map(|statement| ["--command", statement]).collect();
        let start = ["--dbname", &server, "--no-psqlrc", "-qAt"];
        self.on(number, "psql", &[&start[..], &words].concat()).map(|said| said.trim().to_owned())
    }

    /// Waits until the standby is synchronous and has what was committed before: from then on, no acknowledged change
    /// depends on one machine.
    pub fn await_standby(&self, primary: usize) {
        let mut here = Err(String::new());
        eventually("the primary responds", || {
            here = self.sql(primary, "SELECT pg_current_wal_lsn()");
            here.is_ok()
        });
        let has_all = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND flush_lsn >= '{}'",
            here.unwrap()
        );
        eventually("the standby follows", || self.sql(primary, &has_all).is_ok_and(|said| said == "1"));
    }
}

pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "not within two minutes: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
