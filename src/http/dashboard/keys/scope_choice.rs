//! Keybearer's own scopes, as checkboxes.

pub struct ScopeChoice {
    pub scope: &'static str,
    pub meaning: &'static str,
    pub is_chosen: bool,
}

const KEYBEARER_SCOPES: [(&str, &str); 4] = [
    ("keybearer:verify", "verify any key and see why it was refused"),
    ("keybearer:keys", "manage everyone’s keys"),
    ("keybearer:users", "add, change and deactivate people"),
    ("keybearer:events", "read the audit log"),
];

impl ScopeChoice {
    /// All of them, with those in `chosen` ticked.
    pub fn all(chosen: &[String]) -> Vec<Self> {
        let choice = |(scope, meaning): (&'static str, &'static str)| ScopeChoice {
            scope,
            meaning,
            is_chosen: chosen.iter().any(|one| one == scope),
        };
        KEYBEARER_SCOPES.into_iter().map(choice).collect()
    }
}
