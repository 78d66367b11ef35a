//! The dashboard: server-rendered pages and forms for people, opened by a session, never by a key.
//!
//! One folder or file per noun; each file holds one page: what it shows, how that is read from the model, and its
//! handlers. Its template has the same path under `templates/`. `frame` holds what all pages share.

pub mod account;
pub mod assets;
pub mod choose_password;
mod error;
pub mod events;
pub mod find;
mod frame;
pub mod keys;
pub mod leaks;
pub mod login;
pub mod nodes;
pub mod overview;
pub mod reference;
pub mod setup;
pub mod users;

pub use assets::Assets;
pub use error::error_page;
pub use frame::CookieNames;
