//! The list of what is compared with what.

use crate::verify::{
    draw::Zipf, gateway::GUARDED, gateway::OPEN, product::Product, rounds::Beside, rounds::Row, rounds::Side,
    schedule::Route, schedule::Source, sign_ins::SignIns, stage::Stage, writes::Writers,
};
use std::time::Duration;

pub const ZIPF: &str = "GET /auth, live keys, Zipf 0.99";
pub const UNIFORM: &str = "GET /auth, live keys, uniform";
pub const UNKNOWN: &str = "GET /auth, unknown keys";
pub const CURRENT: &str = "GET /api/v1/keys/current";
pub const VERIFY: &str = "POST /api/v1/keys/verify";
pub const INTROSPECT: &str = "POST /oauth/introspect";
pub const WRITING: &str = "GET /auth while 1,000 keys/s are created and revoked";
pub const SIGNING_IN: &str = "GET /auth while 500 people sign in at once";
pub const GATEWAY: &str = "GET through nginx, which asks /auth/nginx first";
pub const ON_POSTGRES: &str = "GET /auth, live keys, Zipf 0.99, on PostgreSQL";
pub const PEER: &str = "GET /auth, Zipf 0.99, beside peers";

/// Together 1,000 keys per second.
const WRITERS: u32 = 16;
const PAUSE: Duration = Duration::from_millis(16);
const SIGN_INS: u32 = 500;

/// All rows, and the reason for each that cannot be measured.
pub fn all(stage: &Stage) -> (Vec<Row<'_>>, Vec<String>) {
    let (mut rows, mut unavailable) = (Vec::new(), Vec::new());
    let mut compare = |what, product: &Product, against, subject, reference| {
        let keys = product.population.keys;
        rows.push(Row { what, keys, against, subject, reference, rounds: Vec::new(), failure: None });
    };
    for product in &stage.products {
        let uniform = Source::Uniform { keys: product.population.keys };
        for (what, source) in [(ZIPF, zipf(product)), (UNIFORM, uniform)] {
            let subject = Side::new(&product.server, Route::AUTH, source, 200);
            compare(what, product, "bare, GET /auth", subject.clone(), Side { server: &stage.bare, ..subject });
        }
    }
    let (main, most, small) = (stage.with(1_000_000), stage.with(10_000_000), stage.with(10_000));
    let subject = Side::new(&most.server, Route::AUTH, Source::Unknown, 401);
    let bare = Side { server: &stage.bare_refusal, ..subject.clone() };
    compare(UNKNOWN, most, "bare, GET /auth refused", subject, bare);
    let subject = Side::new(&main.server, Route::CURRENT, zipf(main), 200);
    let bare = Side { server: &stage.bare_current, ..subject.clone() };
    compare(CURRENT, main, "bare, same JSON", subject, bare);
    let subject = Side::new(&main.server, Route::verify(&main.admin_key), zipf(main), 200);
    let bare = Side { server: &stage.bare_verify, ..subject.clone() };
    compare(VERIFY, main, "bare, reads the body, same JSON", subject, bare);
    let subject = Side::new(&main.server, Route::introspect(&main.admin_key), zipf(main), 200);
    let bare = Side { server: &stage.bare_introspect, ..subject.clone() };
    compare(INTROSPECT, main, "bare, reads the body, same JSON", subject, bare);

    let ports = std::slice::from_ref(&main.server.port);
    let beside = Beside::Writers(Writers { ports, admin_key: &main.admin_key, clients: WRITERS, pause: PAUSE });
    compare(WRITING, main, "itself, nobody writing", Side { beside, ..live(main) }, live(main));
    let beside = Beside::SignIns(SignIns { server: &small.server, clients: SIGN_INS });
    compare(SIGNING_IN, small, "itself, nobody signing in", Side { beside, ..live(small) }, live(small));
    match &stage.nginx {
        // The row has nginx's processor time alone; the latency includes the product's.
        Ok(nginx) => {
            let open = Side::new(nginx, Route::get(OPEN), zipf(main), 204);
            let guarded = Side { route: Route::get(GUARDED), behind: Some(&main.server), ..open.clone() };
            compare(GATEWAY, main, "nginx, the same without asking", guarded, open);
        }
        Err(error) => unavailable.push(format!("{GATEWAY}: {error}")),
    }
    for (peer, running) in &stage.peers {
        match running {
            Ok(running) => {
                let listed = Source::Listed(running.credentials.clone());
                let reference = Side::new(&running.server, Route::AUTH, listed, peer.right);
                compare(PEER, main, peer.name, live(main), reference);
            }
            Err(error) => unavailable.push(format!("{}: {error}", peer.name)),
        }
    }
    (rows, unavailable)
}

/// Each product on PostgreSQL against the one on SQLite with as many keys.
pub fn on_postgres(pairs: &[(Product, Product)]) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (on_postgres, on_sqlite) in pairs {
        let (what, against, keys) = (ON_POSTGRES, "the same on SQLite", on_sqlite.population.keys);
        let (subject, reference) = (live(on_postgres), live(on_sqlite));
        rows.push(Row { what, keys, against, subject, reference, rounds: Vec::new(), failure: None });
    }
    rows
}

/// Requests with live keys, which the product accepts.
fn live(product: &Product) -> Side<'_> {
    Side::new(&product.server, Route::AUTH, zipf(product), 200)
}

fn zipf(product: &Product) -> Source {
    Source::Zipf(Zipf::new(product.population.keys))
}
