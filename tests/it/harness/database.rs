//! The database seen from beside the program, as from the shell of its engine. SQL here is what both engines
//! understand; where they differ, a function below or in `engine` knows how.

use std::time::Duration;

use super::Home;
use super::postgres::Session;

/// A value in a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Home {
    /// Runs statements in one transaction; returns how many rows the last one changed.
    pub fn execute(&self, sql: impl AsRef<str>) -> u64 {
        match self.postgres() {
            Some(postgres) => postgres.session().execute(sql.as_ref().to_owned()),
            None => {
                let db = self.sqlite();
                db.execute_batch(&format!("BEGIN IMMEDIATE; {}; COMMIT", sql.as_ref())).unwrap();
                db.changes()
            }
        }
    }

    pub fn query(&self, sql: impl AsRef<str>) -> Vec<Vec<Cell>> {
        match self.postgres() {
            Some(postgres) => postgres.session().query(sql.as_ref().to_owned()),
            None => query_sqlite(&self.sqlite(), sql.as_ref()),
        }
    }

    /// The numbers in the only row.
    pub fn numbers(&self, sql: impl AsRef<str>) -> Vec<i64> {
        numbers(&self.query(sql.as_ref()))
    }

    /// The only value, a number.
    pub fn number(&self, sql: impl AsRef<str>) -> i64 {
        let numbers = self.numbers(sql);
        assert_eq!(numbers.len(), 1, "{numbers:?}");
        numbers[0]
    }

    /// The only value, a text.
    pub fn text(&self, sql: impl AsRef<str>) -> String {
        match &self.query(sql)[..] {
            [row] if let [Cell::Text(text)] = &row[..] => text.clone(),
            other => panic!("not one text: {other:?}"),
        }
    }

    /// The only value, bytes.
    pub fn bytes(&self, sql: impl AsRef<str>) -> Vec<u8> {
        match &self.query(sql)[..] {
            [row] if let [Cell::Bytes(bytes)] = &row[..] => bytes.clone(),
            other => panic!("not one value of bytes: {other:?}"),
        }
    }

    /// A direct connection to the database file, for the tests that run on SQLite only.
    pub fn sqlite(&self) -> rusqlite::Connection {
        let db = rusqlite::Connection::open(self.database()).unwrap();
        db.busy_timeout(Duration::from_secs(5)).unwrap();
        db
    }

    /// Takes the lock that every writer takes, as a writer in another process does.
    pub fn hold_write_lock(&self) -> WriteLock {
        match self.postgres() {
            Some(postgres) => {
                let session = postgres.session();
                session.execute(format!("BEGIN; {POSTGRES_WRITE_LOCK}"));
                WriteLock::Postgres(session)
            }
            None => {
                let db = self.sqlite();
                db.execute_batch("BEGIN IMMEDIATE").unwrap();
                WriteLock::Sqlite(db)
            }
        }
    }

    /// From now on nothing can be inserted into this table.
    pub fn refuse_rows(&self, table: &str) {
        self.execute(match self.postgres() {
            Some(_) => format!("ALTER TABLE {table} ADD CONSTRAINT refuse CHECK (false) NOT VALID"),
            None => format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT raise(ABORT, 'no space for rows'); END"
            ),
        });
    }

    /// Ends what `refuse_rows` began.
    pub fn accept_rows(&self, table: &str) {
        self.execute(match self.postgres() {
            Some(_) => format!("ALTER TABLE {table} DROP CONSTRAINT refuse"),
            None => "DROP TRIGGER refuse".to_owned(),
        });
    }

    /// Makes the database unavailable: its file is away, or its server ends every connection and accepts none.
    pub fn take_database_away(&self) {
        match self.postgres() {
            Some(postgres) => postgres.accept_connections(false),
            None => std::fs::rename(self.database(), self.path("elsewhere")).unwrap(),
        }
    }

    pub fn bring_database_back(&self) {
        match self.postgres() {
            Some(postgres) => postgres.accept_connections(true),
            None => std::fs::rename(self.path("elsewhere"), self.database()).unwrap(),
        }
    }

    /// Copies the database, which must be away. PostgreSQL only.
    pub fn back_up(&self) {
        self.postgres().expect("it has a server").back_up();
    }

    /// Puts the copy in the place of the database, which must be away, and makes it available. `changes` are run in it
    /// before.
    pub fn restore(&self, changes: &str) {
        self.postgres().expect("it has a server").restore(changes);
    }

    /// All that is stored, with the name of each place: the files, and what is in the database if it is no file.
    pub fn stored(&self) -> Vec<(String, Vec<u8>)> {
        let files = std::fs::read_dir(self.path("")).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.is_file());
        let files = files.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()));
        let rows = self.postgres().map(|postgres| postgres.session().dump()).unwrap_or_default();
        files.chain(rows.into_iter().map(|(table, row)| (format!("table {table}"), row.into_bytes()))).collect()
    }
}

/// What a writer of the program takes first.
const POSTGRES_WRITE_LOCK: &str = "SELECT 1 FROM clock FOR UPDATE";

/// A transaction that keeps all writers waiting, until it is committed.
pub enum WriteLock {
    Sqlite(rusqlite::Connection),
    Postgres(Session),
}

impl WriteLock {
    pub fn execute(&self, sql: impl AsRef<str>) {
        match self {
            WriteLock::Sqlite(db) => db.execute_batch(sql.as_ref()).unwrap(),
            WriteLock::Postgres(session) => drop(session.execute(sql.as_ref().to_owned())),
        }
    }

    pub fn number(&self, sql: &str) -> i64 {
        let rows = match self {
            WriteLock::Sqlite(db) => query_sqlite(db, sql),
            WriteLock::Postgres(session) => session.query(sql.to_owned()),
        };
        numbers(&rows)[0]
    }

    pub fn commit(self) {
        self.execute("COMMIT");
    }
}

fn query_sqlite(db: &rusqlite::Connection, sql: &str) -> Vec<Vec<Cell>> {
    use rusqlite::types::Value;
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let cell = |value| match value {
        Value::Null => Cell::Null,
        Value::Integer(number) => Cell::Number(number),
        Value::Text(text) => Cell::Text(text),
        Value::Blob(bytes) => Cell::Bytes(bytes),
        Value::Real(number) => panic!("{number} is no value that we store"),
    };
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column).map(cell)).collect()).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn numbers(rows: &[Vec<Cell>]) -> Vec<i64> {
    let number = |cell: &Cell| if let Cell::Number(number) = cell { Some(*number) } else { None };
    let numbers = match rows {
        [row] => row.iter().map(number).collect(),
        _ => None,
    };
    numbers.unwrap_or_else(|| panic!("not one row of numbers: {rows:?}"))
}
