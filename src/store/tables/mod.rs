//! The SQL statements, grouped by table. Each is one method of [`Tx`](super::Tx), and each table's columns are listed
//! once. Must not contain rules; `auth` decides what is read and written together.

mod devices;
mod event_search;
mod events;
mod key_clients;
pub(super) mod key_list;
mod key_names;
mod key_status;
pub(super) mod keys;
mod keys_at_once;
mod leak_notices;
mod login_throttle;
mod moves;
mod nodes;
pub(super) mod pending_imports;
mod person_links;
mod refresh_tokens;
mod refusals;
mod refused_logins;
mod rest_of_record;
mod rotations;
mod sessions;
mod setup_links;
mod signing_ring;
mod submissions;
mod token_families;
mod tombstones;
mod usage;
pub(super) mod users;

pub use devices::KnownBy;
pub use key_names::FoundBy;
pub use keys::KeyRow;
pub use login_throttle::Failures;
pub use pending_imports::PendingImport;
pub use refresh_tokens::{RefreshTokenRow, RefreshUse};
pub use refused_logins::RefusedLoginsOf;
pub use rest_of_record::StoredRest;
pub use sessions::{SessionRow, StoredSessionId};
pub use token_families::FamilyRow;
pub use usage::HourlyUse;
pub use users::UserRow;
