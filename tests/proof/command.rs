//! Programs that must succeed.

use std::process::{Command, Stdio};

/// Runs it; returns its output, or all that it said if it failed.
pub fn run(program: &str, words: &[&str]) -> Result<String, String> {
    let done = Command::new(program).args(words).stdin(Stdio::null()).current_dir("/").output();
    let done = done.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(said);
    }
    Err(format!("{program} {words:?}: {} {said} {}", done.status, String::from_utf8_lossy(&done.stderr)))
}

/// Like `run`; the proof cannot go on without it.
pub fn must(program: &str, words: &[&str]) -> String {
    run(program, words).unwrap_or_else(|error| panic!("{error}"))
}
