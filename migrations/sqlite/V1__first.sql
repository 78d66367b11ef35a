-- Ids, times (milliseconds since 1970 UTC) and secrets come in from outside: no defaults, so that
-- any engine can hold identical data.
PRAGMA application_id = 1262637649;

CREATE TABLE users (
    id            BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    email         TEXT NOT NULL UNIQUE,
    role          TEXT NOT NULL CHECK (role IN ('member', 'admin')),
    active        INTEGER NOT NULL CHECK (active IN (0, 1)),
    password_hash TEXT,
    created_at    INTEGER NOT NULL,
    last_login_at INTEGER
) STRICT, WITHOUT ROWID;

-- Clustered by id, which is time-ordered: pages of the newest keys are neighbours on disk.
CREATE TABLE keys (
    id          BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    digest      BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    owner_id    BLOB NOT NULL REFERENCES users (id),
    name        TEXT NOT NULL,
    prefix      TEXT,
    hint        TEXT NOT NULL,
    scopes      TEXT NOT NULL,
    enabled     INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    allowed_ips TEXT NOT NULL,
    rate_limit  TEXT,
    metadata    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_owner ON keys (owner_id, id);
CREATE INDEX keys_by_name ON keys (name COLLATE NOCASE, id);
CREATE INDEX keys_by_expiry ON keys (expires_at) WHERE expires_at IS NOT NULL;

-- Apart from keys: written in batches, often, and no verdict depends on it. Cleared by a trigger;
-- a foreign key would be looked up for each of a million counts.
CREATE TABLE key_last_use (
    key_id     BLOB NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    address    TEXT,
    user_agent TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE key_hourly_use (
    key_id BLOB NOT NULL,
    hour   INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (key_id, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_hourly_use_by_hour ON key_hourly_use (hour);

CREATE TABLE sessions (
    id           BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    digest       BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    user_id      BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    address      TEXT,
    user_agent   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id);

-- Failed log-ins in a row, by bucket (an account from an address, an account from anywhere, …).
CREATE TABLE login_throttle (
    bucket   BLOB NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_throttle_by_age ON login_throttle (last_at);

-- What has been done once and must not be done again by a repeated request.
CREATE TABLE submissions (
    digest     BLOB NOT NULL PRIMARY KEY,
    body       BLOB NOT NULL,
    key_id     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX submissions_by_age ON submissions (created_at);

CREATE TABLE events (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    at          INTEGER NOT NULL,
    actor_kind  TEXT NOT NULL,
    actor_id    BLOB,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    object_id   BLOB,
    object      TEXT NOT NULL,
    address     TEXT,
    request_id  TEXT,
    chain       BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_object ON events (object_id, seq);

-- The change feed: every change that can alter a verdict leaves a line, whoever makes it, even the
-- sqlite3 shell. `rev` only ever grows.
CREATE TABLE changes (
    rev    INTEGER PRIMARY KEY AUTOINCREMENT,
    kind   TEXT NOT NULL CHECK (kind IN ('key', 'user')),
    id     BLOB NOT NULL,
    digest BLOB
) STRICT;

CREATE TRIGGER key_inserted AFTER INSERT ON keys BEGIN
    INSERT INTO changes (kind, id, digest) VALUES ('key', NEW.id, NEW.digest);
END;
CREATE TRIGGER key_changed AFTER UPDATE OF id, digest, owner_id, prefix, scopes, enabled, expires_at, allowed_ips, rate_limit ON keys BEGIN
    INSERT INTO changes (kind, id, digest) VALUES ('key', OLD.id, OLD.digest), ('key', NEW.id, NEW.digest);
END;
CREATE TRIGGER key_deleted AFTER DELETE ON keys BEGIN
    INSERT INTO changes (kind, id, digest) VALUES ('key', OLD.id, OLD.digest);
    DELETE FROM key_last_use WHERE key_id = OLD.id;
    DELETE FROM key_hourly_use WHERE key_id = OLD.id;
END;
CREATE TRIGGER user_changed AFTER UPDATE OF id, email, active ON users BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.id);
END;

-- Browsers that have logged in before: strangers who guess at an account cannot lock them out.
CREATE TABLE devices (
    digest     BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    user_id    BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_user ON devices (user_id);

-- How far the usage journals have been folded in: after a crash no count is added twice.
CREATE TABLE usage_folds (
    journal INTEGER NOT NULL PRIMARY KEY,
    rows    INTEGER NOT NULL
) STRICT;
