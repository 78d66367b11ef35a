//! Keys: the lists, a new one, one key, and what can be done with it.

pub mod all;
mod banner;
pub mod change;
pub mod create;
mod diff;
pub mod edit;
mod expiry;
pub mod found;
mod in_words;
mod labels;
pub mod leak_notices;
mod limit_fields;
pub mod list;
mod listing;
pub mod new;
mod origin;
mod other_key;
mod query;
pub mod replacing;
pub mod rotate;
mod row;
mod scope_choice;
pub mod selected;
mod settings_form;
pub mod show;
mod shown_before;
mod shown_once;
