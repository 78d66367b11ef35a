//! Settings of the database, which every command opens.

use clap::Args;
use serde::Deserialize;

use super::given::Given;
use crate::error::{Error, Result};
use crate::model::{Consent, DatabaseAddress};

const DATABASE: &str = "keybearer.db";

#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct DatabaseSection {
    /// Database: a path, sqlite:PATH or postgres://USER@HOST/NAME [default: keybearer.db]
    #[arg(long, env = "KEYBEARER_DATABASE", global = true, value_name = "DB")]
    database: Option<Given>,
    /// Allow a database on a network file system (or FUSE), where locks may not work; only one machine may then use it
    #[arg(
        long,
        env = "KEYBEARER_ALLOW_NETWORK_FILESYSTEM",
        global = true,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    allow_network_filesystem: Option<Given>,
}

impl DatabaseSection {
    pub fn address(&self) -> Result<DatabaseAddress> {
        let Some(given) = &self.database else { return Ok(DatabaseAddress::File(DATABASE.into())) };
        // The error does not repeat a text that may contain a password.
        let wrong = |error: Error| match given.text() {
            Ok(text) if text.contains(['@', '?']) => {
                Error::invalid("usage", format!("{}: {}", given.name(), error.message))
            }
            _ => given.wrong(error.message),
        };
        DatabaseAddress::parse(given.text()?).map_err(wrong)
    }

    /// `older_database` can be given only as a flag, because it applies to one run.
    pub fn consent(&self, older_database: bool) -> Result<Consent> {
        let network_file_system = match &self.allow_network_filesystem {
            None => false,
            Some(given) => given.text()?.parse().map_err(|_| given.wrong("write true or false."))?,
        };
        Ok(Consent { network_file_system, older_database })
    }
}
