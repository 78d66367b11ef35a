//! The server's address, credentials and TLS, from the URL, PGPASSFILE and the URL's own settings.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::passfile;
use crate::error::{Error, Result};
use crate::model::PostgresUrl;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long sent data may stay without an acknowledgement, so that a dead server is noticed.
const SILENCE: Duration = Duration::from_secs(10);

pub(in crate::store) struct ServerAddress {
    /// One for each host of the URL. The primary is the one that accepts writes.
    pub hosts: Vec<Config>,
    /// For each host, and all that happens until it has accepted us.
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
        let connect_timeout = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        let mut hosts = one_by_one(&config).ok_or_else(|| wrong(url, "hosts and ports do not match"))?;
        for host in hosts.iter_mut().filter(|host| host.get_password().is_none()) {
            passfile::complete(host)?;
        }
        Ok(ServerAddress { hosts, connect_timeout, verification, shown: url.to_string() })
    }
}

/// The same settings for each host alone. `None` if the numbers of hosts and ports differ.
fn one_by_one(all: &Config) -> Option<Vec<Config>> {
    let (hosts, addresses, ports) = (all.get_hosts(), all.get_hostaddrs(), all.get_ports());
    let is_for_each = |number: usize| number <= 1 || number == hosts.len();
    if !is_for_each(ports.len()) || !(addresses.is_empty() || addresses.len() == hosts.len()) {
        return None;
    }
    let alone = |(number, host): (usize, &Host)| {
        let mut config = Config::new();
        match host {
            Host::Tcp(name) => config.host(name),
            Host::Unix(path) => config.host_path(path),
        };
        addresses.get(number).map(|address| config.hostaddr(*address));
        ports.get(number).or(ports.first()).map(|port| config.port(*port));
        all.get_user().map(|user| config.user(user));
        all.get_password().map(|password| config.password(password));
        all.get_dbname().map(|name| config.dbname(name));
        all.get_options().map(|options| config.options(options));
        all.get_keepalives_interval().map(|interval| config.keepalives_interval(interval));
        all.get_keepalives_retries().map(|retries| config.keepalives_retries(retries));
        config.ssl_mode(all.get_ssl_mode()).ssl_negotiation(all.get_ssl_negotiation());
        config.channel_binding(all.get_channel_binding());
        config.application_name("keybearer").tcp_user_timeout(SILENCE);
        config.keepalives(true).keepalives_idle(SILENCE);
        // If the only host is a standby, `schema` refuses it, with a message that says what to do.
        config.target_session_attrs(match hosts.len() {
            1 => all.get_target_session_attrs(),
            _ => TargetSessionAttrs::ReadWrite,
        });
        config
    };
    Some(hosts.iter().enumerate().map(alone).collect())
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
    fn each_host_is_asked_alone_and_the_primary_is_wanted() {
        let several =
            parse("postgres://kb:secret@db1.test,db2.test:5433/keys?sslmode=disable&options=-cwork_mem%3D1MB");
        let several = several.unwrap().hosts;
        let of = |config: &Config| (config.get_hosts().to_vec(), config.get_ports().to_vec());
        let host = |name: &str| vec![Host::Tcp(name.to_owned())];
        assert_eq!(
            several.iter().map(of).collect::<Vec<_>>(),
            [(host("db1.test"), vec![5432]), (host("db2.test"), vec![5433])]
        );
        for config in &several {
            assert_eq!((config.get_user(), config.get_dbname()), (Some("kb"), Some("keys")));
            assert_eq!((config.get_password(), config.get_options()), (Some(&b"secret"[..]), Some("-cwork_mem=1MB")));
            assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        }
        let single = parse("postgres://kb@db.test/keys?sslmode=disable").unwrap().hosts;
        assert_eq!(single.len(), 1);
        assert_eq!(single[0].get_target_session_attrs(), TargetSessionAttrs::Any);
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
