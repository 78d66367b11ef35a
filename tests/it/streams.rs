//! Standard streams that are full, broken or closed: a one-line message, exit code 1, and no key that nobody has seen.

use std::fs::File;
use std::process::{Output, Stdio};

use crate::harness::{ADMIN, Home, PASSWORD};

/// A stdout that accepts nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Broken {
    Full,
    /// A pipe whose reader has closed it.
    Pipe,
    Closed,
    /// A file opened only for reading.
    ReadOnly,
}

const BROKEN: [Broken; 4] = [Broken::Full, Broken::Pipe, Broken::Closed, Broken::ReadOnly];

fn run(home: &Home, words: &[&str], stdout: Broken) -> Output {
    let mut command = home.command(words);
    match stdout {
        Broken::Full => command.stdout(File::options().write(true).open("/dev/full").unwrap()),
        Broken::ReadOnly => command.stdout(File::open("/dev/null").unwrap()),
        Broken::Pipe => {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            command.stdout(writer)
        }
        Broken::Closed => {
            command = home.shell("exec \"$0\" \"$@\" >&-");
            command.args(words)
        }
    };
    command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

/// The only line on stderr of a command that failed.
fn refused(output: &Output, what: &str) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{what}: {said}");
    assert_eq!(said.lines().count(), 1, "{what}: {said}");
    assert!(
        said.starts_with("keybearer: ") && (said.contains("cannot be written") || said.contains("not be written")),
        "{what}: {said}"
    );
    said
}

fn count(home: &Home) -> i64 {
    home.number("SELECT count(*) FROM keys")
}

#[test]
fn a_key_that_could_not_be_shown_is_revoked_at_once() {
    let home = Home::new();
    home.add_admin();
    let create = ["keys", "create", "--owner", ADMIN, "--name", "n"];
    for stdout in BROKEN {
        for words in [&create[..], &[&create[..], &["--json"]].concat()] {
            let said = refused(&run(&home, words, stdout), &format!("{stdout:?}"));
            assert_eq!(said.contains("revoked at once"), stdout != Broken::Closed, "{said}");
            assert_eq!(count(&home), 0, "{stdout:?}");
        }
    }
    home.run(&["events", "verify"]);
    home.run(&["check"]);
}

#[test]
fn a_key_whose_successor_could_not_be_shown_is_unchanged() {
    let home = Home::new();
    home.add_admin();
    let (id, _) = home.create_key(ADMIN, "n");
    let show = || home.run(&["keys", "show", &id, "--json"]);
    let before = show();
    for stdout in BROKEN {
        for more in [&[][..], &["--overlap", "24h"], &["--json"]] {
            let said = refused(&run(&home, &[&["keys", "rotate", &id][..], more].concat(), stdout), "rotate");
            assert_eq!(said.contains("The old key is unchanged"), stdout != Broken::Closed, "{said}");
            assert_eq!((count(&home), show()), (1, before.clone()), "{stdout:?}");
        }
    }
    home.run(&["keys", "rotate", &id, "--overlap", "24h"]);
    assert_eq!(count(&home), 2);
    assert_ne!(show(), before, "it ends with the overlap");
    home.run(&["keys", "rotate", &id]);
    assert_eq!(count(&home), 2);
    home.keybearer(&["keys", "show", &id]).assert().code(1);
    home.run(&["events", "verify"]);
}

#[test]
fn every_command_that_cannot_print_fails_with_a_one_line_message() {
    let home = Home::new();
    home.add_admin();
    let (id, _) = home.create_key(ADMIN, "n");
    for stdout in BROKEN {
        for words in [
            &["keys", "list"][..],
            &["keys", "list", "--json"],
            &["keys", "show", &id],
            &["keys", "export"],
            &["users", "list"],
            &["users", "show", ADMIN, "--json"],
            &["events", "list"],
            &["check", "--json"],
            &["completions", "bash"],
            &["completions", "fish"],
            &["man"],
            &["--help"],
            &["keys", "create", "--help"],
            &["--version"],
        ] {
            let output = run(&home, words, stdout);
            if stdout == Broken::Pipe {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success() && !said.contains("keybearer:"), "{words:?}: {said}");
            } else {
                refused(&output, &format!("{words:?} {stdout:?}"));
            }
        }
    }
}

#[test]
fn a_change_is_kept_even_if_its_result_cannot_be_printed() {
    let home = Home::new();
    home.add_admin();
    for stdout in BROKEN {
        let (id, _) = home.create_key(ADMIN, "n");
        let output = run(&home, &["keys", "revoke", &id], stdout);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("Revoked 1 key."), "{said}");
        assert_eq!(output.status.code(), Some(i32::from(stdout != Broken::Pipe)), "{said}");
        assert_eq!(count(&home), 0);
    }
}

#[test]
fn no_database_file_reuses_the_descriptor_of_a_closed_stream() {
    let home = Home::new();
    home.add_admin();
    let shell = |line: &str| home.shell(line).output().unwrap();
    for closed in ["<&- >&- 2>&-", "2>&-", "<&- 2>&-"] {
        for words in ["users list", "keys list --json", "keys revoke nonsense", "users show nobody@example.com"] {
            shell(&format!("exec \"$0\" {words} {closed}"));
        }
        let made = shell(&format!("printf '%s' '{PASSWORD}' | \"$0\" users add m@example.com --password-stdin 2>&-"));
        assert!(made.status.success());
        home.run(&["users", "remove", "m@example.com"]);
        let none = shell(&format!("exec \"$0\" keys create --owner {ADMIN} --name n {closed}"));
        assert_eq!(none.status.success(), !closed.contains(">&- 2>"), "{closed}");
    }
    home.run(&["check"]);
    home.run(&["events", "verify"]);

    let none = shell("exec \"$0\" keys revoke --stdin <&-");
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("stdin is closed"));
}
