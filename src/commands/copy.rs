//! `keybearer copy`: moves to another database.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use super::{Context, block_on, output, progress};
use crate::auth::caller::Asking;
use crate::auth::{CopyProgress, MoveRequest, SigningKeysMove};
use crate::error::{Error, Result};
use crate::model::{DatabaseAddress, Purpose};

#[derive(Debug, Args)]
pub struct CopyArgs {
    /// Database to copy: a path, sqlite:PATH or postgres://USER@HOST/NAME. No server may be using it
    #[arg(long, value_name = "DB")]
    from: String,
    /// New database: a path where there is no file, or an empty PostgreSQL database
    #[arg(long, value_name = "DB")]
    to: String,
    /// File with the secret that seals the nodes' signing keys on PostgreSQL
    #[arg(long, value_name = "FILE", conflicts_with = "without_signing_keys")]
    pub secret_file: Option<PathBuf>,
    /// Leave the signing keys behind: tokens issued so far can no longer be verified
    #[arg(long)]
    without_signing_keys: bool,
}

pub fn run(context: Context, secret: Option<PathBuf>, args: &CopyArgs) -> Result<()> {
    let (from, to) = (address("from", &args.from)?, address("to", &args.to)?);
    let context = Context { database: from.clone(), ..context };
    context.existing()?;
    let signing_keys = match args.without_signing_keys {
        true => SigningKeysMove::LeaveBehind,
        false => SigningKeysMove::with_secret_in(args.secret_file.clone().or(secret).as_deref())?,
    };
    let bar = Arc::new(Bar(ProgressBar::new_spinner().with_message("waiting until no server uses the database")));
    bar.0.tick();
    let auth = context.auth(Purpose::Exclusive, Vec::new())?;
    let (consent, progress) = (context.consent, Arc::clone(&bar) as Arc<dyn CopyProgress>);
    let request = MoveRequest { from: from.clone(), to: to.clone(), consent, signing_keys, progress };
    let copied = block_on(auth.move_to(&Asking::operator(), request));
    bar.0.finish_and_clear();
    let copied = copied?;
    let rows = |table| copied.iter().find(|copied| copied.table == table).map_or(0, |copied| copied.rows);
    output::say(&format!(
        "Copied everything to {to} and compared every row (users: {}, keys: {}, revoked keys: {}, events: {}). {from} is \
         marked as moved: no server starts on it any more. Start the server with the new --database.",
        rows("users"),
        rows("keys"),
        rows("tombstones"),
        rows("events"),
    ));
    if !context.json {
        return Ok(());
    }
    let tables: serde_json::Map<_, _> = copied.iter().map(|row| (row.table.to_owned(), row.rows.into())).collect();
    output::json(&json!({ "from": from.to_string(), "to": to.to_string(), "rows": tables }))
}

/// The error does not repeat a text that may contain a password.
fn address(flag: &str, text: &str) -> Result<DatabaseAddress> {
    DatabaseAddress::parse(text).map_err(|error| Error::invalid("usage", format!("--{flag}: {}", error.message)))
}

/// Shown only on a terminal.
struct Bar(ProgressBar);

impl CopyProgress for Bar {
    fn begin(&self, rows: u64) {
        progress::begin_rows(&self.0, "copying", rows);
    }

    fn tick(&self) {
        self.0.inc(1);
        if self.0.length() == Some(self.0.position()) {
            self.0.set_message("comparing");
        }
    }
}
