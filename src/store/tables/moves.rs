//! `moves`: whether this database was moved elsewhere.

use crate::error::Result;
use crate::model::Time;
use crate::store::Tx;
use crate::store::columns::Salvage;

/// When this database was moved, and where to, for display.
#[derive(Debug)]
pub struct DatabaseMove {
    pub at: Time,
    pub destination: String,
}

impl Tx<'_> {
    pub fn put_move(&self, at: Time, destination: &str) -> Result<()> {
        let text = "INSERT INTO moves (one, moved_at, destination) VALUES (1, ?1, ?2)";
        self.execute(text, (at.millis(), destination)).map(drop)
    }

    pub fn last_move(&self) -> Result<Option<DatabaseMove>> {
        self.row("SELECT moved_at, destination FROM moves", (), |row| {
            let mut salvage = Salvage::of(row);
            Ok(DatabaseMove { at: salvage.time("moved_at", 0), destination: salvage.text("destination", 1)? })
        })
    }

    /// From now on the database is used again.
    pub fn forget_move(&self) -> Result<()> {
        self.execute("DELETE FROM moves", ()).map(drop)
    }
}
