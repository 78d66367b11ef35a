//! Where the database is, why it is opened, and which risks the operator accepts.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};

/// What `--database` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// An SQLite database.
    File(PathBuf),
    /// A PostgreSQL database.
    Server(PostgresDatabase),
}

/// A PostgreSQL database, and how a node uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresDatabase {
    pub url: PostgresUrl,
    /// How long the node answers from memory without a heartbeat.
    pub lease: Duration,
}

/// The default of `--lease`, and what it can be. The longest one bounds how long a revocation can take while nodes
/// cannot be reached.
pub const LEASE: Duration = Duration::from_secs(5);
pub const LEASES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

impl DatabaseAddress {
    /// Parses `PATH`, `sqlite:PATH` or `postgres://…`.
    pub fn parse(text: &str) -> Result<Self> {
        let path = match text.split_once(':') {
            Some(("sqlite", path)) => path,
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                let url = PostgresUrl(text.to_owned());
                return Ok(DatabaseAddress::Server(PostgresDatabase { url, lease: LEASE }));
            }
            Some(("postgres" | "postgresql", _)) => return Err(wrong()),
            Some((scheme, rest)) if rest.starts_with("//") && is_scheme(scheme) => return Err(wrong()),
            _ => text,
        };
        if path.is_empty() { Err(wrong()) } else { Ok(DatabaseAddress::File(path.into())) }
    }

    /// With SQLite there is no lease.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        if let DatabaseAddress::Server(database) = &mut self {
            database.lease = lease;
        }
        self
    }
}

/// RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-'))
}

fn wrong() -> Error {
    Error::invalid("database", "use a path, sqlite:PATH or postgres://USER@HOST/NAME.")
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseAddress::File(path) => write!(f, "{}", path.display()),
            DatabaseAddress::Server(database) => write!(f, "{}", database.url),
        }
    }
}

/// A URL that can contain a password, which is never displayed.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    /// The whole URL, with the password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PostgresUrl {
    /// Scheme, host and name only: credentials can also be in the query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let without_query = self.0.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = without_query.split_once("//").unwrap_or(("postgres:", without_query));
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        write!(f, "{scheme}//{place}")
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The server: holds the lock and keeps the index.
    Serve,
    /// A command, with or without a running server: announces what it changes.
    Command,
    /// A command that revokes something: it may also use the reserve to open the database.
    Revocation,
    /// A command that needs the database for itself: no server may be using it.
    Exclusive,
}

/// Conditions that are refused unless the operator accepts them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Consent {
    /// The database may be on a network file system, or on one that looks like it.
    pub network_file_system: bool,
    /// The database may be an older copy of the previous one, or a different one.
    pub older_database: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_path_or_a_url_that_never_shows_its_password() {
        let file = |path: &str| DatabaseAddress::File(path.into());
        for (text, address) in [
            ("keys.db", file("keys.db")),
            ("sqlite:/var/k.db", file("/var/k.db")),
            ("a:b", file("a:b")),
            ("./a://b", file("./a://b")),
        ] {
            assert_eq!(DatabaseAddress::parse(text).unwrap(), address, "{text}");
        }
        for text in
            ["", "sqlite:", "postgres:keys", "postgresql:", "mysql://u", "file:///k.db", "Postgres://db.test/keys"]
        {
            assert!(DatabaseAddress::parse(text).is_err(), "{text}");
        }
        for url in ["postgres://kb:se@cret@db.test:5432/keys?password=secret#secret", "postgres://db.test:5432/keys"] {
            let address = DatabaseAddress::parse(url).unwrap();
            assert_eq!(address.to_string(), "postgres://db.test:5432/keys");
            assert!(!format!("{address:?}").contains("cret"), "{address:?}");
        }
    }
}
