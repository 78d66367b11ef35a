//! The engine that the tests run on, and what each engine writes in its own way in SQL.

/// Names a PostgreSQL server, as `tests/postgres` does. Each home then has a database of its own there; without
/// it, a home has an SQLite file.
const SERVER: &str = "KEYBEARER_TEST_POSTGRES";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub fn of_tests() -> Self {
        if server().is_some() { Engine::Postgres } else { Engine::Sqlite }
    }
}

/// The address of the PostgreSQL server, if the tests run on it.
pub fn server() -> Option<String> {
    std::env::var(SERVER).ok().filter(|url| !url.is_empty())
}

/// These bytes as a literal in SQL.
pub fn bytes(bytes: impl AsRef<[u8]>) -> String {
    let digits = hex::encode(bytes);
    match Engine::of_tests() {
        Engine::Sqlite => format!("x'{digits}'"),
        Engine::Postgres => format!("'\\x{digits}'::bytea"),
    }
}

/// The literal in SQL of an id in its printed form.
pub fn id(printed: &str) -> String {
    bytes(uuid::Uuid::parse_str(printed).unwrap().as_bytes())
}

/// This text as a literal in SQL.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
