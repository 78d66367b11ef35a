//! The database schema: migrations, each of which runs once, in order.

use std::path::Path;

use rusqlite::Connection;

use super::connection::at;
use super::files::trouble;
use crate::error::{Error, Result};

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Refuses a schema that this version does not know, before anything is written. Returns false for an older schema.
pub(super) fn judge(db: &Connection, path: &Path) -> Result<bool> {
    let (found, known) = (newest(db).map_err(|error| at(path, error))?, known());
    if found > known {
        return Err(Error::conflict(format!(
            "{} was written by a newer keybearer (schema {found}; this version knows {known}). Nothing was changed. \
             Install that version or a later one.",
            path.display()
        )));
    }
    Ok(found == known)
}

/// The database's schema.
pub(super) fn newest(db: &Connection) -> rusqlite::Result<u32> {
    db.query_row("SELECT coalesce(max(version), 0) FROM refinery_schema_history", [], |row| row.get(0))
}

/// The newest schema that this version knows.
pub(super) fn known() -> u32 {
    let newest = embedded::migrations::runner().get_migrations().iter().map(|migration| migration.version()).max();
    newest.unwrap_or(0) as u32
}

pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<()> {
    embedded::migrations::runner()
        .run(db)
        .map(drop)
        .map_err(|error| trouble(path, "cannot be migrated to this version's schema", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_first_schema_gets_all_later_ones_in_order() {
        let mut db = Connection::open_in_memory().unwrap();
        embedded::migrations::runner().set_target(refinery::Target::Version(1)).run(&mut db).unwrap();
        migrate(&mut db, Path::new("memory")).unwrap();
        let mut query = db.prepare("SELECT version FROM refinery_schema_history ORDER BY version").unwrap();
        let applied: Vec<u32> =
            query.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        let mut known: Vec<u32> =
            embedded::migrations::runner().get_migrations().iter().map(|m| m.version() as u32).collect();
        known.sort_unstable();
        assert_eq!(applied, known);
        assert_eq!(applied[..3], [1, 2, 3]);
    }
}
