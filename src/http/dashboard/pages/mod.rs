//! What each dashboard page shows, as plain data; the templates turn it into HTML.
//! Knows no HTTP, no clock and no database.

mod account;
mod admin_keys;
mod error;
mod events;
mod keys;
mod login;
mod reference;
mod shell;
mod users;

pub use account::{AccountPage, PasswordForm, SessionRow};
pub use admin_keys::AdminKeysPage;
pub use error::ErrorPage;
pub use events::{EventRow, EventsPage};
pub use keys::{
    KeyOnceBefore, KeyPage, KeyRow, KeyShown, KeysPage, LastUse, NewKeyPage, Owner, Replaced, keybearer_scopes,
};
pub use login::{LoginPage, SetupPage};
pub use reference::{AnswerEntry, Entry, Group, OperationEntry, Piece, Prose, Record, Reference, ReferencePage};
pub use shell::{Assets, Field, Me, Nav, Notice, NoticeKind, Pager, Shell, When};
pub use users::{NewUserPage, Role, UserPage, UserRow, UsersPage};
