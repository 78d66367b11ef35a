//! The tests of the benchmark's own parts. A benchmark without harness cannot hold tests, so this is a test target beside it.

#![allow(dead_code, reason = "the parts serve the benchmark; here only their tests run")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock itself")]

mod answer;
mod bare;
mod client;
mod draw;
mod goals;
mod histogram;
mod keys;
mod load;
mod log_ins;
mod options;
mod population;
mod process;
mod rounds;
mod schedule;
mod startup;
mod writes;
