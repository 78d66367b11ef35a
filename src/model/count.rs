//! Numbers of things in messages.

/// `1 key`, `2 keys`; `noun` is the singular of a word whose plural ends in s.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
