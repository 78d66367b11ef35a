//! People: the first admin, adding, passwords, deactivation, removal.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, named_params};

use super::rows::{UNCOUNTED_USER, USER, changed, is_unique_violation, like_pattern, sql, user};
use super::user_changes::{self, NewPassword};
use super::{Store, events, keys};
use crate::error::{Error, Result};
use crate::model::{Action, Cursor, Email, NewEvent, Origin, Page, Role, Time, User, UserId};

#[derive(Debug, Clone)]
pub struct NewUser {
    pub id: UserId,
    pub email: Email,
    pub role: Role,
    /// PHC string; none for somebody who cannot log in yet.
    pub password_hash: Option<String>,
}

/// Keys revoked in one transaction when their owner is removed.
const KEYS_AT_ONCE: usize = 250;

/// Which people to list.
#[derive(Debug, Clone)]
pub struct UserFilter {
    /// Part of an e-mail, or a whole id.
    pub search: Option<String>,
    pub role: Option<Role>,
    pub active: Option<bool>,
    pub after: Option<Cursor>,
    pub limit: usize,
}

impl Store {
    pub async fn has_users(&self) -> Result<bool> {
        self.read(has_users).await
    }

    pub async fn add_user(&self, new: NewUser, now: Time, origin: Origin) -> Result<User> {
        self.write(origin, now, move |db, origin| insert(db, &new, now, origin)).await
    }

    /// Only while there is nobody: of many at once, exactly one succeeds.
    pub async fn add_first_admin(&self, new: NewUser, now: Time, origin: Origin) -> Result<User> {
        self.write(origin, now, move |db, origin| {
            if has_users(db)? {
                return Err(Error::conflict(
                    "The first admin has been made already. Log in, or ask an admin for an account.",
                ));
            }
            insert(db, &new, now, origin)
        })
        .await
    }

    pub async fn user(&self, id: UserId) -> Result<User> {
        self.read(move |db| by_id(db, id)).await
    }

    pub async fn user_by_email(&self, email: Email) -> Result<User> {
        self.read(move |db| {
            let mut query =
                db.prepare_cached(&format!("SELECT {USER} FROM users u WHERE u.email = ?1")).map_err(sql)?;
            let found = query.query_row([email.as_str()], |row| user(row, 0)).optional().map_err(sql)?;
            found.ok_or_else(|| Error::not_found("user"))
        })
        .await
    }

    /// The user and the password's PHC string, for log-in; `None` for an unknown e-mail.
    pub async fn credentials(&self, email: Email) -> Result<Option<(User, Option<String>)>> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached(&format!("SELECT {USER}, u.password_hash FROM users u WHERE u.email = ?1"))
                .map_err(sql)?;
            query.query_row([email.as_str()], |row| Ok((user(row, 0)?, row.get(7)?))).optional().map_err(sql)
        })
        .await
    }

    pub async fn users(&self) -> Result<Vec<User>> {
        self.read(|db| {
            let mut query =
                db.prepare_cached(&format!("SELECT {USER} FROM users u ORDER BY u.email LIMIT 10000")).map_err(sql)?;
            let rows = query.query_map([], |row| user(row, 0)).map_err(sql)?;
            rows.collect::<rusqlite::Result<_>>().map_err(sql)
        })
        .await
    }

    /// Newest first.
    pub async fn users_page(&self, filter: UserFilter) -> Result<Page<User>> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached(&format!(
                    "SELECT {USER} FROM users u WHERE u.id < :after AND (:role IS NULL OR u.role = :role) AND (:active IS NULL OR u.active = :active)
                     AND (:search IS NULL OR u.email LIKE :search ESCAPE '\\' OR u.id = :id) ORDER BY u.id DESC LIMIT :limit"
                ))
                .map_err(sql)?;
            let id = filter.search.as_deref().and_then(|text| UserId::parse(text.trim()).ok());
            let rows = query
                .query_map(
                    named_params! {
                        ":after": filter.after.map_or([0xff; 16], |cursor| cursor.0),
                        ":role": filter.role.map(Role::as_str),
                        ":active": filter.active,
                        ":search": filter.search.as_deref().map(like_pattern),
                        ":id": id.map(|id| *id.as_bytes()),
                        ":limit": filter.limit as i64 + 1,
                    },
                    |row| user(row, 0),
                )
                .map_err(sql)?;
            let rows = rows.collect::<rusqlite::Result<Vec<_>>>().map_err(sql)?;
            Ok(Page::cut(rows, filter.limit, |user| *user.id.as_bytes()))
        })
        .await
    }

    /// Ends what was opened with the old password: sessions and tokens.
    pub async fn set_password(&self, id: UserId, new: NewPassword, now: Time, origin: Origin) -> Result<User> {
        self.write(origin, now, move |db, origin| {
            let user = by_id(db, id)?;
            user_changes::replace_password(db, &user, &new, now, origin)?;
            Ok(user)
        })
        .await
    }

    /// A stronger hash of the same password; changes nothing that anybody can see. `false`: `old` was
    /// replaced before.
    pub async fn replace_hash(&self, id: UserId, old: String, new: String) -> Result<bool> {
        self.maintain(move |db| {
            let sql_text = "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2";
            changed(db, sql_text, (id.as_bytes(), &old, &new)).map(|rows| rows == 1)
        })
        .await
    }

    /// Saying so twice changes nothing.
    pub async fn deactivate_user(&self, id: UserId, now: Time, origin: Origin) -> Result<User> {
        self.withdraw(origin, now, move |db, origin| {
            let user = by_id(db, id)?;
            if user.may_be_active() {
                keep_an_admin(db, &user)?;
                user_changes::deactivate(db, &user, now, origin)?;
            }
            by_id(db, id)
        })
        .await
    }

    pub async fn activate_user(&self, id: UserId, now: Time, origin: Origin) -> Result<User> {
        self.write(origin, now, move |db, origin| {
            let user = by_id(db, id)?;
            if !user.active {
                user_changes::activate(db, &user, now, origin)?;
            }
            by_id(db, id)
        })
        .await
    }

    /// Revokes the user's keys, each with its event, and deletes the user, if `judge` allows it. Somebody
    /// with many keys is deactivated first, and then keys go some at a time, so that no other revocation
    /// waits for all of them. Returns how many keys.
    pub async fn remove_user(
        &self,
        id: UserId,
        judge: impl Fn(&User) -> Result<()> + Send + 'static,
        now: Time,
        origin: Origin,
    ) -> Result<u64> {
        let begin = move |db: &Connection, origin: &Origin| {
            let user = by_id(db, id)?;
            judge(&user)?;
            keep_an_admin(db, &user)?;
            let begun = remove_some(db, &user, now, origin)?;
            if user.active && !begun.is_done {
                user_changes::deactivate(db, &user, now, origin)?;
            }
            Ok(begun)
        };
        let Removal { mut keys, mut is_done } = self.withdraw(origin.clone(), now, begin).await?;
        while !is_done {
            let go_on = move |db: &Connection, origin: &Origin| {
                let user = find(db, UNCOUNTED_USER, id)?;
                keep_an_admin(db, &user)?;
                remove_some(db, &user, now, origin)
            };
            let more = self.withdraw(origin.clone(), now, go_on).await?;
            (keys, is_done) = (keys + more.keys, more.is_done);
        }
        Ok(keys)
    }
}

/// How far the removal of a user has come.
struct Removal {
    keys: u64,
    is_done: bool,
}

/// Revokes some keys of the user; with the last of them goes the user.
fn remove_some(db: &Connection, user: &User, now: Time, origin: &Origin) -> Result<Removal> {
    let mut query = db.prepare_cached("SELECT digest FROM keys WHERE owner_id = ?1 LIMIT ?2").map_err(sql)?;
    let digests = query.query_map((user.id.as_bytes(), KEYS_AT_ONCE as i64), |row| row.get(0)).map_err(sql)?;
    // Whatever stands there finds the row.
    let digests: Vec<Value> = digests.collect::<rusqlite::Result<_>>().map_err(sql)?;
    let mut keys = 0;
    for digest in &digests {
        // A row of an import that is not complete is no key yet: there is nothing to tell.
        if let Some(record) = keys::record_with(db, digest)? {
            keys::log(db, Action::KeyRevoked, &record, now, origin)?;
            keys += u64::from(!record.is_token);
        }
        changed(db, "DELETE FROM keys WHERE digest = ?1", [digest])?;
    }
    let is_done = digests.len() < KEYS_AT_ONCE;
    if is_done {
        changed(db, "DELETE FROM users WHERE id = ?1", [user.id.as_bytes()])?;
        log(db, Action::UserRemoved, user, now, origin)?;
    }
    Ok(Removal { keys, is_done })
}

fn has_users(db: &Connection) -> Result<bool> {
    db.query_row("SELECT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0)).map_err(sql)
}

pub(super) fn by_id(db: &Connection, id: UserId) -> Result<User> {
    find(db, USER, id)
}

fn find(db: &Connection, columns: &str, id: UserId) -> Result<User> {
    let mut query = db.prepare_cached(&format!("SELECT {columns} FROM users u WHERE u.id = ?1")).map_err(sql)?;
    let found = query.query_row([id.as_bytes()], |row| user(row, 0)).optional().map_err(sql)?;
    found.ok_or_else(|| Error::not_found("user"))
}

fn insert(db: &Connection, new: &NewUser, now: Time, origin: &Origin) -> Result<User> {
    let mut statement = db
        .prepare_cached(
            "INSERT INTO users (id, email, role, active, password_hash, created_at) VALUES (?1, ?2, ?3, 1, ?4, ?5)",
        )
        .map_err(sql)?;
    let inserted =
        statement.execute((new.id.as_bytes(), new.email.as_str(), new.role.as_str(), &new.password_hash, now.millis()));
    match inserted {
        Err(error) if is_unique_violation(&error) => {
            let taken = Error::conflict("There is a user with this e-mail already.");
            return Err(Error { field: Some("email"), ..taken });
        }
        other => other.map(drop).map_err(sql)?,
    }
    let user = by_id(db, new.id)?;
    log(db, Action::UserAdded, &user, now, origin)?;
    Ok(user)
}

pub(super) fn keep_an_admin(db: &Connection, user: &User) -> Result<()> {
    if !user.is_admin() || !user.active {
        return Ok(());
    }
    let others: i64 = db
        .query_row(
            "SELECT count(*) FROM users WHERE role = 'admin' AND active = 1 AND id <> ?1",
            [user.id.as_bytes()],
            |row| row.get(0),
        )
        .map_err(sql)?;
    if others == 0 {
        return Err(Error::conflict("This is the last active admin. Make another admin first."));
    }
    Ok(())
}

pub(super) fn log(db: &Connection, action: Action, user: &User, now: Time, origin: &Origin) -> Result<()> {
    let label = format!("{} ({})", user.email, user.role.as_str());
    events::append(db, &NewEvent { at: now, origin: origin.clone(), action, object: Some(*user.id.as_bytes()), label })
}
