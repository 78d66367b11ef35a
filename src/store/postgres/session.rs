//! One connection, used by one of our own threads, which it blocks. It must not be used on an async worker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::select_ok;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::error::Severity;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, Statement};

use super::address::ServerAddress;
use super::tls::Tls;
use super::types::{Parameter, numbered};
use crate::error::{Error, Result};
use crate::store::row::{Read, Row};
use crate::store::value::SqlValue;

/// How long a statement may take. A COMMIT also waits for the standby; if that takes longer, the outcome is unknown.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many rows of a result are taken from the connection at once.
const ROWS_AT_ONCE: usize = 256;

/// How long to wait until the server has been told that a connection ends.
const GOODBYE: Duration = Duration::from_millis(100);

pub(in crate::store) struct PostgresSession {
    /// `None` only while it is dropped.
    client: Option<Client>,
    connection: JoinHandle<()>,
    patience: Duration,
    statements: RefCell<HashMap<String, Statement>>,
    /// How many rows were changed so far.
    changed: Cell<u64>,
    notices: RefCell<UnboundedReceiver<()>>,
    /// Whether the server has warned since this was last reset.
    warned: Arc<AtomicBool>,
    runtime: Runtime,
}

impl PostgresSession {
    pub fn connect(address: &ServerAddress) -> Result<Self> {
        Self::connect_patiently(address, PATIENCE)
    }

    /// Connects; each of its statements, and connecting, may take `patience`.
    pub fn connect_patiently(address: &ServerAddress, patience: Duration) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::unavailable)?;
        let (sender, notices) = unbounded_channel();
        let warned = Arc::new(AtomicBool::new(false));
        let (client, connection) = runtime.block_on(open(address, patience, sender, Arc::clone(&warned)))?;
        let (statements, notices) = (RefCell::default(), RefCell::new(notices));
        let changed = Cell::new(0);
        Ok(PostgresSession {
            client: Some(client),
            connection,
            patience,
            statements,
            changed,
            notices,
            warned,
            runtime,
        })
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("it is taken only by drop")
    }

    pub fn execute(&self, text: &str, values: &[SqlValue<'_>], names: &[&str]) -> Result<usize> {
        let statement = self.statement(text, names)?;
        let parameters = values.iter().copied().map(Parameter);
        let rows = self.run(self.client().execute_raw(&statement, parameters))?;
        self.changed.set(self.changed.get() + rows);
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    pub fn each(
        &self,
        text: &str,
        values: &[SqlValue<'_>],
        names: &[&str],
        read: &mut dyn FnMut(&Row<'_>) -> Read<bool>,
    ) -> Result<()> {
        let statement = self.statement(text, names)?;
        let parameters = values.iter().copied().map(Parameter);
        let mut rows = std::pin::pin!(self.run(self.client().query_raw(&statement, parameters))?);
        // `read` may wait for another session, which it could not within `block_on`.
        loop {
            let arrived = self.runtime.block_on(async {
                let mut arrived = Vec::new();
                while let Some(row) = patiently(self.patience, rows.try_next()).await? {
                    arrived.push(row);
                    if arrived.len() == ROWS_AT_ONCE {
                        break;
                    }
                }
                Ok::<_, Error>(arrived)
            })?;
            for row in &arrived {
                if !read(&Row::Postgres(row))? {
                    return Ok(());
                }
            }
            if arrived.len() < ROWS_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Runs statements without values.
    pub fn batch(&self, text: &str) -> Result<()> {
        self.run(self.client().batch_execute(text))
    }

    /// Whether the server still answers, which costs a round trip.
    pub fn is_alive(&self) -> bool {
        self.batch("").is_ok()
    }

    /// Whether the connection is open, as far as this machine knows: costs no round trip.
    pub fn is_open(&self) -> bool {
        // What has arrived is read meanwhile, the end of the connection included.
        self.runtime.block_on(async {
            for _ in 0..3 {
                yield_now().await;
            }
        });
        !self.client().is_closed()
    }

    /// Commits. An error means that the outcome is unknown, because the standby may not have the changes.
    pub fn commit(&self) -> Result<()> {
        self.durably(|| self.batch("COMMIT"))
    }

    /// Runs something that commits. If the server was told to stop waiting for the standby, it warns and reports
    /// success; that is an error here.
    pub fn durably<T>(&self, run: impl FnOnce() -> Result<T>) -> Result<T> {
        self.warned.store(false, Ordering::Relaxed);
        let done = run()?;
        if self.warned.load(Ordering::Relaxed) {
            return Err(Error::unavailable("PostgreSQL: a commit did not wait for the standby"));
        }
        Ok(done)
    }

    pub fn at_one_moment<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let found = read();
        self.batch("ROLLBACK")?;
        found
    }

    pub fn changed(&self) -> u64 {
        self.changed.get()
    }

    /// Waits for a notification, at most this long. Several that have arrived count as one.
    pub fn notified_within(&self, wait: Duration) -> bool {
        let mut notices = self.notices.borrow_mut();
        let first = self.runtime.block_on(async { timeout(wait, notices.recv()).await });
        while notices.try_recv().is_ok() {}
        // A closed channel means that the connection has ended, which the next statement reports.
        first.is_ok()
    }

    /// The types of the columns that a query returns.
    pub(super) fn types_of(&self, query: &str) -> Result<Vec<Type>> {
        let statement = self.statement(query, &[])?;
        Ok(statement.columns().iter().map(|column| column.type_().clone()).collect())
    }

    /// Begins a COPY of rows with columns of these types.
    pub(super) fn begin_copy(&self, text: &str, types: &[Type]) -> Result<BinaryCopyInWriter> {
        Ok(BinaryCopyInWriter::new(self.run(self.client().copy_in(text))?, types))
    }

    /// For what the client itself offers.
    pub fn with_client<T>(&mut self, run: impl AsyncFnOnce(&mut Client) -> T) -> T {
        let client = self.client.as_mut().expect("it is taken only by drop");
        self.runtime.block_on(run(client))
    }

    fn statement(&self, text: &str, names: &[&str]) -> Result<Statement> {
        if let Some(statement) = self.statements.borrow().get(text) {
            return Ok(statement.clone());
        }
        let statement = self.run(self.client().prepare(&numbered(text, names)))?;
        self.statements.borrow_mut().insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(super) fn run<T>(&self, future: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T> {
        self.runtime.block_on(patiently(self.patience, future))
    }
}

impl Drop for PostgresSession {
    fn drop(&mut self) {
        // The connection ends once it has no client.
        drop(self.client.take());
        let _ = self.runtime.block_on(async { timeout(GOODBYE, &mut self.connection).await });
    }
}

async fn open(
    address: &ServerAddress,
    patience: Duration,
    notices: UnboundedSender<()>,
    warned: Arc<AtomicBool>,
) -> Result<(Client, JoinHandle<()>)> {
    let tls = Tls::of(address)?;
    // All hosts at once: one that has died silently must not delay the way to the one that took over.
    let attempts = address.hosts.iter().map(|host| {
        let connecting = timeout(address.connect_timeout.min(patience), host.connect(tls.clone()));
        let late = |_| Error::unavailable(format!("{} did not answer in time", address.shown));
        Box::pin(async move { connecting.await.map_err(late)?.map_err(sql) })
    });
    let ((client, mut connection), _) = select_ok(attempts).await?;
    let task = tokio::spawn(async move {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notification(_)) => {
                    let _ = notices.send(()); // nobody may be listening any more
                }
                Ok(AsyncMessage::Notice(notice)) if notice.parsed_severity() == Some(Severity::Warning) => {
                    tracing::warn!(code = notice.code().code(), "PostgreSQL warns: {}", notice.message());
                    warned.store(true, Ordering::Relaxed);
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    patiently(patience, client.batch_execute(SETTINGS)).await?;
    Ok((client, task))
}

/// A statement waits for a lock at most this long; synchronous_commit is on, because an acknowledged change and a
/// heartbeat must be on the standby too. There is no statement_timeout: it would end the wait for the standby, and
/// PostgreSQL would then report the commit as done. Compiling a statement (jit) takes longer than any of ours runs: tens
/// of milliseconds for each heartbeat while the tables have no statistics yet.
const SETTINGS: &str = "SET search_path TO keybearer; SET synchronous_commit TO on; SET lock_timeout TO '4s';
    SET statement_timeout TO 0; SET jit TO off; SET idle_in_transaction_session_timeout TO '30s'; SET timezone TO 'UTC';
    SET standard_conforming_strings TO on; SET client_min_messages TO warning";

async fn patiently<T>(patience: Duration, future: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T> {
    let late = |_| Error::unavailable("PostgreSQL did not answer in time");
    timeout(patience, future).await.map_err(late)?.map_err(sql)
}

/// Without the values that PostgreSQL names in its details.
pub(super) fn sql(error: tokio_postgres::Error) -> Error {
    Error::unavailable(match error.as_db_error() {
        Some(db) => format!("PostgreSQL: {} ({})", db.message(), db.code().code()),
        None => match std::error::Error::source(&error) {
            Some(cause) => format!("PostgreSQL: {error}: {cause}"),
            None => format!("PostgreSQL: {error}"),
        },
    })
}
