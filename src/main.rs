//! The program: parses its arguments, runs one command and turns the outcome into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    keybearer::main()
}
