//! The server's address, credentials and TLS, from the URL, PGPASSFILE and the URL's own settings.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::passfile;
use crate::error::{Error, Result};
use crate::model::PostgresUrl;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long sent data may stay without an acknowledgement, so that a dead server is noticed.
const SILENCE: Duration = Duration::from_secs(10);

pub(in crate::store) struct ServerAddress {
    pub config: Config,
    pub connect_timeout: Duration,
    pub verification: Verification,
    /// For display, without credentials.
    pub shown: String,
}

/// Whether the connection is encrypted and the server's certificate verified against these roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Verification {
    /// `sslmode=disable`, or a Unix socket.
    Plain,
    SystemRoots,
    Roots(PathBuf),
}

impl ServerAddress {
    pub fn parse(url: &PostgresUrl) -> Result<Self> {
        let (base, query) = url.expose().split_once('?').unwrap_or((url.expose(), ""));
        let (mut mode, mut roots, mut others) = (None, None, String::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value_text = || percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "sslmode" => mode = Some(value_text()),
                "sslrootcert" => roots = Some(PathBuf::from(value_text())),
                _ => {
                    let separator = if others.is_empty() { '?' } else { '&' };
                    let _ = write!(others, "{separator}{pair}"); // writing to a String does not fail
                }
            }
        }
        let unusable = |error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            wrong(url, &format!("it cannot be read: {cause}"))
        };
        let mut config: Config = format!("{base}{others}").parse().map_err(unusable)?;
        if config.get_hosts().is_empty() {
            return Err(wrong(url, "name the host: postgres://USER@HOST/NAME"));
        }
        let is_local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let verification = match (mode.as_deref(), roots) {
            (Some("disable"), _) => Verification::Plain,
            (None, None) if is_local => Verification::Plain,
            (None | Some("verify-full"), Some(file)) => Verification::Roots(file),
            (None | Some("verify-full"), None) => Verification::SystemRoots,
            _ => return Err(wrong(url, "sslmode must be verify-full (the default) or disable")),
        };
        config.ssl_mode(if verification == Verification::Plain { SslMode::Disable } else { SslMode::Require });
        config.application_name("keybearer").tcp_user_timeout(SILENCE);
        config.keepalives(true).keepalives_idle(SILENCE);
        if config.get_password().is_none() {
            passfile::complete(&mut config)?;
        }
        let connect_timeout = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        config.connect_timeout(connect_timeout);
        Ok(ServerAddress { config, connect_timeout, verification, shown: url.to_string() })
    }
}

fn wrong(url: &PostgresUrl, why: &str) -> Error {
    Error::conflict(format!("The database's URL ({url}) cannot be used: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DatabaseAddress;

    fn parse(text: &str) -> Result<ServerAddress> {
        let Ok(DatabaseAddress::Server(database)) = DatabaseAddress::parse(text) else { panic!("{text}") };
        ServerAddress::parse(&database.url)
    }

    #[test]
    fn a_server_is_verified_unless_the_url_says_otherwise() {
        let roots = |file: &str| Verification::Roots(file.into());
        for (query, expected) in [
            ("", Verification::SystemRoots),
            ("?sslmode=verify-full", Verification::SystemRoots),
            ("?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem", roots("/etc/ca.pem")),
            ("?sslrootcert=ca.pem&connect_timeout=3", roots("ca.pem")),
            ("?sslmode=disable", Verification::Plain),
        ] {
            let address = parse(&format!("postgres://kb:secret@db.test/keys{query}")).unwrap();
            assert_eq!(address.verification, expected, "{query}");
        }
        assert_eq!(parse("postgres://kb@%2Frun%2Fpostgresql/keys").unwrap().verification, Verification::Plain);
        for query in ["sslmode=require", "sslmode=prefer", "sslmode=verify-ca", "nonsense=1"] {
            let refused = parse(&format!("postgres://kb:secret@db.test/keys?{query}")).err().unwrap();
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
        assert!(parse("postgres:///keys").is_err());
    }
}
