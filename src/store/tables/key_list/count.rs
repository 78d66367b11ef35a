//! How many keys are in the sets that people look at, counted only so far.

use super::conditions::{grants, in_state, unused_since};
use super::few::count;
use super::{KeyQuestion, KeySource, ListStatement};
use crate::error::Result;
use crate::model::key_set::{SOON, UNUSED};
use crate::model::{KeyCounts, KeyFilter, KeySet, ListedState, Reach, RowCount, Time};
use crate::store::Tx;
use crate::store::tables::pending_imports::is_key;

/// Rows that are read for all counts together, and again for each set that an index finds. Reading them takes 20 ms; by an
/// index of expiries 50 ms, because neighbours in it are far apart in `keys`.
const ROWS: usize = 10_000;

impl Tx<'_> {
    /// How many keys of the filter's owner and scope are in each set.
    pub fn key_counts(&self, filter: &KeyFilter, reach: Reach, now: Time) -> Result<KeyCounts> {
        let reach = match (reach, filter.owner) {
            (Reach::Anyone, Some(owner)) => Reach::Own(owner),
            _ => reach,
        };
        let question = KeyQuestion { filter, reach, now };
        let (rows, mut numbers) = counted_at_once(self, &question, ROWS)?;
        let is_all = rows <= ROWS as u64;
        if !is_all && reach == Reach::Anyone {
            for (place, source) in [
                (KeySet::Expiring, KeySource::Ending),
                (KeySet::NeverExpiring, KeySource::WithoutEnd),
                (KeySet::Expired, KeySource::Ending),
                (KeySet::Disabled, KeySource::Disabled),
            ]
            .into_iter()
            .filter_map(|(set, source)| Some((KeySet::ALL.iter().position(|other| *other == set)?, source)))
            {
                let found = counted_alone(self, &question, KeySet::ALL[place], source, ROWS)?;
                if found.is_exact || found.number > numbers[place].number {
                    numbers[place] = found;
                }
            }
        }
        Ok(numbers)
    }
}

/// Counts every set among the oldest keys, and says how many of those it has read: up to one more than `most`.
fn counted_at_once(tx: &Tx<'_>, question: &KeyQuestion<'_>, most: usize) -> Result<(u64, KeyCounts)> {
    let source = if question.reach == Reach::Anyone { KeySource::All } else { KeySource::Owner };
    let (mut rows, mut sums) = (0, [0; KeySet::ALL.len()]);
    let mut spans = tx.spans([0xff; 16])?;
    spans.reverse();
    for (above, below) in spans {
        let mut statement = ListStatement::default();
        let indexed = source.condition(question, &mut statement);
        let columns =
            KeySet::ALL.map(|set| format!("CASE WHEN {} THEN 1 ELSE 0 END", is_in(tx, question, set, &mut statement)));
        let named: Vec<String> =
            columns.iter().enumerate().map(|(place, text)| format!("{text} AS c{place}")).collect();
        let sum: Vec<String> =
            (0..columns.len()).map(|place| format!("count(*) FILTER (WHERE c{place} = 1)")).collect();
        let (above, below) = (statement.bind(above), statement.bind(below));
        let limit = statement.bind((most as i64 + 1).saturating_sub(rows as i64));
        let text = format!(
            "SELECT count(*), {} FROM (SELECT {} FROM {} WHERE {indexed} AND k.is_token <> 1 AND k.id > {above} \
             AND k.id < {below} LIMIT {limit}) AS counted",
            sum.join(", "),
            named.join(", "),
            source.table(tx)
        );
        tx.each(&text, &statement.values()[..], |row| {
            rows += row.get::<i64>(0)?.unsigned_abs();
            for (place, sum) in sums.iter_mut().enumerate() {
                *sum += row.get::<i64>(place + 1)?.unsigned_abs();
            }
            Ok(true)
        })?;
    }
    let is_all = rows <= most as u64;
    Ok((rows, sums.map(|sum| RowCount::new(sum, is_all))))
}

/// Counts one set among the rows that an index finds.
fn counted_alone(
    tx: &Tx<'_>,
    question: &KeyQuestion<'_>,
    set: KeySet,
    source: KeySource,
    most: usize,
) -> Result<RowCount> {
    let filter = question.filter.clone().within(set);
    let narrowed = KeyQuestion { filter: &filter, ..*question };
    // Where the index alone has more rows than are read, what was counted before is the better answer.
    if source == KeySource::Ending && count(tx, &narrowed, source, most + 1)? > most {
        return Ok(RowCount::new(0, false));
    }
    let mut statement = ListStatement::default();
    let indexed = source.condition(&narrowed, &mut statement);
    let matches = is_in(tx, question, set, &mut statement);
    let limit = statement.bind(most as i64 + 1);
    let text = format!(
        "SELECT count(*), count(*) FILTER (WHERE m = 1) FROM (SELECT CASE WHEN {matches} AND {} AND k.is_token <> 1 \
         THEN 1 ELSE 0 END AS m FROM {} WHERE {indexed} LIMIT {limit}) AS counted",
        is_key!(),
        source.table(tx)
    );
    let (rows, number): (i64, i64) = tx.one(&text, &statement.values()[..], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(RowCount::new(number.unsigned_abs(), rows <= most as i64))
}

/// Whether the key is in the set and has the scope.
fn is_in(tx: &Tx<'_>, question: &KeyQuestion<'_>, set: KeySet, statement: &mut ListStatement) -> String {
    let KeyQuestion { filter, now, .. } = question;
    let mut all: Vec<String> = filter.scope.iter().map(|scope| grants(tx, scope, statement)).collect();
    let active = |statement: &mut ListStatement| in_state(ListedState::Active, *now, statement);
    match set {
        KeySet::All => {}
        KeySet::Active => all.push(active(statement)),
        KeySet::Expiring => {
            all.push(active(statement));
            all.push(format!("k.expires_at <= {}", statement.bind(now.plus(SOON).millis())));
        }
        KeySet::Unused => {
            all.push(active(statement));
            all.push(unused_since(now.minus(UNUSED), statement));
        }
        KeySet::NeverExpiring => {
            all.push("k.expires_at IS NULL".to_owned());
            all.push(active(statement));
        }
        KeySet::Expired => all.push(in_state(ListedState::Expired, *now, statement)),
        KeySet::Disabled => all.push(in_state(ListedState::Disabled, *now, statement)),
    }
    if all.is_empty() { "1 = 1".to_owned() } else { all.join(" AND ") }
}
