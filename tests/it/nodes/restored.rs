//! A database that was replaced by a backup of itself: its state counts, not what the nodes remember.

use super::{Cluster, KEYS, PATIENCE, create, revoke};
use crate::harness::{MEMBER, eventually, id};

/// What happened, so that the nodes are ahead of the backup or beside it.
struct Past {
    /// Revoked after the backup, so it is valid again.
    back: String,
    /// Created after the backup, so nobody knows it.
    unknown: String,
    kept: (String, String),
}

/// Restores the backup, in which `meanwhile` was run before the nodes see it.
async fn restored(cluster: &Cluster, meanwhile: impl FnOnce(&Past) -> String) -> Past {
    let (revoked, back) = cluster.key(0, MEMBER).await;
    let kept = cluster.key(1, MEMBER).await;
    cluster.home.take_database_away();
    cluster.home.back_up();
    cluster.home.bring_database_back();
    for node in &cluster.nodes {
        node.becomes_ready().await;
    }
    revoke(&cluster.manager(0), &revoked).await;
    let (_, unknown) = create(&cluster.manager(1), MEMBER).await;
    cluster.accept(&unknown).await;
    cluster.refuse(&back).await;
    cluster.home.take_database_away();
    let past = Past { back, unknown, kept };
    cluster.home.restore(&meanwhile(&past));
    past
}

async fn all_have_read_again(cluster: &Cluster) {
    for number in 0..cluster.nodes.len() {
        let has_read = async || {
            cluster.nodes[number].log().contains("the database has lost changes or was replaced")
                && cluster.nodes[number].anon().get("/readyz").await.status == 200
        };
        eventually(super::PATIENCE, "the node reads all keys again", has_read).await;
        assert_eq!(cluster.metric(number, "keybearer_node_reloads_total").await, 1);
    }
}

#[tokio::test]
async fn after_a_backup_was_restored_all_keys_are_read_again() {
    let cluster = Cluster::of(3, "2s").await;
    let past = restored(&cluster, |_| String::new()).await;
    all_have_read_again(&cluster).await;
    cluster.accept(&past.back).await;
    cluster.refuse(&past.unknown).await;
    let (id, key) = past.kept;
    cluster.accept(&key).await;
    revoke(&cluster.manager(2), &id).await;
    cluster.refuse(&key).await;
}

#[tokio::test]
async fn a_backup_that_has_gone_on_to_later_revisions_is_recognised() {
    let cluster = Cluster::of(3, "60s").await;
    let past = restored(&cluster, |past| {
        let kept = id(&past.kept.0);
        let change = |number: usize| format!("UPDATE keys SET scopes = 'x:{number}' WHERE id = {kept};");
        // Each is a transaction, and so a revision, of its own.
        let changes: Vec<_> = (0..40).map(|number| format!("BEGIN; {} COMMIT;", change(number))).collect();
        format!("{} DELETE FROM keys WHERE id = {kept}", changes.concat())
    })
    .await;
    all_have_read_again(&cluster).await;
    cluster.accept(&past.back).await;
    cluster.refuse(&past.unknown).await;
    cluster.refuse(&past.kept.1).await;
}

/// A database that lost the change while its caller was waiting has another mark at its number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_lost_while_its_caller_waited_is_not_confirmed() {
    let cluster = Cluster::of(2, "3s").await;
    let (id, _) = cluster.key(0, MEMBER).await;
    cluster.nodes[1].signal("STOP");
    let manager = cluster.manager(0);
    let revoked = tokio::spawn(async move { manager.call("DELETE", &format!("{KEYS}/{id}")).await });
    let is_committed = async || cluster.home.number("SELECT count(*) FROM keys") == 1;
    eventually(PATIENCE, "it is committed", is_committed).await;
    cluster.home.execute("UPDATE changes SET stamp = gen_random_uuid()");
    let answer = revoked.await.unwrap();
    cluster.nodes[1].signal("CONT");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("unknown whether"), "{answer:?}");
}
