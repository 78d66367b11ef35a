//! The files next to the database: their owner, their kinds, and what happens when they disappear.
//! SQLite only: on another engine, the program has no files beside the database.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::harness::{ADMIN, Home, Process, eventually};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

fn beside(home: &Home, suffix: &str) -> PathBuf {
    home.path(&format!("keybearer.db{suffix}"))
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

fn refused(home: &Home, words: &[&str]) -> String {
    let output = home.keybearer(words).timeout(Duration::from_secs(60)).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{words:?}: {}", said(&output));
    said(&output)
}

async fn made() -> (Home, String, String) {
    let home = Home::new();
    home.add_admin();
    let (id, key) = home.create_key(ADMIN, "n");
    (home, id, key)
}

/// A server that has finished its startup.
async fn settled(home: &Home, key: &str) -> Process {
    let server = Process::serve(home);
    let signing = beside(home, "-signing");
    eventually(Duration::from_secs(20), "signing keys are made", async || signing.exists()).await;
    assert_eq!(server.tries(key).await, 200);
    server
}

#[tokio::test]
async fn a_server_whose_companion_file_is_removed_returns_nothing_stale() {
    for suffix in ["-shm", "-wal", "-rev"] {
        let (home, id, key) = made().await;
        let server = settled(&home, &key).await;
        fs::remove_file(beside(&home, suffix)).unwrap();
        // At once, so that the server has not looked yet: where the command succeeds, the key is dead.
        let revoked = home.keybearer(&["keys", "revoke", &id]).output().unwrap();
        if revoked.status.success() {
            assert_ne!(server.tries(&key).await, 200, "{suffix}: what was revoked is refused");
        } else {
            assert!(said(&revoked).contains("Restart the server"), "{suffix}: {}", said(&revoked));
        }
        let cannot_tell = async || server.tries(&key).await == 503;
        eventually(Duration::from_secs(5), "it says that it cannot tell", cannot_tell).await;
        assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 503);
        let ready = server.anon().get("/readyz").await;
        assert_eq!((ready.status, &ready.json()["status"]), (503, &"database_gone".into()));
        assert!(server.log().contains("restart the server"), "{}", server.log());
        server.signal("TERM");
        server.end();
        if suffix == "-wal" {
            continue; // what was in it is lost, and the next start says so: see `lineage`
        }
        let server = Process::serve(&home);
        let expected = if revoked.status.success() { 401 } else { 200 };
        assert_eq!(server.tries(&key).await, expected, "{suffix}");
        drop(server);
        home.run(&["check"]);
    }
}

#[tokio::test]
async fn a_companion_file_replaced_by_another_program_is_noticed() {
    let (home, id, key) = made().await;
    let server = settled(&home, &key).await;
    fs::remove_file(beside(&home, "-shm")).unwrap();
    // The sqlite3 shell makes a new one, and knows nothing of servers. It was there for less than a look of the server.
    home.sqlite().execute("DELETE FROM keys WHERE name = 'n'", []).unwrap();
    let cannot_tell = async || server.tries(&key).await == 503;
    eventually(Duration::from_secs(5), "it says that it cannot tell", cannot_tell).await;
    assert!(refused(&home, &["keys", "revoke", &id]).contains("Restart the server"));
    server.kill();
    assert_eq!(Process::serve(&home).tries(&key).await, 401);
}

#[tokio::test]
async fn a_database_that_is_overwritten_in_place_is_noticed() {
    let (home, id, key) = made().await;
    fs::copy(home.database(), home.path("old.db")).unwrap();
    home.create_key(ADMIN, "later");
    let server = settled(&home, &key).await;
    assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 204);
    let inode = fs::metadata(home.database()).unwrap().ino();
    fs::copy(home.path("old.db"), home.database()).unwrap();
    assert_eq!(fs::metadata(home.database()).unwrap().ino(), inode, "the same file, with other content");
    let cannot_tell = async || server.tries(&key).await == 503;
    eventually(Duration::from_secs(5), "it says that it cannot tell", cannot_tell).await;
    server.signal("TERM");
    server.end();
    refused(&home, &SERVE);
    refused(&home, &["keys", "show", &id]);
}

#[tokio::test]
async fn a_log_that_is_truncated_or_overwritten_in_place_accepts_no_more_writes() {
    for content in ["", "an older log, say"] {
        let (home, _, key) = made().await;
        let (_, second) = home.create_key(ADMIN, "second");
        let server = settled(&home, &key).await;
        assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 204);
        fs::write(beside(&home, "-wal"), content).unwrap();
        let refused_now = server.bearer(&second).call("DELETE", "/api/v1/keys/current").await;
        assert_eq!(refused_now.status, 503, "it would not outlive the server");
        let cannot_tell = async || server.tries(&second).await == 503;
        eventually(Duration::from_secs(5), "it says that it cannot tell", cannot_tell).await;
        server.kill();
        assert!(refused(&home, &SERVE).contains("older"), "what was answered is missing");
    }
}

#[tokio::test]
async fn a_second_server_cannot_start_by_removing_files_or_using_another_name() {
    let (home, id, key) = made().await;
    let server = settled(&home, &key).await;
    fs::remove_file(beside(&home, "-lock")).unwrap();
    let text = refused(&home, &SERVE);
    assert!(text.contains(&format!("pid {}", server.pid())), "{text}");
    let names_it =
        async || fs::read_to_string(beside(&home, "-lock")).is_ok_and(|pid| pid.trim() == server.pid().to_string());
    eventually(Duration::from_secs(5), "the lock file is there again", names_it).await;
    fs::hard_link(home.database(), home.path("other.db")).unwrap();
    refused(&home, &["--database", "other.db", "serve", "--listen", "127.0.0.1:0"]);
    refused(&home, &["--database", "other.db", "keys", "revoke", &id]);
    home.run(&["keys", "revoke", &id]);
    assert_eq!(server.tries(&key).await, 401, "the first one serves, and hears of it");
    server.kill();
    drop(Process::serve(&home));
}

#[tokio::test]
async fn a_link_to_the_database_opens_it_and_its_companion_files() {
    let (home, id, key) = made().await;
    fs::create_dir(home.path("links")).unwrap();
    symlink(home.database(), home.path("links/link.db")).unwrap();
    let link = home.path("links/link.db").display().to_string();
    let server = Process::of(home.command(&[&["--database", &link][..], &SERVE].concat()));
    assert_eq!(server.tries(&key).await, 200);
    refused(&home, &SERVE);
    home.run(&["keys", "disable", &id]);
    assert_eq!(server.tries(&key).await, 401, "by the file's own name");
    home.run(&["--database", &link, "keys", "enable", &id]);
    assert_eq!(server.tries(&key).await, 200, "by the link");
    home.run(&["--database", &link, "check"]);
    assert_eq!(fs::read_dir(home.path("links")).unwrap().count(), 1, "nothing is made beside the link");
    // From now on the link leads to another database: a command through it would change that one.
    let elsewhere = Home::new();
    elsewhere.add_admin();
    fs::remove_file(&link).unwrap();
    symlink(elsewhere.database(), &link).unwrap();
    let cannot_tell = async || server.tries(&key).await == 503;
    eventually(Duration::from_secs(5), "it says that it cannot tell", cannot_tell).await;
    fs::remove_file(&link).unwrap();
    symlink(home.database(), &link).unwrap();
    eventually(Duration::from_secs(5), "it goes on", async || server.tries(&key).await == 200).await;
}

#[test]
fn a_dangling_link_is_refused_and_creates_nothing() {
    let home = Home::new();
    symlink(home.path("nothing.db"), home.database()).unwrap();
    for words in [&SERVE[..], &["users", "add", ADMIN, "--admin"], &["keys", "list"]] {
        let output = home.keybearer(words).write_stdin("").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    }
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_companion_that_is_a_link_a_pipe_or_another_users_file_is_refused_and_untouched() {
    let letter = "to my aunt\n".repeat(1000);
    for suffix in ["-wal", "-shm", "-lock", "-import", "-rev", "-signing", "-reserve"] {
        let (home, id, _) = made().await;
        let target = home.path("letter");
        fs::write(&target, &letter).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
        let path = beside(&home, suffix);
        let _ = fs::remove_file(&path);
        symlink(&target, &path).unwrap();
        for words in [&SERVE[..], &["keys", "revoke", &id], &["check"]] {
            let text = refused(&home, words);
            assert!(text.contains(suffix) && text.contains("symbolic link"), "{words:?}: {text}");
        }
        fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        for words in [&SERVE[..], &["keys", "revoke", &id], &["check"]] {
            let text = refused(&home, words);
            assert!(text.contains(suffix) && text.contains("not a plain file"), "{words:?}: {text}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(refused(&home, &["keys", "revoke", &id]).contains("not a plain file"));
        fs::remove_dir(&path).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), letter, "{suffix}");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o644, "{suffix}");
        home.run(&["keys", "revoke", &id]);
    }
}

#[tokio::test]
async fn a_companion_of_another_user_is_refused() {
    let (home, id, _) = made().await;
    let rev = beside(&home, "-rev");
    if std::os::unix::fs::chown(&rev, Some(12345), None).is_err() {
        return eprintln!("no right to give a file away: there is no file of another user to try");
    }
    let text = refused(&home, &["keys", "revoke", &id]);
    assert!(text.contains("another user (uid 12345)") && text.contains("chown 0"), "{text}");
    // Root makes companions for the user whose database it is.
    fs::remove_file(&rev).unwrap();
    std::os::unix::fs::chown(home.database(), Some(12345), None).unwrap();
    home.run(&["keys", "revoke", &id]);
    assert_eq!(fs::metadata(&rev).unwrap().uid(), 12345);
}

/// Runs a command; root without the right to read and write all files.
fn as_ordinary_user(home: &Home, words: &[&str]) -> Output {
    let mut command = home.command(words);
    if !rustix::process::getuid().is_root() {
        return command.output().unwrap();
    }
    let mut bound = Command::new("setpriv");
    bound.arg("--bounding-set=-dac_override,-dac_read_search").arg(command.get_program()).args(command.get_args());
    let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    bound.envs(set).current_dir(command.get_current_dir().unwrap()).output().unwrap()
}

#[tokio::test]
async fn a_user_who_may_not_use_the_database_is_told_who_may() {
    let (home, id, _) = made().await;
    fs::create_dir(home.path("private")).unwrap();
    fs::copy(home.database(), home.path("private/keybearer.db")).unwrap();
    let file = |mode| fs::set_permissions(home.database(), fs::Permissions::from_mode(mode)).unwrap();
    let folder = |mode| fs::set_permissions(home.path("private"), fs::Permissions::from_mode(mode)).unwrap();
    let revision = |mode| fs::set_permissions(beside(&home, "-rev"), fs::Permissions::from_mode(mode)).unwrap();
    let other = ["--database", "private/keybearer.db"];
    let must_be_told = |words: &[&str]| {
        let output = as_ordinary_user(&home, words);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        assert!(text.contains("Permission denied") && text.contains("sudo -u"), "{words:?}: {text}");
    };
    file(0o000);
    for words in [&SERVE[..], &["users", "list"], &["keys", "revoke", &id], &["check"]] {
        must_be_told(words);
    }
    file(0o600);
    revision(0o000);
    must_be_told(&["users", "list"]);
    revision(0o600);
    folder(0o000);
    for words in [&SERVE[..], &["users", "list"], &["check"], &["backup", "backup.db"]] {
        must_be_told(&[&other[..], words].concat());
    }
    folder(0o700);
}

#[tokio::test]
async fn a_read_only_database_is_refused_at_startup() {
    let (home, id, _) = made().await;
    fs::set_permissions(home.database(), fs::Permissions::from_mode(0o400)).unwrap();
    for words in [&SERVE[..], &["keys", "revoke", &id]] {
        let output = as_ordinary_user(&home, words);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        assert!(text.contains("cannot be written") && text.contains("Check the owner and mode"), "{words:?}: {text}");
    }
}

#[test]
fn another_programs_file_with_a_companions_name_is_not_overwritten() {
    for suffix in ["-lock", "-rev", "-reserve"] {
        let home = Home::new();
        fs::write(beside(&home, suffix), "somebody's notes, and nothing of keybearer's\n").unwrap();
        assert!(refused(&home, &SERVE).contains(suffix));
        assert_eq!(
            fs::read_to_string(beside(&home, suffix)).unwrap(),
            "somebody's notes, and nothing of keybearer's\n"
        );
    }
}

#[tokio::test]
async fn file_modes_are_restricted_and_an_open_folder_causes_a_warning() {
    let (home, _, key) = made().await;
    let server = settled(&home, &key).await;
    let reserve = beside(&home, "-reserve");
    eventually(Duration::from_secs(20), "the reserve is there", async || reserve.exists()).await;
    server.kill();
    let draft = beside(&home, "-signing-unfinished-0");
    fs::write(&draft, "").unwrap();
    let unrelated = beside(&home, "-notes");
    fs::write(&unrelated, "").unwrap();
    for entry in fs::read_dir(home.path("")).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o666)).unwrap();
    }
    fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    let server = Process::serve(&home);
    for suffix in ["", "-wal", "-shm", "-lock", "-rev", "-reserve", "-signing"] {
        assert_eq!(mode(&beside(&home, suffix)), 0o600, "{suffix}");
    }
    assert!(!draft.exists() || mode(&draft) == 0o600);
    assert_eq!(mode(&unrelated), 0o666, "what is not ours stays as it is");
    let log = server.log();
    for file in ["keybearer.db-reserve", "keybearer.db-signing-unfinished-0"] {
        assert!(
            log.lines().any(|line| line.contains("was readable by others") && line.contains(file)),
            "{file}: {log}"
        );
    }
    assert!(log.contains("other users can write to the database's folder"), "{log}");
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_that_is_not_ours_is_left_unchanged() {
    let home = Home::new();
    let other = rusqlite::Connection::open(home.path("other.db")).unwrap();
    other.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE things (id INTEGER)").unwrap();
    drop(other);
    fs::write(home.path("text.db"), "a letter\n".repeat(1000)).unwrap();
    fs::write(home.path("short.db"), "SQLite format 3\0").unwrap();
    fs::write(home.path("empty.db"), "").unwrap();
    fs::create_dir(home.path("folder.db")).unwrap();
    assert!(Command::new("mkfifo").arg(home.path("pipe.db")).status().unwrap().success());
    symlink("/dev/null", home.path("device.db")).unwrap();
    symlink(home.path("other.db"), home.path("link.db")).unwrap();
    let look = || {
        let mut files: Vec<_> = fs::read_dir(home.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .chain(["/dev/null".into(), "/dev/tty".into()])
            .map(|path| {
                let found = fs::metadata(&path).unwrap();
                let content = found.is_file().then(|| fs::read(&path).unwrap());
                (path, found.mode(), found.uid(), found.mtime(), content)
            })
            .collect();
        files.sort();
        files
    };
    for name in ["other.db", "text.db", "short.db", "empty.db"] {
        fs::set_permissions(home.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let before = look();
    for name in [
        "other.db",
        "text.db",
        "short.db",
        "empty.db",
        "folder.db",
        "pipe.db",
        "device.db",
        "link.db",
        "/dev/null",
        "/dev/tty",
    ] {
        for words in [
            &SERVE[..],
            &["keys", "list"],
            &["keys", "create", "--owner", ADMIN, "--name", "n"],
            &["keys", "revoke", "0198b0a2-0000-7000-8000-000000000000"],
            &["users", "list"],
            &["users", "add", ADMIN, "--password-stdin"],
            &["signing-keys", "list"],
            &["events", "verify"],
            &["check"],
        ] {
            let text = refused(&home, &[&["--database", name][..], words].concat());
            assert!(text.contains("not a keybearer database"), "{name} {words:?}: {text}");
        }
    }
    assert!(look() == before);
}

/// A folder served by a program, as with sshfs: bindfs.
#[tokio::test]
async fn a_network_file_system_is_refused_unless_it_is_allowed() {
    let home = Home::new();
    for folder in ["disk", "network"] {
        fs::create_dir(home.path(folder)).unwrap();
    }
    let mounted = Command::new("bindfs").args([home.path("disk"), home.path("network")]).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return eprintln!("no bindfs here, or no right to mount it: `filesystem` tests the decision alone");
    }
    let mount = Mount(home.path("network"));
    let database = "network/keybearer.db";
    for words in [&SERVE[..], &["users", "add", ADMIN, "--admin", "--password-stdin"]] {
        let text = refused(&home, &[&["--database", database][..], words].concat());
        assert!(text.contains("FUSE") && text.contains("--allow-network-filesystem"), "{text}");
    }
    assert_eq!(fs::read_dir(home.path("disk")).unwrap().count(), 0, "nothing was made there");
    let allowed = ["--database", database, "--allow-network-filesystem"];
    let add = [&allowed[..], &["users", "add", ADMIN, "--admin", "--password-stdin"]].concat();
    home.keybearer(&add).write_stdin(crate::harness::PASSWORD).assert().success();
    let key = home.run(&[&allowed[..], &["keys", "create", "--owner", ADMIN, "--name", "n"]].concat());
    assert!(refused(&home, &["--database", database, "keys", "list"]).contains("FUSE"));
    fs::write(home.path("keybearer.toml"), "allow-network-filesystem = true\n").unwrap();
    home.run(&["--database", database, "keys", "list"]);
    fs::remove_file(home.path("keybearer.toml")).unwrap();
    let mut serve = home.command(&[&["--database", database][..], &SERVE].concat());
    serve.env("KEYBEARER_ALLOW_NETWORK_FILESYSTEM", "true");
    let server = Process::of(serve);
    assert_eq!(server.tries(&key).await, 200);
    assert!(server.log().contains("FUSE"), "{}", server.log());
    server.kill();
    // A backup can be anywhere.
    home.add_admin();
    home.run(&["backup", "network/backup.db"]);
    home.run(&["--database", "restored.db", "restore", "network/backup.db", "--accept-revived"]);
    home.run(&["--database", "restored.db", "check"]);
    drop(mount);
}

struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status(); // the folder goes with the test
    }
}
