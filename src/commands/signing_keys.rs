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
    /// List the keys: current, next, and retired but still published
    #[command(after_help = "Example:\n  keybearer signing-keys list")]
    List,
    /// Rotate: start signing with the next keys; a running server follows within a second
    #[command(after_help = "Example:\n  keybearer signing-keys rotate\n  keybearer signing-keys rotate --leaked")]
    Rotate {
        /// How long the current keys stay published [default: 24h]
        #[arg(long, value_name = "SPAN", conflicts_with = "leaked")]
        overlap: Option<String>,
        /// The file has leaked: replace every key and invalidate everything signed so far
        #[arg(long)]
        leaked: bool,
    },
}

pub fn run(context: &Context, file: Option<&Path>, secret: Option<&Path>, command: SigningKeysCommand) -> Result<()> {
    context.existing()?;
    let auth = context.auth(Purpose::Command, Vec::new())?;
    match command {
        SigningKeysCommand::List => match block_on(auth.signing_keys(file, secret))? {
            Some(keyring) => list(context, &keyring, auth.now()),
            None => Err(Error::conflict("There are no signing keys yet. The server creates them when it starts.")),
        },
        SigningKeysCommand::Rotate { .. } if file.is_some() => Err(Error::conflict(
            "The signing keys are in your own file (--signing-keys). Put the next key before the current one in that file; \
             a running server follows within a second. Remove the old key when the last token has expired.",
        )),
        SigningKeysCommand::Rotate { overlap, leaked } => {
            let span = overlap.as_deref().map_or(Some(OVERLAP), parse_span);
            let wrong = || Error::invalid("overlap", "Write a time span, such as 24h or 2d.");
            let span = span.ok_or_else(wrong)?;
            let asking = Asking::operator();
            let keyring = block_on(async {
                if leaked {
                    return auth.replace_signing_keys(&asking, secret).await;
                }
                auth.rotate_signing_keys(&asking, secret, span).await
            })?;
            output::say(&format!("Now signing with: {}.", keyring.label()));
            if context.json { list(context, &keyring, auth.now()) } else { Ok(()) }
        }
    }
}

/// Prints the keys, never a private part.
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
