//! `keybearer serve`

use std::io::{self, IsTerminal, Write};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{Context, output};
use crate::error::{Error, Kind, Result};
use crate::http::{HttpSettings, server};
use crate::model::KeyPrefix;
use crate::store::Purpose;

pub fn run(context: &Context, settings: HttpSettings, prefixes: Vec<KeyPrefix>) -> Result<()> {
    start_logging();
    actix_web::rt::System::new().block_on(async move {
        survive_the_file_size_limit()?;
        keep_memory_to_ourselves()?;
        // Before anything listens: whoever was answered may also tell the server to stop.
        let mut orders = Orders::listen()?;
        let auth = context.auth(Purpose::Serve, prefixes)?;
        let auth = auth.with_bad_key_limit(settings.bad_key_limit).with_token_lifetime(settings.token_lifetime);
        warn_about_plain_http(&settings);
        let running = server::start(auth, settings)?;
        let public_url = running.site.settings.public_url.as_str().to_owned();
        tracing::info!(listen = %running.address, url = public_url, version = env!("CARGO_PKG_VERSION"), "keybearer is up");
        if let Some(token) = running.site.auth.open_setup().await? {
            output::say(&format!("\nThere is no user yet. Make the first admin here, once:\n\n  {public_url}/setup?token={}\n", token.expose()));
        }
        if let Some(grpc) = &running.grpc {
            tracing::info!(listen = %grpc.address(), "gRPC ext_authz is up");
        }
        if let Some(metrics) = running.metrics {
            actix_web::rt::spawn(metrics);
        }
        let handle = running.server.handle();
        let (site, grpc) = (running.site.clone(), running.grpc);
        actix_web::rt::spawn(async move {
            let name = orders.next().await;
            tracing::info!(signal = name, "stopping: no new connections, finishing what is in flight");
            let hurried = actix_web::rt::spawn(async move {
                orders.next().await;
                std::process::exit(1);
            });
            server::stop(&site, &handle, grpc).await;
            hurried.abort();
        });
        let ended = running.server.await;
        // Whoever ended the server, nothing that was queued is lost.
        running.site.auth.close();
        tracing::info!("stopped");
        ended.map_err(|error| Error::new(Kind::Unavailable, format!("The server ended: {error}")))
    })
}

/// A write beyond `RLIMIT_FSIZE` shall fail like one on a full disk; unheard, SIGXFSZ ends the process.
fn survive_the_file_size_limit() -> Result<()> {
    const SIGXFSZ: i32 = 25; // on Linux and macOS alike
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop).map_err(Error::internal)
}

/// Keys pass through memory: no core dump, and no debugger of the same user (prctl(2), PR_SET_DUMPABLE).
/// Files of the process below `/proc` belong to root from here on; those that it needs itself stay open
/// to it.
fn keep_memory_to_ourselves() -> Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|error| Error::internal(format!("PR_SET_DUMPABLE: {error}")))?;
    Ok(())
}

/// The orders to stop: SIGTERM (a supervisor) and SIGINT (Ctrl+C).
struct Orders {
    terminate: Signal,
    interrupt: Signal,
}

impl Orders {
    fn listen() -> Result<Self> {
        let on = |kind| signal(kind).map_err(Error::internal);
        Ok(Orders { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// For people on a terminal, JSON lines otherwise; both on stderr. `RUST_LOG` sets the level, but
/// never to where the HTTP library would print whole requests, keys included.
fn start_logging() {
    let asked = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::try_new(&asked).unwrap_or_else(|_| EnvFilter::new("info"));
    let quiet = [
        "actix_http=info",
        "actix_web=info",
        "actix_server=warn",
        "refinery_core=warn",
        "log=warn",
        "mio=info",
        "rustls=info",
        "h2=info",
        "hyper=info",
        "hyper_util=info",
        "tonic=info",
        "tower=info",
    ];
    let filter =
        quiet.into_iter().filter_map(|directive| directive.parse().ok()).fold(filter, EnvFilter::add_directive);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Stderr);
    // A second initialisation (a test in one process) keeps the first.
    let _ = if io::stderr().is_terminal() {
        logs.with_target(false).try_init()
    } else {
        logs.json().flatten_event(true).try_init()
    };
}

/// Log lines to a pipe that is full or closed are dropped, not fatal.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        Ok(io::stderr().write(line).unwrap_or(line.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn warn_about_plain_http(settings: &HttpSettings) {
    if settings.tls.is_none() && !settings.listen.ip().is_loopback() && settings.trusted_proxies.is_empty() {
        tracing::warn!(
            listen = %settings.listen,
            "plain HTTP on an address that others can reach: keys and passwords travel in the clear. \
             Use --tls-cert and --tls-key, or put a TLS proxy in front and name it with --trusted-proxy"
        );
    }
    if let Some(listen) = settings.grpc_listen.filter(|listen| !listen.ip().is_loopback()) {
        tracing::warn!(
            %listen,
            "--grpc-listen is plain HTTP/2 on an address that others can reach, and believes what it is told of a \
             client's address. Let nobody but Envoy reach it"
        );
    }
}
