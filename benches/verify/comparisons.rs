//! The list of what is compared with what, and the rows that cannot be measured, each with its reason.

use crate::client::Client;
use crate::draw::Zipf;
use crate::gateway::{GUARDED, OPEN};
use crate::log_ins::LogIns;
use crate::peers::{PEERS, Peer, Running};
use crate::process::Server;
use crate::rounds::{Beside, Measured, Pair, Side};
use crate::schedule::{Route, Source};
use crate::stage::{Product, Stage};
use crate::writes::Writers;
use std::io;
use std::path::Path;
use std::time::Duration;

pub const ZIPF: &str = "GET /auth, live keys, Zipf 0.99";
pub const UNIFORM: &str = "GET /auth, live keys, uniform";
pub const UNKNOWN: &str = "GET /auth, unknown keys";
pub const CURRENT: &str = "GET /api/v1/keys/current";
pub const VERIFY: &str = "POST /api/v1/keys/verify";
pub const WRITING: &str = "GET /auth while 1,000 keys/s are created and revoked";
pub const LOGGING_IN: &str = "GET /auth while 500 log in at once";
pub const GATEWAY: &str = "GET through nginx, which asks /auth/nginx first";
pub const PEER: &str = "GET /auth, Zipf 0.99, beside peers";

const WRITING_CLIENTS: usize = 16;
const KEYS_A_SECOND: f64 = 1000.0;
const LOG_INS: usize = 500;

#[derive(Default)]
pub struct Comparisons<'a> {
    pub pairs: Vec<Pair<'a>>,
    pub missing: Vec<Measured>,
}

impl<'a> Comparisons<'a> {
    /// All, or those whose name contains `only`.
    pub fn of(stage: &'a Stage, peers: &'a [(Peer, io::Result<Running>)], only: Option<&str>) -> Self {
        let mut list = Self::default();
        for product in &stage.products {
            let keys = product.population.keys;
            list.against_bare(ZIPF, product, zipf(keys), stage);
            list.against_bare(UNIFORM, product, Source::Uniform { keys }, stage);
        }
        list.unknown_keys(stage);
        list.json_routes(stage);
        list.writing(stage.principal());
        list.logging_in(stage.small());
        list.through_nginx(stage);
        for (peer, running) in peers {
            list.against_peer(peer, running, stage.principal());
        }
        let is_wanted = |what: &str| only.is_none_or(|only| what.contains(only));
        list.pairs.retain(|pair| is_wanted(&pair.what));
        list.missing.retain(|row| is_wanted(&row.what));
        list
    }

    fn against_bare(&mut self, what: &str, product: &'a Product, source: Source, stage: &'a Stage) {
        let subject = side(&product.server, Route::Auth, source.clone(), 200);
        let reference = side(&stage.bare, Route::Auth, source, 200);
        self.add(what, product, "bare, GET /auth", subject, reference);
    }

    fn unknown_keys(&mut self, stage: &'a Stage) {
        let (product, name) = (stage.largest(), "bare, GET /auth refused");
        match &stage.bare_refusal {
            Ok(bare) => {
                let subject = side(&product.server, Route::Auth, Source::Unknown, 401);
                self.add(UNKNOWN, product, name, subject, side(bare, Route::Auth, Source::Unknown, 401));
            }
            Err(error) => self.miss(UNKNOWN, product, name, error),
        }
    }

    fn json_routes(&mut self, stage: &'a Stage) {
        let product = stage.principal();
        let source = zipf(product.population.keys);
        match &stage.bare_current {
            Ok(bare) => {
                let subject = side(&product.server, Route::Current, source.clone(), 200);
                let reference = side(bare, Route::Current, source.clone(), 200);
                self.add(CURRENT, product, "bare, same JSON", subject, reference);
            }
            Err(error) => self.miss(CURRENT, product, "bare, same JSON", error),
        }
        match &stage.bare_verify {
            Ok((bare, route)) => {
                let subject = side(&product.server, route.clone(), source.clone(), 200);
                let reference = side(bare, route.clone(), source, 200);
                self.add(VERIFY, product, "bare, reads the body, same JSON", subject, reference);
            }
            Err(error) => self.miss(VERIFY, product, "bare, reads the body, same JSON", error),
        }
    }

    fn writing(&mut self, product: &'a Product) {
        let pause = Duration::from_secs_f64(WRITING_CLIENTS as f64 / KEYS_A_SECOND);
        let writers = product.admin_key().and_then(|admin_key| {
            let writers = Writers { port: product.server.port, admin_key, clients: WRITING_CLIENTS, pause };
            product.server.wake_up()?;
            let mut client = Client::new(product.server.port);
            let tried = writers.create(&mut client).and_then(|id| writers.revoke(&mut client, &id));
            product.server.rest()?;
            tried.map(|()| writers)
        });
        let idle = side(&product.server, Route::Auth, zipf(product.population.keys), 200);
        match writers {
            Ok(writers) => {
                let subject = Side { beside: Beside::Writers(writers), ..idle.clone() };
                self.add(WRITING, product, "itself, nobody writing", subject, idle);
            }
            Err(error) => self.miss(WRITING, product, "itself, nobody writing", &error),
        }
    }

    fn logging_in(&mut self, product: &'a Product) {
        let idle = side(&product.server, Route::Auth, zipf(product.population.keys), 200);
        let log_ins = LogIns { server: &product.server, clients: LOG_INS };
        let subject = Side { beside: Beside::LogIns(log_ins), ..idle.clone() };
        self.add(LOGGING_IN, product, "itself, nobody logging in", subject, idle);
    }

    /// The processor time of the subject's row is nginx's alone; the latency has both.
    fn through_nginx(&mut self, stage: &'a Stage) {
        let (product, name) = (stage.principal(), "nginx, the same without asking");
        match &stage.nginx {
            Ok(nginx) => {
                let source = zipf(product.population.keys);
                let asked = side(nginx, Route::Through(GUARDED), source.clone(), 204);
                let subject = Side { behind: Some(&product.server), ..asked };
                self.add(GATEWAY, product, name, subject, side(nginx, Route::Through(OPEN), source, 204));
            }
            Err(error) => self.miss(GATEWAY, product, name, error),
        }
    }

    fn against_peer(&mut self, peer: &Peer, running: &'a io::Result<Running>, product: &'a Product) {
        match running {
            Ok(running) => {
                let subject = side(&product.server, Route::Auth, zipf(product.population.keys), 200);
                let listed = Source::Listed(running.credentials.clone());
                let reference = side(&running.server, Route::Auth, listed, peer.answers);
                self.add(PEER, product, peer.name, subject, reference);
            }
            Err(error) => {
                let reason = io::Error::other(format!("could not be installed: {error}"));
                self.miss(PEER, product, peer.name, &reason);
            }
        }
    }

    fn add(&mut self, what: &str, product: &Product, reference_name: &str, subject: Side<'a>, reference: Side<'a>) {
        let (what, reference_name, keys) = (what.to_owned(), reference_name.to_owned(), product.population.keys);
        self.pairs.push(Pair { what, keys, reference_name, subject, reference });
    }

    fn miss(&mut self, what: &str, product: &Product, reference_name: &str, reason: &io::Error) {
        let row = Measured::nothing(what, product.population.keys, reference_name);
        self.missing.push(Measured { failure: Some(reason.to_string()), ..row });
    }
}

/// All peers, started if they can be; the others with the reason.
pub fn start_peers(directory: &Path, cores: &[usize], mut say: impl FnMut(&str)) -> Vec<(Peer, io::Result<Running>)> {
    let start = |peer: Peer| {
        say(&format!("installing {}", peer.name));
        let running = peer.run(directory, cores);
        (peer, running)
    };
    PEERS.into_iter().map(start).collect()
}

fn zipf(keys: u64) -> Source {
    Source::Zipf(Zipf::new(keys))
}

fn side(server: &Server, route: Route, source: Source, answers: u16) -> Side<'_> {
    Side { server, route, source, answers, behind: None, beside: Beside::Nothing }
}
