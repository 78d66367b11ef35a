//! The environment: `KEYBEARER_` and the name of a flag. A blank variable counts as not set. Variables that container
//! platforms set for a service called `keybearer` are ignored; any other name is an error.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, Command};

use super::given::{Given, GivenBy};
use super::known::{known, nearest, variable};
use super::layer::Layer;
use crate::error::{Error, Result};

const PREFIX: &str = "KEYBEARER_";
const CONFIG: &str = "KEYBEARER_CONFIG";

/// Moves the variables into the help texts. clap must not read them itself: it would read those of `serve` only for
/// that command, and a blank variable would count as a value.
pub fn documented(command: Command) -> Command {
    let documented = |arg: Arg| match arg.get_env() {
        Some(name) => {
            let help = format!("{} [env: {}]", arg.get_help().cloned().unwrap_or_default(), name.display());
            arg.help(help).env(None::<&str>)
        }
        None => arg,
    };
    command.mut_args(documented).mut_subcommand("serve", |serve| serve.mut_args(documented))
}

/// What the environment sets.
#[derive(Default)]
pub struct Environment {
    pub config: Option<PathBuf>,
    pub settings: Layer,
}

impl Environment {
    /// Reads the variables of a process; `command` defines the settings.
    pub fn read(command: &Command, variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self> {
        let settings = known(command);
        let names: Vec<&str> = settings.iter().map(|setting| variable(setting)).collect();
        let mut environment = Environment::default();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let text = value.to_str().map(str::trim);
            if text.is_some_and(str::is_empty) {
                continue;
            }
            let Some(setting) = settings.iter().find(|setting| variable(setting) == name) else {
                if is_injected(&name[PREFIX.len()..], value.to_str().unwrap_or_default(), &names) {
                    continue;
                }
                return Err(unknown(name, &names));
            };
            // All values are trimmed, because blanks easily slip into a file of variables. So are paths, which are not
            // expected to begin or end with a blank.
            let Some(text) = text else {
                return Err(Error::invalid("usage", format!("{name} is not UTF-8. Set it again, as text.")));
            };
            if name == CONFIG {
                environment.config = Some(PathBuf::from(text));
            } else {
                environment.settings.insert(setting, Given::new(GivenBy::Variable(name.to_owned()), text));
            }
        }
        Ok(environment)
    }
}

/// Whether this variable (without its prefix) is one that a container platform sets for a service whose name is or
/// begins with `keybearer`: Kubernetes
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>) and Docker's links
/// (<https://docs.docker.com/engine/network/links/#environment-variables>).
fn is_injected(name: &str, value: &str, known: &[&str]) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let is_service = words.ends_with(&["SERVICE", "HOST"]) || words.windows(2).any(|pair| pair == ["SERVICE", "PORT"]);
    // Whoever writes KEYBEARER_PORT=8080 means --listen, and must get an error.
    let is_port = words.ends_with(&["PORT"]) && value.contains("://");
    is_service || is_port || is_port_detail(&words) || is_link(&words, value, known)
}

/// Whether Docker sets this variable for a link to the container `keybearer`, `keybearer_1` or `keybearer-db`: `NAME`,
/// `1_NAME` or `DB_NAME` with the value `/consumer/alias`, or `ENV_FOO` or `1_ENV_FOO`.
fn is_link(words: &[&str], value: &str, known: &[&str]) -> bool {
    if words[..words.len() - 1].contains(&"ENV") {
        return true;
    }
    let [alias @ .., "NAME"] = words else { return false };
    let own = format!("{PREFIX}{}", alias.join("_"));
    let names: Vec<&str> = value.split('/').collect();
    let ["", consumer, linked] = names[..] else { return false };
    let is_linked = linked.to_ascii_uppercase().replace('-', "_") == own;
    // A path in KEYBEARER_DATABASE_NAME means the database, and must not be ignored.
    let is_setting = known.contains(&own.as_str());
    !consumer.is_empty() && !linked.is_empty() && (is_linked || !is_setting)
}

/// Whether the name consists of a port's number, its protocol and possibly one of its details: `PORT_8080_TCP`,
/// `METRICS_PORT_9464_TCP_ADDR`, `PORT_8080_TCP_START`.
fn is_port_detail(words: &[&str]) -> bool {
    let mut words = words.iter().copied().skip_while(|word| *word != "PORT").skip(1);
    let is_number = words.next().is_some_and(|port| port.parse::<u16>().is_ok());
    let is_protocol = words.next().is_some_and(|protocol| matches!(protocol, "TCP" | "UDP" | "SCTP"));
    is_number && is_protocol && words.all(|word| matches!(word, "PROTO" | "PORT" | "ADDR" | "START" | "END"))
}

fn unknown(name: &str, known: &[&str]) -> Error {
    let nearest = nearest(&name[PREFIX.len()..], known.iter().map(|other| &other[PREFIX.len()..]));
    let advice = match (name, nearest) {
        ("KEYBEARER_PORT" | "KEYBEARER_HOST" | "KEYBEARER_ADDRESS" | "KEYBEARER_BIND", _) => {
            "Did you mean KEYBEARER_LISTEN=ADDR:PORT? ".to_owned()
        }
        (_, Some(other)) => format!("Did you mean {PREFIX}{other}? "),
        _ => String::new(),
    };
    let known = known.join(", ");
    Error::invalid(
        "usage",
        format!("The environment sets {name}, which is not a known setting. {advice}Known: {known}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;
    use proptest::prelude::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Environment> {
        let variables = pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Environment::read(&Cli::command(), variables)
    }

    #[test]
    fn variables_that_platforms_set_for_a_service_called_keybearer_are_ignored() {
        for (name, value) in [
            ("KEYBEARER_PORT", "tcp://10.0.0.1:80"),
            ("KEYBEARER_SERVICE_HOST", "10.0.0.1"),
            ("KEYBEARER_SERVICE_PORT", "80"),
            ("KEYBEARER_SERVICE_PORT_HTTP", "80"),
            ("KEYBEARER_SERVICE_PORT_GRPC_WEB", "81"),
            ("KEYBEARER_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("KEYBEARER_PORT_8080_TCP_PROTO", "tcp"),
            ("KEYBEARER_PORT_8080_TCP_PORT", "8080"),
            ("KEYBEARER_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("KEYBEARER_PORT_53_UDP_ADDR", "10.0.0.1"),
            ("KEYBEARER_PORT_8080_TCP_START", "tcp://10.0.0.1:8080"),
            ("KEYBEARER_PORT_8080_TCP_PORT_END", "8090"),
            ("KEYBEARER_NAME", "/web/keybearer"),
            ("KEYBEARER_ENV_PATH", "/usr/bin"),
            ("KEYBEARER_METRICS_SERVICE_HOST", "10.0.0.2"),
            ("KEYBEARER_METRICS_SERVICE_PORT_METRICS", "9464"),
            ("KEYBEARER_METRICS_PORT", "tcp://10.0.0.2:9464"),
            ("KEYBEARER_METRICS_PORT_9464_TCP_ADDR", "10.0.0.2"),
            ("KEYBEARER_1_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("KEYBEARER_1_NAME", "/x/keybearer"),
            ("KEYBEARER_1_ENV_FOO", "x"),
            ("KEYBEARER_DB_NAME", "/web/db"),
            ("KEYBEARER_KEYBEARER_1_NAME", "/a/b"),
            ("KEYBEARER_DATABASE_NAME", "/web/keybearer-database"),
        ] {
            assert!(read(&[(name, value)]).is_ok(), "{name}");
        }
    }

    #[test]
    fn any_other_name_is_refused_with_the_nearest_setting() {
        for (name, value, advice) in [
            ("KEYBEARER_LISTEM", "x", "KEYBEARER_LISTEN?"),
            ("KEYBEARER_PUBLICURL", "x", "KEYBEARER_PUBLIC_URL?"),
            ("KEYBEARER_TLS_CERTIFICATE", "x", "KEYBEARER_TLS_CERT?"),
            ("KEYBEARER_PORT", "8080", "KEYBEARER_LISTEN=ADDR:PORT?"),
            ("KEYBEARER_PORT_HTTP_TCP", "x", "Known:"),
            ("KEYBEARER_POLICY", "x", "Known:"),
            ("KEYBEARER_JSON", "1", "Known:"),
            ("KEYBEARER_DATABASE_NAME", "/data/keys.db", "KEYBEARER_DATABASE?"),
            ("KEYBEARER_DB_NAME", "/var/lib/keys.db", "Known:"),
            ("KEYBEARER_DB_NAME", "keys", "Known:"),
            ("KEYBEARER_ENV", "production", "Known:"),
            ("KEYBEARER_LISTEN_ENV", "x", "KEYBEARER_LISTEN?"),
            ("KEYBEARER_", "x", "Known:"),
            ("KEYBEARER_listen", "x", "Known:"),
        ] {
            let Err(error) = read(&[(name, value)]) else { panic!("{name} was taken") };
            assert!(error.message.contains(name) && error.message.contains(advice), "{}", error.message);
        }
    }

    #[test]
    fn a_blank_variable_counts_as_unset() {
        for blank in ["", " ", "\r\n"] {
            let read = read(&[("KEYBEARER_WORKERS", blank), ("KEYBEARER_CONFIG", blank), ("KEYBEARER_X", blank)]);
            let read = read.unwrap_or_else(|error| panic!("{error}"));
            assert!(read.settings.get("workers").is_none() && read.config.is_none());
        }
    }

    proptest! {
        #[test]
        fn any_variable_is_accepted_ignored_or_named_in_the_error(name in "(KEYBEARER_)?[A-Z0-9_a-z]{0,24}", value in ".{0,40}") {
            if let Err(error) = read(&[(&name, &value)]) {
                prop_assert!(name.starts_with(PREFIX) && error.message.contains(&name), "{name}: {error}");
            }
        }
    }
}
