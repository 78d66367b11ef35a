//! Imports and exports beside the database's files.
//! SQLite only: they write to the directory of the database's file.

use std::fs;

use crate::harness::{ADMIN, Home};
use crate::transfer::{line, names};

#[test]
fn an_error_copying_a_pipe_is_not_blamed_on_its_lines() {
    let home = Home::new();
    home.add_admin();
    let text: String = (0..20_000).map(|number| line(&format!("k{number}"), "")).collect();
    assert!(text.len() > 2 << 20);
    fs::write(home.path("keys.jsonl"), text).unwrap();
    // No file may become longer than 1 MiB, as on a disk that is full.
    let script = "trap '' XFSZ; ulimit -f 2048; cat keys.jsonl | \"$0\" keys import -";
    let output = home.shell(script).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("beside the database") && said.contains("Free some space there"), "{said}");
    assert!(!said.contains("line ") && said.lines().count() == 2, "{said}");
    assert!(names(&home).is_empty());
}

#[test]
fn an_export_never_replaces_a_file_of_the_database() {
    let home = Home::new();
    home.add_admin();
    home.create_key(ADMIN, "one");
    for path in ["keybearer.db", "./keybearer.db-wal"] {
        let refused = home.keybearer(&["keys", "export", path]).output().unwrap();
        let message = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), message.lines().count()), (Some(1), 1), "{path}: {message}");
        assert!(message.contains(path), "{message}");
    }
    home.run(&["check"]);
}
