//! The quiet time after the faults: every node serves, and each acknowledged change is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::history::Key;
use super::http::Api;
use super::network::{NODES, node};

const RECOVERY: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Ending {
    pub revoked: usize,
    pub kept: usize,
    pub recovered_after: Duration,
}

/// Waits until every node is ready. A node that is not in time is a violation.
pub async fn all_serve(api: &Arc<Api>, patience: Duration) {
    let began = Instant::now();
    for number in 0..NODES {
        while !api.is_ready(number).await {
            if began.elapsed() > patience {
                api.history.violate(format!("{} does not serve", node(number)));
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

pub async fn look(api: &Arc<Api>) -> Ending {
    let began = Instant::now();
    all_serve(api, RECOVERY).await;
    let recovered_after = began.elapsed();
    let keys = &api.history.keys;
    let revoked = keys.revoked.lock().unwrap().clone();
    let kept: Vec<_> = keys.kept.lock().unwrap().iter().filter(|key| !key.is_unclear()).cloned().collect();
    for key in &revoked {
        must_be(api, key, &[401]).await;
        let mut record = api.record(0, key, PATIENCE).await;
        for _ in 0..50 {
            if ![0, 503].contains(&record) {
                break;
            }
            sleep(Duration::from_millis(100)).await;
            record = api.record(0, key, PATIENCE).await;
        }
        if record != 404 {
            api.history.violate(format!("key {} was revoked, and its record gives {record}", key.id));
        }
    }
    for key in &kept {
        let expected = if key.is_disabled() { [401, 403] } else { [200, 200] };
        must_be(api, key, &expected).await;
    }
    Ending { revoked: revoked.len(), kept: kept.len(), recovered_after }
}

async fn must_be(api: &Arc<Api>, key: &Arc<Key>, expected: &[u16]) {
    for number in 0..NODES {
        let mut status = api.check(number, key).await;
        for _ in 0..50 {
            if ![0, 503].contains(&status) {
                break;
            }
            sleep(Duration::from_millis(100)).await;
            status = api.check(number, key).await;
        }
        if !expected.contains(&status) {
            let said = format!("{} says {status} to key {} at the end, not {expected:?}", node(number), key.id);
            api.history.violate(said);
        }
    }
}
