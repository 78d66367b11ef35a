//! `keybearer serve`

mod logging;
mod signals;

use std::net::SocketAddr;
use std::time::Duration;

use super::{Context, output};
use crate::ambient::log;
use crate::error::{Error, Kind, Result};
use crate::http::server::{self, Running};
use crate::http::{HttpSettings, Site};
use crate::model::{KeyPrefix, Purpose};
use signals::{Hangups, Orders};

/// For the last lines of the log, where the process ends by itself.
const LAST_LINES: Duration = Duration::from_millis(500);

pub fn run(context: &Context, settings: HttpSettings, prefixes: Vec<KeyPrefix>) -> Result<()> {
    logging::start()?;
    actix_web::rt::System::new().block_on(async move {
        signals::survive_the_rest()?;
        keep_memory_to_ourselves()?;
        // Before anything listens: whoever was answered may also tell the server to stop.
        let mut orders = Orders::listen()?;
        let hangups = Hangups::listen()?;
        let auth = context.auth(Purpose::Serve, prefixes)?;
        let auth = auth
            .with_bad_key_limit(settings.bad_key_limit)
            .with_token_lifetime(settings.token_lifetime)
            .with_refresh_reuse(settings.refresh_reuse);
        let running = server::start(auth, settings)?;
        greet(&running).await?;
        if let Some(metrics) = running.metrics {
            actix_web::rt::spawn(metrics);
        }
        actix_web::rt::spawn(reload(hangups, running.site.clone()));
        let handle = running.server.handle();
        let (site, grpc) = (running.site.clone(), running.grpc);
        actix_web::rt::spawn(async move {
            let name = orders.next().await;
            tracing::info!(signal = name, "stopping: no new connections, finishing what is in flight");
            let hurried = actix_web::rt::spawn(async move {
                orders.next().await;
                log::flush(LAST_LINES);
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

/// Keys pass through memory: no core dump, and no debugger of the same user (prctl(2), PR_SET_DUMPABLE).
/// Files of the process below `/proc` belong to root from here on; those that it needs itself stay open
/// to it.
fn keep_memory_to_ourselves() -> Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|error| Error::internal(format!("PR_SET_DUMPABLE: {error}")))?;
    Ok(())
}

/// Says where the server is, how to make the first admin, and what is dangerous about it.
async fn greet(running: &Running) -> Result<()> {
    let settings = &running.site.settings;
    let public_url = settings.public_url.as_str();
    let listen = shown(&running.addresses);
    tracing::info!(listen, url = public_url, version = env!("CARGO_PKG_VERSION"), "keybearer is up");
    if let Some(grpc) = &running.grpc {
        tracing::info!(listen = shown(grpc.addresses()), "gRPC ext_authz is up");
    }
    warn_about_plain_http(running);
    if let Some(token) = running.site.auth.open_setup().await? {
        let link = format!("{public_url}/setup?token={}", token.expose());
        let hint = if running.is_url_a_guess {
            "\n\nIt can be opened on this machine. From another one, put the name or address of this machine in it; and \
             set --public-url to what people open."
        } else {
            ""
        };
        output::say(&format!("\nThere is no user yet. Make the first admin here, once:\n\n  {link}{hint}\n"));
    }
    Ok(())
}

fn shown(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// At each SIGHUP: reads the certificate again, beside what else is to be done.
async fn reload(mut hangups: Hangups, site: actix_web::web::Data<Site>) {
    loop {
        hangups.next().await;
        let site = site.clone();
        let _ = tokio::task::spawn_blocking(move || match &site.certificates {
            Some(certificates) => certificates.reload(site.auth.now()),
            None => tracing::info!("SIGHUP: there is nothing to read again, since --tls-cert is not set"),
        })
        .await; // what it found is in the log
    }
}

fn warn_about_plain_http(running: &Running) {
    let settings = &running.site.settings;
    let is_reachable = |addresses: &[SocketAddr]| addresses.iter().any(|address| !address.ip().is_loopback());
    if settings.tls.is_none() && is_reachable(&running.addresses) && settings.trusted_proxies.is_empty() {
        tracing::warn!(
            listen = shown(&running.addresses),
            "plain HTTP on an address that others can reach: keys and passwords travel in the clear. \
             Use --tls-cert and --tls-key, or put a TLS proxy in front and name it with --trusted-proxy"
        );
    }
    if let Some(grpc) = running.grpc.as_ref().filter(|grpc| is_reachable(grpc.addresses())) {
        tracing::warn!(
            listen = shown(grpc.addresses()),
            "--grpc-listen is plain HTTP/2 on an address that others can reach, and believes what it is told of a \
             client's address. Let nobody but Envoy reach it"
        );
    }
}
