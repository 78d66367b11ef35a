//! Failed sign-ins in the audit log. Anyone can fail as often as they like, so the events per hour are limited: the
//! first few of each address, up to a maximum for all. The rest are counted, and reported when the hour is over.

use crate::auth::audit;
use crate::auth::by::By;
use crate::error::Result;
use crate::model::{Action, ClientAddress, Email, Time, counted};
use crate::store::{RefusedLoginsOf, Tx};

/// Maximum events per hour, account and address; all accounts that do not exist count as one.
const OF_ADDRESS: i64 = 10;
/// Maximum events per hour, and maximum addresses that are counted separately; the rest are counted together. Users and
/// non-existent accounts have separate limits, so that invented accounts cannot hide an attack on a user.
const AT_USERS: i64 = 1000;
const AT_NOBODY: i64 = 200;
const HOUR: i64 = 3_600_000;
/// The name of an account that does not exist, in place of what was typed, which may be a password or a key.
const NOBODY: &str = "unknown account";

/// Accounts and addresses as they are counted: a user's email, or one of these.
const NO_USER: &str = "";
const FURTHER_USERS: &str = "*";
const FURTHER_ADDRESSES: &str = "";

/// Records a failed sign-in; `account` is `None` if the account does not exist.
pub(super) fn note(tx: &Tx<'_>, by: &By, account: Option<&Email>) -> Result<()> {
    report_past_hours(tx, by.at)?;
    let account = account.map(Email::as_str);
    let from = by.origin.address.unwrap_or(ClientAddress::Unknown).neighbourhood().to_string();
    if count(tx, hour(by.at), account, &from)? {
        audit::append(tx, by, Action::LogInFailed, None, account.unwrap_or(NOBODY).to_owned())?;
    }
    Ok(())
}

/// Counts one failure; returns whether it gets its own event.
fn count(tx: &Tx<'_>, hour: i64, account: Option<&str>, address: &str) -> Result<bool> {
    let (room, further) = if account.is_some() { (AT_USERS, FURTHER_USERS) } else { (AT_NOBODY, NO_USER) };
    let own = RefusedLoginsOf { hour, account: account.unwrap_or(NO_USER), address };
    let all = RefusedLoginsOf { hour, account: further, address: FURTHER_ADDRESSES };
    let so_far = tx.refused_login_events(own)?;
    let has_event = so_far.unwrap_or_default() < OF_ADDRESS && tx.refused_login_events(all)?.unwrap_or_default() < room;
    if has_event {
        tx.add_refused_logins(own, 1, 0)?;
        tx.add_refused_logins(all, 1, 0)?;
    } else {
        let is_counted_apart = so_far.is_some() || tx.count_refused_logins(hour, account.is_some())? <= room;
        tx.add_refused_logins(if is_counted_apart { own } else { all }, 0, 1)?;
    }
    Ok(has_event)
}

/// Reports how many sign-ins failed without their own event in past hours; includes hours in the future, which were
/// counted before a clock was set back.
pub(in crate::auth) fn report_past_hours(tx: &Tx<'_>, now: Time) -> Result<()> {
    let present = hour(now);
    for past in tx.refused_logins_of_other_hours(present)? {
        let at = match past.account.as_str() {
            NO_USER => "unknown accounts",
            FURTHER_USERS => "other users",
            email => email,
        };
        let from = match past.address.as_str() {
            FURTHER_ADDRESSES => "other addresses",
            address => address.trim_end_matches("/32"),
        };
        let (more, since) = (past.more, Time::from_millis(past.hour).for_people());
        let more = counted(more.unsigned_abs(), "more failed sign-in");
        let label = format!("{more} to {at} from {from} in the hour from {since}");
        audit::append(tx, &By::server(now), Action::LogInFailed, None, label)?;
    }
    tx.delete_refused_logins_of_other_hours(present)
}

/// The start of the current hour, in milliseconds since 1970.
fn hour(now: Time) -> i64 {
    now.millis().div_euclid(HOUR).saturating_mul(HOUR)
}
