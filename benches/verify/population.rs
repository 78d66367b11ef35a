//! Databases with a known number of known keys, made with the product's own command line.

use crate::verify::keys::{Series, show_count};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const OWNER: &str = "bench@example.test";
const PASSWORD: &str = "glacier-tuba-plinth-40-moraine";

/// A database and how it was made.
pub struct Population {
    pub keys: u64,
    /// A path, or the URL of a database on PostgreSQL.
    pub database: String,
    /// The time that `keybearer keys import` took; for a kept database, when it was made.
    pub import: Duration,
}

/// Makes a database of `keys` keys in `directory`, or finds the one that an earlier run left there.
pub fn make(keybearer: &Path, keys: u64, directory: &Path) -> io::Result<Population> {
    let name = show_count(keys);
    let database = directory.join(format!("keys-{name}.db")).to_string_lossy().into_owned();
    // Written last: without it, the database is not complete.
    let finished = directory.join(format!("keys-{name}.imported"));
    if let Ok(milliseconds) = fs::read_to_string(&finished) {
        let import = Duration::from_millis(milliseconds.trim().parse().map_err(io::Error::other)?);
        return Ok(Population { keys, database, import });
    }
    for suffix in ["", "-wal", "-shm"] {
        let _none_yet = fs::remove_file(directory.join(format!("keys-{name}.db{suffix}")));
    }
    let population = fill(keybearer, database, keys, directory)?;
    fs::write(&finished, population.import.as_millis().to_string())?;
    Ok(population)
}

/// Puts `keys` keys into an empty database.
pub fn fill(keybearer: &Path, database: String, keys: u64, directory: &Path) -> io::Result<Population> {
    run(keybearer, &database, &["users", "add", OWNER, "--admin", "--password-stdin"], PASSWORD)?;
    let mut import = Duration::ZERO;
    if keys > 0 {
        let list = directory.join(format!("keys-{}.jsonl", show_count(keys)));
        write_import_file(keys, &list)?;
        let start = Instant::now();
        run(keybearer, &database, &["keys", "import", &list.to_string_lossy()], "")?;
        import = start.elapsed();
        fs::remove_file(&list)?;
    }
    Ok(Population { keys, database, import })
}

/// A key of an admin that may verify and manage keys.
pub fn create_admin_key(keybearer: &Path, database: &str) -> io::Result<String> {
    let owner = ["keys", "create", "--owner", OWNER, "--name", "bench-admin"];
    let scopes = ["--scope", "keybearer:verify", "--scope", "keybearer:keys", "--scope", "orders:*"];
    Ok(run(keybearer, database, &[&owner[..], &scopes[..]].concat(), "")?.trim().to_owned())
}

/// Runs a command and returns its standard output, or an error with the last line that it wrote.
fn run(keybearer: &Path, database: &str, arguments: &[&str], input: &str) -> io::Result<String> {
    let mut command = Command::new(keybearer);
    command.args(arguments).args(["--database", database]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // A command that reads no input may have closed it already; its exit code says whether it failed.
    let _unread = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(io::Error::other);
    }
    let messages = String::from_utf8_lossy(&output.stderr);
    let last = messages.lines().last().unwrap_or("no message");
    Err(io::Error::other(format!("`keybearer {} {}` failed: {last}", arguments[0], arguments[1])))
}

fn write_import_file(keys: u64, path: &Path) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut key = Vec::new();
    for index in 0..keys {
        key.clear();
        Series::ISSUED.render(index, &mut key);
        let (digest, name) = (HEXLOWER.encode(&Sha256::digest(&key)), name_of(index));
        let last_four = String::from_utf8_lossy(&key[key.len() - 4..]);
        write!(out, r#"{{"sha256":"{digest}","owner":"{OWNER}","name":"{name}","#)?;
        writeln!(out, r#""scopes":["orders:read"],"hint":"kb_…{last_four}"}}"#)?;
    }
    out.flush()
}

/// The name of key `index`, unique in its database.
pub fn name_of(index: u64) -> String {
    format!("bench-{index:08}")
}
