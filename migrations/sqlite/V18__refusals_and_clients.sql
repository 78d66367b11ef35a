-- Why keys were refused, who uses them, and the sums per owner. As with the other counts, no foreign key is looked up
-- for each of them: a trigger removes those of a revoked key.
CREATE TABLE key_hourly_refusals (
    key_id BLOB NOT NULL,
    hour   INTEGER NOT NULL,
    reason TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (key_id, hour, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_hourly_refusals_by_hour ON key_hourly_refusals (hour);

-- The latest refusals of each key.
CREATE TABLE key_latest_refusals (
    key_id     BLOB NOT NULL,
    at         INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    address    TEXT,
    user_agent TEXT,
    PRIMARY KEY (key_id, at, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_latest_refusals_by_time ON key_latest_refusals (at);

-- The clients of each key. `days` has the last day on which the client was seen, as `day` has, and then the counts
-- of that day, of the day before and so on. Counts within a day leave the index alone.
CREATE TABLE key_clients (
    key_id     BLOB NOT NULL,
    address    TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    day        INTEGER NOT NULL,
    days       TEXT NOT NULL,
    PRIMARY KEY (key_id, address, user_agent)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_clients_by_day ON key_clients (day);

-- Checks of all keys of an owner, revoked ones included, by outcome: `accepted` or the reason of a refusal. Those of
-- everybody have an owner of sixteen zero bytes.
CREATE TABLE usage_totals (
    owner_id BLOB NOT NULL,
    hour     INTEGER NOT NULL,
    outcome  TEXT NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (owner_id, hour, outcome)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_totals_by_hour ON usage_totals (hour);

CREATE TRIGGER key_usage_deleted AFTER DELETE ON keys
WHEN NOT EXISTS (SELECT 1 FROM pending_imports WHERE OLD.id BETWEEN first_id AND last_id) BEGIN
    DELETE FROM key_hourly_refusals WHERE key_id = OLD.id;
    DELETE FROM key_latest_refusals WHERE key_id = OLD.id;
    DELETE FROM key_clients WHERE key_id = OLD.id;
END;
