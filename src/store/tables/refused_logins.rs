//! `refused_logins`: failed sign-ins per hour, account and address: how many have their own event, and how many more
//! there were.

use crate::error::Result;
use crate::store::Tx;

/// Key of a row. `hour` is the start of the hour in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct RefusedLoginsOf<'a> {
    pub hour: i64,
    pub account: &'a str,
    pub address: &'a str,
}

/// Failures of one hour without their own event.
#[derive(Debug)]
pub struct RefusedLogins {
    pub hour: i64,
    pub account: String,
    pub address: String,
    pub more: i64,
}

impl Tx<'_> {
    /// How many of these failures have their own event; `None` if there is no such row.
    pub fn refused_login_events(&self, of: RefusedLoginsOf<'_>) -> Result<Option<i64>> {
        let text = "SELECT events FROM refused_logins WHERE hour = ?1 AND account = ?2 AND address = ?3";
        self.row(text, (of.hour, of.account, of.address), |row| row.get(0))
    }

    /// The number of rows of this hour, either for existing accounts or for the others.
    pub fn count_refused_logins(&self, hour: i64, at_users: bool) -> Result<i64> {
        let text = "SELECT count(*) FROM refused_logins WHERE hour = ?1 AND (account <> '') = ?2";
        self.one(text, (hour, at_users), |row| row.get(0))
    }

    pub fn add_refused_logins(&self, of: RefusedLoginsOf<'_>, events: i64, more: i64) -> Result<()> {
        self.execute(
            "INSERT INTO refused_logins (hour, account, address, events, more) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (hour, account, address) DO UPDATE SET events = refused_logins.events + excluded.events,
             more = refused_logins.more + excluded.more",
            (of.hour, of.account, of.address, events, more),
        )
        .map(drop)
    }

    /// The failures of every hour except `present`, in order.
    pub fn refused_logins_of_other_hours(&self, present: i64) -> Result<Vec<RefusedLogins>> {
        let text = "SELECT hour, account, address, more FROM refused_logins WHERE hour <> ?1 AND more > 0 ORDER BY hour, account, address";
        self.rows(text, [present], |row| {
            Ok(RefusedLogins { hour: row.get(0)?, account: row.get(1)?, address: row.get(2)?, more: row.get(3)? })
        })
    }

    pub fn delete_refused_logins_of_other_hours(&self, present: i64) -> Result<()> {
        self.execute("DELETE FROM refused_logins WHERE hour <> ?1", [present]).map(drop)
    }
}
