-- One-time links with which a person chooses a password. A person has one at a time: a new one replaces it.
CREATE TABLE person_links (
    digest BYTEA PRIMARY KEY CHECK (length(digest) = 32),
    user_id BYTEA NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT COLLATE "C" NOT NULL CHECK (purpose IN ('invitation', 'reset')),
    expires_at BIGINT NOT NULL
);
