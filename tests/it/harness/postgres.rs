//! A database of its own on the PostgreSQL server of the tests.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ::postgres::types::Type;
use ::postgres::{Client, NoTls, Row, SimpleQueryMessage};

use super::Cell;

pub struct Postgres {
    server: String,
    name: String,
    url: String,
}

impl Postgres {
    pub fn create(server: &str) -> Self {
        let name = format!("kb_test_{}", uuid::Uuid::now_v7().simple());
        let (address, options) = server.split_once('?').unwrap_or((server, ""));
        let (host, _) = address.rsplit_once('/').expect("the address ends in /<database>");
        let mark = if options.is_empty() { "" } else { "?" };
        let url = format!("{host}/{name}{mark}{options}");
        Session::open(server).execute(format!("CREATE DATABASE {name}"));
        Postgres { server: server.to_owned(), name, url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn session(&self) -> Session {
        session(&self.url)
    }

    pub fn back_up(&self) {
        Session::open(&self.server).execute(format!("CREATE DATABASE {0}_backup TEMPLATE {0}", self.name));
    }

    pub fn restore(&self, changes: &str) {
        let (name, server) = (&self.name, Session::open(&self.server));
        let backup = format!("{name}_backup");
        session(&self.url.replacen(name, &backup, 1)).execute(changes.to_owned());
        server.execute(format!("DROP DATABASE {name} WITH (FORCE)"));
        // The connection above ends on its own, some time later; no other may take its place.
        server.execute(format!("ALTER DATABASE {backup} ALLOW_CONNECTIONS false"));
        let connected = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{backup}'");
        while server.query(connected.clone()) != [[Cell::Number(0)]] {
            thread::sleep(Duration::from_millis(10));
        }
        server.execute(format!("ALTER DATABASE {backup} RENAME TO {name}"));
        self.accept_connections(true);
    }

    /// Ends every connection and refuses new ones, or accepts them again.
    pub fn accept_connections(&self, accepts: bool) {
        let (name, server) = (&self.name, Session::open(&self.server));
        server.execute(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {accepts}"));
        if !accepts {
            // PostgreSQL's own workers are not ours to end.
            server.execute(format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = '{name}' AND usename = current_user"
            ));
        }
    }
}

fn session(url: &str) -> Session {
    let session = Session::open(url);
    session.execute("SET search_path TO keybearer, public".into());
    session
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        let dropping = thread::spawn(move || {
            let Ok(mut client) = Client::connect(&server, NoTls) else { return };
            // While a worker of PostgreSQL's cleans up in it, it cannot be dropped.
            for _ in 0..20 {
                if client.batch_execute(&drop).is_ok() {
                    return;
                }
                thread::sleep(Duration::from_millis(100));
            }
        });
        let _ = dropping.join(); // what is left goes with the server
    }
}

type Job = Box<dyn FnOnce(&mut Client) + Send>;

/// A connection on a thread of its own: the blocking client panics on a thread of tokio's.
pub struct Session(mpsc::Sender<Job>);

impl Session {
    fn open(url: &str) -> Self {
        let (sender, jobs) = mpsc::channel::<Job>();
        let url = url.to_owned();
        thread::spawn(move || {
            let mut client = Client::connect(&url, NoTls).unwrap_or_else(|error| panic!("no connection: {error:?}"));
            jobs.into_iter().for_each(|job| job(&mut client));
        });
        Session(sender)
    }

    fn run<T: Send + 'static>(&self, job: impl FnOnce(&mut Client) -> T + Send + 'static) -> T {
        let (sender, result) = mpsc::channel();
        let job = Box::new(move |client: &mut Client| sender.send(job(client)).expect("the test waits for it"));
        self.0.send(job).expect("the connection is open; if not, its thread has said why");
        result.recv().expect("the statement succeeds; if not, its thread has said why")
    }

    /// Runs statements in one transaction, or in the one that is open; returns how many rows the last one concerned.
    pub fn execute(&self, sql: String) -> u64 {
        let messages =
            self.run(move |client| client.simple_query(&sql).unwrap_or_else(|error| panic!("{sql}: {error:?}")));
        let counts = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::CommandComplete(count) => Some(count),
            _ => None,
        });
        counts.last().unwrap_or(0)
    }

    pub fn query(&self, sql: String) -> Vec<Vec<Cell>> {
        let run = move |client: &mut Client| client.query(&sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let cells = |row: &Row| (0..row.len()).map(|column| cell(row, column)).collect();
        self.run(run).iter().map(cells).collect()
    }

    /// Every row of every table as text, with the name of its table. Printable bytes stay as they are.
    pub fn dump(&self) -> Vec<(String, String)> {
        self.execute("SET bytea_output = 'escape'".into());
        let tables =
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'keybearer'::regnamespace";
        let mut rows = Vec::new();
        for table in self.query(tables.into()) {
            let [Cell::Text(table)] = &table[..] else { panic!("not a name: {table:?}") };
            let texts = self.query(format!("SELECT t::text FROM \"{table}\" t"));
            rows.extend(texts.into_iter().flatten().map(|cell| match cell {
                Cell::Text(row) => (table.clone(), row),
                other => panic!("not a row of {table}: {other:?}"),
            }));
        }
        rows
    }
}

fn cell(row: &Row, column: usize) -> Cell {
    let kind = row.columns()[column].type_();
    match *kind {
        Type::INT8 => row.get::<_, Option<i64>>(column).map_or(Cell::Null, Cell::Number),
        Type::INT4 => row.get::<_, Option<i32>>(column).map_or(Cell::Null, |number| Cell::Number(number.into())),
        Type::BOOL => row.get::<_, Option<bool>>(column).map_or(Cell::Null, |is| Cell::Number(is.into())),
        Type::TEXT => row.get::<_, Option<String>>(column).map_or(Cell::Null, Cell::Text),
        Type::BYTEA => row.get::<_, Option<Vec<u8>>>(column).map_or(Cell::Null, Cell::Bytes),
        _ => panic!("column {} is {kind}: cast it to BIGINT or TEXT", column + 1),
    }
}
