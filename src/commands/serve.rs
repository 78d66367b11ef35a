//! `keybearer serve`

mod logging;
mod open_files;
mod settings;
mod signals;
mod sockets;
mod systemd;

use std::sync::Arc;
use std::time::Duration;

use super::{Context, output};
use crate::ambient::log;
use crate::auth::Auth;
use crate::error::{Error, Kind, Result};
use crate::http::server::{self, Bound, RunningServer, UrlBasis};
use crate::http::{BoundAddress, PassedSockets, ROUTES, Site};
use crate::model::{Purpose, SessionToken};
pub use settings::ServeSettings;
use signals::{Hangups, StopSignals};

/// How long to wait for the log's last lines to be written when a second signal ends the process.
const LAST_LINES: Duration = Duration::from_millis(500);

pub fn run(context: &Context, settings: ServeSettings) -> Result<()> {
    // First: from here on, this process opens files.
    let passed = sockets::passed();
    logging::start()?;
    let passed = passed?;
    sockets::report_those_of_others();
    open_files::raise_limit(settings.http.connections);
    actix_web::rt::System::new().block_on(async move {
        signals::ignore_the_rest()?;
        keep_memory_to_ourselves()?;
        // Signals are handled before anything listens: a server that has answered a request must also obey a signal.
        let mut stops = StopSignals::listen()?;
        let hangups = Hangups::listen()?;
        let auth = context.auth(Purpose::Serve, settings.auth.prefixes.clone())?;
        // Before anything listens: a server that answers must not end because this fails.
        let setup = auth.open_setup().await?;
        let running = start_on(auth, settings, passed)?;
        greet(&running, setup.as_ref());
        if let Some(metrics) = running.metrics {
            actix_web::rt::spawn(metrics);
        }
        systemd::ready();
        actix_web::rt::spawn(systemd::watch(Arc::clone(&running.pulses)));
        actix_web::rt::spawn(reload(hangups, running.site.clone()));
        let handle = running.server.handle();
        let (site, grpc) = (running.site.clone(), running.grpc);
        actix_web::rt::spawn(async move {
            let name = stops.next().await;
            systemd::stopping();
            tracing::info!(signal = name, "stopping: no new connections; requests in flight finish");
            let second = actix_web::rt::spawn(async move {
                stops.next().await;
                log::flush(LAST_LINES);
                std::process::exit(1);
            });
            server::stop(&site, &handle, grpc).await;
            second.abort();
        });
        let ended = running.server.await;
        // However the server ended, this writes what is still queued.
        running.site.auth.close();
        // Only now: until the database is closed, a new server could not start anyway.
        drop(running.files);
        tracing::info!("stopped");
        ended.map_err(|error| Error::new(Kind::Unavailable, format!("The server stopped: {error}")))
    })
}

/// Starts a server to which systemd has passed no sockets.
pub fn start(auth: Auth, settings: ServeSettings) -> Result<RunningServer> {
    start_on(auth, settings, PassedSockets::default())
}

/// Starts `auth` and `http`, each with its settings; the listening sockets are open when this returns.
fn start_on(auth: Auth, settings: ServeSettings, passed: PassedSockets) -> Result<RunningServer> {
    let ServeSettings { auth: chosen, http } = settings;
    let auth = auth.with(&chosen);
    auth.start_collecting(chosen.usage_retention)?;
    let bound = Bound::bind(http, passed, auth.now())?;
    // Tokens name the public URL as their issuer, and it may be known only now.
    auth.start_signing(chosen.signing, bound.public_url())?;
    bound.serve(auth)
}

/// Prevents core dumps and debuggers of the same user, because keys pass through memory (prctl(2), PR_SET_DUMPABLE).
/// From here on the process's files below `/proc` belong to root; it can still read those that it needs.
fn keep_memory_to_ourselves() -> Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|error| Error::internal(format!("PR_SET_DUMPABLE: {error}")))?;
    Ok(())
}

/// Logs the addresses, prints the setup link if there is one, and warns about plain HTTP.
fn greet(running: &RunningServer, setup: Option<&SessionToken>) {
    let settings = &running.site.settings;
    let public_url = settings.public_url.as_str();
    let listen = shown(&running.addresses);
    tracing::info!(listen, url = public_url, version = env!("CARGO_PKG_VERSION"), "keybearer is up");
    if let Some(grpc) = &running.grpc {
        tracing::info!(listen = shown(grpc.addresses()), "gRPC ext_authz is up");
    }
    warn_about_plain_http(running);
    explain_base_path(running);
    warn_about_unix_sockets(running);
    if let Some(token) = setup {
        let link = format!("{public_url}/setup?token={}", token.expose());
        let hint = match running.url_basis {
            UrlBasis::Settings | UrlBasis::OneAddress => "",
            UrlBasis::EveryAddress => {
                "\n\nThe link works on this machine. On another one, replace its host with the name or address of this \
                 machine, and set --public-url to the URL that people open."
            }
            UrlBasis::Nothing => {
                "\n\nThe server listens on Unix sockets only, so it does not know its URL. Replace http://localhost with \
                 the URL of the proxy in front of it, and set --public-url to that URL."
            }
        };
        output::say(&format!(
            "\nThere is no user yet. Create the first admin here (the link works once):\n\n  {link}{hint}\n"
        ));
    }
}

fn shown(addresses: &[BoundAddress]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Reads the certificate again at each SIGHUP.
async fn reload(mut hangups: Hangups, site: actix_web::web::Data<Site>) {
    loop {
        hangups.next().await;
        systemd::reloading();
        let site = site.clone();
        let _ = tokio::task::spawn_blocking(move || match &site.certificates {
            Some(certificates) => certificates.reload(site.auth.now()),
            None => tracing::info!("SIGHUP: nothing to read again, because --tls-cert is not set"),
        })
        .await; // the outcome is in the log
        systemd::ready();
    }
}

/// A base path is removed from every request that begins with it. If it is also the start of one of our own paths
/// (`/keys`), a proxy must not remove it before.
fn explain_base_path(running: &RunningServer) {
    let base = running.site.settings.public_url.base();
    if let Some(base) = base.filter(|base| ROUTES.iter().any(|route| base.within(route.path).is_some())) {
        tracing::info!(
            path = base.as_str(),
            "the path of the public URL is also one of this server's own paths: let the proxy pass it on, not remove it"
        );
    }
}

fn warn_about_plain_http(running: &RunningServer) {
    let settings = &running.site.settings;
    let is_reachable = |addresses: &[BoundAddress]| addresses.iter().any(BoundAddress::is_beyond_loopback);
    if settings.tls.is_none() && is_reachable(&running.addresses) && settings.trusted_proxies.is_empty() {
        tracing::warn!(
            listen = shown(&running.addresses),
            "plain HTTP on an address that others can reach: keys and passwords are sent in the clear. \
             Use --tls-cert and --tls-key, or put a TLS proxy in front and name it with --trusted-proxy"
        );
    }
    if let Some(grpc) = running.grpc.as_ref().filter(|grpc| is_reachable(grpc.addresses())) {
        tracing::warn!(
            listen = shown(grpc.addresses()),
            "--grpc-listen is plain HTTP/2 on an address that others can reach, and it trusts the client address that \
             each request names. Let only Envoy reach it"
        );
    }
}

fn warn_about_unix_sockets(running: &RunningServer) {
    let settings = &running.site.settings;
    let is_unix = |address: &BoundAddress| address.tcp().is_none();
    if running.addresses.iter().any(is_unix) && !settings.trusts_unix_sockets {
        tracing::warn!(
            "a Unix socket has no client addresses: keys that are bound to addresses are refused there, and all its \
             clients share their limits. If only a proxy that sets X-Forwarded-For can connect, use --trusted-proxy unix"
        );
    }
    if running.url_basis == UrlBasis::Nothing {
        tracing::warn!(
            url = settings.public_url.as_str(),
            "--public-url is not set, and a Unix socket does not tell it; links, cookies and issuers are wrong until it is"
        );
    }
    if settings.tls.is_some() && running.addresses.iter().all(is_unix) {
        tracing::warn!("--tls-cert has no effect: the server listens on Unix sockets only, which use plain HTTP");
    }
    for address in settings.open_sockets() {
        tracing::warn!(
            listen = %address,
            "the mode of this socket lets every user of this machine connect, as far as its directory does"
        );
    }
}
