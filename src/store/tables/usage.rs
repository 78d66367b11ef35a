//! `key_last_use` and `key_hourly_use`: usage counts. Also the pruning of the change feed.

use crate::error::Result;
use crate::model::usage::{Hour, Tally};
use crate::model::{KeyId, foreign_text};
use crate::store::Tx;
use crate::store::value::{SqlValue, ToValue};

/// Uses of a key within an hour.
#[derive(Debug, Clone, Copy)]
pub struct HourlyUse<'a> {
    pub key: KeyId,
    pub hour: Hour,
    pub tally: &'a Tally,
}

/// How many uses one statement writes on PostgreSQL, where each statement is a round trip.
const AT_ONCE: usize = 64;

const LATER: &str = "ON CONFLICT (key_id) DO UPDATE SET
    at = CASE WHEN excluded.at >= key_last_use.at THEN excluded.at ELSE key_last_use.at END,
    address = CASE WHEN excluded.at >= key_last_use.at THEN excluded.address ELSE key_last_use.address END,
    user_agent = CASE WHEN excluded.at >= key_last_use.at THEN excluded.user_agent ELSE key_last_use.user_agent END";

const SUM: &str = "ON CONFLICT (key_id, hour) DO UPDATE SET count = key_hourly_use.count + excluded.count";

impl Tx<'_> {
    /// Adds these uses. Keys that do not exist are left out.
    pub fn add_uses(&self, uses: &[HourlyUse<'_>]) -> Result<()> {
        let (many, rest) = if self.dialect(false, true) { uses.as_chunks::<AT_ONCE>() } else { (&[][..], uses) };
        many.iter().try_for_each(|some| self.add_many_uses(some))?;
        rest.iter().try_for_each(|one| self.add_use(one))
    }

    fn add_use(&self, one: &HourlyUse<'_>) -> Result<()> {
        let text = format!(
            "INSERT INTO key_last_use (key_id, at, address, user_agent) SELECT id, ?2, ?3, ?4 FROM keys WHERE id = ?1 {LATER}"
        );
        let (key, at, (address, program)) = (one.key.as_bytes(), one.tally.last_at.millis(), client(one));
        if self.execute(&text, (key, at, address, program))? > 0 {
            let text = format!("INSERT INTO key_hourly_use (key_id, hour, count) VALUES (?1, ?2, ?3) {SUM}");
            self.execute(&text, (key, one.hour.0, one.tally.count as i64))?;
        }
        Ok(())
    }

    /// Two of them can be of one key, in different hours.
    fn add_many_uses(&self, uses: &[HourlyUse<'_>; AT_ONCE]) -> Result<()> {
        let clients: Vec<_> = uses.iter().map(client).collect();
        let rows = uses.iter().zip(&clients).flat_map(|(one, (address, program))| {
            let at = SqlValue::Integer(one.tally.last_at.millis());
            [SqlValue::Blob(one.key.as_bytes()), at, address.value(), program.value()]
        });
        let given = rows_of(["BYTEA", "BIGINT", "TEXT", "TEXT"]);
        let text = format!(
            "WITH given (key_id, at, address, user_agent) AS ({given})
             INSERT INTO key_last_use (key_id, at, address, user_agent)
             SELECT DISTINCT ON (g.key_id) g.key_id, g.at, g.address, g.user_agent FROM given g JOIN keys k ON k.id = g.key_id
             ORDER BY g.key_id, g.at DESC {LATER}"
        );
        self.execute(&text, &rows.collect::<Vec<_>>()[..])?;
        let rows = uses.iter().flat_map(|one| {
            let (hour, count) = (one.hour.0.into(), one.tally.count as i64);
            [SqlValue::Blob(one.key.as_bytes()), SqlValue::Integer(hour), SqlValue::Integer(count)]
        });
        let given = rows_of(["BYTEA", "BIGINT", "BIGINT"]);
        let text = format!(
            "WITH given (key_id, hour, count) AS ({given}) INSERT INTO key_hourly_use (key_id, hour, count)
             SELECT g.key_id, g.hour, CAST(sum(g.count) AS BIGINT) FROM given g JOIN keys k ON k.id = g.key_id
             GROUP BY g.key_id, g.hour {SUM}"
        );
        self.execute(&text, &rows.collect::<Vec<_>>()[..]).map(drop)
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

/// The address and the program of the last use.
fn client(one: &HourlyUse<'_>) -> (Option<String>, Option<String>) {
    let client = &one.tally.last_client;
    let program = foreign_text::user_agent(&client.user_agent).to_string();
    (client.address.map(|address| address.to_string()), Some(program).filter(|text| !text.is_empty()))
}

/// `VALUES` with as many rows as are written at once, for PostgreSQL.
fn rows_of<const WIDTH: usize>(types: [&str; WIDTH]) -> String {
    let row = |number: usize| {
        let values = types.iter().zip(number * WIDTH + 1..).map(|(kind, place)| format!("CAST(?{place} AS {kind})"));
        format!("({})", values.collect::<Vec<_>>().join(", "))
    };
    format!("VALUES {}", (0..AT_ONCE).map(row).collect::<Vec<_>>().join(", "))
}
