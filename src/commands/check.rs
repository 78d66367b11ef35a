//! `keybearer check`: is the database sound?

use serde_json::json;

use super::{Context, output};
use crate::auth::{Examination, examine};
use crate::error::{Error, Result};
use crate::model::{DatabaseAddress, counted};

pub fn run(context: &Context) -> Result<()> {
    context.existing()?;
    let Examination { findings, revoked_keys } = examine(&context.database, context.consent)?;
    if context.json {
        output::json(&json!({ "sound": findings.is_empty(), "findings": findings, "revoked_keys": revoked_keys }))?;
    } else {
        findings.iter().try_for_each(|finding| output::print(finding))?;
    }
    if findings.is_empty() {
        let more = match revoked_keys {
            Some(revoked) => format!("Revoked keys on record: {revoked}."),
            None => "It is of an older version, so its records were not read one by one.".to_owned(),
        };
        output::say(&format!("{} is sound. {more}", context.database));
        return Ok(());
    }
    let way_out = match context.database {
        DatabaseAddress::File(_) => "keybearer restore FILE",
        DatabaseAddress::Server(_) => "PostgreSQL's own tools",
    };
    Err(Error::conflict(format!(
        "{} is damaged ({}). Keep these files. Revoke or change the keys and users that are named; if \
         anything else is named, stop the server and restore a backup with {way_out}.",
        context.database,
        counted(findings.len() as u64, "finding")
    )))
}
