//! The listening sockets that systemd passes (`ListenStream=` in a socket unit; sd_listen_fds(3)). The name of a socket
//! (`FileDescriptorName=`) is `metrics` or `grpc` if it is for that listener; all others are for the main one.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use crate::error::{Error, Kind, Result};
use crate::http::{Listener, PassedSockets};

/// Must be called once, before this process opens any file: the sockets are recognised by their numbers.
pub fn passed() -> Result<PassedSockets> {
    let sockets = sd_notify::listen_fds_with_names().map_err(|error| {
        failed(format!(
            "LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES do not describe open sockets: {error}. Start the server from a \
             systemd socket unit, or unset these variables"
        ))
    })?;
    let mut passed = PassedSockets::default();
    for (number, name) in sockets {
        let listener = Listener::passed(owned(number)).map_err(|why| {
            failed(format!("file descriptor {number} ({name}): {why}. Correct the systemd socket unit"))
        })?;
        match name.as_str() {
            "metrics" => passed.metrics.push(listener),
            "grpc" => passed.grpc.push(listener),
            _ => passed.main.push(listener),
        }
    }
    Ok(passed)
}

/// Logs that there are sockets for another process, whose environment this one has inherited.
pub fn report_those_of_others() {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(pid), Some(_)) = (variable("LISTEN_PID"), variable("LISTEN_FDS")) else { return };
    if pid.parse() != Ok(std::process::id()) {
        tracing::warn!(
            pid,
            "LISTEN_FDS passes sockets to another process, not to this one, so --listen is used. If systemd starts the \
             server through a shell, use exec there"
        );
    }
}

fn owned(number: RawFd) -> OwnedFd {
    // SAFETY: it was open before `main` (it was just marked close-on-exec), nothing in this process uses it yet, and each
    // number is taken once.
    unsafe { OwnedFd::from_raw_fd(number) }
}

fn failed(why: String) -> Error {
    Error::new(Kind::Invalid, format!("The sockets that systemd passes cannot be used: {why}."))
}
