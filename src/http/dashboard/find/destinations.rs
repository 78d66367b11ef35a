//! Pages and actions that can be found by their names.

/// A page, or an action that a page offers.
pub struct NamedPlace {
    pub label: &'static str,
    pub url: &'static str,
    /// Other words that people use for it.
    also: &'static str,
    is_for_admins: bool,
}

const fn anyone(label: &'static str, url: &'static str, also: &'static str) -> NamedPlace {
    NamedPlace { label, url, also, is_for_admins: false }
}

const fn admins(label: &'static str, url: &'static str, also: &'static str) -> NamedPlace {
    NamedPlace { label, url, also, is_for_admins: true }
}

const DESTINATIONS: [NamedPlace; 11] = [
    anyone("Create a key", "/keys/new", "new make add token api"),
    anyone("My keys", "/keys", "list own"),
    anyone("My account", "/account", "profile me"),
    anyone("Change password", "/account", "account reset"),
    anyone("Sign out other devices", "/account", "account sessions end"),
    anyone("API reference", "/reference", "help documentation openapi"),
    admins("All keys", "/admin/keys", "everyone list"),
    admins("People", "/users", "users members admins"),
    admins("Add a person", "/users/new", "user invite new"),
    admins("Audit log", "/events", "events history"),
    admins("Revoke leaked keys", "/admin/leaks", "leak leaks paste text scan"),
];

/// The destinations that each word of the text begins a word of.
pub fn matching(text: &str, is_admin: bool) -> Vec<&'static NamedPlace> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let matches = |place: &&NamedPlace| {
        let names: Vec<String> =
            place.label.split_whitespace().chain(place.also.split_whitespace()).map(str::to_lowercase).collect();
        let begins = |word: &String| names.iter().any(|name| name.starts_with(word.as_str()));
        !words.is_empty() && words.iter().all(begins)
    };
    DESTINATIONS.iter().filter(|place| is_admin || !place.is_for_admins).filter(matches).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_must_begin_a_word_of_the_destination() {
        let labels =
            |text: &str, is_admin| matching(text, is_admin).iter().map(|place| place.label).collect::<Vec<_>>();
        assert_eq!(labels("New KEY", true), ["Create a key"]);
        assert_eq!(labels("leak", true), ["Revoke leaked keys"]);
        assert_eq!((labels("leak", false), labels("", true), labels("zzz", true)), (vec![], vec![], vec![]));
        assert_eq!(labels("audit", true), ["Audit log"]);
    }
}
