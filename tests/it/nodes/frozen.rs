//! A process that is frozen in the middle of a write, while it has the lock that every writer needs.

use super::{Cluster, KEYS, PATIENCE};
use crate::harness::{ADMIN, Cell, Home, MEMBER, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_frozen_in_the_middle_of_a_write_keeps_nobody_from_revoking() {
    let cluster = Cluster::of(2, "3s").await;
    let ((first, kept), (second, revoked)) = (cluster.key(0, MEMBER).await, cluster.key(0, MEMBER).await);
    let session = cluster.home.postgres().unwrap().session();
    session.execute("BEGIN; LOCK TABLE keys IN SHARE MODE".into());
    let manager = cluster.manager(0);
    let frozen = tokio::spawn(async move { manager.call("DELETE", &format!("{KEYS}/{first}")).await.status });
    let waits = async || {
        let text = "SELECT count(*) FROM pg_locks WHERE relation = 'keys'::regclass AND NOT granted";
        session.query(text.into()) == [[Cell::Number(1)]]
    };
    eventually(PATIENCE, "the node waits in the middle of its transaction", waits).await;
    cluster.nodes[0].signal("STOP");
    session.execute("ROLLBACK".into());
    cluster.home.run(&["keys", "revoke", &second]);
    cluster.nodes[0].signal("CONT");
    assert_eq!(frozen.await.unwrap(), 503, "nothing was changed");
    cluster.refuse(&revoked).await;
    cluster.accept(&kept).await;
}

#[tokio::test]
async fn a_process_frozen_where_the_server_itself_does_not_notice_loses_its_connection() {
    let home = Home::new();
    home.add_admin();
    let (id, _) = home.create_key(ADMIN, "n");
    let frozen = home.postgres().unwrap().session();
    // The state of a frozen import: the server waits for its next rows, without a limit.
    frozen.execute("SET application_name TO 'keybearer'; BEGIN; UPDATE clock SET rev = rev + 1".into());
    home.run(&["keys", "revoke", &id]);
    assert_eq!(home.number("SELECT count(*) FROM keys"), 0);
    // A stranger's transaction is not ours to end.
    let _stranger = home.hold_write_lock();
    home.keybearer(&["keys", "create", "--owner", ADMIN, "--name", "m"]).assert().code(1);
}
