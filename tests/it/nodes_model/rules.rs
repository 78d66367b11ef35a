//! The rules of the lease protocol, each of which a schedule can leave out, and the lengths that they speak of.

use super::world::Time;

/// One millisecond; the model counts microseconds.
pub const MS: Time = 1_000;
/// L.
pub const LEASE: Time = 1_000 * MS;
/// For how long a node answers checks after it *sent* a heartbeat.
pub const SERVES: Time = LEASE * 99 / 100;
/// For how long a change waits for the other nodes, after which each of them has it or has no lease.
pub const WAITS: Time = LEASE * 101 / 100;
/// For how long a row stays in the table after its mark is known.
pub const EVICTS: Time = LEASE * 103 / 100;
/// A clock runs at most so many millionths fast or slow: between two of them stays less than each of the margins above.
pub const DRIFT: i64 = 4_000;

/// What a schedule is about.
#[derive(Clone, Copy, Default)]
pub struct Plan {
    /// The rule that is left out.
    pub without: Option<Rule>,
    /// The database fails over once.
    pub fails_over: bool,
}

/// What keeps a revoked key from being accepted. Without any one of them it is, on some schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// A change is answered when every other row has seen it, or after [`WAITS`].
    Wait,
    /// A node without a lease accepts nothing.
    Lease,
    /// A heartbeat's lease begins when its changes are applied, not when its answer arrives.
    Applied,
    /// A joining row claims nothing, and joining gives no lease.
    Join,
    /// A row that claims nothing is waited for too: its first heartbeat may be on the way to its commit.
    Joining,
    /// Keys that were read for an earlier incarnation are discarded.
    Incarnation,
    /// A late row is marked and waited for until its last lease is over, not deleted at once.
    Mark,
    /// A marked row's heartbeats are refused.
    Refuse,
    /// A marked row is deleted only by a process that has known the mark for [`EVICTS`].
    Evict,
    /// A heartbeat is a commit like any other: no answer before the standby has it.
    Commit,
    /// A check reads the lease first and then the index.
    Order,
}
