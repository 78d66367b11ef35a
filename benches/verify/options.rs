//! The command line.

use crate::verify::rounds::Plan;
use clap::Parser;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub const GENERATOR_CORE: usize = 1;

/// Measures key verification against a bare actix-web handler in interleaved rounds and prints Markdown
///
/// The cores must have nothing else to do: a ratio from a starved server is shown, but not judged. If the generator,
/// which runs on core 1, has no core of its own, compare the processor time per request.
#[derive(Parser)]
#[command(override_usage = "cargo bench --bench verify -- [OPTIONS]")]
pub struct Options {
    /// Numbers of keys
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_count, default_value = "1k,100k,1M")]
    pub keys: Vec<u64>,
    /// Rounds of every row
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Seconds per measurement, after a warm-up of a fifth
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Cores of the servers, with one worker per core; nginx and the peers have one worker
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "0")]
    pub server_cores: Vec<usize>,
    /// Measure only what has TEXT in its name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Measure nginx, Flask-HTTPAuth, express + jsonwebtoken and better-auth too, and install them
    #[arg(long)]
    pub peers: bool,
    /// Measure nodes on PostgreSQL instead; starts a primary and a synchronous standby of its own
    #[arg(long)]
    pub postgres: bool,
    /// Keep databases and installed peers there and use them again [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Measure that binary [default: the release build, which is made first]
    #[arg(long, value_name = "PATH")]
    keybearer: Option<PathBuf>,
    /// Cargo passes this flag.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Sorted lists without duplicates; an error is a sentence for the person at the terminal.
    pub fn checked(mut self) -> io::Result<Self> {
        self.keys.sort_unstable();
        self.keys.dedup();
        self.server_cores.sort_unstable();
        self.server_cores.dedup();
        if self.server_cores == [GENERATOR_CORE] {
            return Err(io::Error::other("core 1 is the generator's; name another one in --server-cores"));
        }
        Ok(self)
    }

    pub fn plan(&self) -> Plan {
        Plan { rounds: self.rounds, measured: Duration::from_secs(self.seconds) }
    }

    pub fn wants(&self, what: &str) -> bool {
        self.only.as_ref().is_none_or(|only| what.contains(only))
    }

    /// The product's binary, which is built if none is named.
    pub fn keybearer(&self) -> io::Result<PathBuf> {
        if let Some(path) = &self.keybearer {
            return path.canonicalize().map_err(|error| io::Error::other(format!("{}: {error}", path.display())));
        }
        // This program is `<target>/release/deps/verify-<hash>`.
        let own = std::env::current_exe()?;
        let target = own.ancestors().nth(3).ok_or_else(|| io::Error::other("this program has no target directory"))?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--package", "keybearer", "--bin", "keybearer", "--target-dir"]).arg(target);
        if !build.status()?.success() {
            return Err(io::Error::other("cannot build keybearer; name a binary with --keybearer"));
        }
        Ok(target.join("release/keybearer"))
    }
}

fn parse_count(text: &str) -> Result<u64, String> {
    let unit = match text.to_ascii_lowercase().chars().last() {
        Some('k') => 1_000,
        Some('m') => 1_000_000,
        _ => 1,
    };
    let digits = if unit == 1 { text } else { &text[..text.len() - 1] };
    match digits.parse::<u64>().map(|number| number.saturating_mul(unit)) {
        Ok(keys @ 1..=100_000_000) => Ok(keys),
        _ => Err("must be a number up to 100M, such as 1k or 1M".into()),
    }
}
