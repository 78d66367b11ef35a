//! The search on a database of a few dozen keys, with bounds so small that every path to a key is used.

use rusqlite::Connection;

use super::*;

use crate::model::Time;
use crate::store::sqlite;

const SMALL: SearchBounds = SearchBounds { window: 3, few: 2, walk: 4, people: 2 };

const NONE: [u8; 0] = [];

const EMAIL: &str = "CORRELATED SCALAR SUBQUERY 2; SEARCH u USING PRIMARY KEY (id=?)";

/// Key `n` is the `n`th oldest; user 1 is ada, user 2 is bob.
struct TestKeys {
    db: Connection,
    _directory: tempfile::TempDir,
}

impl TestKeys {
    fn new(keys: &[(u8, u8, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.db");
        let db = sqlite::fresh(&path);
        for (user, email) in [(1, "ada@example.com"), (2, "bob@example.com")] {
            db.execute(
                "INSERT INTO users (id, email, role, active, created_at) VALUES (?1, ?2, 'admin', 1, 0)",
                (id(user), email),
            )
            .unwrap();
        }
        for (n, owner, name) in keys {
            db.execute(
                "INSERT INTO keys (id, digest, owner_id, name, hint, scopes, enabled, created_at, allowed_ips, metadata)
                 VALUES (?1, ?2, ?3, ?4, ?5, '', 1, 0, '', '{}')",
                (id(*n), [*n; 32], id(*owner), *name, format!("kb_…{n:05}")),
            )
            .unwrap();
        }
        TestKeys { db, _directory: directory }
    }

    fn run(&self, statement: &str) -> &Self {
        self.db.execute_batch(statement).unwrap();
        self
    }

    /// Reads all pages, of one and of two rows, which must have the same content: each key once, newest first.
    fn find(&self, reach: Reach, enabled: Option<bool>, text: &str) -> Vec<u8> {
        let [by_one, by_two] = [1, 2].map(|limit| {
            let filter = KeyFilter { enabled, search: Some(text.to_owned()), limit, ..KeyFilter::default() };
            let question = KeyQuestion { filter: &filter, reach, now: Time::from_millis(0) };
            let (mut found, mut below) = (Vec::new(), [0xff; 16]);
            loop {
                let rows = search(&Tx::from(&self.db), &question, text, below, &SMALL).unwrap();
                found.extend(rows.iter().take(limit).map(|row| row.id.as_bytes()[15]));
                if rows.len() <= limit {
                    return found;
                }
                below = *rows[limit - 1].id.as_bytes();
            }
        });
        assert!(by_two.is_sorted_by(|a, b| a > b), "{by_two:?}");
        assert_eq!(by_one, by_two, "{text}");
        by_two
    }

    fn anyones(&self, text: &str) -> Vec<u8> {
        self.find(Reach::Anyone, None, text)
    }
}

fn id(n: u8) -> Id {
    let mut id = [0; 16];
    id[15] = n;
    id
}

fn own(user: u8) -> Reach {
    Reach::Own(UserId::from_bytes(id(user)))
}

/// Keys 1 to 20. Those in `named` have the name and belong to bob; the others belong to ada.
fn twenty(name: &'static str, named: &[u8]) -> TestKeys {
    let keys: Vec<_> = (1..=20).map(|n| if named.contains(&n) { (n, 2, name) } else { (n, 1, "other") }).collect();
    TestKeys::new(&keys)
}

#[test]
fn substrings_are_found_only_among_the_newest_keys() {
    let keys = twenty("nightly backup", &[5, 18, 20]);
    for text in ["backup", "BACKUP", "ly b"] {
        assert_eq!(keys.anyones(text), [20, 18], "{text}");
    }
    assert_eq!(keys.anyones("ob@ex"), [20, 18]);
    assert_eq!(keys.anyones("0018"), [18]);
    assert_eq!(keys.anyones("0005"), NONE);
    for text in ["%", "__", "\\", "nothing", ""] {
        let all: Vec<u8> = if text.is_empty() { (1..=20).rev().collect() } else { Vec::new() };
        assert_eq!(keys.anyones(text), all, "{text:?}");
    }
}

#[test]
fn names_with_a_given_prefix_are_found_however_old_and_however_many() {
    for named in
        [&[20, 5][..], &[2], &[20, 18, 9, 5, 1], &[16, 15, 14, 13, 12], &[5, 4, 3, 2, 1], &[17, 16, 8, 7, 6, 1]]
    {
        let keys = twenty("Nightly backup", named);
        assert_eq!(keys.anyones("nightly B"), named);
        assert_eq!(keys.find(own(2), None, "nightly"), named);
        assert_eq!(keys.find(own(1), None, "nightly"), NONE);
        keys.run("UPDATE keys SET enabled = 0 WHERE substr(id, 16) IN (x'05', x'01', x'14', x'10')");
        let (off, on): (Vec<u8>, Vec<u8>) = named.iter().copied().partition(|n| [5, 1, 20, 16].contains(n));
        assert_eq!(keys.find(Reach::Anyone, Some(false), "nightly"), off);
        assert_eq!(keys.find(Reach::Anyone, Some(true), "nightly"), on);
    }
}

#[test]
fn wildcards_in_a_search_are_literal_and_non_ascii_letters_are_case_sensitive() {
    let mut keys: Vec<_> = (10..30).map(|n| (n, 1, "other")).collect();
    keys.extend([(1, 1, "50% off_\\x"), (2, 1, "500 off"), (3, 1, "Ärger"), (4, 1, "\u{10fffd}")]);
    let keys = TestKeys::new(&keys);
    for (text, found) in
        [("50%", &[1][..]), ("50", &[2, 1]), ("50% OFF_\\", &[1]), ("Ärg", &[3]), ("ärg", &[]), ("\u{10fffd}", &[4])]
    {
        assert_eq!(keys.anyones(text), found, "{text}");
    }
}

#[test]
fn keys_are_found_by_the_start_of_their_owners_email() {
    let keys = twenty("n", &[1, 4, 7, 19]);
    for text in ["bob", "BOB@example.com", " bob@ "] {
        assert_eq!(keys.anyones(text), [19, 7, 4, 1], "{text}");
        assert_eq!(keys.find(own(2), None, text), [19, 7, 4, 1], "{text}");
        assert_eq!(keys.find(own(1), None, text), NONE, "{text}");
    }
    keys.run("UPDATE keys SET enabled = 0 WHERE substr(id, 16) IN (x'04', x'13')");
    assert_eq!(keys.find(Reach::Anyone, Some(false), "bob"), [19, 4]);
}

#[test]
fn a_key_is_found_by_its_whole_hint_or_id() {
    let keys = twenty("n", &[3]);
    let whole = KeyId::from_bytes(id(3)).to_string();
    for text in ["kb_…00003", whole.as_str()] {
        assert_eq!(keys.anyones(text), [3]);
        assert_eq!(keys.find(own(2), Some(true), text), [3]);
        assert_eq!(keys.find(own(1), None, text), NONE);
        assert_eq!(keys.find(Reach::Anyone, Some(false), text), NONE);
    }
    assert_eq!(keys.anyones(&whole[..35]), NONE);
}

#[test]
fn a_key_that_matches_in_several_ways_is_listed_once_and_tokens_never_are() {
    let keys = twenty("bob", &[2, 6, 12, 18]);
    assert_eq!(keys.anyones("bob"), [18, 12, 6, 2]);
    keys.run("UPDATE keys SET is_token = 1 WHERE substr(id, 16) IN (x'06', x'12')");
    assert_eq!(keys.anyones("bob"), [12, 2]);
    for text in ["kb_…00006", &KeyId::from_bytes(id(6)).to_string()] {
        assert_eq!(keys.anyones(text), NONE);
    }
}

#[test]
fn no_search_statement_scans_or_sorts_all_keys() {
    let keys = TestKeys::new(&[]);
    let tx = Tx::from(&keys.db);
    let filter = KeyFilter { search: Some("ci".to_owned()), ..KeyFilter::default() };
    let question = |reach| KeyQuestion { filter: &filter, reach, now: Time::from_millis(0) };
    let plan = |statement: &str| {
        let mut query = keys.db.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        for n in 1..=query.parameter_count() {
            query.raw_bind_parameter(n, 1).unwrap();
        }
        let mut rows = query.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get::<_, String>(3).unwrap());
        }
        steps.join("; ")
    };
    let bounds = ([0; 16], [0xff; 16]);
    let (name, pending) = (
        Prefix::new("ci".to_owned()),
        // There is rarely more than one incomplete import.
        "CORRELATED SCALAR SUBQUERY 1; SEARCH pending_imports USING PRIMARY KEY (first_id<?)",
    );
    for name in [None, Some(&name)] {
        assert_eq!(
            plan(&walk_sql(&tx, &question(Reach::Anyone), name, bounds, 1).0),
            format!("SEARCH k USING PRIMARY KEY (id>? AND id<?); {pending}; {EMAIL}")
        );
        assert_eq!(
            plan(&walk_sql(&tx, &question(own(1)), name, bounds, 1).0),
            format!("SEARCH k USING INDEX keys_by_owner (owner_id=? AND id>? AND id<?); {pending}; {EMAIL}")
        );
    }
    assert!(
        plan(COUNT_NAMED[0]).contains("SEARCH key_names USING PRIMARY KEY (name>? AND name<?)"),
        "{}",
        plan(COUNT_NAMED[0])
    );
    assert_eq!(
        plan(NEWEST_NAMED[0]),
        "SEARCH key_names USING PRIMARY KEY (name>? AND name<?); USE TEMP B-TREE FOR ORDER BY"
    );
    assert_eq!(plan(PEOPLE), "SEARCH users USING INDEX sqlite_autoindex_users_2 (email>? AND email<?)");
    assert_eq!(
        plan(&hinted_sql(&tx, &question(Reach::Anyone), "kb_…x", [0xff; 16]).0),
        format!("SEARCH h USING PRIMARY KEY (hint=? AND id<?); SEARCH k USING PRIMARY KEY (id=?); {pending}; {EMAIL}")
    );
}
