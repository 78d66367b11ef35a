//! The command line, as clap sees it. Flags that are settings are in `settings`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::settings::{DatabaseSection, ServeSections};
use crate::commands::copy::CopyArgs;
use crate::commands::events::EventsCommand;
use crate::commands::keys::KeysCommand;
use crate::commands::scanner_rules::ScannerFormat;
use crate::commands::signing_keys::SigningKeysCommand;
use crate::commands::users::UsersCommand;

/// A self-hosted API-key server: keys for your API, created in a dashboard, checked in memory, revoked at once.
#[derive(Debug, Parser)]
#[command(name = "keybearer", version, arg_required_else_help = true, max_term_width = 100)]
#[command(
    after_help = "Example:\n  keybearer serve                                   # then open the link that it prints\n  keybearer keys create --owner ada@example.com --name ci --expires 90d"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    #[command(flatten)]
    pub database: DatabaseSection,
    /// Settings file in TOML; its keys are the names of the flags [default: keybearer.toml, if it exists]
    #[arg(long, env = "KEYBEARER_CONFIG", global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Accept an older copy of the database for one start; keys revoked since that copy become valid again
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
    Serve(Box<ServeSections>),
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
    /// List and rotate the keys that sign tokens and identities
    SigningKeys {
        #[command(subcommand)]
        command: SigningKeysCommand,
    },
    /// Read and verify the audit log
    Events {
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// List the nodes that share a PostgreSQL database
    #[command(after_help = "Example:\n  keybearer nodes --database 'postgres://keybearer@db.example.com/keybearer'")]
    Nodes,
    /// Move to another database: copy everything to a new one, and mark the old one as moved
    #[command(
        after_help = "Example:\n  keybearer copy --from keybearer.db --to 'postgres://keybearer@db.example.com/keybearer' --secret-file secret"
    )]
    Copy(CopyArgs),
    /// Back up an SQLite database to a new file, also while a server is using it
    #[command(after_help = "Example:\n  keybearer backup /backup/keybearer-$(date +%F).db")]
    Backup {
        /// File to create
        file: PathBuf,
    },
    /// Put a backup in the place of the database; keys that were revoked since stay revoked
    #[command(after_help = "Example:\n  systemctl stop keybearer\n  keybearer restore /backup/keybearer-2026-11-26.db")]
    Restore {
        /// Backup to restore
        file: PathBuf,
        /// Accept that keys that were revoked after the backup can be live again, because no database here knows of them
        #[arg(long)]
        accept_revived: bool,
    },
    /// Check the database: structure, references, audit log, unreadable records
    #[command(after_help = "Example:\n  keybearer check --database /var/lib/keybearer/keybearer.db")]
    Check,
    /// Ask a server whether it is ready; exits with 0 if it is and 1 if not
    #[command(after_help = "Example:\n  keybearer healthcheck --url http://127.0.0.1:8080/readyz")]
    Healthcheck {
        /// What to ask, over plain HTTP
        #[arg(long, default_value = "http://127.0.0.1:8080/readyz")]
        url: String,
    },
    /// Print rules with which secret scanners find the keys of this server
    #[command(after_help = "Example:\n  keybearer scanner-rules --format gitleaks > .gitleaks.toml")]
    ScannerRules {
        /// Scanner to print rules for
        #[arg(long)]
        format: ScannerFormat,
    },
    /// Print completions for a shell
    #[command(after_help = "Example:\n  keybearer completions bash > /etc/bash_completion.d/keybearer")]
    Completions {
        /// Shell to print completions for
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  keybearer man | man -l -")]
    Man {
        /// Write a page for each command into this directory instead
        #[arg(long)]
        directory: Option<PathBuf>,
    },
}
