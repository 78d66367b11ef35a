//! `token_families`: all tokens that result from one sign-in of a program. The row of the current token is in `keys`.

use crate::error::Result;
use crate::model::{FamilyId, KeyId, Time, UserId};
use crate::store::Tx;

#[derive(Debug, Clone)]
pub struct FamilyRow {
    pub id: FamilyId,
    pub user: UserId,
    pub key: KeyId,
    pub created_at: Time,
    pub expires_at: Time,
}

impl Tx<'_> {
    /// The tokens of this user's families, except the newest `spared` ones.
    pub fn tokens_of_families(&self, user: UserId, spared: i64) -> Result<Vec<KeyId>> {
        let text = "SELECT key_id FROM token_families WHERE user_id = ?1 ORDER BY created_at DESC, id DESC LIMIT 1000000 OFFSET ?2";
        let ids = self.rows(text, (user.as_bytes(), spared), |row| Ok(row.get(0).ok()))?;
        Ok(ids.into_iter().flatten().map(KeyId::from_bytes).collect())
    }

    pub fn put_family(&self, new: &FamilyRow) -> Result<()> {
        self.execute(
            "INSERT INTO token_families (id, user_id, key_id, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            (
                new.id.as_bytes(),
                new.user.as_bytes(),
                new.key.as_bytes(),
                new.created_at.millis(),
                new.expires_at.millis(),
            ),
        )
        .map(drop)
    }

    pub fn set_family_token(&self, id: FamilyId, token: KeyId) -> Result<()> {
        let text = "UPDATE token_families SET key_id = ?2 WHERE id = ?1";
        self.execute(text, (id.as_bytes(), token.as_bytes())).map(drop)
    }

    pub fn delete_family_of_token(&self, token: KeyId) -> Result<()> {
        self.execute("DELETE FROM token_families WHERE key_id = ?1", [token.as_bytes()]).map(drop)
    }

    /// Deletes this user's damaged families that do not name their token. Returns whether there were any.
    pub fn delete_families_without_token(&self, user: UserId) -> Result<bool> {
        let not_a_blob = self.dialect("typeof(key_id) <> 'blob' OR ", "");
        let text = format!("DELETE FROM token_families WHERE user_id = ?1 AND ({not_a_blob}length(key_id) <> 16)");
        self.execute(&text, [user.as_bytes()]).map(|rows| rows > 0)
    }

    /// Deletes up to `limit` tokens whose families expired by `now` or expire after `latest`.
    pub fn delete_tokens_of_expired_families(&self, now: Time, latest: Time, limit: i64) -> Result<()> {
        let text = "DELETE FROM keys WHERE id IN
             (SELECT key_id FROM token_families WHERE expires_at <= ?1 OR expires_at > ?3 LIMIT ?2)";
        self.execute(text, (now.millis(), limit, latest.millis())).map(drop)
    }
}
