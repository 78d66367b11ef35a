//! The filter of a list as a condition on a row `k` of `keys`. Other tables are read in scalar subqueries: both engines
//! run those once per row, by the primary key, and so a walk stays a walk.

use super::{KeyQuestion, ListStatement};
use crate::model::{KeyFilter, KeyId, ListedState, Reach, Scope, Time};
use crate::store::Tx;
use crate::store::columns::like_pattern;
use crate::store::tables::pending_imports::is_key;

/// The time of the last use; NULL if the key was never used.
pub(super) const LAST_USE: &str = "(SELECT l.at FROM key_last_use l WHERE l.key_id = k.id)";
const OWNER_IS_ACTIVE: &str = "(SELECT u.active FROM users u WHERE u.id = k.owner_id) = 1";

/// Rows of `keys` that an index finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeySource {
    All,
    Owner,
    /// Keys that have expired, or will within the time that the filter asks for.
    Ending,
    Disabled,
    WithoutEnd,
}

impl KeySource {
    /// The index on SQLite. PostgreSQL finds it itself.
    pub fn table(self, tx: &Tx<'_>) -> &'static str {
        let sqlite = match self {
            KeySource::All => "keys k NOT INDEXED",
            KeySource::Owner => "keys k INDEXED BY keys_by_owner",
            KeySource::Ending => "keys k INDEXED BY keys_by_expiry",
            KeySource::Disabled => "keys k INDEXED BY keys_disabled",
            KeySource::WithoutEnd => "keys k INDEXED BY keys_without_end",
        };
        tx.dialect(sqlite, "keys k")
    }

    /// The condition that the index answers.
    pub fn condition(self, question: &KeyQuestion<'_>, statement: &mut ListStatement) -> String {
        match self {
            KeySource::All => "1 = 1".to_owned(),
            KeySource::Owner => match question.reach {
                Reach::Own(owner) => format!("k.owner_id = {}", statement.bind(*owner.as_bytes())),
                Reach::Anyone => "1 = 1".to_owned(),
            },
            KeySource::Ending => {
                let (after, until) = ending(question.filter, question.now);
                let mut bounds = vec!["k.expires_at IS NOT NULL".to_owned()];
                bounds.extend(after.map(|after| format!("k.expires_at > {}", statement.bind(after.millis()))));
                bounds.extend(until.map(|until| format!("k.expires_at <= {}", statement.bind(until.millis()))));
                bounds.join(" AND ")
            }
            KeySource::Disabled => "k.enabled = 0".to_owned(),
            KeySource::WithoutEnd => "k.expires_at IS NULL".to_owned(),
        }
    }
}

/// The range of expiries that the filter leaves: after the first time, and until the second.
pub(super) fn ending(filter: &KeyFilter, now: Time) -> (Option<Time>, Option<Time>) {
    match (filter.expiring_within, filter.state) {
        (Some(span), _) => (Some(now), Some(now.plus(span))),
        (None, Some(ListedState::Expired)) => (None, Some(now)),
        _ => (None, None),
    }
}

/// Whether the filter leaves only disabled keys.
pub(super) fn is_disabled(filter: &KeyFilter) -> bool {
    filter.enabled == Some(false) || filter.state == Some(ListedState::Disabled)
}

/// The whole filter, as one condition.
pub(super) fn conditions(tx: &Tx<'_>, question: &KeyQuestion<'_>, statement: &mut ListStatement) -> String {
    let KeyQuestion { filter, reach, now } = question;
    let mut all = vec![is_key!().to_owned(), "k.is_token <> 1".to_owned()];
    if let Reach::Own(owner) = reach {
        all.push(format!("k.owner_id = {}", statement.bind(*owner.as_bytes())));
    }
    if let Some(enabled) = filter.enabled {
        all.push(format!("k.enabled = {}", u8::from(enabled)));
    }
    all.extend(filter.state.map(|state| in_state(state, *now, statement)));
    if let Some(span) = filter.expiring_within {
        let (after, until) = (statement.bind(now.millis()), statement.bind(now.plus(span).millis()));
        all.push(format!("k.expires_at > {after} AND k.expires_at <= {until}"));
    }
    if let Some(never) = filter.never_expires {
        all.push(if never { "k.expires_at IS NULL" } else { "k.expires_at IS NOT NULL" }.to_owned());
    }
    if let Some(span) = filter.unused_for {
        all.push(unused_since(now.minus(span), statement));
    }
    all.extend(filter.scope.as_ref().map(|scope| grants(tx, scope, statement)));
    if let Some(prefix) = &filter.prefix {
        all.push(format!("k.prefix = {}", statement.bind(prefix.as_str().to_owned())));
    }
    all.extend(filter.search.as_deref().map(|text| contains(tx, text, statement)));
    all.join(" AND ")
}

/// The state as [`KeyRecord::state`](crate::model::KeyRecord::state) derives it; damaged rows are judged there.
pub(super) fn in_state(state: ListedState, now: Time, statement: &mut ListStatement) -> String {
    match state {
        ListedState::Disabled => format!("k.enabled = 0 AND {OWNER_IS_ACTIVE}"),
        ListedState::Expired => {
            format!("k.enabled = 1 AND k.expires_at <= {} AND {OWNER_IS_ACTIVE}", statement.bind(now.millis()))
        }
        ListedState::Active => {
            let now = statement.bind(now.millis());
            format!("k.enabled = 1 AND (k.expires_at IS NULL OR k.expires_at > {now}) AND {OWNER_IS_ACTIVE}")
        }
    }
}

/// A key that was never used counts from its creation.
pub(super) fn unused_since(time: Time, statement: &mut ListStatement) -> String {
    let time = statement.bind(time.millis());
    format!("k.created_at <= {time} AND coalesce({LAST_USE}, k.created_at) <= {time}")
}

/// Whether one of the key's grants covers the scope: the scope itself, or a beginning of it with a `*`.
pub(super) fn grants(tx: &Tx<'_>, scope: &Scope, statement: &mut ListStatement) -> String {
    let find = tx.dialect("instr", "strpos");
    let mut has = |grant: &str| format!("{find}(' ' || k.scopes || ' ', {}) > 0", statement.bind(format!(" {grant} ")));
    let whole = has(scope.as_str());
    let stem = scope.as_str().trim_end_matches('*');
    if scope.is_reserved() {
        return whole;
    }
    let mut patterns: Vec<String> = (0..=stem.len()).map(|end| format!("{}*", &stem[..end])).collect();
    // Few different numbers of values, so that there are few statements to prepare.
    patterns.resize(patterns.len().next_power_of_two(), "*".to_owned());
    let patterns: Vec<String> = patterns.iter().map(|grant| has(grant)).collect();
    format!("({whole} OR (k.scopes LIKE '%*%' AND ({})))", patterns.join(" OR "))
}

/// SQLite: LIKE ignores the case of ASCII letters. PostgreSQL: so does ILIKE in the collation "C", which all our columns
/// have.
fn contains(tx: &Tx<'_>, text: &str, statement: &mut ListStatement) -> String {
    let like = tx.dialect("LIKE", "ILIKE");
    let pattern = statement.bind(like_pattern(text.trim()));
    let id = statement.bind(KeyId::parse(text.trim()).ok().map(|id| *id.as_bytes()));
    format!(
        "(k.name {like} {pattern} ESCAPE '\\' OR k.hint {like} {pattern} ESCAPE '\\' \
         OR (SELECT u.email FROM users u WHERE u.id = k.owner_id) {like} {pattern} ESCAPE '\\' OR k.id = {id})"
    )
}
