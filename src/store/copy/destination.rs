//! The database that a copy is written to. Nobody else sees it before it is complete.

use crate::error::{Error, Result};
use crate::model::signing::Keyring;
use crate::model::{Consent, DatabaseAddress};
use crate::store::postgres::NewSchema;
use crate::store::sqlite::Draft;
use crate::store::{Tx, postgres, sqlite};

/// A new or empty database. What is written to it has no effect unless `finish` is called.
pub enum Destination {
    Sqlite(Draft),
    Postgres(Box<NewSchema>),
}

impl Destination {
    /// Refuses a database that exists or, on a server, is not empty or is used by a node.
    pub fn begin(address: &DatabaseAddress, consent: Consent) -> Result<Self> {
        match address {
            DatabaseAddress::File(path) => sqlite::create_copy(path, consent).map(Destination::Sqlite),
            DatabaseAddress::Server(database) => {
                postgres::NewSchema::begin(database).map(|schema| Destination::Postgres(Box::new(schema)))
            }
        }
    }

    pub fn tx(&self) -> Tx<'_> {
        match self {
            Destination::Sqlite(draft) => Tx::from(draft.db()),
            Destination::Postgres(schema) => Tx::from(schema.session()),
        }
    }

    /// Whether signing keys are kept in a file beside the database, by `keep_signing_keys`, and not in the database.
    pub fn has_signing_file(&self) -> bool {
        matches!(self, Destination::Sqlite(_))
    }

    pub fn keep_signing_keys(&mut self, ring: &Keyring) -> Result<()> {
        match self {
            Destination::Sqlite(draft) => draft.keep_signing_keys(ring),
            Destination::Postgres(_) => Err(Error::internal("a database on a server has no files beside it")),
        }
    }

    /// Makes the copy visible and durable, at once.
    pub fn finish(self) -> Result<()> {
        match self {
            Destination::Sqlite(draft) => draft.finish_copy(),
            Destination::Postgres(schema) => schema.finish(),
        }
    }
}
