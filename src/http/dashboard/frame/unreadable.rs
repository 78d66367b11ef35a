//! Damaged records: the fields of a key or user that cannot be read.

/// Their names in words, or `None` if all fields can be read.
pub fn unreadable_fields(names: &[&str]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", ").replace('_', " "))
}
