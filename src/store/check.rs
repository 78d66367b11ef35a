//! Is the database sound: SQLite's own check, references, that the index of digests is whole, and that every
//! record can be read.

use rusqlite::Connection;

use super::Store;
use super::keys::{KEY, record_of};
use super::rows::{USER, sql, user};
use crate::error::Result;

/// Damaged records that are named; more are counted.
const MOST_NAMED: usize = 100;

impl Store {
    /// What is wrong, in words; empty when nothing is.
    pub async fn check_structure(&self) -> Result<Vec<String>> {
        self.read(|db| {
            let mut findings = Vec::new();
            let mut integrity = db.prepare("PRAGMA integrity_check").map_err(sql)?;
            let rows = integrity.query_map([], |row| row.get::<_, String>(0)).map_err(sql)?;
            for row in rows {
                let line = row.map_err(sql)?;
                if line != "ok" {
                    findings.push(format!("structure: {line}"));
                }
            }
            let mut references = db.prepare("PRAGMA foreign_key_check").map_err(sql)?;
            let rows = references.query_map([], |row| row.get::<_, String>(0)).map_err(sql)?;
            for row in rows {
                findings.push(format!("references: a row of {} refers to nothing", row.map_err(sql)?));
            }
            findings.extend(damaged_users(db)?);
            findings.extend(damaged_keys(db)?);
            Ok(findings)
        })
        .await
    }
}

fn damaged_users(db: &Connection) -> Result<Vec<String>> {
    let mut query = db.prepare(&format!("SELECT {USER} FROM users u ORDER BY u.id")).map_err(sql)?;
    let mut rows = query.query([]).map_err(sql)?;
    let mut damaged = Damaged::default();
    while let Some(row) = rows.next().map_err(sql)? {
        match user(row, 0) {
            Ok(user) if user.unreadable.is_empty() => {}
            Ok(user) => damaged.note(format!(
                "user {} ({}): cannot be read: {}",
                user.id,
                user.email,
                user.unreadable.join(", ")
            )),
            Err(_) => damaged.note("a user has an id that is none".to_owned()),
        }
    }
    Ok(damaged.findings("users"))
}

fn damaged_keys(db: &Connection) -> Result<Vec<String>> {
    let mut query = db.prepare(&format!("{KEY} ORDER BY k.id")).map_err(sql)?;
    let mut rows = query.query([]).map_err(sql)?;
    let mut damaged = Damaged::default();
    while let Some(row) = rows.next().map_err(sql)? {
        let key = record_of(row).map_err(sql)?;
        if key.unreadable.contains(&"id") {
            damaged
                .note(format!("a key ({}) has an id that is none; keys revoke --stdin finds it by its text", key.hint));
        } else if !key.unreadable.is_empty() {
            let fields = key.unreadable.join(", ");
            damaged.note(format!("key {} ({}): cannot be read: {fields}; it can be revoked", key.id, key.hint));
        }
    }
    Ok(damaged.findings("keys"))
}

#[derive(Default)]
struct Damaged {
    named: Vec<String>,
    more: u64,
}

impl Damaged {
    fn note(&mut self, finding: String) {
        if self.named.len() < MOST_NAMED {
            self.named.push(finding);
        } else {
            self.more += 1;
        }
    }

    fn findings(mut self, what: &str) -> Vec<String> {
        if self.more > 0 {
            self.named.push(format!("and {} more {what}", self.more));
        }
        self.named
    }
}
