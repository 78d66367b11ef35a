//! The process's limit of open files. Without one for each connection, the server stops accepting.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside those of the connections: the database, the listeners, the log, the metrics' connections.
const OTHERS: u64 = 256;

/// Raises the limit as far as this user may, if it is too low for `connections`, and warns if it still is.
pub fn raise_limit(connections: usize) {
    let needed = connections as u64 + OTHERS;
    let has = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed); // none is unlimited
    let limits = getrlimit(Resource::Nofile);
    if has(limits.current) {
        return;
    }
    let raised = Rlimit { current: limits.maximum, maximum: limits.maximum };
    let limit = setrlimit(Resource::Nofile, raised).map_or(limits.current, |()| limits.maximum);
    if !has(limit) {
        tracing::warn!(
            limit,
            needed,
            "the limit of open files is too low for --connections, and no connection is accepted when it is reached: \
             raise it (LimitNOFILE= in the unit file, or ulimit -n), or lower --connections"
        );
    }
}
