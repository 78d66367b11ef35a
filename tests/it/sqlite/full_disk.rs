//! A full disk: what is answered has happened, and there is room for withdrawing permissions.
//! SQLite only: the test fills the disk of the database's file.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::{ADMIN, Client, Home, MEMBER, PASSWORD, Process, eventually};

/// `keybearer serve` with a maximum file size, which acts like a full disk.
fn serve_with_file_limit(home: &Home, bytes: u64) -> Process {
    let serve = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut command = Command::new("prlimit");
    command.arg(format!("--fsize={bytes}")).arg(serve.get_program()).args(serve.get_args());
    command.current_dir(serve.get_current_dir().unwrap());
    Process::of(command)
}

#[tokio::test]
async fn on_a_full_disk_no_change_is_acknowledged_that_did_not_happen() {
    let home = Home::new();
    home.add_admin();
    let keys: Vec<_> = (0..40).map(|number| home.create_key(ADMIN, &format!("key {number}"))).collect();
    let server = serve_with_file_limit(&home, 400_000);
    let mut refused = false;
    let mut revoked = Vec::new();
    for (_, key) in &keys {
        let answer = server.bearer(key).call("DELETE", "/api/v1/keys/current").await;
        match answer.status {
            204 => revoked.push(key),
            503 => {
                assert_eq!(answer.problem().1, "unavailable");
                assert!(!answer.header("retry-after").is_empty());
                refused = true;
            }
            _ => panic!("{answer:?}"),
        }
        let expected = if answer.status == 204 { 401 } else { 200 };
        assert_eq!(server.tries(key).await, expected, "memory is what was answered");
    }
    assert!(refused, "the limit was met");
    assert_eq!(server.anon().get("/readyz").await.status, 503);
    assert_eq!(server.anon().get("/livez").await.status, 200);
    server.kill();
    let server = Process::serve(&home);
    for (_, key) in &keys {
        let expected = if revoked.contains(&key) { 401 } else { 200 };
        assert_eq!(server.tries(key).await, expected, "disk is what was answered");
    }
    home.run(&["check"]);
}

/// A small file system of its own, if the test is allowed to create one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "none"])
            .arg(&at)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(SmallDisk(at))
    }

    fn fill(&self) {
        let mut ballast = std::fs::File::options().append(true).create(true).open(self.0.join("ballast")).unwrap();
        while ballast.write_all(&[1; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status(); // the directory goes with the test
    }
}

const NO_DISK: &str = "no right to mount a disk: the file limit above has to stand for it";

/// The output of `keys create --json`.
#[derive(serde::Deserialize)]
struct Created {
    id: String,
    key: String,
}

/// A home whose database is on a small disk, with an admin.
struct SmallHome {
    /// Dropped before the home in which it is mounted.
    disk: SmallDisk,
    home: Home,
    database: String,
}

impl SmallHome {
    fn new() -> Option<Self> {
        let home = Home::new();
        let disk = SmallDisk::mount(home.path("disk"))?;
        let database = disk.0.join("keybearer.db").display().to_string();
        let small = SmallHome { disk, home, database };
        small.add_user(ADMIN, &["--admin"]);
        Some(small)
    }

    fn words<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["--database", &self.database], rest].concat()
    }

    fn run(&self, rest: &[&str]) -> String {
        self.home.run(&self.words(rest))
    }

    fn add_user(&self, email: &str, more: &[&str]) {
        let words = [&["users", "add", email, "--password-stdin"], more].concat();
        self.home.keybearer(&self.words(&words)).write_stdin(PASSWORD).assert().success();
    }

    fn serve(&self) -> Process {
        Process::of(self.home.command(&self.words(&["serve", "--listen", "127.0.0.1:0"])))
    }

    fn create(&self, owner: &str) -> Created {
        let made = self.run(&["keys", "create", "--owner", owner, "--name", "n", "--json"]);
        serde_json::from_str(&made).unwrap()
    }

    fn holds_reserve(&self) -> bool {
        std::fs::metadata(self.disk.0.join("keybearer.db-reserve")).is_ok_and(|found| found.len() == 2 << 20)
    }

    /// Waits until the reserve is held, after which no byte is left.
    async fn fill(&self) {
        eventually(Duration::from_secs(30), "the reserve is held", async || self.holds_reserve()).await;
        self.disk.fill();
    }
}

/// What an operator must be able to do on a full disk, with `ID` for a member's key.
const WITHDRAWALS: [&[&str]; 5] = [
    &["keys", "revoke", "ID"],
    &["keys", "revoke", "--stdin"],
    &["keys", "disable", "ID"],
    &["users", "deactivate", MEMBER],
    &["users", "remove", MEMBER],
];

#[tokio::test]
async fn commands_revoke_and_remove_on_a_full_disk_with_and_without_a_server() {
    for (number, (act, beside_a_server)) in
        WITHDRAWALS.into_iter().flat_map(|act| [(act, true), (act, false)]).enumerate()
    {
        let Some(small) = SmallHome::new() else { return eprintln!("{NO_DISK}") };
        small.add_user(MEMBER, &[]);
        let [gone, other] = [MEMBER, ADMIN].map(|owner| small.create(owner));
        let server = beside_a_server.then(|| small.serve());
        if let Some(server) = &server {
            server.becomes_ready().await;
            assert_eq!(server.tries(&gone.key).await, 200);
        }
        // Half of the databases were left by a crash, half were closed.
        if !beside_a_server && number % 4 == 1 {
            let server = small.serve();
            server.becomes_ready().await;
            server.kill();
        }
        small.fill().await;
        let create = small.words(&["keys", "create", "--owner", MEMBER, "--name", "n"]);
        small.home.keybearer(&create).assert().failure().code(1);
        let act: Vec<&str> = act.iter().map(|word| if *word == "ID" { &gone.id } else { *word }).collect();
        let line = format!("a log line with {} in it", gone.key);
        let done = small.home.keybearer(&small.words(&act)).write_stdin(line).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{act:?}, beside a server: {beside_a_server}: {said}");
        if let Some(server) = &server {
            assert_eq!(server.tries(&gone.key).await, 401, "{act:?}");
        }
        drop(server);
        std::fs::remove_file(small.disk.0.join("ballast")).unwrap();
        let server = small.serve();
        server.becomes_ready().await;
        assert_eq!((server.tries(&gone.key).await, server.tries(&other.key).await), (401, 200), "{act:?}");
        server.kill();
        small.run(&["check"]);
    }
}

/// A command that used the reserve must not leave the server without one.
#[tokio::test]
async fn the_server_reclaims_the_space_that_a_command_used() {
    let Some(small) = SmallHome::new() else { return eprintln!("{NO_DISK}") };
    let [one, two] = [ADMIN; 2].map(|owner| small.create(owner));
    let server = small.serve();
    server.becomes_ready().await;
    small.fill().await;
    small.run(&["keys", "revoke", &one.id]);
    assert!(!small.holds_reserve(), "the command gave it up");
    std::fs::remove_file(small.disk.0.join("ballast")).unwrap();
    small.fill().await;
    assert_eq!(server.bearer(&two.key).call("DELETE", "/api/v1/keys/current").await.status, 204);
    server.kill();
}

#[tokio::test]
async fn a_revocation_succeeds_on_a_full_disk_and_everything_recovers_with_space() {
    let Some(small) = SmallHome::new() else { return eprintln!("{NO_DISK}") };
    let make = || small.run(&["keys", "create", "--owner", ADMIN, "--name", "n"]);
    let (one, two) = (make(), make());
    let server = small.serve();
    server.becomes_ready().await;
    let admin = Client::signed_in(server.address, ADMIN).await;
    small.fill().await;

    let mut made = Vec::new();
    for number in 0..500 {
        let answer = admin.form("/keys", &[("name", &format!("key {number}")), ("expires", "never")]).await;
        match (answer.status, answer.new_key()) {
            (200, Some(key)) => made.push(key),
            (503, None) => break,
            _ => panic!("{answer:?}"),
        }
    }
    assert!(made.len() < 500, "the disk is full");
    assert_eq!(server.tries(&one).await, 200, "verification goes on");
    assert_eq!(server.anon().get("/readyz").await.status, 503);
    assert_eq!(server.bearer(&one).call("DELETE", "/api/v1/keys/current").await.status, 204, "from the reserve");
    assert_eq!(server.tries(&one).await, 401);

    std::fs::remove_file(small.disk.0.join("ballast")).unwrap();
    eventually(Duration::from_secs(5), "it heals", async || server.anon().get("/readyz").await.status == 200).await;
    assert_eq!(server.bearer(&two).call("DELETE", "/api/v1/keys/current").await.status, 204);
    server.kill();
    let server = small.serve();
    assert_eq!((server.tries(&one).await, server.tries(&two).await), (401, 401));
    for key in made {
        assert_eq!(server.tries(&key).await, 200, "a key that was shown is there");
    }
    server.kill();
}
