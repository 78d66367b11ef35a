//! Pages of a few dozen keys, with bounds so small that every way to find keys is used.

use std::time::Duration;

use rusqlite::Connection;

use super::*;
use crate::model::{KeySet, ListedState, Scope, UserId};
use crate::store::sqlite;

/// All keys are read and sorted; an index is walked, in one go; an index is walked, and few keys match.
const ALL_BOUNDS: [ListBounds; 3] =
    [ListBounds { few: 100, walk: 100 }, ListBounds { few: 0, walk: 100 }, ListBounds { few: 0, walk: 3 }];

const DAY: i64 = 86_400_000;
const NOW: i64 = 1_000 * DAY;
const KEYS: u8 = 24;

struct ListedKeys {
    db: Connection,
    _directory: tempfile::TempDir,
}

fn id(n: u8) -> Id {
    let mut id = [0; 16];
    id[15] = n;
    id
}

/// Key `n` is the `n`th oldest. Every third key never expires, and the expiries of the others repeat; every second was
/// used; every fifth is disabled; the owner of every fourth is inactive; names repeat.
fn keys() -> ListedKeys {
    let directory = tempfile::tempdir().unwrap();
    let db = sqlite::fresh(&directory.path().join("keys.db"));
    for (user, active) in [(1, 1), (2, 0)] {
        let text = "INSERT INTO users (id, email, role, active, created_at) VALUES (?1, ?2, 'admin', ?3, 0)";
        db.execute(text, (id(user), format!("u{user}@example.com"), active)).unwrap();
    }
    for n in 1..=KEYS {
        let expires = (!n.is_multiple_of(3)).then(|| NOW + (i64::from(n % 7) - 3) * DAY);
        db.execute(
            "INSERT INTO keys (id, digest, owner_id, name, hint, scopes, enabled, created_at, expires_at, allowed_ips, metadata)
             VALUES (?1, ?2, ?3, ?4, 'h', ?5, ?6, ?7, ?8, '', '{}')",
            (
                id(n),
                [n; 32],
                id(if n.is_multiple_of(4) { 2 } else { 1 }),
                format!("{}ame {}", if n.is_multiple_of(2) { 'n' } else { 'N' }, n % 5),
                if n.is_multiple_of(2) { "orders:*" } else { "orders:read stock:read" },
                !n.is_multiple_of(5),
                NOW - i64::from(KEYS - n) * 10 * DAY,
                expires,
            ),
        )
        .unwrap();
        if n.is_multiple_of(2) {
            let text = "INSERT INTO key_last_use (key_id, at) VALUES (?1, ?2)";
            db.execute(text, (id(n), NOW - i64::from(n % 3) * 50 * DAY)).unwrap();
        }
    }
    ListedKeys { db, _directory: directory }
}

impl ListedKeys {
    fn page(&self, filter: &KeyFilter, reach: Reach, bounds: &ListBounds) -> ListPage<KeyRecord> {
        let tx = Tx::from(&self.db);
        let question = KeyQuestion { filter, reach, now: Time::from_millis(NOW) };
        let few = few::source(&tx, &question, bounds).unwrap();
        assert!(few.is_none() || bounds.few > 0);
        paged(&tx, &question, few, filter.mark(), bounds).unwrap()
    }

    /// Turns all pages to the end and back to the beginning; both ways show the same keys.
    fn turned(&self, filter: &KeyFilter, reach: Reach, bounds: &ListBounds) -> Vec<u8> {
        let numbers = |page: &ListPage<KeyRecord>| -> Vec<u8> {
            page.rows.iter().map(|record| record.id.as_bytes()[15]).collect()
        };
        let mut filter = filter.clone();
        let mut page = self.page(&filter, reach, bounds);
        let mut forwards = numbers(&page);
        while let Some(next) = page.next {
            assert!(!page.rows.is_empty() || page.is_cut);
            filter.at = Some(next);
            page = self.page(&filter, reach, bounds);
            assert_eq!(page.rows_before as usize, forwards.len());
            forwards.extend(numbers(&page));
        }
        let mut backwards = vec![numbers(&page)];
        while let Some(previous) = page.previous {
            filter.at = Some(previous);
            page = self.page(&filter, reach, bounds);
            backwards.push(numbers(&page));
        }
        assert_eq!(page.rows_before, 0);
        let mut backwards: Vec<u8> = backwards.into_iter().rev().flatten().collect();
        // The way back may end in the middle of the first page, which is then shown from its beginning.
        let mut seen = Vec::new();
        backwards.retain(|n| {
            !seen.contains(n) && {
                seen.push(*n);
                true
            }
        });
        let sorted = |mut keys: Vec<u8>| {
            keys.sort_unstable();
            keys
        };
        assert_eq!(sorted(backwards), sorted(forwards.clone()), "{filter:?}");
        forwards
    }
}

/// What the list should be, without SQL.
fn expected(records: &[KeyRecord], filter: &KeyFilter, reach: Reach) -> Vec<u8> {
    let now = Time::from_millis(NOW);
    let in_range = |record: &KeyRecord| {
        let end = record.settings.expires_at;
        filter.expiring_within.is_none_or(|span| end.is_some_and(|end| end > now && end <= now.plus(span)))
            && filter.never_expires.is_none_or(|never| end.is_none() == never)
            && filter.enabled.is_none_or(|enabled| record.enabled == enabled)
            && filter.scope.as_ref().is_none_or(|scope| record.settings.scopes.covers(scope.as_str()))
            && filter.search.as_deref().is_none_or(|text| record.settings.name.as_str().to_lowercase().contains(text))
            && reach.owner().is_none_or(|owner| record.owner.id.as_bytes() == owner)
    };
    let mut kept: Vec<&KeyRecord> =
        records.iter().filter(|record| in_range(record) && filter.still_admits(record, now)).collect();
    let value = |record: &KeyRecord| match filter.sort.by {
        SortedBy::CreatedAt => Some(String::new()),
        SortedBy::ExpiresAt => record.settings.expires_at.map(|at| format!("{:020}", at.millis())),
        SortedBy::LastUsedAt => record.last_use.as_ref().map(|last| format!("{:020}", last.at.millis())),
        SortedBy::Name => Some(record.settings.name.as_str().to_lowercase()),
    };
    kept.sort_by_key(|record| (value(record), record.id));
    if filter.sort.is_descending {
        kept.reverse();
    }
    kept.sort_by_key(|record| value(record).is_none());
    kept.iter().map(|record| record.id.as_bytes()[15]).collect()
}

#[test]
fn every_filter_and_order_gives_the_same_keys_whichever_way_they_are_found() {
    let keys = keys();
    let everything = Tx::from(&keys.db).keys_after(None, 100).unwrap();
    assert_eq!(everything.len(), usize::from(KEYS));
    let plain = KeyFilter { limit: 4, ..KeyFilter::default() };
    let mut filters: Vec<KeyFilter> = KeySet::ALL.map(|set| plain.clone().within(set)).into();
    filters.extend([
        KeyFilter { enabled: Some(false), ..plain.clone() },
        KeyFilter { enabled: Some(true), state: Some(ListedState::Expired), ..plain.clone() },
        KeyFilter { never_expires: Some(false), ..plain.clone() },
        KeyFilter { unused_for: Some(Duration::from_secs(40 * 86_400)), ..plain.clone() },
        KeyFilter { scope: Some(Scope::parse("stock:read").unwrap()), ..plain.clone() },
        KeyFilter { scope: Some(Scope::parse("orders:read").unwrap()), ..plain.clone() },
        KeyFilter { scope: Some(Scope::parse("orders:*").unwrap()), ..plain.clone() },
    ]);
    let own = Reach::Own(UserId::from_bytes(id(1)));
    for by in SortedBy::ALL {
        for is_descending in [false, true] {
            for filter in &filters {
                let filter = KeyFilter { sort: KeySort { by, is_descending }, ..filter.clone() };
                for reach in [Reach::Anyone, own] {
                    let expected = expected(&everything, &filter, reach);
                    for bounds in &ALL_BOUNDS {
                        let found = keys.turned(&filter, reach, bounds);
                        assert_eq!(found, expected, "{filter:?} {reach:?} {}", bounds.walk);
                    }
                }
                let searching = KeyFilter { search: Some("name 2".to_owned()), ..filter };
                let found = keys.turned(&searching, own, &ALL_BOUNDS[0]);
                assert_eq!(found, expected(&everything, &searching, own));
            }
        }
    }
}

#[test]
fn the_counts_of_the_sets_are_those_of_their_lists() {
    let keys = keys();
    let tx = Tx::from(&keys.db);
    let everything = tx.keys_after(None, 100).unwrap();
    let scoped = KeyFilter { scope: Some(Scope::parse("stock:read").unwrap()), ..KeyFilter::default() };
    for filter in [KeyFilter::default(), scoped] {
        for reach in [Reach::Anyone, Reach::Own(UserId::from_bytes(id(2)))] {
            let counts = tx.key_counts(&filter, reach, Time::from_millis(NOW)).unwrap();
            for (set, count) in KeySet::ALL.into_iter().zip(counts) {
                let listed = expected(&everything, &filter.clone().within(set), reach).len() as u64;
                assert_eq!((count.number, count.is_exact), (listed, true), "{set:?} {reach:?}");
            }
        }
    }
}
