//! `cargo bench --bench verify`: what verification costs beyond a bare actix-web handler, measured from outside over
//! loopback. `verify/options.rs` has the command line and `verify/goals.rs` what must be reached.

mod verify;

fn main() -> std::process::ExitCode {
    verify::run(&std::env::args().skip(1).collect::<Vec<_>>())
}
