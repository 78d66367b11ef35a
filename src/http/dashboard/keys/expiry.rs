//! The expiry choices of the forms for a new key and for a rotation.

/// The values of `overlap` and the words beside them.
pub const OVERLAPS: [(&str, &str); 4] =
    [("0", "immediately"), ("1h", "after 1 hour"), ("24h", "after 24 hours"), ("7d", "after 7 days")];
/// The values of `silence` and the words beside them.
pub const SILENCES: [(&str, &str); 3] = [("1h", "1 hour"), ("24h", "24 hours"), ("7d", "7 days")];
/// The values of `expires` and the words beside them.
pub const EXPIRIES: [(&str, &str); 6] = [
    ("7d", "In 7 days"),
    ("30d", "In 30 days"),
    ("90d", "In 90 days"),
    ("365d", "In 1 year"),
    ("never", "Never"),
    (CUSTOM, "Custom date"),
];

/// The choice that leaves a key's expiry as it is.
pub const KEEP: &str = "keep";

/// The choice whose date is typed beside it.
pub const CUSTOM: &str = "custom";

/// Whether this is one of the choices that need no date.
pub fn is_fixed(value: &str) -> bool {
    value != CUSTOM && EXPIRIES.iter().any(|(choice, _)| *choice == value)
}
