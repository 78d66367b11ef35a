//! `keybearer keys export`: where it may write, and that a spreadsheet evaluates none of its cells.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::process::Stdio;
use std::thread;

use crate::harness::{ADMIN, Home};

fn home_with_a_key() -> Home {
    let home = Home::new();
    home.add_admin();
    home.create_key(ADMIN, "one");
    home
}

/// The exit code and the message.
fn export(home: &Home, path: &str) -> (Option<i32>, String) {
    let output = home.keybearer(&["keys", "export", path]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn an_export_can_be_written_to_a_pipe() {
    let home = home_with_a_key();
    let pipe = home.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = {
        let pipe = pipe.clone();
        thread::spawn(move || {
            let mut text = String::new();
            File::open(pipe).unwrap().read_to_string(&mut text).unwrap();
            text
        })
    };
    assert_eq!(export(&home, pipe.to_str().unwrap()).0, Some(0));
    assert_eq!(reader.join().unwrap().trim_end(), home.run(&["keys", "export"]));
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn an_export_follows_links() {
    let home = home_with_a_key();
    let expected = home.run(&["keys", "export", "-"]);
    fs::create_dir(home.path("away")).unwrap();
    let target = home.path("away").join("keys.jsonl");
    symlink("away/keys.jsonl", home.path("link")).unwrap();
    symlink("link", home.path("second")).unwrap();
    for before in [None, Some("old")] {
        if let Some(text) = before {
            fs::write(&target, text).unwrap();
        }
        assert_eq!(export(&home, home.path("second").to_str().unwrap()).0, Some(0));
        assert_eq!(fs::read_to_string(&target).unwrap().trim_end(), expected);
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        for link in ["link", "second"] {
            assert!(fs::symlink_metadata(home.path(link)).unwrap().is_symlink());
        }
    }
    assert_eq!(fs::read_dir(home.path("away")).unwrap().count(), 1, "no draft is left");
}

#[test]
fn a_file_may_have_a_name_of_the_maximum_length() {
    let home = home_with_a_key();
    let name = "k".repeat(255);
    assert_eq!(export(&home, &name), (Some(0), format!("Exported 1 key to {name}.\n")));
    assert_eq!(fs::read_to_string(home.path(&name)).unwrap().trim_end(), home.run(&["keys", "export"]));
}

#[test]
fn an_export_that_cannot_be_written_fails_with_a_one_line_message() {
    let home = home_with_a_key();
    fs::create_dir(home.path("folder.csv")).unwrap();
    for path in ["/dev/full", "folder.csv", "no/such/folder"] {
        let (code, message) = export(&home, path);
        assert_eq!((code, message.lines().count()), (Some(1), 1), "{path}: {message}");
        assert!(message.contains(path), "{message}");
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let failed = home.command(&["keys", "export"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    let message = String::from_utf8(failed.stderr).unwrap();
    assert_eq!((failed.status.code(), message.lines().count()), (Some(1), 1), "{message}");
    assert!(message.contains("stdout"), "{message}");
    home.run(&["check"]);
}

#[test]
fn no_exported_cell_is_a_formula_and_import_restores_each() {
    let home = Home::new();
    home.add_admin();
    let names = ["=HYPERLINK(\"http://x\")", "+1", "-1", "@x", "'=1", "'quoted'", "a;=1", "\"=1", "plain, a-b"];
    for name in names {
        home.run(&["keys", "create", "--owner", ADMIN, &format!("--name={name}")]);
    }
    let file = home.path("keys.csv");
    home.run(&["keys", "export", file.to_str().unwrap()]);
    let text = fs::read_to_string(&file).unwrap();
    for cell in text.lines().skip(1).flat_map(|line| line.split([',', ';'])) {
        assert!(!cell.trim_start_matches('"').starts_with(['=', '+', '-', '@']), "{cell} in {text}");
    }
    let other = Home::new();
    other.add_admin();
    other.run(&["keys", "import", file.to_str().unwrap()]);
    assert_eq!(other.run(&["keys", "export"]), home.run(&["keys", "export"]));
}
