-- One-time links with which a person chooses a password. A person has one at a time: a new one replaces it.
CREATE TABLE person_links (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    user_id BLOB NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('invitation', 'reset')),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
