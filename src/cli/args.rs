//! The command line, as clap sees it. Flags of `serve` can also come from the environment
//! (`KEYBEARER_` and the flag's name) and from the settings file.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

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
    #[arg(long, global = true, env = "KEYBEARER_DATABASE", value_name = "DB")]
    pub database: Option<String>,
    /// Settings file in TOML; its names are the flags' names [default: keybearer.toml, if it is there]
    #[arg(long, global = true, env = "KEYBEARER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
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

#[derive(Debug, Args, Default)]
pub struct ServeArgs {
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, env = "KEYBEARER_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// What people see in links: scheme, host, port [default: http:// or https:// and the listen address]
    #[arg(long, env = "KEYBEARER_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// What keys begin with; the first is the default for new keys [default: kb]
    #[arg(long, env = "KEYBEARER_KEY_PREFIX", value_name = "P", value_delimiter = ',')]
    pub key_prefix: Vec<String>,
    /// Peers whose X-Forwarded-For is believed
    #[arg(long, env = "KEYBEARER_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    pub trusted_proxy: Vec<String>,
    /// Worker threads [default: one a core]
    #[arg(long, env = "KEYBEARER_WORKERS", value_name = "N")]
    pub workers: Option<usize>,
    /// Open connections at most [default: 10000]
    #[arg(long, env = "KEYBEARER_CONNECTIONS", value_name = "N")]
    pub connections: Option<usize>,
    /// Serve /metrics on an address of its own, without a key
    #[arg(long, env = "KEYBEARER_METRICS_LISTEN", value_name = "ADDR:PORT")]
    pub metrics_listen: Option<SocketAddr>,
    /// Serve Envoy's ext_authz over gRPC on an address of its own; for Envoy alone to reach
    #[arg(long, env = "KEYBEARER_GRPC_LISTEN", value_name = "ADDR:PORT")]
    pub grpc_listen: Option<SocketAddr>,
    /// How long hourly counts of use are kept [default: 90d]
    #[arg(long, env = "KEYBEARER_USAGE_RETENTION", value_name = "SPAN")]
    pub usage_retention: Option<String>,
    /// Different bad keys a minute from one address before its bad keys get 429; 0: any number [default: 1000]
    #[arg(long, env = "KEYBEARER_BAD_KEY_LIMIT", value_name = "N")]
    pub bad_key_limit: Option<u32>,
    /// Sign with these keys (PEM) instead of keybearer.db-signing
    #[arg(long, env = "KEYBEARER_SIGNING_KEYS", value_name = "FILE")]
    pub signing_keys: Option<PathBuf>,
    /// How long a signing key signs before the next one does, or never [default: 90d]
    #[arg(long, env = "KEYBEARER_SIGNING_ROTATION", value_name = "SPAN")]
    pub signing_rotation: Option<String>,
    /// How OAuth tokens are signed: RS256 or EdDSA [default: RS256]
    #[arg(long, env = "KEYBEARER_ACCESS_TOKEN_ALGORITHM", value_name = "ALG")]
    pub access_token_algorithm: Option<String>,
    /// How long OAuth tokens live, at most 1h [default: 10m]
    #[arg(long, env = "KEYBEARER_ACCESS_TOKEN_LIFETIME", value_name = "SPAN")]
    pub access_token_lifetime: Option<String>,
    /// Whom OAuth tokens are for when the client names no resource [default: the public URL]
    #[arg(long, env = "KEYBEARER_ACCESS_TOKEN_AUDIENCE", value_name = "URI")]
    pub access_token_audience: Option<String>,
    /// How X-Auth-Identity is signed: RS256 or EdDSA [default: EdDSA]
    #[arg(long, env = "KEYBEARER_IDENTITY_ALGORITHM", value_name = "ALG")]
    pub identity_algorithm: Option<String>,
    /// Pages of this origin may read the API's answers
    #[arg(
        help = "A page's origin that may read the API's answers (https://app.example.com); exact, repeat for more",
        long,
        env = "KEYBEARER_CORS_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub cors_origin: Vec<String>,
    /// Strict-Transport-Security, sent if the public URL is https: its directives, or off [default: max-age=63072000]
    #[arg(long, env = "KEYBEARER_HSTS", value_name = "VALUE")]
    pub hsts: Option<String>,
    /// How long a token of POST /api/v1/tokens lives, at most 24h [default: 1h]
    #[arg(long, env = "KEYBEARER_TOKEN_LIFETIME", value_name = "SPAN")]
    pub token_lifetime: Option<String>,
    /// Serve TLS with this certificate chain (PEM)
    #[arg(long, env = "KEYBEARER_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, env = "KEYBEARER_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
}
