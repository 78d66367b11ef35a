//! Why a database is opened, and which risks the operator accepts.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The server: holds the lock and keeps the index.
    Serve,
    /// A command, with or without a running server: announces what it changes.
    Command,
    /// A command that revokes something: it may also use the reserve to open the database.
    Revocation,
}

/// Conditions that are refused unless the operator accepts them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Consent {
    /// The database may be on a network file system, or on one that looks like it.
    pub network_file_system: bool,
    /// The database may be an older copy of the previous one, or a different one.
    pub older_database: bool,
}
