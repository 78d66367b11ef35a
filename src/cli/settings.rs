//! Settings, parsed: flag > environment > settings file > default. What is unknown or wrong is an
//! error that names it as it was given.

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::args::{Cli, Command, ServeArgs};
use super::environment::Environment;
use super::layers::{Given, Layer, Layers};
use super::text::Text;
use crate::ambient::plain_file;
use crate::commands::input::Encoding;
use crate::error::{Error, Result};
use crate::http::HttpSettings;
use crate::http::cors::CorsOrigin;
use crate::http::hsts::Hsts;
use crate::http::is_resource;
use crate::http::settings::{ListenAddress, PublicUrl, TlsFiles};
use crate::model::expiry::parse_span;
use crate::model::token::{LONGEST_REFRESH_REUSE, LONGEST_TOKEN_LIFETIME};
use crate::model::{Consent, KeyPrefix, Networks, Policies, Policy, SigningAlgorithm};
use crate::signing::LONGEST_TOKEN;
use crate::signing::SigningSettings;

const CONFIG: &str = "keybearer.toml";
const DATABASE: &str = "keybearer.db";

/// Of what was given, what counts; not yet parsed.
pub struct Settings(Layers);

impl Settings {
    /// Takes the flags out of `cli`; `matches` knows which of them were written.
    pub fn resolve(cli: &mut Cli, matches: &ArgMatches) -> Result<Self> {
        let environment = Environment::read(&super::command(), std::env::vars_os())?;
        let (path, file) = match (&cli.global.config, environment.config) {
            (Some(named), _) => (named.clone(), read_file(named, &format!("--config {}", named.display()))?),
            (None, Some(named)) => {
                let file = read_file(&named, &format!("KEYBEARER_CONFIG={}", named.display()))?;
                (named, file)
            }
            (None, None) => {
                let path = PathBuf::from(CONFIG);
                // A link that leads nowhere is there: whoever made it meant its settings to count.
                let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
                let is_there = !fs::symlink_metadata(&path).is_err_and(|error| is_missing(&error));
                let file = if is_there { read_file(&path, CONFIG)? } else { Layer::default() };
                (path, file)
            }
        };
        let flags = flags(cli, matches);
        Ok(Settings(Layers { flags, environment: environment.settings, file, path }))
    }

    /// What went wrong, in the words in which the operator set it.
    pub fn as_given(&self, error: Error) -> Error {
        self.0.as_given(error)
    }

    pub fn database(&self) -> Result<PathBuf> {
        let Some(given) = self.0.one("database", |given| given.database.as_ref()) else { return Ok(DATABASE.into()) };
        let path = match given.value.split_once(':') {
            Some(("sqlite", path)) => path,
            Some((scheme, _)) if scheme.starts_with("postgres") => {
                return Err(given.wrong("PostgreSQL is not supported yet. Use a path or sqlite:PATH."));
            }
            _ => given.value,
        };
        if path.is_empty() {
            return Err(given.wrong("give a path or sqlite:PATH."));
        }
        Ok(PathBuf::from(path))
    }

    /// `older_database` is asked for on the command line alone, for it counts once.
    pub fn consent(&self, older_database: bool) -> Result<Consent> {
        let given = self.0.one("allow-network-filesystem", |given| given.allow_network_filesystem.as_ref());
        let network_file_system = match given {
            None => false,
            Some(given) => given.value.parse().map_err(|_| given.wrong("write true or false."))?,
        };
        Ok(Consent { network_file_system, older_database })
    }

    pub fn prefixes(&self) -> Result<Vec<KeyPrefix>> {
        let given = self.0.many("key-prefix", |given| &given.key_prefix);
        if given.is_empty() {
            return Ok(vec![KeyPrefix::parse("kb")?]);
        }
        given.iter().map(|prefix| parsed(prefix, KeyPrefix::parse)).collect()
    }

    pub fn http(&self) -> Result<HttpSettings> {
        let listen = self.listen("listen", |given| given.listen.as_ref())?;
        let listen = listen.unwrap_or_else(ListenAddress::usual);
        let tls = self.tls()?;
        let public_url = match self.0.one("public-url", |given| given.public_url.as_ref()) {
            Some(given) => parsed(&given, PublicUrl::parse)?,
            None => PublicUrl::local(&listen, listen.port(), tls.is_some()),
        };
        let defaults = HttpSettings::new(listen, public_url);
        let workers = self.number("workers", 1..=1024, |given| given.workers.as_ref())?;
        let connections = self.number("connections", 1..=1_000_000, |given| given.connections.as_ref())?;
        let connections_per_address =
            self.number("connections-per-address", 0..=1_000_000, |given| given.connections_per_address.as_ref())?;
        let bad_key_limit = self.number("bad-key-limit", 0..=u32::MAX, |given| given.bad_key_limit.as_ref())?;
        let usage_retention = self.span(
            "usage-retention",
            |given| given.usage_retention.as_ref(),
            |_| true,
            "write a span such as 90d.",
        )?;
        let token_lifetime = self.span(
            "token-lifetime",
            |given| given.token_lifetime.as_ref(),
            |span| span <= LONGEST_TOKEN_LIFETIME,
            "write a span of at most 24h, such as 1h.",
        )?;
        let refresh_reuse = match self.0.one("refresh-reuse", |given| given.refresh_reuse.as_ref()) {
            None => None,
            Some(given) if matches!(given.value, "0" | "0s") => Some(Duration::ZERO),
            Some(given) => {
                let span = parse_span(given.value).filter(|span| *span <= LONGEST_REFRESH_REUSE);
                Some(span.ok_or_else(|| given.wrong("write a span of at most 5m, such as 10s, or 0."))?)
            }
        };
        let cors_origins = self.0.many("cors-origin", |given| &given.cors_origin);
        let hsts = self.0.one("hsts", |given| given.hsts.as_ref());
        Ok(HttpSettings {
            trusted_proxies: self.trusted_proxies()?,
            workers: workers.unwrap_or(defaults.workers),
            tls,
            connections: connections.unwrap_or(defaults.connections),
            connections_per_address: connections_per_address.unwrap_or(defaults.connections_per_address),
            metrics_listen: self.listen("metrics-listen", |given| given.metrics_listen.as_ref())?,
            grpc_listen: self.listen("grpc-listen", |given| given.grpc_listen.as_ref())?,
            usage_retention: usage_retention.unwrap_or(defaults.usage_retention),
            bad_key_limit: bad_key_limit.unwrap_or(defaults.bad_key_limit),
            token_lifetime: token_lifetime.unwrap_or(defaults.token_lifetime),
            refresh_reuse: refresh_reuse.unwrap_or(defaults.refresh_reuse),
            cors_origins: cors_origins.iter().map(|origin| parsed(origin, CorsOrigin::parse)).collect::<Result<_>>()?,
            hsts: hsts.map_or_else(|| Ok(defaults.hsts.clone()), |given| parsed(&given, Hsts::parse))?,
            policies: self.policies()?,
            signing: self.signing(&defaults.signing)?,
            ..defaults
        })
    }

    pub fn signing_keys(&self) -> Result<Option<&Path>> {
        Ok(self.0.path("signing-keys", |given| given.signing_keys.as_ref())?.map(|given| given.value))
    }

    fn listen<'a>(
        &'a self,
        name: &str,
        get: impl Fn(&'a ServeArgs) -> Option<&'a Text>,
    ) -> Result<Option<ListenAddress>> {
        self.0.one(name, get).map(|given| parsed(&given, ListenAddress::parse)).transpose()
    }

    fn number<'a, N>(
        &'a self,
        name: &str,
        bounds: RangeInclusive<N>,
        get: impl Fn(&'a ServeArgs) -> Option<&'a Text>,
    ) -> Result<Option<N>>
    where
        N: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(given) = self.0.one(name, get) else { return Ok(None) };
        match given.value.parse() {
            Ok(number) if bounds.contains(&number) => Ok(Some(number)),
            _ => Err(given.wrong(format_args!("write a number from {} to {}.", bounds.start(), bounds.end()))),
        }
    }

    fn span<'a>(
        &'a self,
        name: &str,
        get: impl Fn(&'a ServeArgs) -> Option<&'a Text>,
        is_allowed: impl Fn(Duration) -> bool,
        rule: &str,
    ) -> Result<Option<Duration>> {
        let Some(given) = self.0.one(name, get) else { return Ok(None) };
        let span = parse_span(given.value).filter(|span| is_allowed(*span));
        span.map(Some).ok_or_else(|| given.wrong(rule))
    }

    fn tls(&self) -> Result<Option<TlsFiles>> {
        let cert = self.0.path("tls-cert", |given| given.tls_cert.as_ref())?;
        let key = self.0.path("tls-key", |given| given.tls_key.as_ref())?;
        let alone = |given: &Given<&Path>, other: &str| {
            let name = &given.name;
            Err(Error::invalid(
                "usage",
                format!("{name} is set and --{other} is not. They go together: set both, or none."),
            ))
        };
        match (cert, key) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert: cert.value.into(), key: key.value.into() })),
            (None, None) => Ok(None),
            (Some(cert), None) => alone(&cert, "tls-key"),
            (None, Some(key)) => alone(&key, "tls-cert"),
        }
    }

    fn trusted_proxies(&self) -> Result<Networks> {
        let given = self.0.many("trusted-proxy", |given| &given.trusted_proxy);
        for one in &given {
            parsed(one, |text| Networks::parse([text]))?;
        }
        Networks::parse(given.iter().map(|given| given.value))
            .map_err(|error| given.first().map_or(error.clone(), |first| first.wrong(error.message)))
    }

    fn signing(&self, defaults: &SigningSettings) -> Result<SigningSettings> {
        let rotation = match self.0.one("signing-rotation", |given| given.signing_rotation.as_ref()) {
            Some(given) if given.value == "never" => None,
            None => defaults.rotation,
            Some(given) => {
                let span = parse_span(given.value).filter(|span| *span >= Duration::from_secs(3600));
                Some(span.ok_or_else(|| given.wrong("write a span of 1h or more, such as 90d, or never."))?)
            }
        };
        let token_algorithm = self.0.one("access-token-algorithm", |given| given.access_token_algorithm.as_ref());
        let identity_algorithm = self.0.one("identity-algorithm", |given| given.identity_algorithm.as_ref());
        let algorithm = |given: Option<Given<&str>>, default| match given {
            Some(given) => parsed(&given, SigningAlgorithm::parse),
            None => Ok(default),
        };
        let token_lifetime = self.span(
            "access-token-lifetime",
            |given| given.access_token_lifetime.as_ref(),
            |span| span <= LONGEST_TOKEN,
            "write a span of 1h or less, such as 10m.",
        )?;
        let audience = self.0.one("access-token-audience", |given| given.access_token_audience.as_ref());
        Ok(SigningSettings {
            file: self.signing_keys()?.map(Path::to_owned),
            rotation,
            token_algorithm: algorithm(token_algorithm, defaults.token_algorithm)?,
            token_lifetime: token_lifetime.unwrap_or(defaults.token_lifetime),
            token_audience: audience.map(|given| parsed(&given, audience_of)).transpose()?,
            identity_algorithm: algorithm(identity_algorithm, defaults.identity_algorithm)?,
        })
    }

    fn policies(&self) -> Result<Policies> {
        let wrong = |place: &str, error: &Error| {
            Error::invalid("usage", format!("{place} in {}: {}", self.0.path.display(), error.message))
        };
        let policies = self.0.file.args.policy.iter().map(|(name, table)| {
            let policy = Policy::parse(table.scopes.iter().map(String::as_str), table.anonymous);
            let policy = policy.map(|policy| if table.identity { policy.with_identity() } else { policy });
            let policy = policy.map(|policy| if table.preflight { policy.with_preflight() } else { policy });
            policy
                .map(|policy| (name.clone(), policy))
                .map_err(|error| wrong(&format!("policy.{name}, scopes"), &error))
        });
        Policies::parse(policies.collect::<Result<Vec<_>>>()?).map_err(|error| wrong("policy", &error))
    }
}

/// What a client may name as its resource, and nothing else: both end up in the same claim.
fn audience_of(text: &str) -> Result<String> {
    let rule = "write an absolute URI without a fragment, such as https://api.example.com or urn:example:api.";
    if is_resource(text) { Ok(text.to_owned()) } else { Err(Error::invalid("usage", rule)) }
}

fn parsed<T>(given: &Given<&str>, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
    parse(given.value).map_err(|error| given.wrong(error.message))
}

/// The flags, as a layer like the others.
fn flags(cli: &mut Cli, matches: &ArgMatches) -> Layer {
    let mut args = match &mut cli.command {
        Command::Serve(args) => std::mem::take(&mut **args),
        _ => ServeArgs::default(),
    };
    args.database = cli.global.database.take();
    args.allow_network_filesystem = cli.global.allow_network_filesystem.take();
    let serve = matches.subcommand().map(|(_, matches)| matches);
    let written = serve.into_iter().chain([matches]).flat_map(|matches| {
        let is_written = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        matches.ids().map(clap::Id::as_str).filter(is_written).map(|id| id.replace('_', "-"))
    });
    Layer { args, names: written.collect() }
}

/// `name` says how the file was named.
fn read_file(path: &Path, name: &str) -> Result<Layer> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Error::invalid("usage", format!("{name}: the settings file cannot be read: {why}."))
    };
    let bytes = plain_file::read(path).map_err(|error| match fs::read_link(path) {
        Ok(target) if error.kind() == io::ErrorKind::NotFound => {
            unreadable(&format_args!("it is a link to {}, which is not there", target.display()))
        }
        _ => unreadable(&error),
    })?;
    let encoding = match Encoding::of(&bytes).0 {
        Encoding::Utf8 => "in Windows-1252, Latin-1 or another encoding",
        Encoding::Utf16Le | Encoding::Utf16Be => "in UTF-16",
        Encoding::Utf32 => "in UTF-32",
    };
    let text = std::str::from_utf8(&bytes).ok().filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| unreadable(&format_args!("it is {encoding}. Save it as UTF-8")))?;
    let wrong = |error: toml::de::Error| Error::invalid("usage", format!("{}: {error}", path.display()));
    let args: ServeArgs = toml::from_str(text).map_err(wrong)?;
    let names = toml::from_str::<toml::Table>(text).map_err(wrong)?;
    Ok(Layer { args, names: names.keys().map(|name| name.replace('_', "-")).collect() })
}
