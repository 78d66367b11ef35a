//! Checks that every record can be read and that the audit log is complete, on either engine.

use super::Tx;
use super::columns::Salvage;
use super::tables::keys::{KEY, record};
use super::tables::users::{USER, user};
use crate::error::{Error, Result};
use crate::model::{ChainReport, FamilyId, counted};

/// Maximum number of damaged records that are listed; further ones are only counted.
const MAX_LISTED: usize = 100;

#[derive(Default)]
pub struct Examination {
    /// Descriptions of what is wrong; empty if the database is undamaged.
    pub findings: Vec<String>,
    /// The number of revoked keys that are recorded. `None` for a database of an earlier version, whose records are not
    /// read.
    pub revoked_keys: Option<u64>,
}

impl Examination {
    /// An error that names the first finding and ends with what the caller has done instead.
    pub fn must_be_sound(&self, name: &str, instead: &str) -> Result<()> {
        let Some(first) = self.findings.first() else { return Ok(()) };
        let findings = counted(self.findings.len() as u64, "finding");
        Err(Error::conflict(format!("{name} is damaged ({findings}, such as: {first}). {instead}")))
    }
}

impl Tx<'_> {
    /// What is wrong with the records and the audit log, in this transaction.
    pub fn examine(&self) -> Result<Examination> {
        let mut found = Examination::default();
        records(self, true, &mut found)?;
        Ok(found)
    }
}

/// Adds what is wrong with the records, if they are of this version, and with the audit log.
pub(super) fn records(tx: &Tx<'_>, are_of_this_version: bool, found: &mut Examination) -> Result<()> {
    if are_of_this_version {
        found.findings.extend(damaged_users(tx)?);
        found.findings.extend(damaged_keys(tx)?);
        found.findings.extend(damaged_families(tx)?);
        let unnamed = tx.count_unnamed()?;
        if unnamed > 0 {
            let keys = counted(unnamed, "key");
            found
                .findings
                .push(format!("search: {keys} cannot be found by name or hint; the verdicts are not affected"));
        }
        found.revoked_keys = Some(tx.count_tombstones()?);
    }
    if let ChainReport::Broken { seq } = tx.verify_events()? {
        found.findings.push(format!("audit log: line {seq} does not follow from the line before it"));
    }
    Ok(())
}

fn damaged_users(tx: &Tx<'_>) -> Result<Vec<String>> {
    let mut damaged = Damaged::default();
    tx.each(&format!("SELECT {USER} FROM users u ORDER BY u.id"), (), |row| {
        let user = user(row, 0)?;
        if user.unreadable.contains(&"id") {
            damaged.note("a user has an invalid id".to_owned());
        } else if !user.unreadable.is_empty() {
            let fields = user.unreadable.join(", ");
            damaged.note(format!("user {} ({}): cannot be read: {fields}", user.id, user.email));
        }
        Ok(true)
    })?;
    Ok(damaged.findings("user"))
}

fn damaged_keys(tx: &Tx<'_>) -> Result<Vec<String>> {
    let mut damaged = Damaged::default();
    tx.each(&format!("{KEY} ORDER BY k.id"), (), |row| {
        let key = record(row)?;
        if key.unreadable.contains(&"id") {
            damaged.note(format!(
                "a key ({}) has an invalid id; revoke it by its text with keys revoke --stdin",
                key.hint
            ));
        } else if !key.unreadable.is_empty() {
            let fields = key.unreadable.join(", ");
            damaged.note(format!("key {} ({}): cannot be read: {fields}; it can be revoked", key.id, key.hint));
        }
        Ok(true)
    })?;
    Ok(damaged.findings("key"))
}

/// Damaged sign-ins of programs, which no list shows.
fn damaged_families(tx: &Tx<'_>) -> Result<Vec<String>> {
    let mut damaged = Damaged::default();
    tx.each("SELECT id, key_id, created_at, expires_at, user_id FROM token_families ORDER BY id", (), |row| {
        let mut salvage = Salvage::of(row);
        let (id, _, _) = (salvage.id("id", 0), salvage.id("key_id", 1), salvage.id("user_id", 4));
        salvage.time("created_at", 2);
        salvage.time("expires_at", 3);
        if !salvage.unreadable.is_empty() {
            let fields = salvage.unreadable.join(", ");
            damaged.note(format!("sign-in {} of a program: cannot be read: {fields}", FamilyId::from_bytes(id)));
        }
        Ok(true)
    })?;
    Ok(damaged.findings("program sign-in"))
}

#[derive(Default)]
struct Damaged {
    named: Vec<String>,
    more: u64,
}

impl Damaged {
    fn note(&mut self, finding: String) {
        if self.named.len() < MAX_LISTED {
            self.named.push(finding);
        } else {
            self.more += 1;
        }
    }

    fn findings(mut self, noun: &str) -> Vec<String> {
        if self.more > 0 {
            self.named.push(format!("and {}", counted(self.more, &format!("more {noun}"))));
        }
        self.named
    }
}
