//! `keybearer signing-keys …`

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::{Context, block_on, output};
use crate::auth::caller::Asking;
use crate::error::{Error, Result};
use crate::model::expiry::parse_span;
use crate::model::signing::{Keyring, SigningKey};
use crate::model::{Purpose, Time};
use crate::signing::OVERLAP;

#[derive(Debug, Subcommand)]
pub enum SigningKeysCommand {
    /// List the keys: which one signs, which is next, which are past and still published
    #[command(after_help = "Example:\n  keybearer signing-keys list")]
    List,
    /// Let the next keys sign from now on; a running server does so within a second
    #[command(after_help = "Example:\n  keybearer signing-keys rotate\n  keybearer signing-keys rotate --leaked")]
    Rotate {
        /// How long the present keys are still published [default: 24h]
        #[arg(long, value_name = "SPAN", conflicts_with = "leaked")]
        overlap: Option<String>,
        /// The file has leaked: make all keys anew, what the old ones signed is good no more
        #[arg(long)]
        leaked: bool,
    },
}

pub fn run(context: &Context, file: Option<&Path>, command: SigningKeysCommand) -> Result<()> {
    context.existing()?;
    let auth = context.auth(Purpose::Command, Vec::new())?;
    match command {
        SigningKeysCommand::List => match auth.signing_keys(file)? {
            Some(keyring) => list(context, &keyring, auth.now()),
            None => Err(Error::conflict("There are no signing keys yet. The server makes them when it starts.")),
        },
        SigningKeysCommand::Rotate { .. } if file.is_some() => Err(Error::conflict(
            "The signing keys are yours (--signing-keys). Put the next key before the present one in that file; a \
             running server sees it within a second. Take the old one out when the last token is over.",
        )),
        SigningKeysCommand::Rotate { overlap, leaked } => {
            let span = overlap.as_deref().map_or(Some(OVERLAP), parse_span);
            let wrong = || Error::invalid("overlap", "Write a span of time as 24h or 2d.");
            let span = span.ok_or_else(wrong)?;
            let asking = Asking::operator();
            let keyring = block_on(async {
                if leaked {
                    return auth.replace_signing_keys(&asking).await;
                }
                auth.rotate_signing_keys(&asking, span).await
            })?;
            output::say(&format!("These sign from now on: {}.", keyring.label()));
            if context.json { list(context, &keyring, auth.now()) } else { Ok(()) }
        }
    }
}

/// Never a private part.
fn list(context: &Context, keyring: &Keyring, now: Time) -> Result<()> {
    let shown = |key: &SigningKey| {
        json!({
            "kid": key.kid,
            "algorithm": key.algorithm,
            "state": key.state(),
            "made_at": key.made_at,
            "signs_from": key.signs_from,
            "ends_at": key.ends_at,
        })
    };
    if context.json {
        return output::json(&keyring.published(now).map(shown).collect::<Vec<_>>());
    }
    let time = |time: Option<Time>| time.map_or_else(String::new, |time| time.to_string());
    let row = |key: &SigningKey| {
        vec![
            key.kid.clone(),
            key.algorithm.as_str().to_owned(),
            key.state().to_owned(),
            time(key.signs_from),
            time(key.ends_at),
        ]
    };
    output::table(&["KID", "ALGORITHM", "STATE", "SIGNS FROM", "ENDS"], keyring.published(now).map(row))
}
