//! The environment: `KEYBEARER_` and the name of a flag. A blank variable counts as not set. What
//! container platforms set for a service called `keybearer` is ignored; any other name is an error.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, Command};
use serde::Deserialize;

use super::args::ServeArgs;
use super::layers::Layer;
use crate::error::{Error, Result};

const PREFIX: &str = "KEYBEARER_";

/// `key-prefix` is `KEYBEARER_KEY_PREFIX`.
pub fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_ascii_uppercase().replace('-', "_"))
}

/// Tells in the help which variables stand for the flags. clap does not read them.
pub fn documented(command: Command) -> Command {
    let documented = |arg: Arg| match setting(&arg) {
        Some(name) => {
            let help = format!("{} [env: {}]", arg.get_help().cloned().unwrap_or_default(), variable(name));
            arg.help(help)
        }
        None => arg,
    };
    command.mut_args(documented).mut_subcommand("serve", |serve| serve.mut_args(documented))
}

/// The name of a flag that is a setting: one with a value, of `serve` or of every command.
fn setting(arg: &Arg) -> Option<&str> {
    arg.get_long().filter(|_| arg.get_action().takes_values())
}

fn settings(command: &Command) -> Vec<String> {
    let serve = command.find_subcommand("serve").into_iter().flat_map(Command::get_arguments);
    command.get_arguments().chain(serve).filter_map(setting).map(str::to_owned).collect()
}

/// What the environment sets.
#[derive(Default)]
pub struct Environment {
    pub config: Option<PathBuf>,
    pub settings: Layer,
}

impl Environment {
    /// From the variables of a process; `command` knows the settings.
    pub fn read(command: &Command, variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self> {
        let known = settings(command);
        let mut table = toml::Table::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let text = value.to_str();
            if text.is_some_and(|text| text.trim().is_empty()) {
                continue;
            }
            let Some(setting) = known.iter().find(|setting| variable(setting) == name) else {
                if is_injected(&name[PREFIX.len()..], text.unwrap_or_default(), &known) {
                    continue;
                }
                return Err(unknown(name, &known));
            };
            let Some(text) = text else {
                return Err(Error::invalid("usage", format!("{name} is not UTF-8. Set it again, as text.")));
            };
            // Without the blanks around it, which a file of variables easily adds: to paths too, and none begins or
            // ends with one.
            table.insert(setting.clone(), text.trim().into());
        }
        let config = table.remove("config").and_then(|path| path.as_str().map(PathBuf::from));
        let names = table.keys().cloned().collect();
        let args = ServeArgs::deserialize(table).map_err(Error::internal)?;
        Ok(Environment { config, settings: Layer { args, names } })
    }
}

/// Whether a container platform sets this variable, its prefix taken off, beside a service whose name is
/// `keybearer` or begins so: Kubernetes
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>) and Docker's
/// links (<https://docs.docker.com/engine/network/links/#environment-variables>).
fn is_injected(name: &str, value: &str, known: &[String]) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let is_service = words.ends_with(&["SERVICE", "HOST"]) || words.windows(2).any(|pair| pair == ["SERVICE", "PORT"]);
    // A hand that writes KEYBEARER_PORT=8080 means --listen, and must hear that this is no setting.
    let is_port = words.ends_with(&["PORT"]) && value.contains("://");
    is_service || is_port || is_port_detail(&words) || is_link(&words, value, known)
}

/// `NAME`, `1_NAME` or `DB_NAME` with `/consumer/alias`, and `ENV_FOO` or `1_ENV_FOO`: a link to the container
/// `keybearer`, `keybearer_1` or `keybearer-db`.
fn is_link(words: &[&str], value: &str, known: &[String]) -> bool {
    if words[..words.len() - 1].contains(&"ENV") {
        return true;
    }
    let [alias @ .., "NAME"] = words else { return false };
    let own = format!("{PREFIX}{}", alias.join("_"));
    let names: Vec<&str> = value.split('/').collect();
    let ["", consumer, linked] = names[..] else { return false };
    let is_linked = linked.to_ascii_uppercase().replace('-', "_") == own;
    // A path in KEYBEARER_DATABASE_NAME means the database, and must not be ignored.
    let is_setting = known.iter().any(|setting| variable(setting) == own);
    !consumer.is_empty() && !linked.is_empty() && (is_linked || !is_setting)
}

/// `PORT_8080_TCP`, `METRICS_PORT_9464_TCP_ADDR`, `PORT_8080_TCP_START`: a port's number, its protocol
/// and at most what is said of it.
fn is_port_detail(words: &[&str]) -> bool {
    let mut words = words.iter().copied().skip_while(|word| *word != "PORT").skip(1);
    let is_number = words.next().is_some_and(|port| port.parse::<u16>().is_ok());
    let is_protocol = words.next().is_some_and(|protocol| matches!(protocol, "TCP" | "UDP" | "SCTP"));
    is_number && is_protocol && words.all(|word| matches!(word, "PROTO" | "PORT" | "ADDR" | "START" | "END"))
}

fn unknown(name: &str, known: &[String]) -> Error {
    let known: Vec<String> = known.iter().map(|setting| variable(setting)).collect();
    let likeness = |other: &String| strsim::jaro(&name[PREFIX.len()..], &other[PREFIX.len()..]);
    let nearest =
        known.iter().map(|other| (likeness(other), other)).max_by(|(one, _), (other, _)| one.total_cmp(other));
    let advice = match (name, nearest) {
        ("KEYBEARER_PORT" | "KEYBEARER_HOST" | "KEYBEARER_ADDRESS" | "KEYBEARER_BIND", _) => {
            "Did you mean KEYBEARER_LISTEN=ADDR:PORT? ".to_owned()
        }
        (_, Some((likeness, other))) if likeness > 0.8 => format!("Did you mean {other}? "),
        _ => String::new(),
    };
    Error::invalid(
        "usage",
        format!("The environment sets {name}, which is no setting. {advice}Known: {}.", known.join(", ")),
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
    fn what_platforms_set_for_a_service_called_keybearer_is_ignored() {
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
    fn blank_is_not_set() {
        for blank in ["", " ", "\r\n"] {
            let read = read(&[("KEYBEARER_WORKERS", blank), ("KEYBEARER_CONFIG", blank), ("KEYBEARER_X", blank)]);
            let read = read.unwrap_or_else(|error| panic!("{error}"));
            assert!(read.settings.args.workers.is_none() && read.config.is_none());
        }
    }

    proptest! {
        #[test]
        fn any_variable_is_taken_ignored_or_named(name in "(KEYBEARER_)?[A-Z0-9_a-z]{0,24}", value in ".{0,40}") {
            if let Err(error) = read(&[(&name, &value)]) {
                prop_assert!(name.starts_with(PREFIX) && error.message.contains(&name), "{name}: {error}");
            }
        }
    }
}
