//! What a change of a key's settings changes, in words: before and after.

use super::in_words::rate;
use crate::http::dashboard::frame::When;
use crate::model::{KeyRecord, KeySettings};

/// A setting that differs.
#[derive(Debug, PartialEq, Eq)]
pub struct ChangedField {
    pub field: &'static str,
    pub before: String,
    pub after: String,
    /// Whether it says what the key is for, rather than what it can do.
    pub is_label: bool,
}

/// The settings that differ. They are destructured, so that a new setting does not compile until it is listed here.
pub fn changed_fields(before: &KeyRecord, after: &KeyRecord) -> Vec<ChangedField> {
    let rows = rows(&before.settings).into_iter().zip(rows(&after.settings));
    let changed = rows.filter(|((_, old, _), (_, new, _))| old != new);
    changed.map(|((field, before, is_label), (_, after, _))| ChangedField { field, before, after, is_label }).collect()
}

fn rows(settings: &KeySettings) -> [(&'static str, String, bool); 7] {
    let KeySettings { name, description, scopes, expires_at, allowed_ips, rate_limit, metadata } = settings;
    let or = |text: String, none: &str| if text.is_empty() { none.to_owned() } else { text };
    [
        ("Name", name.to_string(), true),
        ("Description", or(description.as_str().to_owned(), "None"), true),
        ("Expires", expires_at.map_or_else(|| "Never".to_owned(), |at| When::from(at).text), false),
        ("Scopes", or(scopes.joined(), "None"), false),
        ("Addresses", or(allowed_ips.joined(), "Any"), false),
        ("Rate limit", rate_limit.map_or_else(|| "None".to_owned(), rate), false),
        ("Metadata", metadata.text().to_owned(), false),
    ]
}
