//! The command line.

use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "\
Measures verification against a bare actix-web handler in interleaved rounds and prints the ratios as Markdown.

Usage: cargo bench --bench verify -- [options]

  --keys LIST          populations, such as 1k,100k,1M,10M (default 1k,100k,1M)
  --rounds N           rounds of every pair (default 5)
  --seconds S          measured seconds of a slice, after a warm-up of a fifth (default 3)
  --connections N      keep-alive connections of the generator (default 32)
  --server-cores LIST  the cores of the servers, with a worker for each (default 0); nginx and the peers have one worker
  --load-core N        the core of the generator (default 1)
  --quick              1k,100k keys, 2 rounds of 1 second; options after it override
  --only TEXT          only measurements whose name contains TEXT (their goals alone are judged)
  --peers              also nginx, Flask-HTTPAuth, express + jsonwebtoken, better-auth (installs them into --keep)
  --keep DIR           keep databases and peers there and use them again (default: a temporary directory)
  --json FILE          write all numbers there
  --keybearer PATH     measure that binary instead of the one just built
  --help               this text

Example: everything that the goals name, databases kept for the next time
  cargo bench --bench verify -- --keys 1k,1M,10M --peers --keep target/bench-data --json bench.json
The cores must have nothing else to do: a ratio from a starved server is shown, but not judged. Where the generator
has no core of its own, as with --server-cores 0,1 on two, compare the processor time a request.
";

pub struct Options {
    /// Ascending.
    pub populations: Vec<u64>,
    pub rounds: usize,
    pub measured: Duration,
    pub connections: usize,
    /// One at least.
    pub server_cores: Vec<usize>,
    pub load_core: usize,
    /// Part of the names of the measurements to take; the other goals are left out.
    pub only: Option<String>,
    pub peers: bool,
    pub keep: Option<PathBuf>,
    pub json: Option<PathBuf>,
    pub keybearer: PathBuf,
}

/// What the command line asks for.
pub enum Request {
    Measure(Options),
    Help,
    /// The hidden mode of the reference server.
    BareReference(PathBuf),
    /// `cargo test --all-targets` starts benchmarks too, without the `--bench` of `cargo bench`; it wants no minutes of load.
    Nothing,
}

/// `arguments` without the program's name. The error is a sentence for the person at the terminal.
pub fn parse(arguments: &[String]) -> Result<Request, String> {
    match arguments {
        [mode, file] if mode == crate::bare::ARGUMENT => return Ok(Request::BareReference(file.into())),
        _ if !arguments.iter().any(|argument| argument == "--bench") => return Ok(Request::Nothing),
        _ => {}
    }
    let mut options = Options {
        populations: vec![1_000, 100_000, 1_000_000],
        rounds: 5,
        measured: Duration::from_secs(3),
        connections: 32,
        server_cores: vec![0],
        load_core: 1,
        only: None,
        peers: false,
        keep: None,
        json: None,
        keybearer: env!("CARGO_BIN_EXE_keybearer").into(),
    };
    let mut arguments = arguments.iter();
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{flag} needs a value; see --help"));
        match flag.as_str() {
            "--help" | "-h" => return Ok(Request::Help),
            "--keys" => options.populations = parse_populations(value()?)?,
            "--rounds" => options.rounds = parse_number(flag, value()?, 1, 1_000)?,
            "--seconds" => options.measured = Duration::from_secs(parse_number(flag, value()?, 1, 600)? as u64),
            "--connections" => options.connections = parse_number(flag, value()?, 1, 10_000)?,
            "--server-cores" => {
                let cores = value()?.split(',').map(|core| parse_number(flag, core, 0, 1023));
                options.server_cores = cores.collect::<Result<_, _>>()?;
                options.server_cores.sort_unstable();
                options.server_cores.dedup();
            }
            "--load-core" => options.load_core = parse_number(flag, value()?, 0, 1023)?,
            "--quick" => {
                options.populations = vec![1_000, 100_000];
                options.rounds = 2;
                options.measured = Duration::from_secs(1);
            }
            "--only" => options.only = Some(value()?.clone()),
            "--peers" => options.peers = true,
            "--keep" => options.keep = Some(value()?.into()),
            "--json" => options.json = Some(value()?.into()),
            "--keybearer" => options.keybearer = value()?.into(),
            "--bench" => {}
            _ => return Err(format!("unknown option {flag}; see --help")),
        }
    }
    if options.server_cores == [options.load_core] {
        return Err("--server-cores and --load-core must differ, or the generator would measure itself".into());
    }
    Ok(Request::Measure(options))
}

fn parse_number(flag: &str, text: &str, least: usize, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{flag} takes a number from {least} to {most}, not {text:?}")),
    }
}

fn parse_populations(text: &str) -> Result<Vec<u64>, String> {
    let mut populations = text.split(',').map(parse_population).collect::<Result<Vec<_>, _>>()?;
    populations.sort_unstable();
    populations.dedup();
    Ok(populations)
}

fn parse_population(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.trim() {
        text if text.ends_with(['k', 'K']) => (&text[..text.len() - 1], 1_000),
        text if text.ends_with(['m', 'M']) => (&text[..text.len() - 1], 1_000_000),
        text => (text, 1),
    };
    match digits.parse::<u64>().map(|number| number.saturating_mul(unit)) {
        Ok(keys @ 1..=100_000_000) => Ok(keys),
        _ => Err(format!("--keys takes numbers up to 100M such as 1k,1M, not {text:?}")),
    }
}

/// `1000000` as `1M`, as it is written on the command line.
pub fn show_population(keys: u64) -> String {
    match keys {
        _ if keys.is_multiple_of(1_000_000) => format!("{}M", keys / 1_000_000),
        _ if keys.is_multiple_of(1_000) => format!("{}k", keys / 1_000),
        _ => keys.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(line: &str) -> Result<Options, String> {
        let arguments: Vec<_> = format!("--bench {line}").split_whitespace().map(str::to_owned).collect();
        match parse(&arguments)? {
            Request::Measure(options) => Ok(options),
            _ => Err("another mode".into()),
        }
    }

    #[test]
    fn populations_are_sorted_and_read_as_they_are_shown() {
        let options = measure("--keys 10M,1k,1500,1k").ok().unwrap();
        let shown: Vec<_> = options.populations.iter().map(|keys| show_population(*keys)).collect();
        assert_eq!(shown, ["1k", "1500", "10M"]);
    }

    #[test]
    fn a_test_run_measures_nothing() {
        assert!(matches!(parse(&["--list".to_owned()]), Ok(Request::Nothing)));
    }

    #[test]
    fn later_options_override_quick() {
        let options = measure("--quick --rounds 7").ok().unwrap();
        assert_eq!((options.rounds, options.populations.len()), (7, 2));
    }

    #[test]
    fn a_wrong_command_line_is_named() {
        for (line, named) in
            [("--keys ten", "ten"), ("--rounds 0", "--rounds"), ("--what", "--what"), ("--keys", "--keys")]
        {
            let error = measure(line).err().unwrap();
            assert!(error.contains(named), "{line}: {error}");
        }
        assert!(measure("--load-core 0").is_err());
        assert_eq!(measure("--server-cores 1,0,1").ok().unwrap().server_cores, [0, 1]);
    }
}
