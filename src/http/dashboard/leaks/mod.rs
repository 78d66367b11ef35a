//! `/admin/leaks`: finds the keys in any text, and revokes them together.

pub mod show;
