//! The program: parses its words, runs one command, turns the outcome into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    keybearer::main()
}
