//! A server in this process whose clock stands still and whose randomness is seeded: its pages are the same on every
//! day and on every machine.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use actix_web::dev::ServerHandle;
use keybearer::testing::{
    Auth, AuthSettings, Consent, DatabaseAddress, HttpSettings, KeyPrefix, ListenAddress, ManualClock, Purpose,
    SeededEntropy, ServeSettings, Time, start_server,
};
use tempfile::TempDir;

use super::sample::{self, Sample};

/// The server's time, in RFC 3339.
pub const NOW: &str = "2026-11-23T08:00:00Z";

pub struct FixedServer {
    pub url: String,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
    _directory: TempDir,
}

impl FixedServer {
    /// A server with an admin and these keys.
    pub async fn with_keys(samples: &[Sample]) -> Self {
        let directory = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::at(Time::parse(NOW).unwrap()));
        let past = open(&directory, &clock);
        sample::store(&past, &clock, samples).await;
        past.close();
        Self::serve(open(&directory, &clock), directory)
    }

    fn serve(auth: Auth, directory: TempDir) -> Self {
        let listen = ListenAddress::from(SocketAddr::from(([127, 0, 0, 1], 0)));
        let public_url = HttpSettings::default_url(std::slice::from_ref(&listen), false);
        let http = HttpSettings { workers: 1, is_url_derived: true, ..HttpSettings::new(listen, public_url) };
        let (sender, started) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let running = start_server(auth, ServeSettings { auth: AuthSettings::default(), http }).unwrap();
                sender.send((running.address.unwrap(), running.server.handle())).unwrap();
                running.server.await.unwrap();
                running.site.auth.close();
            });
        });
        let (address, handle) = started.recv().unwrap();
        FixedServer { url: format!("http://{address}"), handle, thread: Some(thread), _directory: directory }
    }
}

impl Drop for FixedServer {
    fn drop(&mut self) {
        drop(self.handle.stop(false)); // the order is given; the thread ends when the server has stopped
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic there has been reported there
        }
    }
}

fn open(directory: &TempDir, clock: &Arc<ManualClock>) -> Auth {
    let (database, entropy) =
        (DatabaseAddress::File(directory.path().join("keybearer.db")), Arc::new(SeededEntropy::new(7)));
    let prefixes = vec![KeyPrefix::parse("kb").unwrap()];
    Auth::open(&database, Purpose::Serve, Consent::default(), clock.clone(), entropy, prefixes).unwrap()
}
