//! `keybearer restore FILE`

use std::path::Path;

use serde_json::json;

use super::{Context, output, progress};
use crate::ambient::SystemClock;
use crate::auth::{Restoring, RevivedKey};
use crate::error::{Error, Result};

pub fn run(context: &Context, file: &Path, accept_revived: bool) -> Result<()> {
    let bar = progress::pages("copying");
    let begun = Restoring::begin(file, context.consent, &context.database, &|done, all| progress::set(&bar, done, all));
    bar.finish_and_clear();
    let restoring = begun?;
    let unknown = restoring.unknown()?;
    if let Some(why) = unknown
        && !accept_revived
    {
        return refuse(context, &restoring, why);
    }
    let is_unknown = unknown.is_some();
    let as_of = restoring.as_of().map_or_else(String::new, |at| format!(" as of {at}"));
    let restored = restoring.finish(&SystemClock::new())?;
    let database = &context.database;
    output::say(&format!(
        "Restored {database} from {}{as_of}. Everybody must sign in again. Other changes since then are undone, such as \
         disabled keys, deactivated users and passwords; repeat those that matter.",
        file.display()
    ));
    match is_unknown {
        false => output::say(&format!("Keys revoked since then, which stay revoked: {}.", restored.stay_revoked)),
        true => output::say("Keys that were revoked since then are live again. Revoke them now."),
    }
    let kept = restored.kept.as_ref().map(|kept| kept.display().to_string());
    if let Some(kept) = &kept {
        output::say(&format!(
            "The database that was here is now {kept} (events since then: {}). Remove it when you do not need it any more.",
            restored.lost_events
        ));
    }
    if !context.json {
        return Ok(());
    }
    output::json(&json!({
        "database": database.to_string(),
        "as_of": restored.as_of.map(|at| at.to_string()),
        "stay_revoked": restored.stay_revoked,
        "later_events": restored.lost_events,
        "replaced": kept,
    }))
}

/// Lists what would be live again.
fn refuse(context: &Context, restoring: &Restoring, why: &str) -> Result<()> {
    let (keys, more) = restoring.live_keys()?;
    if context.json {
        output::json(&json!({ "would_be_live": keys, "more": more }))?;
    } else {
        output::table(&["ID", "NAME", "HINT", "OWNER", "CREATED"], keys.iter().map(row))?;
    }
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Error::conflict(format!(
        "Nobody here knows which keys were revoked since the backup: {why}. Keys that would be live, even if they were \
         revoked since: {}{more}. Nothing was changed. To restore it anyway, add --accept-revived and then revoke them.",
        keys.len()
    )))
}

fn row(key: &RevivedKey) -> Vec<String> {
    vec![key.id.clone(), key.name.clone(), key.hint.clone(), key.owner.clone(), key.created_at.to_string()]
}
