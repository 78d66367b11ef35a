//! The tables of names and hints, which find keys for a search. SQLite only: PostgreSQL has indexes of `keys` for that.
//! Triggers keep them as `keys` is, except for the rows of an import, which writes them itself, in their own order.

use crate::error::Result;
use crate::model::KeyId;
use crate::store::Tx;

/// A text by which a search finds keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    Name,
    Hint,
}

impl Tx<'_> {
    /// What an import must write with [`Self::put_pending_text`].
    pub fn texts_apart(&self) -> &'static [FoundBy] {
        self.dialect(&[FoundBy::Name, FoundBy::Hint], &[])
    }

    /// Lets a search find a row of an import by this text, once the row is a key.
    pub fn put_pending_text(&self, by: FoundBy, text: &str, id: KeyId) -> Result<()> {
        let put = match by {
            FoundBy::Name => "INSERT OR IGNORE INTO key_names (name, id) VALUES (?1, ?2)",
            FoundBy::Hint => "INSERT OR IGNORE INTO key_hints (hint, id) VALUES (?1, ?2)",
        };
        self.execute(put, (text, id.as_bytes())).map(drop)
    }

    /// Fills both tables from `keys`, after a copy without triggers.
    pub(in crate::store) fn fill_names(&self) -> Result<()> {
        self.execute(
            "INSERT OR IGNORE INTO key_names SELECT name, id FROM keys WHERE is_token = 0 ORDER BY name COLLATE NOCASE, id",
            (),
        )?;
        let hints = "INSERT OR IGNORE INTO key_hints SELECT hint, id FROM keys WHERE is_token = 0 ORDER BY hint, id";
        self.execute(hints, ()).map(drop)
    }

    /// How many keys have no name or no hint here, or how many names or hints have no key. 0 while an import runs.
    pub(in crate::store) fn count_unnamed(&self) -> Result<u64> {
        if self.texts_apart().is_empty() || self.has_pending_import()? {
            return Ok(0);
        }
        let text =
            "SELECT max(abs(k.n - (SELECT count(*) FROM key_names)), abs(k.n - (SELECT count(*) FROM key_hints)))
             FROM (SELECT count(*) AS n FROM keys WHERE is_token = 0) k";
        Ok(self.one(text, (), |row| row.get::<i64>(0))?.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::sqlite;

    const TEXTS: &str =
        "SELECT (SELECT group_concat(name) FROM key_names) || ' ' || (SELECT group_concat(hint) FROM key_hints)";

    fn texts(db: &Connection) -> Option<String> {
        db.query_row(TEXTS, [], |row| row.get(0)).unwrap()
    }

    /// Whatever changes the row, also in SQLite's own shell.
    #[test]
    fn the_tables_follow_every_change_of_a_key() {
        let directory = tempfile::tempdir().unwrap();
        let db = sqlite::fresh(&directory.path().join("keys.db"));
        let user = "INSERT INTO users (id, email, role, active, created_at) VALUES (zeroblob(16), 'a@b.example', 'admin', 1, 0)";
        let key = |n: u8, is_token: bool| {
            format!(
                "INSERT INTO keys (id, digest, owner_id, name, hint, scopes, enabled, created_at, allowed_ips, metadata, is_token)
                 VALUES (x'{n:032}', x'{n:064}', zeroblob(16), 'n{n}', 'h{n}', '', 1, 0, '', '{{}}', {is_token})"
            )
        };
        let run = |text: &str| db.execute_batch(text).unwrap();
        run(user);
        run(&key(1, false));
        run(&key(2, true));
        assert_eq!(texts(&db).unwrap(), "n1 h1", "a token is not found");
        run("UPDATE keys SET name = 'new', hint = 'other' WHERE is_token = 0; UPDATE keys SET enabled = 0");
        assert_eq!(texts(&db).unwrap(), "new other");
        run("UPDATE keys SET is_token = 1 - is_token");
        assert_eq!(texts(&db).unwrap(), "n2 h2");
        assert_eq!(Tx::from(&db).count_unnamed().unwrap(), 0);
        run("DELETE FROM key_hints");
        assert_eq!(Tx::from(&db).count_unnamed().unwrap(), 1);
        Tx::from(&db).fill_names().unwrap();
        assert_eq!(texts(&db).unwrap(), "n2 h2");
        run("DELETE FROM keys");
        assert_eq!(texts(&db), None);
        assert_eq!(Tx::from(&db).count_unnamed().unwrap(), 0);
    }
}
