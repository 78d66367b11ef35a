//! `keybearer check`: is the database sound?

use super::{Context, block_on, output};
use crate::error::{Error, Result};
use crate::store::{ChainReport, Purpose, Store};

pub fn run(context: &Context) -> Result<()> {
    context.existing()?;
    let store = Store::open(&context.database, Purpose::Command)?;
    block_on(async {
        let mut findings = store.check_structure().await?;
        if let ChainReport::Broken { seq } = store.verify_events().await? {
            findings.push(format!("audit log: line {seq} does not follow from the line before it"));
        }
        let revoked = store.count_tombstones().await?;
        if context.json {
            output::json(
                &serde_json::json!({ "sound": findings.is_empty(), "findings": findings, "revoked_keys": revoked }),
            )?;
        } else {
            findings.iter().try_for_each(|finding| output::print(finding))?;
        }
        if findings.is_empty() {
            output::say(&format!("{} is sound. It remembers {revoked} revoked keys.", context.database.display()));
            return Ok(());
        }
        Err(Error::conflict(format!(
            "{} is damaged ({} findings). Keep a copy of the files. Revoke or change the keys and users that are named; \
             if anything else is named, stop the server and put a sound copy in its place.",
            context.database.display(),
            findings.len()
        )))
    })
}
