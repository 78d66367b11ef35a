//! The command line, as clap sees it. The flags of `serve` are also the names in the settings file and,
//! with `KEYBEARER_` before them, in the environment: one struct is read from all three.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use serde::Deserialize;

use super::text::{Text, texts};

use crate::commands::events::EventsCommand;
use crate::commands::keys::KeysCommand;
use crate::commands::signing_keys::SigningKeysCommand;
use crate::commands::users::UsersCommand;

/// A self-hosted API-key server: keys for your API, made in a dashboard, checked in memory, revoked at once.
#[derive(Debug, Parser)]
#[command(name = "keybearer", version, arg_required_else_help = true, max_term_width = 100)]
#[command(
    after_help = "Example:\n  keybearer serve                                   # then open the link it prints\n  keybearer keys create --owner ada@example.com --name ci --expires 90d"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub struct Global {
    /// The database: a path or sqlite:PATH [default: keybearer.db]
    #[arg(long, global = true, value_name = "DB")]
    pub database: Option<Text>,
    /// Settings file in TOML; its names are the flags' names [default: keybearer.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Open a database on a network file system (or FUSE), where locks may not work; let one machine alone reach it
    #[arg(long, global = true, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_network_filesystem: Option<Text>,
    /// Accept an older copy of the database, this one time; keys revoked since then work again
    #[arg(long, global = true)]
    pub accept_older_database: bool,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    #[command(
        after_help = "Example:\n  keybearer serve --listen 0.0.0.0:8080 --public-url https://keys.example.com --trusted-proxy 10.0.0.0/8"
    )]
    Serve(Box<ServeArgs>),
    /// Manage people
    Users {
        #[command(subcommand)]
        command: UsersCommand,
    },
    /// Manage keys
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// List and rotate the keys that tokens and signed identity are checked with
    SigningKeys {
        #[command(subcommand)]
        command: SigningKeysCommand,
    },
    /// Read and verify the audit log
    Events {
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// Check the database: structure, references, audit log
    #[command(after_help = "Example:\n  keybearer check --database /var/lib/keybearer/keybearer.db")]
    Check,
    /// Print completions for a shell
    #[command(after_help = "Example:\n  keybearer completions bash > /etc/bash_completion.d/keybearer")]
    Completions { shell: Shell },
    /// Print the manual page
    #[command(after_help = "Example:\n  keybearer man | man -l -")]
    Man,
}

/// What can be set, as text: `settings` parses it, and can then say where it was given.
#[derive(Debug, Args, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServeArgs {
    /// Where to listen: ADDR:PORT, localhost:PORT, or :PORT for every address [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<Text>,
    /// What people see in links: scheme, host, port [default: http:// or https:// and the listen address]
    #[arg(long, value_name = "URL")]
    #[serde(alias = "public_url")]
    pub public_url: Option<Text>,
    /// What keys begin with; the first is the default for new keys [default: kb]
    #[arg(long, value_name = "P")]
    #[serde(alias = "key_prefix", deserialize_with = "texts")]
    pub key_prefix: Vec<Text>,
    /// Peers whose X-Forwarded-For is believed
    #[arg(long, value_name = "CIDR")]
    #[serde(alias = "trusted_proxy", deserialize_with = "texts")]
    pub trusted_proxy: Vec<Text>,
    /// Worker threads [default: one a core]
    #[arg(long, value_name = "N")]
    pub workers: Option<Text>,
    /// Open connections at most [default: 10000]
    #[arg(long, value_name = "N")]
    pub connections: Option<Text>,
    /// Of them by one address (IPv6: one /64) that is no trusted proxy; 0: any number [default: 1000]
    #[arg(long, value_name = "N")]
    #[serde(alias = "connections_per_address")]
    pub connections_per_address: Option<Text>,
    /// Serve /metrics on an address of its own, without a key
    #[arg(long, value_name = "ADDR:PORT")]
    #[serde(alias = "metrics_listen")]
    pub metrics_listen: Option<Text>,
    /// Serve Envoy's ext_authz over gRPC on an address of its own; for Envoy alone to reach
    #[arg(long, value_name = "ADDR:PORT")]
    #[serde(alias = "grpc_listen")]
    pub grpc_listen: Option<Text>,
    /// How long hourly counts of use are kept [default: 90d]
    #[arg(long, value_name = "SPAN")]
    #[serde(alias = "usage_retention")]
    pub usage_retention: Option<Text>,
    /// Different bad keys a minute from one address before its bad keys get 429; 0: any number. Loopback addresses have
    /// no limit [default: 1000]
    #[arg(long, value_name = "N")]
    #[serde(alias = "bad_key_limit")]
    pub bad_key_limit: Option<Text>,
    /// Sign with these keys (PEM) instead of keybearer.db-signing
    #[arg(long, value_name = "FILE")]
    #[serde(alias = "signing_keys")]
    pub signing_keys: Option<PathBuf>,
    /// How long a signing key signs before the next one does, or never [default: 90d]
    #[arg(long, value_name = "SPAN")]
    #[serde(alias = "signing_rotation")]
    pub signing_rotation: Option<Text>,
    /// How OAuth tokens are signed: RS256 or EdDSA [default: RS256]
    #[arg(long, value_name = "ALG")]
    #[serde(alias = "access_token_algorithm")]
    pub access_token_algorithm: Option<Text>,
    /// How long OAuth tokens live, at most 1h [default: 10m]
    #[arg(long, value_name = "SPAN")]
    #[serde(alias = "access_token_lifetime")]
    pub access_token_lifetime: Option<Text>,
    /// Whom OAuth tokens are for when the client names no resource [default: the public URL]
    #[arg(long, value_name = "URI")]
    #[serde(alias = "access_token_audience")]
    pub access_token_audience: Option<Text>,
    /// How X-Auth-Identity is signed: RS256 or EdDSA [default: EdDSA]
    #[arg(long, value_name = "ALG")]
    #[serde(alias = "identity_algorithm")]
    pub identity_algorithm: Option<Text>,
    /// Pages of this origin may read the API's answers
    #[arg(
        help = "A page's origin that may read the API's answers (https://app.example.com); exact, repeat for more",
        long,
        value_name = "ORIGIN"
    )]
    #[serde(alias = "cors_origin", deserialize_with = "texts")]
    pub cors_origin: Vec<Text>,
    /// Strict-Transport-Security, sent if the public URL is https: its directives, or off [default: max-age=63072000]
    #[arg(long, value_name = "VALUE")]
    pub hsts: Option<Text>,
    /// How long a token of POST /api/v1/tokens lives, at most 24h [default: 1h]
    #[arg(long, value_name = "SPAN")]
    #[serde(alias = "token_lifetime")]
    pub token_lifetime: Option<Text>,
    /// How long a refresh token that is sent again gets the same answer, max 5m; 0: never [default: 10s]
    #[arg(long, value_name = "SPAN")]
    #[serde(alias = "refresh_reuse")]
    pub refresh_reuse: Option<Text>,
    /// Serve TLS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE")]
    #[serde(alias = "tls_cert")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE")]
    #[serde(alias = "tls_key")]
    pub tls_key: Option<PathBuf>,
    /// In the settings file and the environment; among flags it is [`Global::database`].
    #[arg(skip)]
    pub database: Option<Text>,
    /// The same.
    #[arg(skip)]
    #[serde(alias = "allow_network_filesystem")]
    pub allow_network_filesystem: Option<Text>,
    /// `[policy.orders-read]`: in the file alone, a policy is too much for a flag.
    #[arg(skip)]
    pub policy: BTreeMap<String, PolicyTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyTable {
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub anonymous: bool,
    #[serde(default)]
    pub identity: bool,
    #[serde(default)]
    pub preflight: bool,
}
