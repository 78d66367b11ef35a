-- Why keys were refused, who uses them, and the sums per owner. As with the other counts, no foreign key is looked up
-- for each of them: a trigger removes those of a revoked key.
CREATE TABLE key_hourly_refusals (
    key_id BYTEA NOT NULL,
    hour   BIGINT NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (key_id, hour, reason)
) WITH (fillfactor = 70);
CREATE INDEX key_hourly_refusals_by_hour ON key_hourly_refusals (hour);

-- The latest refusals of each key.
CREATE TABLE key_latest_refusals (
    key_id     BYTEA NOT NULL,
    at         BIGINT NOT NULL,
    reason     TEXT COLLATE "C" NOT NULL,
    address    TEXT COLLATE "C",
    user_agent TEXT COLLATE "C",
    PRIMARY KEY (key_id, at, reason)
);
CREATE INDEX key_latest_refusals_by_time ON key_latest_refusals (at);

-- The clients of each key. `days` has the last day on which the client was seen, as `day` has, and then the counts
-- of that day, of the day before and so on. Counts within a day leave the index alone.
CREATE TABLE key_clients (
    key_id     BYTEA NOT NULL,
    address    TEXT COLLATE "C" NOT NULL,
    user_agent TEXT COLLATE "C" NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    day        BIGINT NOT NULL,
    days       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key_id, address, user_agent)
) WITH (fillfactor = 70);
CREATE INDEX key_clients_by_day ON key_clients (day);

-- Checks of all keys of an owner, revoked ones included, by outcome: `accepted` or the reason of a refusal. Those of
-- everybody have an owner of sixteen zero bytes.
CREATE TABLE usage_totals (
    owner_id BYTEA NOT NULL,
    hour     BIGINT NOT NULL,
    outcome  TEXT COLLATE "C" NOT NULL,
    count    BIGINT NOT NULL,
    PRIMARY KEY (owner_id, hour, outcome)
) WITH (fillfactor = 70);
CREATE INDEX usage_totals_by_hour ON usage_totals (hour);

CREATE FUNCTION key_usage_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT is_pending(OLD.id) THEN
        DELETE FROM key_hourly_refusals WHERE key_id = OLD.id;
        DELETE FROM key_latest_refusals WHERE key_id = OLD.id;
        DELETE FROM key_clients WHERE key_id = OLD.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER key_usage_deleted AFTER DELETE ON keys FOR EACH ROW EXECUTE FUNCTION key_usage_deleted();
