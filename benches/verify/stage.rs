//! Everything that runs during the measurement: the product once for every population, and the bare servers that answer
//! as it does.

use crate::bare;
use crate::client::{Client, Response};
use crate::gateway;
use crate::keys::Series;
use crate::options::{Options, show_population};
use crate::population::{Keybearer, Population};
use crate::process::{Memory, Server};
use crate::rounds::Spread;
use crate::schedule::Route;
use crate::startup;
use crate::table::Start;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often each population is started, for the median.
const STARTS: usize = 3;

pub struct Product {
    pub population: Population,
    pub server: Server,
    admin_key: Result<String, String>,
    answering: Duration,
    full: Duration,
    at_rest: Memory,
}

impl Product {
    /// Fills a database, and starts the product on it several times; the last one stays.
    pub fn start(keybearer: &Keybearer, keys: u64, options: &Options, directory: &Path) -> io::Result<Self> {
        let population = keybearer.populate(keys, directory)?;
        let admin_key = keybearer.create_admin_key(&population.database).map_err(|error| error.to_string());
        let (mut answering, mut full) = (Vec::new(), Vec::new());
        let last = loop {
            let started = startup::start(keybearer, &population, &options.server_cores, directory)?;
            answering.push(started.answering.as_secs_f64());
            full.push(started.full.as_secs_f64());
            if answering.len() == STARTS {
                break started;
            }
        };
        last.server.rest()?;
        let median =
            |times: Vec<f64>| Spread::of(times.into_iter()).map(|spread| Duration::from_secs_f64(spread.median));
        Ok(Self {
            population,
            server: last.server,
            admin_key,
            answering: median(answering).unwrap_or_default(),
            full: median(full).unwrap_or_default(),
            at_rest: last.memory,
        })
    }

    /// A key that may verify and manage, or why there is none.
    pub fn admin_key(&self) -> io::Result<&str> {
        self.admin_key.as_deref().map_err(|reason| io::Error::other(reason.clone()))
    }

    /// What the product answers on `route` to `key`; an error unless the status is the `wanted` one.
    pub fn answer(&self, route: &Route, key: &str, wanted: u16) -> io::Result<Response> {
        let mut request = Vec::new();
        route.render(key.as_bytes(), &mut request);
        self.server.wake_up()?;
        let answer = Client::new(self.server.port).send(&request);
        self.server.rest()?;
        let answer = answer?;
        if answer.status == wanted {
            return Ok(answer);
        }
        Err(io::Error::other(format!("{} {} answered {}, not {wanted}", route.method(), route.path(), answer.status)))
    }

    pub fn live_key(&self) -> String {
        Series::ISSUED.text(self.population.keys / 3)
    }

    /// Read after the load has run.
    pub fn start_row(&self) -> io::Result<Start> {
        Ok(Start {
            keys: self.population.keys,
            import: self.population.import,
            reused: self.population.reused,
            answering: self.answering,
            full: self.full,
            at_rest: self.at_rest,
            after_load: self.server.memory()?,
        })
    }
}

/// The products in the order of their populations, and a bare server for each kind of answer.
pub struct Stage {
    pub products: Vec<Product>,
    pub empty: Memory,
    /// `GET /auth` with a live key.
    pub bare: Server,
    /// `GET /auth` with an unknown key.
    pub bare_refusal: io::Result<Server>,
    pub bare_current: io::Result<Server>,
    pub bare_verify: io::Result<(Server, Route)>,
    /// In front of the principal product.
    pub nginx: io::Result<Server>,
}

const MILLION: u64 = 1_000_000;

impl Stage {
    pub fn set(options: &Options, directory: &Path, mut say: impl FnMut(&str)) -> io::Result<Self> {
        let keybearer = Keybearer { binary: &options.keybearer };
        let cores = &options.server_cores[..];
        let nobody = keybearer.populate(0, directory)?;
        let empty = startup::start(&keybearer, &nobody, cores, directory)?.memory;
        let mut products = Vec::new();
        for keys in &options.populations {
            say(&format!("preparing {} keys", show_population(*keys)));
            products.push(Product::start(&keybearer, *keys, options, directory)?);
        }
        let principal = principal(&products);
        let largest = products.last().expect("there is at least one population");
        let mirror = |product: &Product, route: &Route, key: &str, wanted: u16, name: &str| {
            let server = bare::start(route, &product.answer(route, key, wanted)?, name, directory, cores)?;
            bare::wait(server)
        };
        let live = principal.live_key();
        let bare = mirror(principal, &Route::Auth, &live, 200, "auth")?;
        let bare_refusal = mirror(largest, &Route::Auth, &Series::UNKNOWN.text(0), 401, "refusal");
        let bare_current = mirror(principal, &Route::Current, &live, 200, "current");
        let bare_verify = principal.admin_key().and_then(|key| {
            let route = Route::Verify { verifier: key.to_owned() };
            Ok((mirror(principal, &route, &live, 200, "verify")?, route))
        });
        let nginx = gateway::start(principal.server.port, directory, cores);
        Ok(Self { nginx, products, empty, bare, bare_refusal, bare_current, bare_verify })
    }

    /// The population that most goals are about: 1M keys, else the largest.
    pub fn principal(&self) -> &Product {
        principal(&self.products)
    }

    /// The population that the goals about log-ins are for: 10k keys, else the smallest.
    pub fn small(&self) -> &Product {
        let small = self.products.iter().find(|product| product.population.keys == 10_000);
        small.or(self.products.first()).expect("there is at least one population")
    }

    pub fn largest(&self) -> &Product {
        self.products.last().expect("there is at least one population")
    }
}

fn principal(products: &[Product]) -> &Product {
    let million = products.iter().find(|product| product.population.keys == MILLION);
    million.or(products.last()).expect("there is at least one population")
}
