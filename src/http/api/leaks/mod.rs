//! `/api/v1/leaks`: reports of leaked keys, from anybody and from GitHub.

pub mod github;
pub mod report;
