//! `cargo bench --bench verify`: what verification costs beyond a bare actix-web handler, measured from outside over
//! loopback in interleaved rounds. See `options.rs` for the command line and `goals.rs` for what must be reached.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark reads the clock itself and reports on its terminal"
)]
#![cfg_attr(
    test,
    allow(
        unused_imports,
        dead_code,
        reason = "without a harness the tests of the parts are compiled, not run; parts.rs runs them"
    )
)]

mod answer;
mod bare;
mod client;
mod comparisons;
mod draw;
mod gateway;
mod goals;
mod histogram;
mod history;
mod keys;
mod load;
mod log_ins;
mod management;
mod options;
mod peers;
mod population;
mod process;
mod rounds;
mod schedule;
mod stage;
mod startup;
mod table;
mod verdicts;
mod writes;

use comparisons::Comparisons;
use options::{Options, Request};
use rounds::Plan;
use stage::Stage;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use table::Report;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match options::parse(&arguments) {
        Ok(Request::Measure(options)) => measure(&options),
        Ok(Request::BareReference(file)) => bare::serve(&file),
        Ok(Request::Help) => {
            print!("{}", options::HELP);
            Ok(())
        }
        Ok(Request::Nothing) => {
            eprintln!("this benchmark runs under `cargo bench --bench verify` only");
            Ok(())
        }
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> io::Result<()> {
    process::pin_this_thread(&[options.load_core])?;
    let temporary = tempfile::tempdir()?;
    let directory = options.keep.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(directory)?;
    let report = report(options, &directory.canonicalize()?)?;
    print!("{}", report.markdown());
    if let Some(file) = &options.json {
        fs::write(file, format!("{:#}\n", history::json(&report)))?;
    }
    Ok(())
}

fn report(options: &Options, directory: &Path) -> io::Result<Report> {
    let plan = Plan { rounds: options.rounds, measured: options.measured, connections: options.connections };
    let stage = Stage::set(options, directory, say)?;
    let peers =
        if options.peers { comparisons::start_peers(directory, &options.server_cores, say) } else { Vec::new() };
    let Comparisons { pairs, missing } = Comparisons::of(&stage, &peers, options.only.as_deref());
    let mut rows = rounds::run(&pairs, &plan, say)?;
    rows.extend(missing);
    let mut starts = Vec::new();
    for product in &stage.products {
        starts.push(product.start_row()?);
    }
    let mut report = Report { setting: setting(options), goals: Vec::new(), rows, starts, empty: stage.empty };
    report.goals = verdicts::all(&report, &stage, &plan, options.only.as_deref(), say)?;
    Ok(report)
}

/// What a reader must know to compare two reports.
fn setting(options: &Options) -> serde_json::Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    serde_json::json!({
        "processor": model.map_or("unknown", |(_, model)| model.trim()),
        "Linux": read("/proc/sys/kernel/osrelease").trim(),
        "server cores": options.server_cores,
        "generator core": options.load_core,
        "connections": options.connections,
        "rounds": options.rounds,
        "seconds a slice": options.measured.as_secs(),
    })
}

fn say(what: &str) {
    eprintln!("{what}");
}
