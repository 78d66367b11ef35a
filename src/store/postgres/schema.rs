//! The schema `keybearer` and its migrations, which the first node of a version runs.

use super::session::{PostgresSession, sql};
use crate::error::{Error, Result};

mod embedded {
    refinery::embed_migrations!("migrations/postgres");
}

/// Only one node migrates at a time; the number is ours alone in this database ("keybear").
const LOCK: i64 = 0x006b_6579_6265_6172;
const MIN_VERSION: i64 = 150_000;

/// What a server has told about itself.
pub(super) struct DatabaseServer {
    pub version: String,
    pub installation: [u8; 16],
}

/// Creates the schema or brings it to this version. A newer one is refused before anything is written.
pub(super) fn prepare(session: &mut PostgresSession) -> Result<DatabaseServer> {
    let version = setting(session, "server_version_num")?.parse::<i64>().unwrap_or(0);
    if version < MIN_VERSION {
        return Err(Error::conflict("PostgreSQL is older than version 15. Upgrade it."));
    }
    if setting(session, "transaction_read_only")? == "on" {
        return Err(Error::conflict(
            "This PostgreSQL is a standby or read-only. Name the primary in the URL, or all hosts with \
             target_session_attrs=read-write.",
        ));
    }
    session.batch(&format!("SELECT pg_advisory_lock({LOCK})"))?;
    let prepared = migrate(session);
    session.batch(&format!("SELECT pg_advisory_unlock({LOCK})"))?;
    prepared?;
    let version = setting(session, "server_version")?;
    let mut installation = None;
    session.each("SELECT id FROM installation", &[], &[], &mut |row| {
        installation = Some(row.get(0)?);
        Ok(false)
    })?;
    let missing = || Error::conflict("The schema keybearer has no installation. It was not made by this program.");
    Ok(DatabaseServer { version, installation: installation.ok_or_else(missing)? })
}

/// Whether the database has our tables.
pub(super) fn exists(session: &PostgresSession) -> Result<bool> {
    newest_version(session).map(|found| found.is_some())
}

/// Refuses an earlier or later schema, and a database without one.
pub(super) fn must_be_of_this_version(session: &mut PostgresSession) -> Result<()> {
    match newest_version(session)? {
        Some(found) if found == known_version() => Ok(()),
        Some(found) if found > known_version() => Err(newer(found)),
        Some(_) => {
            Err(Error::conflict("The database is of an earlier version. Start the server, which upgrades it, first."))
        }
        None => Err(Error::conflict("There are no tables of keybearer in this database.")),
    }
}

fn newer(found: i64) -> Error {
    Error::conflict(format!(
        "The database was written by a newer keybearer (schema {found}; this version knows {}). Nothing was changed. \
         Install that version or a later one.",
        known_version()
    ))
}

fn known_version() -> i64 {
    embedded::migrations::runner().get_migrations().iter().map(|own| own.version().into()).max().unwrap_or(0)
}

fn migrate(session: &mut PostgresSession) -> Result<()> {
    let known = known_version();
    if let Some(found) = newest_version(session)? {
        if found > known {
            return Err(newer(found));
        }
        if found == known {
            return Ok(());
        }
    }
    session.batch("CREATE SCHEMA IF NOT EXISTS keybearer")?;
    let migrated = session.with_client(async |client| embedded::migrations::runner().run_async(client).await);
    migrated
        .map(drop)
        .map_err(|error| Error::unavailable(format!("the schema cannot be brought to this version: {error}")))
}

/// `None` if there is no schema yet.
fn newest_version(session: &PostgresSession) -> Result<Option<i64>> {
    let mut exists = false;
    session.each("SELECT to_regclass('keybearer.refinery_schema_history') IS NOT NULL", &[], &[], &mut |row| {
        exists = row.get(0)?;
        Ok(false)
    })?;
    let mut newest = None;
    if exists {
        let text = "SELECT max(version)::BIGINT FROM keybearer.refinery_schema_history";
        session.each(text, &[], &[], &mut |row| {
            newest = row.get(0)?;
            Ok(false)
        })?;
    }
    Ok(newest)
}

fn setting(session: &mut PostgresSession, name: &str) -> Result<String> {
    let text = format!("SHOW {name}");
    let rows = session.with_client(async |client| client.query(&text, &[]).await).map_err(sql)?;
    let row = rows.first().ok_or_else(|| Error::unavailable("PostgreSQL did not report its settings"))?;
    row.try_get(0).map_err(sql)
}
