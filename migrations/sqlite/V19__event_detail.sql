-- What the event changed, as JSON; NULL for events from before this column. Part of the chain where it is present.
ALTER TABLE events ADD COLUMN detail TEXT;
CREATE INDEX events_by_actor ON events (actor_id, seq) WHERE actor_id IS NOT NULL;
CREATE INDEX events_by_action ON events (action, seq);
