//! Applies the change feed to the index, whoever made the changes, and fills the index at startup, page by page,
//! between the writer's commits. Nothing else changes the index.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::rows::{Salvage, flag, limit_bucket, networks, rate_limit, scopes, sql, time_or_null};
use super::tables::pending_imports::is_key;
use crate::error::Result;
use crate::index::{Grant, Index, IndexedKey, IndexedOwner, Writing};
use crate::model::{Digest, KeyId, Networks, Role, ScopeSet, UserId};

/// The number of changes read at once while catching up, and of keys while filling.
const PAGE: usize = 4096;

const KEY: &str = concat!(
    "SELECT k.id, k.digest, k.scopes, k.enabled, k.expires_at, k.allowed_ips, k.rate_limit, k.prefix IS NULL, \
     u.id, u.email, u.role, u.active, k.is_token, k.limit_bucket, ",
    is_key!(),
    " AS is_key FROM keys k JOIN users u ON u.id = k.owner_id"
);

pub(super) struct Follower {
    index: Arc<Index>,
    /// The revision up to which the index is current (as far as it is filled).
    revision: i64,
    /// The last key id that was filled in; `None` when the index is full. Bytes, because a damaged id must not stop it.
    filling: Option<Vec<u8>>,
}

/// The changes of one transaction, read before its COMMIT and applied after it.
#[derive(Default)]
pub(super) struct Delta {
    lines: usize,
    revision: Option<i64>,
    keys: Vec<(Digest, Option<IndexedKey>)>,
    owners: Vec<IndexedOwner>,
    /// An import was completed, so the keys from this id on must be read.
    from: Option<[u8; 16]>,
}

impl Follower {
    pub fn new(db: &Connection, index: Arc<Index>) -> Result<Self> {
        let revision = newest_revision(db)?;
        Ok(Follower { index, revision, filling: Some(Vec::new()) })
    }

    pub fn is_filling(&self) -> bool {
        self.filling.is_some()
    }

    pub fn is_broken(&self) -> bool {
        self.index.is_broken()
    }

    pub fn set_broken(&mut self, broken: bool) {
        self.write(|writing| writing.set_broken(broken));
    }

    /// Applies what other processes committed. Must be called before this transaction writes anything.
    pub fn follow_committed(&mut self, db: &Connection) -> Result<()> {
        if self.has_gap(db)? {
            // Lines that are needed were pruned, or the feed went back, so the index is filled again.
            self.revision = newest_revision(db)?;
            self.filling = Some(Vec::new());
            let revision = self.revision as u64;
            self.write(|writing| {
                writing.reset();
                writing.set_revision(revision);
            });
            return Ok(());
        }
        loop {
            let delta = self.delta(db, PAGE)?;
            let is_last = delta.lines < PAGE;
            self.apply(delta);
            if is_last {
                return Ok(());
            }
        }
    }

    /// The oldest `limit` changes that this transaction sees and the index does not have.
    pub fn delta(&self, db: &Connection, limit: usize) -> Result<Delta> {
        let mut delta = Delta::default();
        let mut lines = db
            .prepare_cached("SELECT rev, kind, id, digest FROM changes WHERE rev > ?1 ORDER BY rev LIMIT ?2")
            .map_err(sql)?;
        let mut rows = lines.query((self.revision, i64::try_from(limit).unwrap_or(i64::MAX))).map_err(sql)?;
        while let Some(line) = rows.next().map_err(sql)? {
            delta.lines += 1;
            delta.revision = Some(line.get(0).map_err(sql)?);
            // A digest or id of another length does not belong to a key or user that the index could hold.
            if line.get_ref(1).is_ok_and(|kind| kind.as_str() == Ok("key")) {
                match line.get::<_, Option<[u8; 32]>>(3) {
                    Ok(Some(digest)) => {
                        let digest = Digest::from_bytes(digest);
                        delta.keys.push((digest, find(db, &digest)?));
                    }
                    Ok(None) => {
                        let first = line.get(2).unwrap_or_default();
                        delta.from = Some(delta.from.map_or(first, |from| from.min(first)));
                    }
                    Err(_) => {}
                }
            } else if let Ok(id) = line.get(2) {
                delta.owners.extend(owner(db, id)?);
            }
        }
        Ok(delta)
    }

    pub fn apply(&mut self, delta: Delta) {
        let Some(revision) = delta.revision else { return };
        self.write(|writing| {
            if delta.from.is_some() {
                // What the index holds remains right; SQLite answers for missing keys until all are read.
                writing.set_incomplete();
            }
            for (digest, key) in delta.keys {
                match key {
                    Some(key) => writing.put(&key),
                    None => writing.remove(&digest),
                }
            }
            for owner in &delta.owners {
                writing.put_owner(owner);
            }
            writing.set_revision(revision as u64);
        });
        self.revision = revision;
        if let Some(from) = delta.from {
            let before = u128::from_be_bytes(from).saturating_sub(1).to_be_bytes().to_vec();
            self.filling = Some(self.filling.take().map_or(before.clone(), |filling| filling.min(before)));
        }
    }

    /// Reads one page of keys as they are now. The feed reports later changes; earlier ones are in the rows.
    pub fn fill_a_page(&mut self, db: &Connection) {
        let Some(after) = &self.filling else { return };
        match page(db, after) {
            Ok((keys, next)) => {
                self.filling = next;
                let is_full = self.filling.is_none();
                self.write(|writing| {
                    writing.put_all(&keys);
                    if is_full {
                        writing.set_full();
                    }
                });
                if is_full {
                    // The pages that were read for filling are not needed again.
                    let _ = db.release_memory();
                    tracing::info!(keys = self.index.keys(), revision = self.revision, "the key index is full");
                }
            }
            // SQLite continues to answer for missing keys; the next round tries again.
            Err(error) => {
                tracing::error!(%error, "cannot fill the key index; trying again");
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
        }
    }

    fn has_gap(&self, db: &Connection) -> Result<bool> {
        let mut query = db.prepare_cached("SELECT min(rev) FROM changes WHERE rev > ?1").map_err(sql)?;
        let next: Option<i64> = query.query_row([self.revision], |row| row.get(0)).map_err(sql)?;
        let newest = newest_revision(db)?;
        Ok(newest < self.revision || (newest > self.revision && next != Some(self.revision + 1)))
    }

    fn write(&self, act: impl FnOnce(&mut Writing<'_>)) {
        act(&mut self.index.write().expect("the writer is the only one to take it, and its panic ends the process"));
    }
}

/// The newest revision, from the sequence and not from the table, whose old lines are pruned.
pub(super) fn newest_revision(db: &Connection) -> Result<i64> {
    let mut query = db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").map_err(sql)?;
    Ok(query.query_row([], |row| row.get(0)).optional().map_err(sql)?.unwrap_or(0))
}

pub(super) fn find(db: &Connection, digest: &Digest) -> Result<Option<IndexedKey>> {
    let mut query = db.prepare_cached(&format!("{KEY} WHERE k.digest = :digest AND is_key")).map_err(sql)?;
    query
        .query_row(named_params! {":digest": digest.as_bytes()}, |row| Latest::default().key(row))
        .optional()
        .map_err(sql)
}

pub(super) fn find_by_id(db: &Connection, id: KeyId) -> Result<Option<IndexedKey>> {
    let mut query = db.prepare_cached(&format!("{KEY} WHERE k.id = :id AND is_key")).map_err(sql)?;
    query.query_row(named_params! {":id": id.as_bytes()}, |row| Latest::default().key(row)).optional().map_err(sql)
}

/// The keys of a page and where the next one begins; `None` after the last page.
fn page(db: &Connection, after: &[u8]) -> Result<(Vec<IndexedKey>, Option<Vec<u8>>)> {
    let mut query = db.prepare_cached(&format!("{KEY} WHERE k.id > :after ORDER BY k.id LIMIT :page")).map_err(sql)?;
    let mut latest = Latest::default();
    let (mut keys, mut met, mut last) = (Vec::with_capacity(PAGE), 0, Vec::new());
    let mut rows = query.query(named_params! {":after": after, ":page": PAGE as i64}).map_err(sql)?;
    while let Some(row) = rows.next().map_err(sql)? {
        met += 1;
        if met == PAGE {
            last = row.get(0).map_err(sql)?;
        }
        if row.get("is_key").map_err(sql)? {
            // A key without a valid digest cannot be presented, so it is left out.
            keys.extend(latest.key(row).ok());
        }
    }
    Ok((keys, Some(last).filter(|_| met == PAGE)))
}

fn owner(db: &Connection, id: [u8; 16]) -> Result<Option<IndexedOwner>> {
    let mut query = db.prepare_cached("SELECT id, email, role, active FROM users WHERE id = ?1").map_err(sql)?;
    query.query_row([id], |row| owner_at(row, 0)).optional().map_err(sql)
}

/// An unreadable role counts as member, and an unreadable active flag as deactivated.
fn owner_at(row: &Row<'_>, first: usize) -> rusqlite::Result<IndexedOwner> {
    let mut salvage = Salvage::of(row);
    Ok(IndexedOwner {
        id: UserId::from_bytes(salvage.id("id", first)),
        email: salvage.email("email", first + 1)?,
        role: Role::parse(&salvage.text("role", first + 2)?).unwrap_or(Role::Member),
        active: salvage.flag("active", first + 3, false),
    })
}

/// The owner and the grant of the previous row, which most rows share.
#[derive(Default)]
struct Latest {
    owner: Option<Arc<IndexedOwner>>,
    grant: Option<(GrantText, Arc<Grant>)>,
}

/// The columns of a grant.
struct GrantText {
    scopes: String,
    enabled: bool,
    allowed_ips: String,
    rate_limit: Option<String>,
    is_token: bool,
    limit_bucket: Option<KeyId>,
}

impl Latest {
    /// Fails only if the digest is invalid. Any other broken rule makes the key unreadable.
    fn key(&mut self, row: &Row<'_>) -> rusqlite::Result<IndexedKey> {
        let (id, end) = (row.get(0), time_or_null(row, 4));
        let is_sound = id.is_ok() && end.is_ok();
        Ok(IndexedKey {
            id: KeyId::from_bytes(id.unwrap_or_default()),
            digest: Digest::from_bytes(row.get(1)?),
            grant: match self.grant(row) {
                Ok(grant) if is_sound => grant,
                _ => Arc::new(Grant {
                    // A key that is known to be disabled is refused in any case.
                    enabled: flag(row, 3).unwrap_or(true),
                    scopes: ScopeSet::default(),
                    allowed_ips: Networks::default(),
                    rate_limit: None,
                    limit_bucket: None,
                    is_unreadable: true,
                    is_token: false,
                }),
            },
            expires_at: end.unwrap_or_default(),
            imported: row.get(7)?,
            owner: self.owner(row)?,
        })
    }

    fn owner(&mut self, row: &Row<'_>) -> rusqlite::Result<Arc<IndexedOwner>> {
        let (id, active) = (UserId::from_bytes(row.get(8).unwrap_or_default()), flag(row, 11).unwrap_or(false));
        // A value of another type is `None`, which equals no owner in memory.
        let (email, role) = (row.get_ref(9)?.as_bytes().ok(), row.get_ref(10)?.as_bytes().ok());
        let is_same = |held: &&Arc<IndexedOwner>| {
            let (held_email, held_role) = (held.email.as_str().as_bytes(), held.role.as_str().as_bytes());
            held.id == id && held.active == active && Some(held_email) == email && Some(held_role) == role
        };
        if let Some(held) = self.owner.as_ref().filter(is_same) {
            return Ok(Arc::clone(held));
        }
        let owner = Arc::new(owner_at(row, 8)?);
        self.owner = Some(Arc::clone(&owner));
        Ok(owner)
    }

    fn grant(&mut self, row: &Row<'_>) -> rusqlite::Result<Arc<Grant>> {
        let (enabled, is_token) = (flag(row, 3)?, flag(row, 12)?);
        // Only keys with a limit get a bucket; the others share a grant, whichever key they were rotated from.
        let bucket = limit_bucket(row, 13)?;
        let (joined, ips) = (row.get_ref(2)?.as_str()?, row.get_ref(5)?.as_str()?);
        let limit = row.get_ref(6)?.as_str_or_null()?;
        let limit_bucket = bucket.filter(|_| limit.is_some());
        if let Some((text, grant)) = &self.grant
            && (text.enabled, text.is_token, text.limit_bucket) == (enabled, is_token, limit_bucket)
            && (&*text.scopes, &*text.allowed_ips, text.rate_limit.as_deref()) == (joined, ips, limit)
        {
            return Ok(Arc::clone(grant));
        }
        let grant = Arc::new(Grant {
            scopes: scopes(row, 2)?,
            enabled,
            allowed_ips: networks(row, 5)?,
            rate_limit: rate_limit(row, 6)?,
            is_unreadable: false,
            limit_bucket,
            is_token,
        });
        let text = GrantText {
            scopes: joined.to_owned(),
            enabled,
            allowed_ips: ips.to_owned(),
            rate_limit: limit.map(str::to_owned),
            is_token,
            limit_bucket,
        };
        self.grant = Some((text, Arc::clone(&grant)));
        Ok(grant)
    }
}
