//! The harness's own words for a database mean the same on either engine.

use crate::harness::{Cell, Engine, Home, bytes, quoted};

/// A home whose database has a table of its own, and the one that a writer locks.
fn home() -> Home {
    let home = Home::new();
    if Engine::of_tests() == Engine::Postgres {
        home.execute("CREATE SCHEMA keybearer");
    }
    home.execute("CREATE TABLE things (id BIGINT, name TEXT, digest BYTEA); CREATE TABLE clock (rev BIGINT)");
    home
}

#[test]
fn a_value_is_read_as_it_was_written() {
    let home = home();
    let (name, digest) = ("it's \u{1b}[31m\\x \n“odd”", [0, 39, 92, 255]);
    let row = format!("(1, {}, {})", quoted(name), bytes(digest));
    assert_eq!(home.execute(format!("INSERT INTO things VALUES {row}, (2, NULL, NULL)")), 2);
    let stored = home.query("SELECT id, name, digest FROM things ORDER BY id");
    let first = [Cell::Number(1), Cell::Text(name.to_owned()), Cell::Bytes(digest.to_vec())];
    assert_eq!(stored, [first, [Cell::Number(2), Cell::Null, Cell::Null]]);
    assert_eq!(
        (home.text("SELECT name FROM things WHERE id = 1").as_str(), home.numbers("SELECT 1, 2")),
        (name, vec![1, 2])
    );
    assert_eq!(home.bytes("SELECT digest FROM things WHERE id = 1"), digest);
}

#[test]
fn the_number_of_rows_is_that_of_the_last_statement() {
    let home = home();
    let sql = "INSERT INTO things (id) VALUES (1), (2), (3); UPDATE things SET name = 'n' WHERE id > 1";
    assert_eq!(home.execute(sql), 2);
    assert_eq!(home.number("SELECT count(*) FROM things"), 3);
}

#[test]
fn what_is_stored_can_be_searched_for_a_text() {
    let home = home();
    let row = format!("(1, 'the first text', {})", bytes("the second text"));
    home.execute(format!("INSERT INTO things VALUES {row}"));
    for text in ["the first text", "the second text"] {
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(home.stored().iter().any(|(_, bytes)| holds(bytes)), "{text}");
    }
}

#[tokio::test]
async fn a_change_under_the_write_lock_is_seen_once_it_is_committed() {
    let home = home();
    let lock = home.hold_write_lock();
    lock.execute("INSERT INTO things (id) VALUES (1)");
    assert_eq!((lock.number("SELECT count(*) FROM things"), home.number("SELECT count(*) FROM things")), (1, 0));
    lock.commit();
    assert_eq!(home.number("SELECT count(*) FROM things"), 1);
}

#[tokio::test]
async fn a_database_that_was_away_or_refused_rows_is_as_before() {
    let home = home();
    home.refuse_rows("things");
    home.accept_rows("things");
    home.take_database_away();
    home.bring_database_back();
    assert_eq!(home.execute("INSERT INTO things (id) VALUES (1)"), 1);
}
