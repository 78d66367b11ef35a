//! Failed log-ins in the audit log. Whoever wants to may fail as often as they like, so each hour has room for few
//! events: the first of each address, up to a bound for all. The rest are counted, and told when the hour is over.

use rusqlite::{Connection, OptionalExtension};

use super::Store;
use super::events;
use super::rows::{changed, sql};
use crate::error::Result;
use crate::model::{Action, ClientAddress, Email, NewEvent, Origin, Time};

/// Events in an hour about one account from one address; all accounts that there are not count as one.
const OF_ADDRESS: i64 = 10;
/// Events in an hour, and addresses that are counted apart; the rest are counted together. Users and accounts that
/// there are not have room of their own: nobody hides an attack on a user behind invented accounts.
const AT_USERS: i64 = 1000;
const AT_NOBODY: i64 = 200;
const HOUR: i64 = 3_600_000;
/// What an account is called that there is not. What was typed may be a password or a key.
const NOBODY: &str = "unknown account";

/// Accounts and addresses as they are counted: a user's e-mail, or one of these.
const NO_USER: &str = "";
const FURTHER_USERS: &str = "*";
const FURTHER_ADDRESSES: &str = "";

impl Store {
    /// A log-in that failed: at the account of this e-mail, if there is one.
    pub async fn refuse_login(&self, account: Option<Email>, now: Time, origin: Origin) -> Result<()> {
        self.maintain(move |db| {
            tell_past_hours(db, now)?;
            let account = account.as_ref().map(Email::as_str);
            let from = origin.address.unwrap_or(ClientAddress::Unknown).neighbourhood().to_string();
            if count(db, hour(now), account, &from)? {
                let (origin, label) = (origin.clone(), account.unwrap_or(NOBODY).to_owned());
                events::append(db, &NewEvent { at: now, origin, action: Action::LogInFailed, object: None, label })?;
            }
            Ok(())
        })
        .await
    }

    /// Tells how many log-ins failed without an event of their own in hours that are over.
    pub async fn tell_refused_logins(&self, now: Time) -> Result<()> {
        self.maintain(move |db| tell_past_hours(db, now)).await
    }
}

/// Counts one failure; returns whether it gets an event of its own.
fn count(db: &Connection, hour: i64, account: Option<&str>, from: &str) -> Result<bool> {
    let (room, further) = if account.is_some() { (AT_USERS, FURTHER_USERS) } else { (AT_NOBODY, NO_USER) };
    let own = (account.unwrap_or(NO_USER), from);
    let all = (further, FURTHER_ADDRESSES);
    let so_far = written(db, hour, own)?;
    let has_event = so_far.unwrap_or_default() < OF_ADDRESS && written(db, hour, all)?.unwrap_or_default() < room;
    if has_event {
        add(db, hour, own, (1, 0))?;
        add(db, hour, all, (1, 0))?;
    } else {
        let is_counted_apart = so_far.is_some() || rows(db, hour, account.is_some())? <= room;
        add(db, hour, if is_counted_apart { own } else { all }, (0, 1))?;
    }
    Ok(has_event)
}

/// How many events there are.
fn written(db: &Connection, hour: i64, (account, address): (&str, &str)) -> Result<Option<i64>> {
    let sql_text = "SELECT events FROM refused_logins WHERE hour = ?1 AND account = ?2 AND address = ?3";
    db.prepare_cached(sql_text)
        .and_then(|mut query| query.query_row((hour, account, address), |row| row.get(0)).optional())
        .map_err(sql)
}

fn rows(db: &Connection, hour: i64, at_users: bool) -> Result<i64> {
    db.prepare_cached("SELECT count(*) FROM refused_logins WHERE hour = ?1 AND (account <> '') = ?2")
        .and_then(|mut query| query.query_row((hour, at_users), |row| row.get(0)))
        .map_err(sql)
}

fn add(db: &Connection, hour: i64, (account, address): (&str, &str), (events, more): (i64, i64)) -> Result<()> {
    changed(
        db,
        "INSERT INTO refused_logins (hour, account, address, events, more) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (hour, account, address) DO UPDATE SET events = events + excluded.events, more = more + excluded.more",
        (hour, account, address, events, more),
    )
    .map(drop)
}

/// Also of an hour that lies ahead, from before a clock was set back.
fn tell_past_hours(db: &Connection, now: Time) -> Result<()> {
    let present = hour(now);
    let past: Vec<(i64, String, String, i64)> = db
        .prepare_cached(
            "SELECT hour, account, address, more FROM refused_logins WHERE hour <> ?1 AND more > 0 ORDER BY hour, account, address",
        )
        .and_then(|mut query| {
            query.query_map([present], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?.collect()
        })
        .map_err(sql)?;
    for (hour, account, address, more) in past {
        let at = match account.as_str() {
            NO_USER => "unknown accounts",
            FURTHER_USERS => "further users",
            email => email,
        };
        let from = match address.as_str() {
            FURTHER_ADDRESSES => "further addresses",
            address => address.trim_end_matches("/32"),
        };
        let since = Time::from_millis(hour).for_people();
        let label = format!("{more} more failed log-ins at {at} from {from} in the hour from {since}");
        let event = NewEvent { at: now, origin: Origin::server(), action: Action::LogInFailed, object: None, label };
        events::append(db, &event)?;
    }
    changed(db, "DELETE FROM refused_logins WHERE hour <> ?1", [present]).map(drop)
}

/// The beginning of its hour, in milliseconds.
fn hour(now: Time) -> i64 {
    now.millis().div_euclid(HOUR).saturating_mul(HOUR)
}
