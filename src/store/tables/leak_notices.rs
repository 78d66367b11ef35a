//! `leak_notices`: the leaked keys that their owners still have to be told about.

use crate::error::Result;
use crate::model::{KeyId, LeakNotice, LeakPlace, Time, UserId};
use crate::store::Tx;
use crate::store::columns::Salvage;

impl Tx<'_> {
    /// A key has one notice; a second one is not stored.
    pub fn put_leak_notice(&self, notice: &LeakNotice) -> Result<()> {
        let text = "INSERT INTO leak_notices (key_id, user_id, name, hint, revoked_at, place)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let values = (
            notice.key.as_bytes(),
            notice.owner.as_bytes(),
            notice.name.as_str(),
            notice.hint.as_str(),
            notice.revoked_at.millis(),
            notice.place.as_ref().map(LeakPlace::as_str),
        );
        self.execute(text, values).map(drop)
    }

    /// This user's notices, newest first.
    pub fn leak_notices_of(&self, user: UserId, limit: usize) -> Result<Vec<LeakNotice>> {
        let text = "SELECT key_id, name, hint, revoked_at, place FROM leak_notices WHERE user_id = ?1
             ORDER BY revoked_at DESC, key_id DESC LIMIT ?2";
        self.rows(text, (user.as_bytes(), limit as i64), |row| {
            let mut salvage = Salvage::of(row);
            Ok(LeakNotice {
                key: KeyId::from_bytes(salvage.id("key_id", 0)),
                owner: user,
                name: salvage.text("name", 1)?,
                hint: salvage.text("hint", 2)?,
                revoked_at: salvage.time("revoked_at", 3),
                place: salvage.text_or_null("place", 4)?.map(LeakPlace::stored),
            })
        })
    }

    pub fn count_leak_notices_of(&self, user: UserId) -> Result<u64> {
        let text = "SELECT count(*) FROM leak_notices WHERE user_id = ?1";
        self.one(text, [user.as_bytes()], |row| row.get::<i64>(0)).map(i64::unsigned_abs)
    }

    /// Deletes up to `limit` of this user's notices of this time or earlier, and returns how many.
    pub fn delete_leak_notices_of(&self, user: UserId, until: Time, limit: usize) -> Result<usize> {
        let text = "DELETE FROM leak_notices WHERE key_id IN
             (SELECT key_id FROM leak_notices WHERE user_id = ?1 AND revoked_at <= ?2 LIMIT ?3)";
        self.execute(text, (user.as_bytes(), until.millis(), limit as i64))
    }
}
