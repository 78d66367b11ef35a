//! The schema's version.

use crate::harness::{ADMIN, Home};

fn tables(home: &Home) -> Vec<(String, Vec<u8>)> {
    let mut rows = home.stored();
    rows.retain(|(place, _)| place.starts_with("table "));
    rows.sort();
    rows
}

#[test]
fn a_newer_schema_is_refused_before_anything_is_written() {
    let home = Home::new();
    home.add_admin();
    home.create_key(ADMIN, "one");
    home.execute(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         VALUES (999, 'later', '2026-11-23T08:00:00Z', '1')",
    );
    let before = tables(&home);
    for words in [&["serve", "--listen", "127.0.0.1:0"][..], &["keys", "list"], &["nodes"], &["check"]] {
        let refused = home.keybearer(words).assert().failure().code(1).get_output().clone();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("newer keybearer (schema 999") || said.contains("another version"), "{words:?}: {said}");
    }
    assert_eq!(tables(&home), before);
}
