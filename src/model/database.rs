//! Why a database is opened, and what the operator agrees to.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The one server: holds the lock, keeps the index.
    Serve,
    /// A command beside it, or alone: announces what it changes.
    Command,
    /// A command that takes something away: it may use the reserve to open the database too.
    Revocation,
}

/// What is refused otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Consent {
    /// The database may be on a network file system, or on one that cannot be told from it.
    pub network_file_system: bool,
    /// The database may be an older copy of the one that was there before, or another one.
    pub older_database: bool,
}
