//! Settings from four places: flag > environment > settings file > default. What is unknown or wrong
//! is an error that names it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::args::{Cli, Command, ServeArgs};
use crate::auth::SigningSettings;
use crate::auth::signing::LONGEST_TOKEN;
use crate::error::{Error, Result};
use crate::http::HttpSettings;
use crate::http::cors::CorsOrigin;
use crate::http::hsts::Hsts;
use crate::http::settings::{PublicUrl, TlsFiles};
use crate::model::key::parse_span;
use crate::model::token::LONGEST_TOKEN_LIFETIME;
use crate::model::{KeyPrefix, Networks, Policies, Policy, SigningAlgorithm};

const CONFIG: &str = "keybearer.toml";
const DATABASE: &str = "keybearer.db";
const ENVIRONMENT: [&str; 23] = [
    "KEYBEARER_DATABASE",
    "KEYBEARER_CONFIG",
    "KEYBEARER_LISTEN",
    "KEYBEARER_PUBLIC_URL",
    "KEYBEARER_KEY_PREFIX",
    "KEYBEARER_TRUSTED_PROXY",
    "KEYBEARER_WORKERS",
    "KEYBEARER_CONNECTIONS",
    "KEYBEARER_METRICS_LISTEN",
    "KEYBEARER_GRPC_LISTEN",
    "KEYBEARER_USAGE_RETENTION",
    "KEYBEARER_BAD_KEY_LIMIT",
    "KEYBEARER_SIGNING_KEYS",
    "KEYBEARER_SIGNING_ROTATION",
    "KEYBEARER_ACCESS_TOKEN_ALGORITHM",
    "KEYBEARER_ACCESS_TOKEN_LIFETIME",
    "KEYBEARER_ACCESS_TOKEN_AUDIENCE",
    "KEYBEARER_IDENTITY_ALGORITHM",
    "KEYBEARER_CORS_ORIGIN",
    "KEYBEARER_HSTS",
    "KEYBEARER_TOKEN_LIFETIME",
    "KEYBEARER_TLS_CERT",
    "KEYBEARER_TLS_KEY",
];

/// The settings file: the long flags' names, with `-` or `_`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    database: Option<String>,
    listen: Option<SocketAddr>,
    #[serde(alias = "public_url")]
    public_url: Option<String>,
    #[serde(alias = "key_prefix")]
    key_prefix: Option<OneOrMany>,
    #[serde(alias = "trusted_proxy")]
    trusted_proxy: Option<OneOrMany>,
    workers: Option<usize>,
    connections: Option<usize>,
    #[serde(alias = "metrics_listen")]
    metrics_listen: Option<SocketAddr>,
    #[serde(alias = "grpc_listen")]
    grpc_listen: Option<SocketAddr>,
    #[serde(alias = "usage_retention")]
    usage_retention: Option<String>,
    #[serde(alias = "bad_key_limit")]
    bad_key_limit: Option<u32>,
    #[serde(alias = "signing_keys")]
    signing_keys: Option<PathBuf>,
    #[serde(alias = "signing_rotation")]
    signing_rotation: Option<String>,
    #[serde(alias = "access_token_algorithm")]
    access_token_algorithm: Option<String>,
    #[serde(alias = "access_token_lifetime")]
    access_token_lifetime: Option<String>,
    #[serde(alias = "access_token_audience")]
    access_token_audience: Option<String>,
    #[serde(alias = "identity_algorithm")]
    identity_algorithm: Option<String>,
    #[serde(alias = "cors_origin")]
    cors_origin: Option<OneOrMany>,
    hsts: Option<String>,
    #[serde(alias = "token_lifetime")]
    token_lifetime: Option<String>,
    #[serde(alias = "tls_cert")]
    tls_cert: Option<PathBuf>,
    #[serde(alias = "tls_key")]
    tls_key: Option<PathBuf>,
    /// `[policy.orders-read]`: in the file alone, a policy is too much for a flag.
    #[serde(default)]
    policy: BTreeMap<String, PolicyTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyTable {
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    anonymous: bool,
    #[serde(default)]
    identity: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts,
        }
    }
}

/// Settled, but not yet parsed beyond their types.
pub struct Settings {
    pub database: PathBuf,
    serve: ServeArgs,
    policies: BTreeMap<String, PolicyTable>,
}

impl Settings {
    pub fn resolve(cli: &Cli) -> Result<Self> {
        refuse_unknown_environment()?;
        let file = read_file(cli.global.config.as_deref())?;
        let database = database_path(cli.global.database.clone().or(file.database).as_deref().unwrap_or(DATABASE))?;
        let none = ServeArgs::default();
        let given = if let Command::Serve(args) = &cli.command { args } else { &none };
        let many = |flag: &[String], file: Option<OneOrMany>| match flag {
            [] => file.map(OneOrMany::into_vec).unwrap_or_default(),
            flag => flag.to_vec(),
        };
        let prefixes = match &cli.command {
            Command::Serve(args) => args.key_prefix.clone(),
            // Commands take no --key-prefix; they read the environment as the server does.
            _ => std::env::var("KEYBEARER_KEY_PREFIX")
                .map(|list| list.split(',').map(str::to_owned).collect())
                .unwrap_or_default(),
        };
        let signing_keys = match &cli.command {
            Command::Serve(args) => args.signing_keys.clone(),
            _ => std::env::var_os("KEYBEARER_SIGNING_KEYS").map(PathBuf::from),
        };
        Ok(Settings {
            database,
            serve: ServeArgs {
                listen: given.listen.or(file.listen),
                public_url: given.public_url.clone().or(file.public_url),
                key_prefix: many(&prefixes, file.key_prefix),
                trusted_proxy: many(&given.trusted_proxy, file.trusted_proxy),
                workers: given.workers.or(file.workers),
                connections: given.connections.or(file.connections),
                metrics_listen: given.metrics_listen.or(file.metrics_listen),
                grpc_listen: given.grpc_listen.or(file.grpc_listen),
                usage_retention: given.usage_retention.clone().or(file.usage_retention),
                bad_key_limit: given.bad_key_limit.or(file.bad_key_limit),
                signing_keys: signing_keys.or(file.signing_keys),
                signing_rotation: given.signing_rotation.clone().or(file.signing_rotation),
                access_token_algorithm: given.access_token_algorithm.clone().or(file.access_token_algorithm),
                access_token_lifetime: given.access_token_lifetime.clone().or(file.access_token_lifetime),
                access_token_audience: given.access_token_audience.clone().or(file.access_token_audience),
                identity_algorithm: given.identity_algorithm.clone().or(file.identity_algorithm),
                cors_origin: many(&given.cors_origin, file.cors_origin),
                hsts: given.hsts.clone().or(file.hsts),
                token_lifetime: given.token_lifetime.clone().or(file.token_lifetime),
                tls_cert: given.tls_cert.clone().or(file.tls_cert),
                tls_key: given.tls_key.clone().or(file.tls_key),
            },
            policies: file.policy,
        })
    }

    pub fn prefixes(&self) -> Result<Vec<KeyPrefix>> {
        match self.serve.key_prefix.as_slice() {
            [] => Ok(vec![KeyPrefix::parse("kb")?]),
            given => given
                .iter()
                .map(|text| KeyPrefix::parse(text).map_err(|error| usage("key-prefix", text, &error)))
                .collect(),
        }
    }

    pub fn http(&self) -> Result<HttpSettings> {
        let listen = self.serve.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
        let tls = match (&self.serve.tls_cert, &self.serve.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.clone(), key: key.clone() }),
            (None, None) => None,
            _ => return Err(Error::invalid("usage", "--tls-cert and --tls-key go together; one of them is missing.")),
        };
        let public_url = match &self.serve.public_url {
            Some(text) => PublicUrl::parse(text).map_err(|error| usage("public-url", text, &error))?,
            None => PublicUrl::local(listen, tls.is_some()),
        };
        let trusted = self.serve.trusted_proxy.iter().map(String::as_str);
        let defaults = HttpSettings::new(listen, public_url);
        let positive = |flag: &str, value: usize, most: usize| match value {
            0 => Err(Error::invalid("usage", format!("--{flag} 0: use 1 or more."))),
            value if value > most => Err(Error::invalid("usage", format!("--{flag} {value}: use {most} or less."))),
            value => Ok(value),
        };
        Ok(HttpSettings {
            trusted_proxies: Networks::parse(trusted)
                .map_err(|error| usage("trusted-proxy", &self.serve.trusted_proxy.join(","), &error))?,
            workers: positive("workers", self.serve.workers.unwrap_or(defaults.workers), 1024)?,
            tls,
            connections: positive("connections", self.serve.connections.unwrap_or(defaults.connections), 1_000_000)?,
            metrics_listen: self.serve.metrics_listen,
            grpc_listen: self.serve.grpc_listen,
            usage_retention: match &self.serve.usage_retention {
                Some(text) => parse_span(text).ok_or_else(|| {
                    Error::invalid("usage", format!("--usage-retention {text}: write a span such as 90d."))
                })?,
                None => defaults.usage_retention,
            },
            bad_key_limit: self.serve.bad_key_limit.unwrap_or(defaults.bad_key_limit),
            token_lifetime: match &self.serve.token_lifetime {
                Some(text) => parse_span(text).filter(|span| *span <= LONGEST_TOKEN_LIFETIME).ok_or_else(|| {
                    Error::invalid(
                        "usage",
                        format!("--token-lifetime {text}: write a span of at most 24h, such as 1h."),
                    )
                })?,
                None => defaults.token_lifetime,
            },
            cors_origins: (self.serve.cors_origin.iter())
                .map(|text| CorsOrigin::parse(text).map_err(|error| usage("cors-origin", text, &error)))
                .collect::<Result<_>>()?,
            hsts: match &self.serve.hsts {
                Some(text) => Hsts::parse(text).map_err(|error| usage("hsts", text, &error))?,
                None => defaults.hsts.clone(),
            },
            policies: self.policies()?,
            signing: self.signing(&defaults.signing)?,
            ..defaults
        })
    }

    pub fn signing_keys(&self) -> Option<PathBuf> {
        self.serve.signing_keys.clone()
    }

    fn signing(&self, defaults: &SigningSettings) -> Result<SigningSettings> {
        let given = &self.serve;
        let algorithm = |flag: &str, text: &Option<String>, default| match text {
            Some(text) => SigningAlgorithm::parse(text).map_err(|error| usage(flag, text, &error)),
            None => Ok(default),
        };
        let wrong =
            |flag: &str, text: &str, rule: &str| Err(Error::invalid("usage", format!("--{flag} {text}: {rule}")));
        let least = Duration::from_secs(3600);
        Ok(SigningSettings {
            file: given.signing_keys.clone(),
            rotation: match given.signing_rotation.as_deref() {
                None => defaults.rotation,
                Some("never") => None,
                Some(text) => match parse_span(text).filter(|span| *span >= least) {
                    Some(span) => Some(span),
                    None => {
                        return wrong("signing-rotation", text, "write a span of 1h or more, such as 90d, or never.");
                    }
                },
            },
            token_algorithm: algorithm(
                "access-token-algorithm",
                &given.access_token_algorithm,
                defaults.token_algorithm,
            )?,
            token_lifetime: match given.access_token_lifetime.as_deref() {
                None => defaults.token_lifetime,
                Some(text) => match parse_span(text).filter(|span| *span <= LONGEST_TOKEN) {
                    Some(span) => span,
                    None => return wrong("access-token-lifetime", text, "write a span of 1h or less, such as 10m."),
                },
            },
            token_audience: given.access_token_audience.clone(),
            identity_algorithm: algorithm(
                "identity-algorithm",
                &given.identity_algorithm,
                defaults.identity_algorithm,
            )?,
        })
    }

    fn policies(&self) -> Result<Policies> {
        let policies = self.policies.iter().map(|(name, table)| {
            let policy = Policy::parse(table.scopes.iter().map(String::as_str), table.anonymous);
            let policy = policy.map(|policy| if table.identity { policy.with_identity() } else { policy });
            policy.map(|policy| (name.clone(), policy)).map_err(|error| in_policy(name, &error))
        });
        Policies::parse(policies.collect::<Result<Vec<_>>>()?)
            .map_err(|error| Error::invalid("usage", format!("policy: {}", error.message)))
    }
}

fn usage(flag: &str, given: &str, error: &Error) -> Error {
    Error::invalid("usage", format!("--{flag} {given}: {}", error.message))
}

fn in_policy(name: &str, error: &Error) -> Error {
    Error::invalid("usage", format!("policy.{name}, scopes: {}", error.message))
}

fn refuse_unknown_environment() -> Result<()> {
    let unknown = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .find(|name| name.starts_with("KEYBEARER_") && !ENVIRONMENT.contains(&name.as_str()));
    match unknown {
        None => Ok(()),
        Some(name) => Err(Error::invalid(
            "usage",
            format!("The environment sets {name}, which is no setting. Known: {}.", ENVIRONMENT.join(", ")),
        )),
    }
}

/// A file that was named must be there; the default one may be.
fn read_file(named: Option<&Path>) -> Result<File> {
    let path = named.unwrap_or(Path::new(CONFIG));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(File::default()),
        Err(error) => return Err(Error::invalid("usage", format!("{} cannot be read: {error}", path.display()))),
    };
    toml::from_str(&text).map_err(|error| Error::invalid("usage", format!("{}: {error}", path.display())))
}

fn database_path(text: &str) -> Result<PathBuf> {
    let path = match text.split_once(':') {
        Some(("sqlite", path)) => path,
        Some((scheme, _)) if scheme.starts_with("postgres") => {
            return Err(Error::invalid(
                "usage",
                "--database: PostgreSQL is not supported yet. Use a path or sqlite:PATH.",
            ));
        }
        _ => text,
    };
    if path.is_empty() {
        return Err(Error::invalid("usage", "--database: give a path or sqlite:PATH."));
    }
    Ok(PathBuf::from(path))
}
