//! `key_last_use`, `key_hourly_use` and `usage_totals`: usage counts. Also the pruning of the change feed.

use std::collections::{BTreeMap, HashMap};

use crate::error::Result;
use crate::model::key_clients::ClientUses;
use crate::model::usage::{Hour, Tally};
use crate::model::{KeyId, Refusal, UserId};
use crate::store::Tx;
use crate::store::row::Unreadable;
use crate::store::value::{SqlValue, ToValue};

/// Uses of a key within an hour, by one client.
#[derive(Debug, Clone, Copy)]
pub struct HourlyUse<'a> {
    pub key: KeyId,
    pub hour: Hour,
    pub tally: &'a Tally,
}

/// Sums of one owner in one hour; `None` stands for accepted checks.
pub(super) type Totals = BTreeMap<([u8; 16], Hour, Option<Refusal>), u64>;

const ACCEPTED: &str = "accepted";
/// The owner in whose place the sums of everybody are.
pub(super) const EVERYBODY: [u8; 16] = [0; 16];

/// How many rows one statement writes on PostgreSQL, where each statement is a round trip.
const AT_ONCE: [usize; 4] = [64, 16, 4, 1];

const LATER: &str = "ON CONFLICT (key_id) DO UPDATE SET
    at = CASE WHEN excluded.at >= key_last_use.at THEN excluded.at ELSE key_last_use.at END,
    address = CASE WHEN excluded.at >= key_last_use.at THEN excluded.address ELSE key_last_use.address END,
    user_agent = CASE WHEN excluded.at >= key_last_use.at THEN excluded.user_agent ELSE key_last_use.user_agent END";

const SUM: &str = "ON CONFLICT (key_id, hour) DO UPDATE SET count = key_hourly_use.count + excluded.count";

const TOTAL: &str = "ON CONFLICT (owner_id, hour, outcome) DO UPDATE SET count = usage_totals.count + excluded.count";

impl Tx<'_> {
    /// Adds these uses. Keys that do not exist are left out.
    pub fn add_uses(&self, uses: &[HourlyUse<'_>]) -> Result<()> {
        let owners = self.owners_of(uses.iter().map(|one| one.key))?;
        let (mut last, mut hours, mut totals) = (BTreeMap::new(), BTreeMap::new(), Totals::new());
        let mut clients: BTreeMap<KeyId, Vec<_>> = BTreeMap::new();
        for one in uses {
            let Some(owner) = owners.get(&one.key) else { continue };
            let newest: &mut &HourlyUse<'_> = last.entry(one.key).or_insert(one);
            if one.tally.last_at > newest.tally.last_at {
                *newest = one;
            }
            *hours.entry((one.key, one.hour)).or_default() += one.tally.count;
            add_total(&mut totals, *owner, one.hour, None, one.tally.count);
            clients.entry(one.key).or_default().push(ClientUses::of(one.hour, one.tally));
        }
        self.put_last_uses(last.values().copied())?;
        let rows: Vec<_> = hours
            .iter()
            .map(|((key, hour), count): (&(KeyId, Hour), &u64)| {
                vec![SqlValue::Blob(key.as_bytes()), SqlValue::Integer(hour.0.into()), SqlValue::Integer(*count as i64)]
            })
            .collect();
        self.put_rows("key_hourly_use (key_id, hour, count)", SUM, &rows)?;
        self.add_totals(&totals)?;
        self.add_client_uses(clients)
    }

    fn put_last_uses<'a>(&self, uses: impl Iterator<Item = &'a HourlyUse<'a>>) -> Result<()> {
        let texts: Vec<_> = uses
            .map(|one| {
                let by = &one.tally.last_client;
                (one.key, one.tally.last_at.millis(), by.address_text(), by.program())
            })
            .collect();
        let rows: Vec<_> = texts
            .iter()
            .map(|(key, at, address, program)| {
                vec![SqlValue::Blob(key.as_bytes()), SqlValue::Integer(*at), address.value(), program.value()]
            })
            .collect();
        self.put_rows("key_last_use (key_id, at, address, user_agent)", LATER, &rows)
    }

    pub(super) fn add_totals(&self, totals: &Totals) -> Result<()> {
        let rows: Vec<_> = totals
            .iter()
            .map(|((owner, hour, refusal), count)| {
                let outcome = SqlValue::Text(refusal.map_or(ACCEPTED, Refusal::code).as_bytes());
                vec![SqlValue::Blob(owner), SqlValue::Integer(hour.0.into()), outcome, SqlValue::Integer(*count as i64)]
            })
            .collect();
        self.put_rows("usage_totals (owner_id, hour, outcome, count)", TOTAL, &rows)
    }

    /// Inserts rows, each with the same columns, of which no two may conflict with each other.
    pub(super) fn put_rows(&self, into: &str, on_conflict: &str, rows: &[Vec<SqlValue<'_>>]) -> Result<()> {
        self.in_batches(rows, |rows| {
            let text = format!("INSERT INTO {into} VALUES {} {on_conflict}", places(rows.len(), rows[0].len()));
            self.execute(&text, &rows.concat()[..]).map(drop)
        })
    }

    /// Calls `run` with a few rows at a time: with one row on SQLite, and on PostgreSQL with one of a few numbers of rows,
    /// so that there are few statements to prepare.
    pub(super) fn in_batches<T>(&self, mut rows: &[T], mut run: impl FnMut(&[T]) -> Result<()>) -> Result<()> {
        while !rows.is_empty() {
            let size = AT_ONCE.into_iter().find(|size| *size <= rows.len());
            let (some, rest) = rows.split_at(self.dialect(1, size.unwrap_or(1)));
            run(some)?;
            rows = rest;
        }
        Ok(())
    }

    /// The owners of those of these keys that exist.
    pub(super) fn owners_of(&self, keys: impl Iterator<Item = KeyId>) -> Result<HashMap<KeyId, [u8; 16]>> {
        let mut keys: Vec<KeyId> = keys.collect();
        keys.sort_unstable();
        keys.dedup();
        let mut owners = HashMap::new();
        self.in_batches(&keys, |keys| {
            let text = format!("SELECT id, owner_id FROM keys WHERE id IN {}", places(1, keys.len()));
            let ids: Vec<_> = keys.iter().map(|key| SqlValue::Blob(key.as_bytes())).collect();
            self.each(&text, &ids[..], |row| {
                // A damaged row may have something else for an owner; its uses count all the same.
                owners.insert(KeyId::from_bytes(row.get(0)?), row.get(1).unwrap_or(EVERYBODY));
                Ok(true)
            })
        })?;
        Ok(owners)
    }

    /// How often this key was accepted in each hour from `since` until before `until`.
    pub fn hourly_uses(&self, key: KeyId, since: Hour, until: Hour) -> Result<Vec<(Hour, u64)>> {
        let text = "SELECT hour, count FROM key_hourly_use WHERE key_id = ?1 AND hour >= ?2 AND hour < ?3";
        self.rows(text, (key.as_bytes(), since.0, until.0), |row| Ok((Hour(row.get(0)?), count(row.get(1)?))))
    }

    /// Checks of the keys of this owner, or of all keys, in each hour from `since` until before `until`.
    pub fn hourly_totals(
        &self,
        owner: Option<UserId>,
        since: Hour,
        until: Hour,
    ) -> Result<Vec<(Hour, Option<Refusal>, u64)>> {
        let text = "SELECT hour, outcome, count FROM usage_totals WHERE owner_id = ?1 AND hour >= ?2 AND hour < ?3";
        let owner = owner.map_or(EVERYBODY, |owner| *owner.as_bytes());
        self.rows(text, (owner, since.0, until.0), |row| {
            let outcome = match row.text(1)? {
                ACCEPTED => None,
                code => Some(Refusal::stored(code).ok_or(Unreadable { column: 1 })?),
            };
            Ok((Hour(row.get(0)?), outcome, count(row.get(2)?)))
        })
    }

    /// Deletes up to `limit` sums of hours before `oldest`. Returns how many.
    pub fn delete_totals_before(&self, oldest: Hour, limit: usize) -> Result<usize> {
        let text = "DELETE FROM usage_totals WHERE (owner_id, hour, outcome) IN
             (SELECT owner_id, hour, outcome FROM usage_totals WHERE hour < ?1 LIMIT ?2)";
        self.execute(text, (oldest.0, limit as i64))
    }

    /// Deletes up to `limit` counts of hours before `oldest`. Returns how many.
    pub fn delete_hourly_use_before(&self, oldest: Hour, limit: usize) -> Result<usize> {
        let text = "DELETE FROM key_hourly_use WHERE (key_id, hour) IN (SELECT key_id, hour FROM key_hourly_use WHERE hour < ?1 LIMIT ?2)";
        self.execute(text, (oldest.0, limit as i64))
    }

    /// Deletes up to `limit` lines of the change feed, but none of the newest `kept`. Returns how many.
    pub fn delete_old_changes(&self, kept: i64, limit: usize) -> Result<usize> {
        let text = "DELETE FROM changes WHERE rev IN (SELECT rev FROM changes WHERE rev <= (SELECT max(rev) FROM changes) - ?1 ORDER BY rev LIMIT ?2)";
        self.execute(text, (kept, limit as i64))
    }
}

pub(super) fn add_total(totals: &mut Totals, owner: [u8; 16], hour: Hour, refusal: Option<Refusal>, count: u64) {
    *totals.entry((owner, hour, refusal)).or_default() += count;
    if owner != EVERYBODY {
        *totals.entry((EVERYBODY, hour, refusal)).or_default() += count;
    }
}

/// A stored count; a damaged one counts as nothing.
pub(super) fn count(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

/// `(?1, ?2), (?3, ?4)`: `rows` rows of `width` values.
pub(super) fn places(rows: usize, width: usize) -> String {
    let row = |number: usize| {
        let values = (number * width + 1..=(number + 1) * width).map(|place| format!("?{place}"));
        format!("({})", values.collect::<Vec<_>>().join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}
