//! Everything that runs during the measurement: the product on every database, the bare servers that answer as it does,
//! nginx and the peers.

use crate::verify::{
    bare, gateway, keys::Series, keys::show_count, launch::Launch, launch::socket, options::Options, peers::PEERS,
    peers::Peer, peers::RunningPeer, population, product::Product, schedule::Route, server::Server,
};
use std::io;
use std::path::Path;

pub struct Stage {
    /// Ascending by their number of keys.
    pub products: Vec<Product>,
    /// Resident bytes of a server without keys.
    pub empty: u64,
    /// For `GET /auth` with a live key.
    pub bare: Server,
    /// For `GET /auth` with an unknown key.
    pub bare_refusal: Server,
    pub bare_current: Server,
    pub bare_verify: Server,
    pub bare_introspect: Server,
    /// In front of the product with 1M keys.
    pub nginx: io::Result<Server>,
    pub peers: Vec<(Peer, io::Result<RunningPeer>)>,
}

impl Stage {
    pub fn set(options: &Options, keybearer: &Path, directory: &Path) -> io::Result<Self> {
        let cores = &options.server_cores[..];
        let launch = Launch::new(options, keybearer, directory);
        let empty = memory_without_keys(&launch)?;
        let mut products = Vec::new();
        for keys in &options.keys {
            eprintln!("preparing {} keys", show_count(*keys));
            let population = population::make(keybearer, *keys, directory)?;
            products.push(Product::start(&launch, population, empty)?);
        }
        let mirror = |product: &Product, route: Route, key: Vec<u8>, right: u16, name: &str| {
            bare::start(&route, product.answer(&route, &key, right)?, name, directory, cores)
        };
        let (main, most) = (with(&products, 1_000_000), with(&products, 10_000_000));
        let live = || Series::ISSUED.text(main.population.keys / 3);
        let peer = |peer: Peer| {
            eprintln!("installing {}", peer.name);
            let running = peer.run(directory, cores);
            (peer, running)
        };
        Ok(Self {
            empty,
            bare: mirror(main, Route::AUTH, live(), 200, "auth")?,
            bare_refusal: mirror(most, Route::AUTH, Series::UNKNOWN.text(0), 401, "refusal")?,
            bare_current: mirror(main, Route::CURRENT, live(), 200, "current")?,
            bare_verify: mirror(main, Route::verify(&main.admin_key), live(), 200, "verify")?,
            bare_introspect: mirror(main, Route::introspect(&main.admin_key), live(), 200, "introspect")?,
            nginx: gateway::start(&socket(directory, main.server.port), directory, cores),
            peers: PEERS.into_iter().filter(|_| options.peers).map(peer).collect(),
            products,
        })
    }

    /// The product with that many keys, else the largest.
    pub fn with(&self, keys: u64) -> &Product {
        with(&self.products, keys)
    }
}

/// Resident bytes of a server on an empty database.
pub fn memory_without_keys(launch: &Launch) -> io::Result<u64> {
    launch.start(&population::make(launch.keybearer, 0, launch.directory)?)?.server.memory()
}

fn with(products: &[Product], keys: u64) -> &Product {
    let last = || products.last().expect("there is at least one database");
    products.iter().find(|product| product.population.keys == keys).unwrap_or_else(last)
}
