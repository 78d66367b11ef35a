//! `person_links`: the digests of the links with which people choose a password.

use crate::error::Result;
use crate::model::person_link::{LinkPurpose, PersonLink};
use crate::model::{Digest, Time, UserId};
use crate::store::Tx;
use crate::store::columns::time;
use crate::store::row::{Read, Row};

impl Tx<'_> {
    /// Replaces the link that this user has.
    pub fn put_person_link(&self, digest: &Digest, user: UserId, link: PersonLink) -> Result<()> {
        self.delete_person_link(user)?;
        let text = "INSERT INTO person_links (digest, user_id, purpose, expires_at) VALUES (?1, ?2, ?3, ?4)";
        let (purpose, end) = (link.purpose.as_str(), link.expires_at.millis());
        self.execute(text, (digest.as_bytes(), user.as_bytes(), purpose, end)).map(drop)
    }

    /// The user of the link with this digest, and the link, if it has not expired.
    pub fn person_link(&self, digest: &Digest, now: Time) -> Result<Option<(UserId, PersonLink)>> {
        let text = "SELECT purpose, expires_at, user_id FROM person_links WHERE digest = ?1 AND expires_at > ?2";
        self.row(text, (digest.as_bytes(), now.millis()), |row| Ok((UserId::from_bytes(row.get(2)?), link(row)?)))
    }

    /// The link that this user has, if it has not expired.
    pub fn person_link_of(&self, user: UserId, now: Time) -> Result<Option<PersonLink>> {
        let text = "SELECT purpose, expires_at FROM person_links WHERE user_id = ?1 AND expires_at > ?2";
        self.row(text, (user.as_bytes(), now.millis()), link)
    }

    pub fn delete_all_person_links(&self) -> Result<()> {
        self.execute("DELETE FROM person_links", ()).map(drop)
    }

    pub fn delete_person_link(&self, user: UserId) -> Result<()> {
        self.execute("DELETE FROM person_links WHERE user_id = ?1", [user.as_bytes()]).map(drop)
    }
}

fn link(row: &Row<'_>) -> Read<PersonLink> {
    // An unknown purpose, which the table does not allow, is treated as the one that gives less time.
    let purpose = LinkPurpose::parse(row.text(0)?).unwrap_or(LinkPurpose::Reset);
    Ok(PersonLink { purpose, expires_at: time(row, 1)? })
}
