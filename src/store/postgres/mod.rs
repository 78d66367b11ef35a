//! PostgreSQL, the engine for several nodes: sessions, the schema, the writer's transactions, and the lease by which a
//! node may answer from memory. Writers on all nodes exclude each other by the row `clock`; nodes follow the feed.

mod acknowledgements;
mod address;
mod clock;
mod copy;
mod heart;
mod import_lock;
mod in_use;
mod lease;
mod new_schema;
mod nodes;
mod passfile;
mod reader;
mod schema;
pub(super) mod session;
mod tls;
pub(super) mod types;
mod writer;

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Tx;
use super::examination::{self, Examination};
use super::moved::must_not_be_moved;
use super::writer::{Counters, WriterEngine};
use crate::ambient::Background;
use crate::error::{Error, Kind, Result};
use crate::index::Index;
use crate::model::{Consent, NodeFigures, PostgresDatabase, Purpose};
use acknowledgements::Acknowledgements;
use address::ServerAddress;
pub(super) use clock::take_long;
pub(super) use copy::RowCopy;
use heart::Heart;
pub use import_lock::SessionLock;
use import_lock::on_its_own_thread;
pub(super) use in_use::keep_nodes_away;
use lease::Lease;
pub use new_schema::NewSchema;
pub(super) use reader::PostgresReader;
use session::PostgresSession;
use writer::PostgresWriter;

/// How long a server that starts waits for its first lease.
const FIRST_LEASE: Duration = Duration::from_secs(15);

/// This process, as the store sees it while the database is open.
pub(super) struct OwnNode {
    address: Arc<ServerAddress>,
    /// Of the server.
    pub version: String,
    /// Why the database is not the newest one, if the operator has accepted that.
    pub accepted: Option<String>,
    /// `None` in a command, which answers nothing from memory.
    lease: Option<Arc<Lease>>,
    heart: Option<Background>,
    acknowledgements: Mutex<Option<Acknowledgements>>,
}

/// An open database, and what works on it.
pub(super) struct OpenPostgres {
    pub node: OwnNode,
    pub installation: [u8; 16],
    pub writer: Box<dyn WriterEngine>,
    pub readers: Vec<PostgresReader>,
}

/// Connects, creates the schema if there is none, and for a server joins the other nodes.
pub(super) fn open(
    database: &PostgresDatabase,
    purpose: Purpose,
    consent: Consent,
    index: &Arc<Index>,
    counters: &Arc<Counters>,
    readers: usize,
) -> Result<OpenPostgres> {
    let address = Arc::new(ServerAddress::parse(&database.url)?);
    let prepare = || {
        let mut session = PostgresSession::connect(&address)?;
        let server = schema::prepare(&mut session)?;
        if purpose == Purpose::Exclusive {
            in_use::wait_for_nobody(&session, &address.shown)?;
        }
        let accepted = must_not_be_moved(&Tx::from(&session), consent, &address.shown)?;
        Ok((server, accepted))
    };
    let (server, accepted) = on_its_own_thread(prepare).map_err(|error| unreachable(&address, error))?;
    let lease = (purpose == Purpose::Serve).then(|| Arc::new(Lease::new(database.lease)));
    let (acknowledgements, queue) = Acknowledgements::start(Arc::clone(&address), lease.clone())?;
    let heart = lease.as_ref().map(|lease| start(&address, lease, index, consent)).transpose()?;
    if cfg!(feature = "unsafe-no-wait") {
        tracing::error!("built with unsafe-no-wait: a revoked key stays valid on other nodes for a while");
    }
    Ok(OpenPostgres {
        installation: server.installation,
        writer: Box::new(PostgresWriter::new(Arc::clone(&address), purpose, queue, Arc::clone(counters))),
        readers: (0..readers).map(|_| PostgresReader::new(Arc::clone(&address), lease.clone())).collect(),
        node: OwnNode {
            address,
            version: server.version,
            accepted,
            lease,
            heart,
            acknowledgements: Mutex::new(Some(acknowledgements)),
        },
    })
}

/// Whether the database has our tables.
pub(super) fn exists(database: &PostgresDatabase) -> Result<bool> {
    let address = ServerAddress::parse(&database.url)?;
    on_its_own_thread(|| schema::exists(&PostgresSession::connect(&address)?))
        .map_err(|error| unreachable(&address, error))
}

/// Checks the records and the audit log. PostgreSQL itself keeps types and references.
pub(super) fn examine(database: &PostgresDatabase) -> Result<Examination> {
    let address = ServerAddress::parse(&database.url)?;
    let look = || {
        let mut session = PostgresSession::connect(&address)?;
        schema::must_be_of_this_version(&mut session)?;
        let mut found = Examination::default();
        examination::records(&Tx::from(&session), true, &mut found)?;
        Ok(found)
    };
    on_its_own_thread(look).map_err(|error| unreachable(&address, error))
}

fn start(address: &Arc<ServerAddress>, lease: &Arc<Lease>, index: &Arc<Index>, consent: Consent) -> Result<Background> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let heart = Heart::new(Arc::clone(address), Arc::clone(lease), Arc::clone(index), name, consent);
    let started = Background::start("heart", move |orders| heart.run(&orders))?;
    if heart::wait_for(lease, FIRST_LEASE) {
        return Ok(started);
    }
    Err(Error::new(
        Kind::Unavailable,
        format!(
            "The database at {} accepted no heartbeat of this node. A commit there may be waiting for a synchronous \
             standby that is down, or the table nodes may be locked.",
            address.shown
        ),
    ))
}

/// An error at the start, which names the server and says what the operator can do.
fn unreachable(address: &ServerAddress, error: Error) -> Error {
    match error.cause {
        Some(cause) => Error::new(
            error.kind,
            format!("The database at {} cannot be used: {cause}. {}", address.shown, hint(&cause)),
        ),
        None => error,
    }
}

fn hint(cause: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if says(&["does not support TLS"]) {
        "Turn TLS on there, or write sslmode=disable in the URL if nobody can read that network."
    } else if says(&["certificate", "TLS"]) {
        "Name the server's root certificate with sslrootcert=FILE in the URL, and the host as the certificate names it."
    } else if says(&["password missing"]) {
        "Give the password in PGPASSFILE (a line host:port:database:user:password for each host of the URL) or in the URL."
    } else if says(&["28P01", "28000", "42501"]) {
        "Check the user, its password and its rights on the database."
    } else {
        "Check the URL and whether the server runs."
    }
}

impl OwnNode {
    /// Whether keys may be answered from memory.
    pub fn is_current(&self) -> bool {
        self.lease.as_ref().is_none_or(|lease| lease.is_held())
    }

    /// How many nodes there are, kept up to date; 1 in a command.
    pub fn count(&self) -> Arc<AtomicU32> {
        self.lease.as_ref().map_or_else(|| Arc::new(AtomicU32::new(1)), |lease| Arc::clone(&lease.nodes))
    }

    /// `None` in a command.
    pub fn figures(&self) -> Option<NodeFigures> {
        self.lease.as_ref().map(|lease| lease.figures())
    }

    /// The reason why what was read proves nothing, if there is one.
    pub fn trouble(&self) -> Option<String> {
        let why = || "this node's lease has ended, because its heartbeats do not reach the database".to_owned();
        (!self.is_current()).then(why)
    }

    pub fn try_lock_import(&self) -> Result<Option<SessionLock>> {
        SessionLock::take(&self.address)
    }

    /// Called after the last write. Replies to all callers; then nobody needs to wait for this node any more.
    pub fn leave(&self) {
        if let Some(acknowledgements) = self.acknowledgements.lock().ok().and_then(|mut held| held.take()) {
            acknowledgements.stop();
        }
        if let Some(heart) = &self.heart {
            heart.stop();
        }
    }
}
