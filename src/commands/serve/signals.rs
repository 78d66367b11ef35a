//! Handles signals: only those that are meant to stop the server do so.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Result};

/// Requests to stop: SIGTERM (a supervisor), SIGINT (Ctrl+C), SIGQUIT (Ctrl+\).
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl StopSignals {
    pub fn listen() -> Result<Self> {
        Ok(StopSignals {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            quit: on(SignalKind::quit())?,
        })
    }

    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => "SIGQUIT",
        }
    }
}

/// SIGHUP: the operator wants the files to be read again, or the terminal was closed.
pub struct Hangups(Signal);

impl Hangups {
    pub fn listen() -> Result<Self> {
        on(SignalKind::hangup()).map(Hangups)
    }

    pub async fn next(&mut self) {
        let _ = self.0.recv().await; // the stream ends with the process
    }
}

/// Ignores the other signals that would end the process by default. A signal with a listener has no default action.
pub fn ignore_the_rest() -> Result<()> {
    /// If unhandled, SIGXFSZ kills the process; a write beyond `RLIMIT_FSIZE` must fail like one on a full disk.
    const SIGXFSZ: i32 = 25; // on Linux and macOS, like the next two
    const SIGVTALRM: i32 = 26;
    const SIGPROF: i32 = 27;
    let by_name = [
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
        SignalKind::alarm(),
        SignalKind::pipe(),
        SignalKind::io(),
    ];
    let by_number = [SIGXFSZ, SIGVTALRM, SIGPROF].map(SignalKind::from_raw);
    by_name.into_iter().chain(by_number).try_for_each(|kind| on(kind).map(drop))
}

fn on(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(Error::internal)
}
