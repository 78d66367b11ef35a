//! The dashboard: server-rendered pages and forms for people, opened by a session, never by a key.

pub mod account;
pub mod admin_keys;
pub mod assets;
pub mod cookies;
mod csrf;
pub mod events;
mod form;
mod key_form;
pub mod keys;
pub mod login;
mod pages;
pub mod reference;
pub mod setup;
mod signed_in;
pub mod users;
mod view;

pub use view::error_page;
