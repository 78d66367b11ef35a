//! Databases with a known number of known keys, made through the product's own command line.

use crate::keys::Series;
use crate::options::show_population;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const OWNER: &str = "bench@example.test";
const PASSWORD: &str = "glacier-tuba-plinth-40-moraine";

/// The product's binary.
pub struct Keybearer<'a> {
    pub binary: &'a Path,
}

/// One database and how it came to be.
pub struct Population {
    pub keys: u64,
    pub database: PathBuf,
    /// How long `keybearer keys import` took; for a kept database, when it was made.
    pub import: Duration,
    pub reused: bool,
}

impl Keybearer<'_> {
    pub fn serve(&self, database: &Path, port: u16, workers: usize) -> Command {
        let mut command = Command::new(self.binary);
        command.args([
            "serve",
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--workers",
            &workers.to_string(),
            "--database",
        ]);
        command.arg(database);
        command
    }

    /// A key of an admin that may verify and manage keys; printed by the product once, kept in memory only.
    pub fn create_admin_key(&self, database: &Path) -> io::Result<String> {
        let scopes = ["--scope", "keybearer:verify", "--scope", "keybearer:keys", "--scope", "orders:*"];
        let owner = ["keys", "create", "--owner", OWNER, "--name", "bench-admin"];
        let key = self.run(database, &[&owner[..], &scopes[..]].concat(), "")?;
        Ok(key.trim().to_owned())
    }

    /// Makes the database of `keys` keys in `directory`, or finds the one that an earlier run left there.
    pub fn populate(&self, keys: u64, directory: &Path) -> io::Result<Population> {
        let name = show_population(keys);
        let database = directory.join(format!("keys-{name}.db"));
        // Written last: a database without it was not finished.
        let finished = directory.join(format!("keys-{name}.imported"));
        if let Ok(milliseconds) = fs::read_to_string(&finished) {
            let milliseconds = milliseconds.trim().parse().map_err(io::Error::other)?;
            return Ok(Population { keys, database, import: Duration::from_millis(milliseconds), reused: true });
        }
        for suffix in ["", "-wal", "-shm"] {
            match fs::remove_file(directory.join(format!("keys-{name}.db{suffix}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.run(&database, &["users", "add", OWNER, "--admin", "--password-stdin"], PASSWORD)?;
        let mut import = Duration::ZERO;
        if keys > 0 {
            let list = directory.join(format!("keys-{name}.jsonl"));
            write_import_file(keys, &list)?;
            let start = Instant::now();
            self.run(&database, &["keys", "import", &list.to_string_lossy()], "")?;
            import = start.elapsed();
            fs::remove_file(&list)?;
        }
        fs::write(&finished, import.as_millis().to_string())?;
        Ok(Population { keys, database, import, reused: false })
    }

    /// Runs a command to its end; its standard output, or an error with what it said.
    fn run(&self, database: &Path, arguments: &[&str], input: &str) -> io::Result<String> {
        let mut child = Command::new(self.binary)
            .args(arguments)
            .arg("--database")
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // A command that does not read its input may have closed it already; its exit code tells.
        let _unread = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output()?;
        if output.status.success() {
            return String::from_utf8(output.stdout).map_err(io::Error::other);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let what = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        Err(io::Error::other(format!(
            "`keybearer {what}` failed: {}",
            said.lines().last().unwrap_or("it said nothing")
        )))
    }
}

fn write_import_file(keys: u64, path: &Path) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut scratch = Vec::new();
    for index in 0..keys {
        let digest = Series::ISSUED.digest(index, &mut scratch);
        let last_four = std::str::from_utf8(&scratch[scratch.len() - 4..]).expect("a key is ASCII");
        writeln!(
            out,
            r#"{{"sha256":"{digest}","owner":"{OWNER}","name":"{}","scopes":["orders:read"],"hint":"kb_…{last_four}"}}"#,
            name_of(index),
        )?;
    }
    out.flush()
}

/// The name of key `index`, unique in its population.
pub fn name_of(index: u64) -> String {
    format!("bench-{index:08}")
}
