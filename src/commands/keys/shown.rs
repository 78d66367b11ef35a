//! Keys that are shown once, on stdout. A key that could not be written there is revoked at once, so that no command
//! leaves behind a key that nobody has. A rotation ends the old key only after the new one has been written.

use std::io;

use super::super::{Context, output};
use crate::auth::caller::Asking;
use crate::auth::{Auth, KeyRequest, Made, Rotation};
use crate::error::{Error, Result};
use crate::http::MadeKeyJson;
use crate::model::{Basis, KeyRecord, PlainKey};

pub async fn create(context: &Context, auth: &Auth, asking: &Asking, request: KeyRequest) -> Result<()> {
    output::must_be_open()?;
    hand_over(context, auth, asking, auth.create_key(asking, request).await?, "Create another key.").await
}

/// Rotates a key. The old key is ended only after the new one has been written.
pub async fn rotate(context: &Context, auth: &Auth, asking: &Asking, rotation: Rotation) -> Result<()> {
    output::must_be_open()?;
    let (old, overlap) = (rotation.key, rotation.overlap);
    let made = auth.rotate_key(asking, rotation).await?;
    hand_over(context, auth, asking, made, "The old key is unchanged. Rotate it again.").await?;
    auth.end_rotated(asking, old, overlap).await.map_err(|error| {
        Error::conflict(format!(
            "The new key is valid, but the old key could not be ended ({error}). When the new key is in use, revoke the \
             old one: keybearer keys revoke {old}"
        ))
    })
}

/// Prints the key, or revokes it if that fails; `next` says what to do then.
async fn hand_over(context: &Context, auth: &Auth, asking: &Asking, made: Made, next: &str) -> Result<()> {
    let (key, record) = new(made)?;
    let (id, made) = (record.id, format!("Created {} ({}).", record.settings.name, record.id));
    if let Err(error) = deliver(context, &key, record) {
        return Err(match auth.revoke_key(asking, id, Basis::Anything).await {
            Ok(()) => Error::conflict(format!(
                "The key could not be written to stdout ({error}), so it was revoked at once. {next}"
            )),
            Err(undone) => Error::conflict(format!(
                "The key could not be written to stdout ({error}), and it could not be revoked ({undone}). Revoke it: \
                 keybearer keys revoke {id}"
            )),
        });
    }
    output::say(&format!("{made} Copy the key now: it is not shown again."));
    Ok(())
}

fn new(made: Made) -> Result<(PlainKey, KeyRecord)> {
    match made {
        Made::Now { key, record } => Ok((key, *record)),
        Made::Before(_) => Err(Error::internal("a request that cannot be a repeat was treated as one")),
    }
}

fn deliver(context: &Context, key: &PlainKey, record: KeyRecord) -> io::Result<()> {
    if !context.json {
        return output::deliver(key.expose());
    }
    output::deliver(&output::pretty(&MadeKeyJson::new(&record, key)).map_err(io::Error::other)?)
}
