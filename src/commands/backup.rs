//! `keybearer backup FILE`

use std::path::Path;

use serde_json::json;

use super::{Context, output, progress};
use crate::auth::back_up;
use crate::error::Result;

pub fn run(context: &Context, file: &Path) -> Result<()> {
    let bar = progress::pages("copying");
    let done = back_up(&context.database, context.consent, file, &|done, all| progress::set(&bar, done, all));
    bar.finish_and_clear();
    let report = done?;
    output::say(&format!(
        "Backed up {} to {} and verified it (users: {}, keys: {}, revoked keys: {}, events: {}). The signing keys are not \
         in it.",
        context.database,
        report.file.display(),
        report.users,
        report.keys,
        report.revoked_keys,
        report.events
    ));
    if !context.json {
        return Ok(());
    }
    output::json(&json!({
        "file": report.file.display().to_string(),
        "bytes": report.bytes,
        "users": report.users,
        "keys": report.keys,
        "revoked_keys": report.revoked_keys,
        "events": report.events,
    }))
}
