//! Plain data and parsing: no I/O, no async, no HTTP, no SQL. Text becomes a type here, once,
//! by a `parse` whose error a person can act on; verdicts are pure functions of data and `now`.

pub mod actor;
pub mod client_address;
pub mod email;
pub mod event;
pub mod id;
pub mod key;
pub mod name;
pub mod network;
pub mod page;
pub mod password;
pub mod plain_key;
pub mod policy;
pub mod rate_limit;
pub mod rotation;
pub mod scope;
pub mod session;
pub mod signing;
pub mod time;
pub mod token;
pub mod usage;
pub mod user;
pub mod verdict;
pub mod version;

pub use actor::{Actor, Origin};
pub use client_address::ClientAddress;
pub use email::Email;
pub use event::{Action, Event, NewEvent};
pub use id::{FamilyId, KeyId, SessionId, TokenId, UserId};
pub use key::{Expiry, ImportedKey, KeyChange, KeyRecord, NewKey, Owner};
pub use name::KeyName;
pub use network::Networks;
pub use page::{Cursor, Page};
pub use password::Password;
pub use plain_key::{Digest, KeyPrefix, PlainKey};
pub use policy::{Policies, Policy};
pub use rate_limit::RateLimit;
pub use rotation::Overlap;
pub use scope::{Scope, ScopeSet};
pub use session::{Session, SessionToken};
pub use signing::SigningAlgorithm;
pub use time::Time;
pub use user::{Role, User, UserChange};
pub use verdict::{Facts, Refusal};
pub use version::{Basis, Version};
