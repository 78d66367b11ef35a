//! `key_hourly_refusals` and `key_latest_refusals`: why keys that exist were refused.

use super::usage::{Totals, add_total, count};
use crate::error::Result;
use crate::model::usage::{Hour, KeyRefusals, LATEST_REFUSALS, LatestRefusal};
use crate::model::{KeyId, Refusal, Time};
use crate::store::Tx;
use crate::store::columns::time;
use crate::store::row::{Read, Row, Unreadable};
use crate::store::value::{SqlValue, ToValue};

const SUM: &str = "ON CONFLICT (key_id, hour, reason) DO UPDATE SET count = key_hourly_refusals.count + excluded.count";

impl Tx<'_> {
    /// Adds these refusals. Keys that do not exist are left out.
    pub fn add_refusals(&self, refusals: &[KeyRefusals]) -> Result<()> {
        let owners = self.owners_of(refusals.iter().map(|of| of.key))?;
        let (mut totals, mut hours) = (Totals::new(), Vec::new());
        for of in refusals {
            let Some(owner) = owners.get(&of.key) else { continue };
            for one in &of.counts {
                add_total(&mut totals, *owner, one.hour, Some(one.reason), one.count);
                hours.push(vec![
                    SqlValue::Blob(of.key.as_bytes()),
                    SqlValue::Integer(one.hour.0.into()),
                    SqlValue::Text(one.reason.code().as_bytes()),
                    SqlValue::Integer(one.count as i64),
                ]);
            }
            self.put_latest(of)?;
        }
        self.put_rows("key_hourly_refusals (key_id, hour, reason, count)", SUM, &hours)?;
        self.add_totals(&totals)
    }

    /// Two refusals for the same reason in the same millisecond are kept as one.
    fn put_latest(&self, of: &KeyRefusals) -> Result<()> {
        let latest: Vec<_> = of.latest.iter().map(LatestRefusal::from).collect();
        let rows: Vec<_> = latest
            .iter()
            .map(|one| {
                let (at, reason) = (SqlValue::Integer(one.at.millis()), SqlValue::Text(one.reason.code().as_bytes()));
                vec![SqlValue::Blob(of.key.as_bytes()), at, reason, one.address.value(), one.user_agent.value()]
            })
            .collect();
        let into = "key_latest_refusals (key_id, at, reason, address, user_agent)";
        self.put_rows(into, "ON CONFLICT DO NOTHING", &rows)?;
        let text = "DELETE FROM key_latest_refusals WHERE key_id = ?1 AND at <
             (SELECT at FROM key_latest_refusals WHERE key_id = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)";
        self.execute(text, (of.key.as_bytes(), LATEST_REFUSALS as i64 - 1)).map(drop)
    }

    /// How often this key was refused in each hour from `since` until before `until`.
    pub fn hourly_refusals(&self, key: KeyId, since: Hour, until: Hour) -> Result<Vec<(Hour, Refusal, u64)>> {
        let text = "SELECT hour, reason, count FROM key_hourly_refusals WHERE key_id = ?1 AND hour >= ?2 AND hour < ?3";
        self.rows(text, (key.as_bytes(), since.0, until.0), |row| {
            Ok((Hour(row.get(0)?), reason(row, 1)?, count(row.get(2)?)))
        })
    }

    /// The latest refusals of this key, the last one first.
    pub fn latest_refusals(&self, key: KeyId) -> Result<Vec<LatestRefusal>> {
        let text = "SELECT at, reason, address, user_agent FROM key_latest_refusals WHERE key_id = ?1
             ORDER BY at DESC, reason LIMIT ?2";
        self.rows(text, (key.as_bytes(), LATEST_REFUSALS as i64), |row| {
            let (at, reason) = (time(row, 0)?, reason(row, 1)?);
            Ok(LatestRefusal { at, reason, address: row.get(2)?, user_agent: row.get(3)? })
        })
    }

    /// Deletes up to `limit` counts of hours before `oldest`. Returns how many.
    pub fn delete_hourly_refusals_before(&self, oldest: Hour, limit: usize) -> Result<usize> {
        let text = "DELETE FROM key_hourly_refusals WHERE (key_id, hour, reason) IN
             (SELECT key_id, hour, reason FROM key_hourly_refusals WHERE hour < ?1 LIMIT ?2)";
        self.execute(text, (oldest.0, limit as i64))
    }

    /// Deletes up to `limit` of the latest refusals that are older than `oldest`. Returns how many.
    pub fn delete_latest_refusals_before(&self, oldest: Time, limit: usize) -> Result<usize> {
        let text = "DELETE FROM key_latest_refusals WHERE (key_id, at, reason) IN
             (SELECT key_id, at, reason FROM key_latest_refusals WHERE at < ?1 LIMIT ?2)";
        self.execute(text, (oldest.millis(), limit as i64))
    }
}

fn reason(row: &Row<'_>, column: usize) -> Read<Refusal> {
    Refusal::stored(row.text(column)?).ok_or(Unreadable { column })
}
