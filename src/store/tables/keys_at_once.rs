//! Many new rows of `keys` at once, on PostgreSQL, where each statement is a round trip: COPY into a table of this
//! session, then one INSERT. SQLite gains nothing from it.

use super::keys::KeyRow;
use crate::error::{Error, Result};
use crate::model::Time;
use crate::store::Tx;
use crate::store::columns::Salvage;
use crate::store::tx::EngineConnection;
use crate::store::value::SqlValue;

const COLUMNS: &str = "id, digest, owner_id, name, description, prefix, hint, scopes, enabled, created_at, expires_at, \
    allowed_ips, rate_limit, metadata, lifetime, limit_bucket, is_token";

const STAGE: &str =
    "CREATE TEMPORARY TABLE IF NOT EXISTS incoming_keys (LIKE keys, place BIGINT NOT NULL) ON COMMIT DELETE ROWS";

/// What became of rows that were written at once. They are counted from 0.
#[derive(Debug, Default)]
pub struct WrittenAtOnce {
    /// The first row that was not written, because its key exists or is in the rows twice.
    pub taken: Option<usize>,
    /// Rows whose keys were revoked here, and when; they are written too.
    pub revoked: Vec<(usize, Time)>,
}

impl Tx<'_> {
    /// Whether the engine gains from [`Self::put_keys_at_once`], which SQLite does not offer.
    pub fn writes_many_at_once(&self) -> bool {
        matches!(self.connection(), EngineConnection::Postgres(_))
    }

    pub fn put_keys_at_once(&self, rows: &[KeyRow]) -> Result<WrittenAtOnce> {
        let EngineConnection::Postgres(session) = self.connection() else {
            return Err(Error::internal("SQLite writes rows one by one"));
        };
        session.batch(STAGE)?;
        session.batch("DELETE FROM incoming_keys")?;
        let mut copied = session.copy("incoming_keys", &format!("{COLUMNS}, place"))?;
        for (place, row) in rows.iter().enumerate() {
            row.with_columns(|columns| copied.push(&[columns, &[SqlValue::Integer(place as i64)]].concat()))?;
        }
        copied.finish()?;
        let text = "SELECT i.place, t.revoked_at FROM incoming_keys i JOIN tombstones t ON t.digest = i.digest ORDER BY i.place";
        let revoked = self.rows(text, (), |row| {
            // An unreadable time is still a revocation.
            Ok((row.get::<i64>(0)? as usize, Salvage::of(row).time("revoked_at", 1)))
        })?;
        let text = format!(
            "INSERT INTO keys ({COLUMNS}) SELECT {COLUMNS} FROM incoming_keys ORDER BY place ON CONFLICT DO NOTHING"
        );
        let mut taken = None;
        if self.execute(&text, ())? < rows.len() {
            let text =
                "SELECT min(place) FROM incoming_keys i WHERE NOT EXISTS (SELECT 1 FROM keys k WHERE k.id = i.id)";
            taken = self.one(text, (), |row| row.get::<Option<i64>>(0))?.map(|place| place as usize);
        }
        Ok(WrittenAtOnce { taken, revoked })
    }

    /// Deletes the rows from this one on that were just written.
    pub fn take_back_from(&self, place: usize) -> Result<()> {
        let text = "DELETE FROM keys WHERE id IN (SELECT id FROM incoming_keys WHERE place >= ?1)";
        self.execute(text, [place as i64]).map(drop)
    }
}
