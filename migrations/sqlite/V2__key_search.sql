-- A search for a whole hint finds its key however old it is.
CREATE INDEX keys_by_hint ON keys (hint);
