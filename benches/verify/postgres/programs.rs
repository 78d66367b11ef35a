//! The programs of a PostgreSQL server, run as a user that it accepts.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Debian has each version in a folder of its own and none on PATH.
const DEBIAN: &str = "/usr/lib/postgresql";
const MISSING: &str = "--postgres needs the programs of a PostgreSQL server (initdb, postgres, pg_basebackup, psql), and \
    there are none in /usr/lib/postgresql/*/bin or where pg_config says; on Debian: apt install postgresql";

pub struct Programs {
    folder: PathBuf,
    /// The user and the group that run them; PostgreSQL refuses to run as root.
    identity: Option<(u32, u32)>,
}

impl Programs {
    pub fn find() -> io::Result<Self> {
        let folder = newest_of_debian().or_else(configured).ok_or_else(|| io::Error::other(MISSING))?;
        let is_root = rustix::process::geteuid().is_root();
        let identity = if is_root { Some(identity("postgres").or_else(|_missing| identity("nobody"))?) } else { None };
        Ok(Self { folder, identity })
    }

    /// `postgres (PostgreSQL) 15.18`.
    pub fn version(&self) -> io::Result<String> {
        let all = self.run("postgres", &["--version"])?;
        Ok(all.split(" (Debian").next().unwrap_or_default().trim().to_owned())
    }

    /// Lets the programs write there.
    pub fn give(&self, folder: &Path) -> io::Result<()> {
        self.identity.map_or(Ok(()), |(user, group)| chown(folder, Some(user), Some(group)))
    }

    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.folder.join(program));
        // The other user may not reach the current directory.
        command.args(arguments).current_dir("/");
        if let Some((user, group)) = self.identity {
            command.uid(user).gid(group);
        }
        command
    }

    /// Returns the standard output, or an error with the last line that the program wrote.
    pub fn run(&self, program: &str, arguments: &[&str]) -> io::Result<String> {
        output_of(self.command(program, arguments))
    }
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions.filter(|version| has_server(&bin(*version))).max()?;
    Some(bin(newest))
}

fn bin(version: u32) -> PathBuf {
    Path::new(DEBIAN).join(version.to_string()).join("bin")
}

fn configured() -> Option<PathBuf> {
    let mut pg_config = Command::new("pg_config");
    pg_config.arg("--bindir");
    let folder = PathBuf::from(output_of(pg_config).ok()?.trim());
    has_server(&folder).then_some(folder)
}

fn has_server(folder: &Path) -> bool {
    folder.join("initdb").exists()
}

fn identity(user: &str) -> io::Result<(u32, u32)> {
    let number = |flag| {
        let mut id = Command::new("id");
        id.args([flag, user]);
        output_of(id)?.trim().parse().map_err(io::Error::other)
    };
    Ok((number("-u")?, number("-g")?))
}

fn output_of(mut command: Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(io::Error::other);
    }
    let (program, messages) = (command.get_program().display(), String::from_utf8_lossy(&output.stderr));
    Err(io::Error::other(format!("{program} failed: {}", messages.lines().last().unwrap_or("no message"))))
}
