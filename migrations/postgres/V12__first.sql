-- The same tables as SQLite has at this version, and the same numbers: blobs are BYTEA, numbers and flags (0 and 1) are
-- BIGINT, texts sort and compare by their bytes. Ids, times (milliseconds since 1970 UTC) and secrets come from outside.

-- One row, which each write transaction locks first. So writers on all nodes exclude each other, and `rev` rises in the
-- order of the commits, without gaps.
CREATE TABLE clock (
    one    BIGINT NOT NULL PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    rev    BIGINT NOT NULL,
    -- Which transaction made this revision, and a mark of it that no other history of this database has.
    xact   xid8 NOT NULL,
    stamp  UUID NOT NULL,
    -- Lines of the feed up to this revision may have been removed.
    pruned BIGINT NOT NULL,
    -- The number of the newest event that ever was.
    events BIGINT NOT NULL
) WITH (fillfactor = 20);
INSERT INTO clock (rev, xact, stamp, pruned, events) VALUES (0, '0', gen_random_uuid(), 0, 0);

CREATE TABLE users (
    id            BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    email         TEXT COLLATE "C" NOT NULL UNIQUE,
    role          TEXT COLLATE "C" NOT NULL CHECK (role IN ('member', 'admin')),
    active        BIGINT NOT NULL CHECK (active IN (0, 1)),
    password_hash TEXT COLLATE "C",
    created_at    BIGINT NOT NULL,
    last_login_at BIGINT
);

CREATE TABLE keys (
    id           BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    digest       BYTEA NOT NULL UNIQUE CHECK (length(digest) = 32),
    owner_id     BYTEA NOT NULL REFERENCES users (id),
    name         TEXT COLLATE "C" NOT NULL,
    description  TEXT COLLATE "C" NOT NULL DEFAULT '',
    prefix       TEXT COLLATE "C",
    hint         TEXT COLLATE "C" NOT NULL,
    scopes       TEXT COLLATE "C" NOT NULL,
    enabled      BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    allowed_ips  TEXT COLLATE "C" NOT NULL,
    rate_limit   TEXT COLLATE "C",
    metadata     TEXT COLLATE "C" NOT NULL,
    lifetime     BIGINT,
    limit_bucket BYTEA CHECK (length(limit_bucket) = 16),
    is_token     BIGINT NOT NULL DEFAULT 0 CHECK (is_token IN (0, 1))
);
CREATE INDEX keys_by_owner ON keys (owner_id, id);
CREATE INDEX keys_by_name ON keys (lower(name), id);
CREATE INDEX keys_by_expiry ON keys (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX keys_by_hint ON keys (hint);

CREATE TABLE key_last_use (
    key_id     BYTEA NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    address    TEXT COLLATE "C",
    user_agent TEXT COLLATE "C"
) WITH (fillfactor = 70);

CREATE TABLE key_hourly_use (
    key_id BYTEA NOT NULL,
    hour   BIGINT NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (key_id, hour)
) WITH (fillfactor = 70);
CREATE INDEX key_hourly_use_by_hour ON key_hourly_use (hour);

CREATE TABLE sessions (
    id           BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    digest       BYTEA NOT NULL UNIQUE CHECK (length(digest) = 32),
    user_id      BYTEA NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    address      TEXT COLLATE "C",
    user_agent   TEXT COLLATE "C" NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE login_throttle (
    bucket   BYTEA NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at  BIGINT NOT NULL
);
CREATE INDEX login_throttle_by_age ON login_throttle (last_at);

CREATE TABLE submissions (
    digest     BYTEA NOT NULL PRIMARY KEY,
    body       BYTEA NOT NULL,
    key_id     BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX submissions_by_age ON submissions (created_at);

CREATE TABLE events (
    seq        BIGINT NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor_kind TEXT COLLATE "C" NOT NULL,
    actor_id   BYTEA,
    actor      TEXT COLLATE "C" NOT NULL,
    action     TEXT COLLATE "C" NOT NULL,
    object_id  BYTEA,
    object     TEXT COLLATE "C" NOT NULL,
    address    TEXT COLLATE "C",
    request_id TEXT COLLATE "C",
    chain      BYTEA NOT NULL
);
CREATE INDEX events_by_object ON events (object_id, seq);

CREATE TABLE devices (
    digest     BYTEA NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    user_id    BYTEA NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL DEFAULT 'browser' CHECK (kind IN ('browser', 'address'))
);
CREATE INDEX devices_by_user ON devices (user_id);

CREATE TABLE token_families (
    id         BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id    BYTEA NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key_id     BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX token_families_by_user ON token_families (user_id, created_at);
CREATE INDEX token_families_by_expiry ON token_families (expires_at);

CREATE TABLE refresh_tokens (
    digest    BYTEA NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    family_id BYTEA NOT NULL REFERENCES token_families (id) ON DELETE CASCADE,
    is_used   BIGINT NOT NULL CHECK (is_used IN (0, 1)),
    used_at   BIGINT,
    seed      BYTEA,
    used_from TEXT COLLATE "C",
    used_with TEXT COLLATE "C"
);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_by_use ON refresh_tokens (used_at) WHERE seed IS NOT NULL;

CREATE TABLE tombstones (
    digest     BYTEA NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    revoked_at BIGINT NOT NULL
);

CREATE TABLE refused_logins (
    hour    BIGINT NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    events  BIGINT NOT NULL,
    more    BIGINT NOT NULL,
    PRIMARY KEY (hour, account, address)
);

CREATE TABLE pending_imports (
    first_id BYTEA NOT NULL PRIMARY KEY CHECK (length(first_id) = 16),
    last_id  BYTEA NOT NULL CHECK (length(last_id) = 16),
    lost     BIGINT NOT NULL
);

-- Tells this database from others. Not a secret.
CREATE TABLE installation (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16)
);
INSERT INTO installation (id) VALUES (decode(replace(gen_random_uuid()::text, '-', ''), 'hex'));

-- The key ring of all nodes, sealed under a secret that is not in the database.
CREATE TABLE signing_ring (
    one     BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL,
    sealed  BYTEA NOT NULL
);

-- One row per run of a node.
CREATE TABLE nodes (
    incarnation BYTEA NOT NULL PRIMARY KEY CHECK (length(incarnation) = 16),
    name        TEXT COLLATE "C" NOT NULL,
    version     TEXT COLLATE "C" NOT NULL,
    address     TEXT COLLATE "C" NOT NULL,
    -- How long the node answers after it sent a heartbeat, in milliseconds.
    lease       BIGINT NOT NULL CHECK (lease > 0),
    -- The revision that it has applied; -1 until its first heartbeat. Never lowered.
    seen        BIGINT NOT NULL,
    beats       BIGINT NOT NULL,
    keys        BIGINT NOT NULL,
    -- 1: its heartbeats are refused from now on.
    marked      BIGINT NOT NULL CHECK (marked IN (0, 1)),
    joined_at   BIGINT NOT NULL,
    -- By the database's clock, for display; no rule depends on it.
    beat_at     BIGINT
) WITH (fillfactor = 20);

-- The revision of a line of the feed. Whoever writes to these tables takes the clock, even psql, and wakes the nodes.
CREATE FUNCTION feed_revision() RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    found BIGINT;
BEGIN
    UPDATE clock SET rev = rev + 1, xact = pg_current_xact_id(), stamp = gen_random_uuid()
        WHERE xact <> pg_current_xact_id();
    SELECT rev INTO STRICT found FROM clock;
    PERFORM pg_notify('keybearer', '');
    RETURN found;
END $$;

-- The change feed: each change that can alter a verdict leaves a line, whoever makes it.
CREATE TABLE changes (
    line   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rev    BIGINT NOT NULL DEFAULT feed_revision(),
    kind   TEXT COLLATE "C" NOT NULL CHECK (kind IN ('key', 'user')),
    id     BYTEA NOT NULL,
    digest BYTEA,
    -- 1: grants something new and takes nothing away.
    adds   BIGINT NOT NULL DEFAULT 0 CHECK (adds IN (0, 1)),
    stamp  UUID
);
CREATE INDEX changes_by_rev ON changes (rev);
CREATE INDEX changes_that_take ON changes (rev) WHERE adds = 0;

CREATE FUNCTION stamp_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT stamp INTO STRICT NEW.stamp FROM clock;
    RETURN NEW;
END $$;
CREATE TRIGGER change_stamped BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION stamp_change();

CREATE FUNCTION note_pruned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE clock SET pruned = GREATEST(pruned, (SELECT coalesce(max(rev), 0) FROM gone));
    RETURN NULL;
END $$;
CREATE TRIGGER changes_pruned AFTER DELETE ON changes REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION note_pruned();

CREATE FUNCTION is_pending(key_id BYTEA) RETURNS BOOLEAN LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM pending_imports WHERE key_id BETWEEN first_id AND last_id)
$$;

CREATE FUNCTION keys_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (kind, id, digest, adds)
        SELECT 'key', f.id, f.digest, 1 FROM fresh f
        WHERE NOT EXISTS (SELECT 1 FROM pending_imports WHERE f.id BETWEEN first_id AND last_id);
    RETURN NULL;
END $$;
CREATE TRIGGER keys_inserted AFTER INSERT ON keys REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION keys_inserted();

CREATE FUNCTION key_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (kind, id, digest) VALUES ('key', OLD.id, OLD.digest);
    IF NEW.digest <> OLD.digest THEN
        INSERT INTO changes (kind, id, digest) VALUES ('key', NEW.id, NEW.digest);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER key_changed
    AFTER UPDATE OF id, digest, owner_id, prefix, scopes, enabled, expires_at, allowed_ips, rate_limit ON keys
    FOR EACH ROW EXECUTE FUNCTION key_changed();

CREATE FUNCTION key_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_pending(OLD.id) THEN
        UPDATE pending_imports SET lost = lost + 1 WHERE OLD.id BETWEEN first_id AND last_id;
        RETURN NULL;
    END IF;
    INSERT INTO changes (kind, id, digest) VALUES ('key', OLD.id, OLD.digest);
    DELETE FROM key_last_use WHERE key_id = OLD.id;
    DELETE FROM key_hourly_use WHERE key_id = OLD.id;
    IF OLD.is_token = 1 THEN
        -- Whoever revokes a token, by whatever way, ends its family.
        DELETE FROM token_families WHERE key_id = OLD.id;
    ELSE
        -- However the row is deleted, its digest stays, so that no import brings the key back unnoticed.
        INSERT INTO tombstones (digest, revoked_at)
            VALUES (OLD.digest, (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT)
            ON CONFLICT (digest) DO UPDATE SET revoked_at = excluded.revoked_at;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER key_deleted AFTER DELETE ON keys FOR EACH ROW EXECUTE FUNCTION key_deleted();

CREATE FUNCTION user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER user_changed AFTER UPDATE OF id, email, role, active ON users
    FOR EACH ROW EXECUTE FUNCTION user_changed();

CREATE FUNCTION event_numbered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE clock SET events = GREATEST(events, NEW.seq);
    RETURN NULL;
END $$;
CREATE TRIGGER event_numbered AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION event_numbered();

-- Wherever these tables are written to from, their functions find the tables of this schema.
DO $$
DECLARE
    found regprocedure;
BEGIN
    FOR found IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path FROM CURRENT', found);
    END LOOP;
END $$;
