//! PostgreSQL twice on loopback, a primary and its standby, with the default settings: a commit is written to disk.

use crate::verify::{postgres::programs::Programs, server, server::Server};
use rustix::process::Signal;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
/// The role of the nodes needs no password; the superuser is reached through a socket in a private directory only.
const ACCESS: &str =
    "local all postgres trust\nlocal replication postgres trust\nhost all keybearer 127.0.0.1/32 trust\n";

pub struct Databases {
    programs: Programs,
    place: PathBuf,
    ports: [u16; 2],
    running: [Option<Server>; 2],
    primary: usize,
}

impl Databases {
    /// A primary with a synchronous standby. `place` is a private directory, which must have a short name, because it
    /// has the sockets.
    pub fn start(programs: Programs, place: &Path) -> io::Result<Self> {
        programs.give(place)?;
        let first = quiet_port(20_000)?;
        let ports = [first, quiet_port(first + 1)?];
        let mut made = Self { programs, place: place.to_owned(), ports, running: [None, None], primary: 0 };
        let initdb = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
        made.programs.run("initdb", &[&["--pgdata", &made.data(0)], &initdb[..]].concat())?;
        fs::write(format!("{}/pg_hba.conf", made.data(0)), ACCESS)?;
        made.configure(0, "")?;
        made.run(0)?;
        made.sql("postgres", "CREATE ROLE keybearer LOGIN")?;
        made.add_standby()?;
        Ok(made)
    }

    pub fn create(&self, database: &str) -> io::Result<()> {
        self.sql("postgres", &format!("CREATE DATABASE {database} OWNER keybearer")).map(drop)
    }

    /// The work that an import leaves behind, which would otherwise be done during the measurement.
    pub fn tidy(&self, database: &str) -> io::Result<()> {
        self.sql(database, "VACUUM ANALYZE")?;
        self.sql(database, "CHECKPOINT").map(drop)
    }

    /// Names both servers, as it must be for a failover.
    pub fn url(&self, database: &str) -> String {
        let [first, second] = self.ports;
        let hosts = format!("127.0.0.1:{first},127.0.0.1:{second}");
        format!("postgres://keybearer@{hosts}/{database}?target_session_attrs=read-write&sslmode=disable")
    }

    /// Whether commits wait for the standby, which has everything that was committed before.
    pub fn set_synchronous(&self, is_synchronous: bool) -> io::Result<()> {
        let (names, state) = if is_synchronous { ("standby", "sync") } else { ("", "async") };
        self.configure(self.primary, names)?;
        self.sql("postgres", "SELECT pg_reload_conf()")?;
        let here = self.sql("postgres", "SELECT pg_current_wal_lsn()")?;
        let question =
            format!("SELECT count(*) FROM pg_stat_replication WHERE sync_state = '{state}' AND flush_lsn >= '{here}'");
        eventually("standby", || Ok(self.sql("postgres", &question)? == "1"))
    }

    /// Copies the primary if there is no standby, and lets commits wait for the copy.
    pub fn add_standby(&mut self) -> io::Result<()> {
        let standby = 1 - self.primary;
        if self.running[standby].is_none() {
            let data = self.data(standby);
            let _none_yet = fs::remove_dir_all(&data);
            let source = format!("{} application_name=standby", self.socket());
            let copy = ["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync"];
            let words = [&["--dbname", &source, "--pgdata", &data], &copy[..]].concat();
            self.programs.run("pg_basebackup", &words)?;
            self.configure(standby, "")?;
            self.run(standby)?;
        }
        self.set_synchronous(true)
    }

    /// They run on these cores from now on.
    pub fn pin(&mut self, cores: &[usize]) -> io::Result<()> {
        self.running.iter_mut().flatten().try_for_each(|server| server.pin_family(cores))
    }

    /// The primary and all its connections are gone at once.
    pub fn lose_primary(&mut self) -> io::Result<()> {
        self.running[self.primary].take().map_or(Ok(()), |server| server.end_at_once(Signal::QUIT))
    }

    /// The standby becomes the primary, which commits alone.
    pub fn promote(&mut self) -> io::Result<()> {
        self.primary = 1 - self.primary;
        self.sql("postgres", "SELECT pg_promote()").map(drop)
    }

    fn data(&self, number: usize) -> String {
        self.place.join(format!("data-{number}")).display().to_string()
    }

    /// How the primary is reached as the superuser.
    fn socket(&self) -> String {
        format!("host={} port={} user=postgres", self.place.display(), self.ports[self.primary])
    }

    fn configure(&self, number: usize, standbys: &str) -> io::Result<()> {
        let (port, place) = (self.ports[number], self.place.display());
        let addresses = format!("listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{place}'\n");
        let text = format!("{addresses}synchronous_standby_names = '{standbys}'\n");
        fs::write(format!("{}/postgresql.conf", self.data(number)), text)
    }

    fn run(&mut self, number: usize) -> io::Result<()> {
        let (data, place, port) = (self.data(number), self.place.display().to_string(), self.ports[number].to_string());
        let log = self.place.join(format!("postgres-{number}.log"));
        let command = self.programs.command("postgres", &["-D", &data]);
        let mut server = Server::start(command, self.ports[number], &server::all_cores(), &log)?;
        let ready = ["--quiet", "--host", &place, "--port", &port, "--username=postgres"];
        server.wait("answer of PostgreSQL", || Ok(self.programs.run("pg_isready", &ready).ok()))?;
        self.running[number] = Some(server);
        Ok(())
    }

    fn sql(&self, database: &str, text: &str) -> io::Result<String> {
        let at = format!("{} dbname={database}", self.socket());
        let said = self.programs.run("psql", &["--dbname", &at, "--no-psqlrc", "-qAt", "--command", text])?;
        Ok(said.trim().to_owned())
    }
}

impl Drop for Databases {
    /// Nobody needs the data any more.
    fn drop(&mut self) {
        for server in &mut self.running {
            let _already_gone = server.take().map(|server| server.end_at_once(Signal::QUIT));
        }
    }
}

/// A free port below those that the system gives to clients, so that it stays free until the standby needs it.
fn quiet_port(from: u16) -> io::Result<u16> {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (from..32_000).find(is_free).ok_or_else(|| io::Error::other("no port below 32000 is free"))
}

/// Asks again and again until it is so, or patience ends.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let begin = Instant::now();
    while !is_so()? {
        if begin.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("no {what} after {} s", PATIENCE.as_secs())));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
