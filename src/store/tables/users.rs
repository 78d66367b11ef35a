//! The table `users`.

use crate::error::{Error, Result};
use crate::model::{
    Email, FoundPlaces, ListCursor, ListPage, ListPlace, Role, RowCount, SortValue, Time, User, UserCounts, UserFilter,
    UserId,
};
use crate::store::Tx;
use crate::store::columns::{Salvage, like_pattern};
use crate::store::row::{Read, Row};
use crate::store::tables::pending_imports::is_key;
use crate::store::value::named;

#[derive(Debug, Clone)]
pub struct UserRow {
    pub id: UserId,
    pub email: Email,
    pub role: Role,
    /// PHC string; `None` for a user who cannot sign in yet.
    pub password_hash: Option<String>,
    pub created_at: Time,
}

pub(in crate::store) const USER: &str = "u.id, u.email, u.role, u.active, u.created_at, u.last_login_at, \
    (SELECT count(*) FROM keys WHERE owner_id = u.id) - (SELECT count(*) FROM token_families WHERE user_id = u.id) - \
    (SELECT count(*) FROM pending_imports JOIN keys k ON k.owner_id = u.id AND k.id BETWEEN first_id AND last_id)";

/// [`USER`] without the count of keys, which takes a second for ten million keys.
const UNCOUNTED_USER: &str = "u.id, u.email, u.role, u.active, u.created_at, u.last_login_at, 0";

/// [`USER`] with a count of keys that ends at 10,001.
const LISTED_USER: &str = concat!(
    "u.id, u.email, u.role, u.active, u.created_at, u.last_login_at, \
     (SELECT count(*) FROM (SELECT 1 FROM keys k WHERE k.owner_id = u.id AND ",
    is_key!(),
    " LIMIT 10001) AS counted) - (SELECT count(*) FROM token_families WHERE user_id = u.id)"
);

/// Reads a user from the columns of [`USER`], which begin at `first`.
pub(in crate::store) fn user(row: &Row<'_>, first: usize) -> Read<User> {
    let mut salvage = Salvage::of(row);
    Ok(User {
        id: UserId::from_bytes(salvage.id("id", first)),
        email: salvage.email("email", first + 1)?,
        role: {
            let role = Role::parse(&salvage.text("role", first + 2)?).ok();
            salvage.or("role", role, Role::Member)
        },
        active: salvage.flag("active", first + 3, false),
        created_at: salvage.time("created_at", first + 4),
        last_login_at: salvage.time_or_null("last_login_at", first + 5),
        keys: row.get::<i64>(first + 6)?.unsigned_abs(),
        unreadable: salvage.unreadable,
    })
}

impl Tx<'_> {
    pub fn has_users(&self) -> Result<bool> {
        self.one("SELECT EXISTS (SELECT 1 FROM users)", (), |row| row.get(0))
    }

    pub fn user(&self, id: UserId) -> Result<Option<User>> {
        self.row(&format!("SELECT {USER} FROM users u WHERE u.id = ?1"), [id.as_bytes()], |row| user(row, 0))
    }

    /// The user, with 0 for the number of keys.
    pub fn user_without_count(&self, id: UserId) -> Result<Option<User>> {
        self.row(&format!("SELECT {UNCOUNTED_USER} FROM users u WHERE u.id = ?1"), [id.as_bytes()], |row| user(row, 0))
    }

    pub fn user_with_email(&self, email: &Email) -> Result<Option<User>> {
        self.row(&format!("SELECT {USER} FROM users u WHERE u.email = ?1"), [email.as_str()], |row| user(row, 0))
    }

    pub fn user_id_of(&self, email: &Email) -> Result<Option<UserId>> {
        let text = "SELECT id FROM users WHERE email = ?1";
        self.row(text, [email.as_str()], |row| row.get(0).map(UserId::from_bytes))
    }

    /// The user and the password's PHC string.
    pub fn credentials(&self, email: &Email) -> Result<Option<(User, Option<String>)>> {
        let text = format!("SELECT {USER}, u.password_hash FROM users u WHERE u.email = ?1");
        self.row(&text, [email.as_str()], |row| Ok((user(row, 0)?, row.get(7)?)))
    }

    /// Whether this user is active and has this password hash.
    pub fn has_password(&self, id: UserId, hash: &str) -> Result<bool> {
        let text = "SELECT EXISTS (SELECT 1 FROM users WHERE id = ?1 AND active = 1 AND password_hash = ?2)";
        self.one(text, (id.as_bytes(), hash), |row| row.get(0))
    }

    /// Up to 10,000 users, sorted by email.
    pub fn users(&self) -> Result<Vec<User>> {
        self.rows(&format!("SELECT {USER} FROM users u ORDER BY u.email LIMIT 10000"), (), |row| user(row, 0))
    }

    /// How many people are in each set.
    pub fn user_counts(&self) -> Result<UserCounts> {
        let text = "SELECT count(*), count(*) FILTER (WHERE active = 1 AND role = 'admin'),
             count(*) FILTER (WHERE active = 1 AND role = 'member'), count(*) FILTER (WHERE active = 0)
             FROM (SELECT role, active FROM users LIMIT ?1) AS counted";
        let counts = self.one(text, [RowCount::MAX as i64 + 1], |row| {
            Ok([row.get::<i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?].map(i64::unsigned_abs))
        })?;
        let is_exact = counts[0] <= RowCount::MAX;
        Ok(counts.map(|count| RowCount::new(count, is_exact)))
    }

    /// The ids and emails of up to `limit` users, sorted by email.
    pub fn people(&self, limit: usize) -> Result<Vec<(UserId, String)>> {
        let text = "SELECT id, email FROM users WHERE length(id) = 16 ORDER BY email LIMIT ?1";
        self.rows(text, [limit as i64], |row| Ok((UserId::from_bytes(row.get(0)?), row.text(1)?.to_owned())))
    }

    /// The users that match the filter, newest first.
    pub fn users_page(&self, filter: &UserFilter) -> Result<ListPage<User>> {
        let mark = filter.mark();
        if let Some(cursor) = &filter.at {
            cursor.check_list(mark)?;
        }
        let read = |cursor: Option<&ListCursor>| self.users_from(filter, cursor);
        let page = |rows: &[User], cursor: Option<&ListCursor>| {
            let places = rows.iter().map(|user| ListPlace { value: SortValue::Missing, id: *user.id.as_bytes() });
            ListPage::of(FoundPlaces { places: places.collect(), stopped_at: None }, mark, cursor, filter.limit)
        };
        let cursor = filter.at.as_ref();
        let mut rows = read(cursor)?;
        let page = match page(&rows, cursor) {
            Some(page) => page,
            None => {
                rows = read(None)?;
                page(&rows, None).ok_or_else(|| Error::internal("a page from the beginning is read forwards"))?
            }
        };
        rows.truncate(filter.limit);
        if cursor.is_some_and(|cursor| cursor.is_backwards) && page.rows_before > 0 {
            rows.reverse();
        }
        Ok(page.with_rows(rows))
    }

    /// One more user than fits on the page, in the direction of the cursor.
    fn users_from(&self, filter: &UserFilter, cursor: Option<&ListCursor>) -> Result<Vec<User>> {
        let columns = if filter.counts_all_keys { USER } else { LISTED_USER };
        let like = self.dialect("LIKE", "ILIKE");
        let (comparison, order) = match cursor.map_or((false, false), |at| (at.is_backwards, at.is_inclusive)) {
            (false, false) => ("<", "DESC"),
            (false, true) => ("<=", "DESC"),
            (true, false) => (">", "ASC"),
            (true, true) => (">=", "ASC"),
        };
        let text = format!(
            "SELECT {columns} FROM users u WHERE u.id {comparison} :at AND (u.role = :role OR :role IS NULL) AND (u.active = :active OR :active IS NULL)
             AND (u.email {like} :search ESCAPE '\\' OR :search IS NULL OR u.id = :id) ORDER BY u.id {order} LIMIT :limit"
        );
        let id = filter.search.as_deref().and_then(|text| UserId::parse(text.trim()).ok());
        let values = named! {
            ":at": cursor.map_or([0xff; 16], |cursor| cursor.place.id),
            ":role": filter.role.map(Role::as_str),
            ":active": filter.active,
            ":search": filter.search.as_deref().map(like_pattern),
            ":id": id.map(|id| *id.as_bytes()),
            ":limit": filter.limit as i64 + 1,
        };
        self.rows(&text, values, |row| user(row, 0))
    }

    /// The number of active admins other than this user.
    pub fn other_active_admins(&self, id: UserId) -> Result<i64> {
        let text = "SELECT count(*) FROM users WHERE role = 'admin' AND active = 1 AND id <> ?1";
        self.one(text, [id.as_bytes()], |row| row.get(0))
    }

    /// Returns false if a user with this email or id already exists.
    pub fn put_user(&self, new: &UserRow) -> Result<bool> {
        let text =
            "INSERT INTO users (id, email, role, active, password_hash, created_at) VALUES (?1, ?2, ?3, 1, ?4, ?5)
             ON CONFLICT DO NOTHING";
        let values =
            (new.id.as_bytes(), new.email.as_str(), new.role.as_str(), &new.password_hash, new.created_at.millis());
        self.execute(text, values).map(|rows| rows == 1)
    }

    pub fn set_role(&self, id: UserId, role: Role) -> Result<()> {
        self.execute("UPDATE users SET role = ?2 WHERE id = ?1", (id.as_bytes(), role.as_str())).map(drop)
    }

    pub fn set_active(&self, id: UserId, active: bool) -> Result<()> {
        self.execute("UPDATE users SET active = ?2 WHERE id = ?1", (id.as_bytes(), active)).map(drop)
    }

    pub fn set_password_hash(&self, id: UserId, hash: &str) -> Result<()> {
        self.execute("UPDATE users SET password_hash = ?2 WHERE id = ?1", (id.as_bytes(), hash)).map(drop)
    }

    /// Returns false if `old` is no longer the user's hash.
    pub fn replace_password_hash(&self, id: UserId, old: &str, new: &str) -> Result<bool> {
        let text = "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2";
        self.execute(text, (id.as_bytes(), old, new)).map(|rows| rows == 1)
    }

    pub fn set_last_login(&self, id: UserId, at: Time) -> Result<()> {
        self.execute("UPDATE users SET last_login_at = ?2 WHERE id = ?1", (id.as_bytes(), at.millis())).map(drop)
    }

    pub fn delete_user(&self, id: UserId) -> Result<()> {
        self.execute("DELETE FROM users WHERE id = ?1", [id.as_bytes()]).map(drop)
    }
}
