//! People: the first admin, adding, passwords, deactivation, removal.

use rusqlite::{Connection, OptionalExtension};

use super::rows::{USER, changed, is_unique_violation, sql, user};
use super::{Store, events, keys, throttle};
use crate::error::{Error, Result};
use crate::model::{Action, Digest, Email, KeyId, NewEvent, Origin, Role, Time, User, UserId};

#[derive(Debug, Clone)]
pub struct NewUser {
    pub id: UserId,
    pub email: Email,
    pub role: Role,
    /// PHC string; none for somebody who cannot log in yet.
    pub password_hash: Option<String>,
}

impl Store {
    pub async fn has_users(&self) -> Result<bool> {
        self.read(has_users).await
    }

    pub async fn add_user(&self, new: NewUser, now: Time, origin: Origin) -> Result<User> {
        self.write(move |db| insert(db, &new, now, &origin)).await
    }

    /// Only while there is nobody: of many at once, exactly one succeeds.
    pub async fn add_first_admin(&self, new: NewUser, now: Time, origin: Origin) -> Result<User> {
        self.write(move |db| {
            if has_users(db)? {
                return Err(Error::conflict(
                    "The first admin has been made already. Log in, or ask an admin for an account.",
                ));
            }
            insert(db, &new, now, &origin)
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

    /// Ends every session of the user too, and the failures counted in the `cleared` buckets.
    pub async fn set_password(
        &self,
        id: UserId,
        hash: String,
        cleared: Vec<Digest>,
        now: Time,
        origin: Origin,
    ) -> Result<User> {
        self.write(move |db| {
            let user = by_id(db, id)?;
            changed(db, "UPDATE users SET password_hash = ?2 WHERE id = ?1", (id.as_bytes(), &hash))?;
            changed(db, "DELETE FROM sessions WHERE user_id = ?1", [id.as_bytes()])?;
            throttle::clear(db, &cleared)?;
            log(db, Action::PasswordSet, &user, now, &origin)?;
            Ok(user)
        })
        .await
    }

    /// A stronger hash of the same password; changes nothing that anybody can see.
    pub async fn replace_hash(&self, id: UserId, old: String, new: String) -> Result<()> {
        self.write(move |db| {
            let sql_text = "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2";
            changed(db, sql_text, (id.as_bytes(), &old, &new)).map(drop)
        })
        .await
    }

    /// From the next request on, none of the user's keys and sessions is accepted. Keys come back
    /// with the user, sessions do not.
    pub async fn deactivate_user(&self, id: UserId, now: Time, origin: Origin) -> Result<User> {
        self.withdraw(move |db| {
            let user = by_id(db, id)?;
            if !user.active {
                return Ok(user);
            }
            keep_an_admin(db, &user)?;
            changed(db, "UPDATE users SET active = 0 WHERE id = ?1", [id.as_bytes()])?;
            changed(db, "DELETE FROM sessions WHERE user_id = ?1", [id.as_bytes()])?;
            log(db, Action::UserDeactivated, &user, now, &origin)?;
            Ok(User { active: false, ..user })
        })
        .await
    }

    pub async fn activate_user(&self, id: UserId, now: Time, origin: Origin) -> Result<User> {
        self.write(move |db| {
            let user = by_id(db, id)?;
            if !user.active {
                changed(db, "UPDATE users SET active = 1 WHERE id = ?1", [id.as_bytes()])?;
                log(db, Action::UserActivated, &user, now, &origin)?;
            }
            Ok(User { active: true, ..user })
        })
        .await
    }

    /// Revokes the user's keys, each with its event, and deletes the user. Returns how many keys.
    pub async fn remove_user(&self, id: UserId, now: Time, origin: Origin) -> Result<u64> {
        self.withdraw(move |db| {
            let user = by_id(db, id)?;
            keep_an_admin(db, &user)?;
            let mut query = db.prepare_cached("SELECT id FROM keys WHERE owner_id = ?1").map_err(sql)?;
            let ids = query.query_map([id.as_bytes()], |row| row.get::<_, [u8; 16]>(0)).map_err(sql)?;
            let ids: Vec<[u8; 16]> = ids.collect::<rusqlite::Result<_>>().map_err(sql)?;
            for key in &ids {
                let record = keys::record(db, KeyId::from_bytes(*key), keys::Reach::Anyone)?;
                keys::log(db, Action::KeyRevoked, &record, now, &origin)?;
            }
            changed(db, "DELETE FROM keys WHERE owner_id = ?1", [id.as_bytes()])?;
            changed(db, "DELETE FROM users WHERE id = ?1", [id.as_bytes()])?;
            log(db, Action::UserRemoved, &user, now, &origin)?;
            Ok(ids.len() as u64)
        })
        .await
    }
}

fn has_users(db: &Connection) -> Result<bool> {
    db.query_row("SELECT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0)).map_err(sql)
}

fn by_id(db: &Connection, id: UserId) -> Result<User> {
    let mut query = db.prepare_cached(&format!("SELECT {USER} FROM users u WHERE u.id = ?1")).map_err(sql)?;
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

fn keep_an_admin(db: &Connection, user: &User) -> Result<()> {
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
