//! What older versions left in the database, and what older programs find in it.
//! SQLite only: its schema has a history, and anybody may open the file with an older shell.

use crate::harness::{Cell, Home, Server, id};
use crate::rotation::two_days;

#[tokio::test]
async fn migrated_keys_get_their_original_lifetime() {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    let (two_days, _) = two_days(&server).await;
    let (forever, _) = server.key(&[]).await;
    drop(server);
    // As the schema before left them.
    let migration = include_str!("../../../migrations/sqlite/V6__rotation.sql");
    let update = migration.split(';').find(|statement| statement.contains("UPDATE keys")).unwrap();
    home.execute("UPDATE keys SET lifetime = NULL; UPDATE keys SET created_at = created_at + 450");
    home.execute(update);
    let lifetime = |key: &str| home.query(format!("SELECT lifetime FROM keys WHERE id = {}", id(key)));
    assert_eq!(lifetime(&two_days), [[Cell::Number(2 * 86_400)]]);
    assert_eq!(lifetime(&forever), [[Cell::Null]]);
}

/// SQLite has `unixepoch` since 3.38 and its 'subsec' since 3.42; `strftime` is as old as triggers.
#[test]
fn the_triggers_run_in_the_shells_of_older_systems() {
    let home = Home::new();
    home.add_admin();
    let newer = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE '%unixepoch%'";
    assert_eq!(home.number(newer), 0);
}
