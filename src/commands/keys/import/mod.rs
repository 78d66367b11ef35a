//! `keybearer keys import FILE`: checks every line first, then imports all of them or none.

mod lines;
mod rows;

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::super::input::Source;
use super::super::{Context, output, progress};
use crate::auth::caller::Asking;
use crate::auth::keys::{BATCH_ROWS, ImportRows};
use crate::auth::{Auth, ImportInput, RevokedLines};
use crate::error::{Error, Kind, Result};
use crate::model::counted;
use rows::Rows;

/// How many wrong lines are reported before checking stops.
const MAX_ERRORS: u64 = 20;

pub async fn run(context: &Context, auth: &Auth, asking: &Asking, path: &Path, revoked: RevokedLines) -> Result<()> {
    let mut source = Source::open(path, auth.database_path())?;
    let count = check(&mut source)?;
    let bar = progress::rows("importing", count);
    let ticking = bar.clone();
    let input = ImportInput {
        count,
        rows: read_ahead(source)?,
        revoked,
        tick: Box::new(move |done| ticking.set_position(done)),
        waiting: Box::new(|| output::say("Another import is running; waiting for it to finish.")),
    };
    let imported = auth.import_keys(asking, input).await;
    bar.finish_and_clear();
    let imported = imported?;
    output::say(&format!("Imported {}.", counted(imported, "key")));
    if context.json { output::json(&serde_json::json!({ "imported": imported })) } else { Ok(()) }
}

/// The number of keys in the text, if every line is valid; otherwise reports the wrong lines.
fn check(source: &mut Source) -> Result<u64> {
    let name = source.name().to_owned();
    let here =
        |error: Error| Error { message: format!("{name}: {}\nNothing was imported.", error.message).into(), ..error };
    let bar = progress::lines("checking");
    let (mut count, mut errors) = (0_u64, 0);
    for row in Rows::begin(source.first_time()).map_err(here)? {
        match row {
            Ok(_) => count += 1,
            Err(error) if error.kind == Kind::Internal => {
                bar.finish_and_clear();
                return Err(here(error));
            }
            Err(error) => {
                bar.suspend(|| output::say(&error.message));
                errors += 1;
                if errors == MAX_ERRORS || error.kind == Kind::Unavailable {
                    break;
                }
            }
        }
        if count.is_multiple_of(1000) {
            bar.set_position(count);
        }
    }
    bar.finish_and_clear();
    if errors == MAX_ERRORS {
        return Err(Error::conflict(format!("{name} has at least {errors} wrong lines. Nothing was imported.")));
    }
    if errors > 0 {
        let lines = counted(errors, "wrong line");
        return Err(Error::conflict(format!("{name} has {lines}. Nothing was imported.")));
    }
    if count == 0 {
        return Err(Error::conflict(format!("{name} has a header and no keys. Nothing was imported.")));
    }
    Ok(count)
}

/// Reads the next batch on a separate thread while one is written.
fn read_ahead(source: Source) -> Result<ImportRows> {
    let (put, rows) = sync_channel(BATCH_ROWS);
    let read = move || {
        let again = source.again().and_then(Rows::begin);
        match again {
            Ok(rows) => {
                // If the receiver is gone, the import has failed for another reason.
                let _ = { rows }.all(|row| put.send(row).is_ok());
            }
            Err(error) => {
                let _ = put.send(Err(error)); // as above
            }
        }
    };
    thread::Builder::new().name("reader".into()).spawn(read).map_err(Error::unavailable)?;
    Ok(Box::new(rows.into_iter()))
}
