//! What is copied from one database to another.

/// A table whose rows are copied.
pub(super) struct CopiedTable {
    pub name: &'static str,
    pub columns: &'static str,
    /// The columns of the primary key.
    pub key: &'static str,
}

const fn table(name: &'static str, columns: &'static str, key: &'static str) -> CopiedTable {
    CopiedTable { name, columns, key }
}

/// In an order in which every row comes after those that it refers to.
pub(super) const COPIED: [CopiedTable; 20] = [
    table("installation", "id", "id"),
    table("users", "id, email, role, active, password_hash, created_at, last_login_at", "id"),
    table(
        "keys",
        "id, digest, owner_id, name, description, prefix, hint, scopes, enabled, created_at, expires_at, allowed_ips, \
         rate_limit, metadata, lifetime, limit_bucket, is_token",
        "id",
    ),
    table("rotations", "new_id, old_id, old_expires_at, silence", "new_id"),
    table("key_last_use", "key_id, at, address, user_agent", "key_id"),
    table("key_hourly_use", "key_id, hour, count", "key_id, hour"),
    table("key_hourly_refusals", "key_id, hour, reason, count", "key_id, hour, reason"),
    table("key_latest_refusals", "key_id, at, reason, address, user_agent", "key_id, at, reason"),
    table("key_clients", "key_id, address, user_agent, first_at, last_at, day, days", "key_id, address, user_agent"),
    table("usage_totals", "owner_id, hour, outcome, count", "owner_id, hour, outcome"),
    table("sessions", "id, digest, user_id, created_at, last_seen_at, address, user_agent", "id"),
    table("login_throttle", "bucket, failures, last_at", "bucket"),
    table("submissions", "digest, body, key_id, created_at", "digest"),
    table(
        "events",
        "seq, at, actor_kind, actor_id, actor, action, object_id, object, address, request_id, chain, detail",
        "seq",
    ),
    table("devices", "digest, user_id, created_at, kind", "digest"),
    table("token_families", "id, user_id, key_id, created_at, expires_at", "id"),
    table("refresh_tokens", "digest, family_id, is_used, used_at, seed, used_from, used_with", "digest"),
    table("tombstones", "digest, revoked_at", "digest"),
    table("refused_logins", "hour, account, address, events, more", "hour, account, address"),
    table("leak_notices", "key_id, user_id, name, hint, revoked_at, place", "key_id"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::sqlite;

    /// What is made from the copied rows, secrets that are one server's only (links that were just made), and the state of one database, which means nothing in another one. Of the
    /// latter, PostgreSQL alone has `clock`, `nodes` and `signing_ring`.
    const LEFT: [&str; 8] = [
        "person_links",
        "key_names",
        "key_hints",
        "changes",
        "moves",
        "pending_imports",
        "setup_links",
        "refinery_schema_history",
    ];

    #[test]
    fn every_table_and_every_column_is_copied_or_left_for_a_reason() {
        let directory = tempfile::tempdir().unwrap();
        let db = sqlite::fresh(&directory.path().join("keys.db"));
        let text = "SELECT t.name, group_concat(c.name, ', ') FROM sqlite_schema t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' GROUP BY t.name";
        let sorted = |columns: &str| {
            let mut columns: Vec<_> = columns.split(", ").map(str::to_owned).collect();
            columns.sort_unstable();
            columns
        };
        let mut query = db.prepare(text).unwrap();
        let rows =
            query.query_map([], |row| Ok((row.get::<_, String>(0)?, sorted(&row.get::<_, String>(1)?)))).unwrap();
        let mut found: BTreeMap<_, _> = rows.map(Result::unwrap).collect();
        for left in LEFT {
            assert!(found.remove(left).is_some(), "{left}");
        }
        let copied: BTreeMap<_, _> =
            COPIED.iter().map(|table| (table.name.to_owned(), sorted(table.columns))).collect();
        assert_eq!(found, copied);
    }
}
