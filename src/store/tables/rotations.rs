//! `rotations`: which key replaces which.

use crate::error::Result;
use crate::model::{KeyId, Replacement, Silence, Time};
use crate::store::Tx;
use crate::store::columns::time_or_null;
use crate::store::row::{Read, Row};

impl Tx<'_> {
    pub fn put_replacement(&self, made: &Replacement) -> Result<()> {
        let text = "INSERT INTO rotations (new_id, old_id, old_expires_at, silence) VALUES (?1, ?2, ?3, ?4)";
        let silence = made.silence.map(|silence| silence.span().as_secs() as i64);
        let values = (made.new.as_bytes(), made.old.as_bytes(), made.old_expires_at.map(Time::millis), silence);
        self.execute(text, values).map(drop)
    }

    /// The newest rotation of this key.
    pub fn replacement_of(&self, old: KeyId) -> Result<Option<Replacement>> {
        let text = "SELECT new_id, old_id, old_expires_at, silence FROM rotations WHERE old_id = ?1 ORDER BY new_id DESC LIMIT 1";
        self.row(text, [old.as_bytes()], replacement)
    }

    pub fn set_silence(&self, new: KeyId, silence: Option<Silence>) -> Result<()> {
        let seconds = silence.map(|silence| silence.span().as_secs() as i64);
        self.execute("UPDATE rotations SET silence = ?2 WHERE new_id = ?1", (new.as_bytes(), seconds)).map(drop)
    }

    /// Up to `limit` rotations after `after` whose old key ends when it falls silent.
    pub fn waiting_for_silence(&self, after: Option<KeyId>, limit: usize) -> Result<Vec<Replacement>> {
        let text = "SELECT new_id, old_id, old_expires_at, silence FROM rotations WHERE silence IS NOT NULL AND new_id > ?1 \
             ORDER BY new_id LIMIT ?2";
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        self.rows(text, (after, limit as i64), replacement)
    }
}

fn replacement(row: &Row<'_>) -> Read<Replacement> {
    let silence: Option<i64> = row.get(3)?;
    Ok(Replacement {
        new: KeyId::from_bytes(row.get(0)?),
        old: KeyId::from_bytes(row.get(1)?),
        old_expires_at: time_or_null(row, 2)?,
        silence: silence.map(|seconds| Silence::from_seconds(seconds.unsigned_abs())),
    })
}
