//! Tells systemd the state of the service, if it wants to know (`Type=notify`, `WatchdogSec=`; sd_notify(3)).

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::http::Pulses;

/// The server accepts connections, or has read its files again.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog several times per interval that all workers run. It restarts a server whose worker is blocked.
pub async fn watch(pulses: Arc<Pulses>) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    loop {
        if pulses.are_felt_within((interval / 2).max(Duration::from_secs(2))) {
            tell(&[NotifyState::Watchdog]);
        }
        tokio::time::sleep(interval / 4).await;
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd cannot be told the state");
    }
}
