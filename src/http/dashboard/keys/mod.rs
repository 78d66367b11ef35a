//! Keys: the lists, a new one, one key, and what can be done with it.

pub mod all;
mod banner;
pub mod change;
pub mod create;
mod expiry;
mod in_words;
mod labels;
pub mod list;
pub mod new;
pub mod rotate;
mod row;
pub mod show;
mod shown_before;
mod shown_once;
