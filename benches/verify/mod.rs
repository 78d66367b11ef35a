//! The run from command line to report.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark reads the clock itself and reports on its terminal"
)]

pub mod answer;
mod bare;
mod busy;
mod client;
pub mod draw;
mod gateway;
pub mod goals;
pub mod keys;
pub mod latency;
mod launch;
mod load;
mod management;
pub mod options;
mod peers;
mod population;
mod postgres;
mod product;
mod report;
mod rounds;
mod rows;
pub mod schedule;
mod server;
mod sign_ins;
pub mod spread;
mod stage;
mod writes;

use clap::Parser;
use options::{GENERATOR_CORE, Options};
use report::Report;
use stage::Stage;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// `arguments` without the program's name.
pub fn run(arguments: &[String]) -> ExitCode {
    let outcome = match arguments {
        [mode, file] if mode == bare::ARGUMENT => bare::serve(Path::new(file)),
        _ if arguments.iter().any(|argument| argument == "--bench") => {
            Options::parse().checked().and_then(|options| measure(&options))
        }
        // `cargo test --all-targets` starts benchmarks too, without this flag, and must not take minutes.
        _ => {
            eprintln!("this benchmark runs under `cargo bench --bench verify` only");
            Ok(())
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
    // Cargo starts a benchmark in its package's folder; the paths on the command line are relative to the workspace.
    std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    let keybearer = options.keybearer()?;
    server::pin_this_thread(&[GENERATOR_CORE])?;
    let temporary = tempfile::tempdir()?;
    let directory = options.keep.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(directory)?;
    let directory = directory.canonicalize()?;
    if options.postgres {
        print!("{}", postgres::measure(options, &keybearer, &directory)?);
        return Ok(());
    }
    let stage = Stage::set(options, &keybearer, &directory)?;
    let (mut rows, unavailable) = rows::all(&stage);
    rows.retain(|row| options.wants(row.what));
    rounds::run(&mut rows, &options.plan())?;
    let mut loaded = Vec::new();
    for product in &stage.products {
        loaded.push((product, product.server.memory()?));
    }
    let mut goals = goals::of_rows(&rows);
    goals.extend(goals::of_starts(&loaded));
    goals.extend(management::goals(&stage, options)?);
    let postgres = (Vec::new(), String::new());
    print!("{}", Report { goals, rows, unavailable, loaded, empty: stage.empty, postgres }.markdown());
    Ok(())
}
