//! What happened, as a sentence: "ben.okafor rotated nightly job; the old key ends in 24 hours".

use crate::http::dashboard::frame::local_part;
use crate::model::{Action, DetailItem, Event, Time};

/// A name in a sentence.
#[derive(Debug, Clone)]
pub struct NameInSentence {
    pub text: String,
    /// The whole name, if the text is shortened.
    pub title: String,
    /// The page of a key or a person that still exists.
    pub url: Option<String>,
}

pub struct Sentence {
    pub who: NameInSentence,
    /// What stands between the two names.
    pub verb: String,
    pub object: Option<NameInSentence>,
    /// What follows, with its own space or mark.
    pub after: String,
}

/// What is known about the ids of an event.
pub struct SentenceContext<'a> {
    /// Whether this id has a page that the reader can open.
    pub has_page: &'a dyn Fn(&str) -> bool,
    /// The id of the key or the person whose page this is: "this key".
    pub this: Option<&'a str>,
}

/// The parts of a label: `nightly job (kb_ab12…) of ada@example.com`, `ada@example.com (member)`.
struct Label<'a> {
    name: &'a str,
    owner: Option<&'a str>,
}

impl<'a> Label<'a> {
    fn of(text: &'a str) -> Self {
        let (named, owner) = match text.rsplit_once(") of ") {
            Some((named, owner)) => (named, Some(owner)),
            None => (text.strip_suffix(')').unwrap_or(text), None),
        };
        Label { name: named.rsplit_once(" (").map_or(text, |(name, _)| name), owner }
    }
}

impl Sentence {
    pub fn of(event: &Event, context: &SentenceContext<'_>) -> Self {
        let items = event.detail.as_deref().map(DetailItem::all).unwrap_or_default();
        let fact = |field: &str| items.iter().find(|item| item.field == field).map(|item| item.after.as_str());
        let label = Label::of(&event.object);
        let action = Action::parse(&event.action).ok();
        let page = |id: &Option<String>, path: &str| {
            id.as_ref().filter(|id| (context.has_page)(id)).map(|id| format!("/{path}/{id}"))
        };
        let is_this = event.object_id.as_deref().is_some_and(|id| context.this == Some(id));
        let named = |path: &str, this: &str| {
            let text = if is_this { this } else { label.name };
            let url = page(&event.object_id, path).filter(|_| !is_this);
            Some(NameInSentence { text: text.to_owned(), title: event.object.clone(), url })
        };
        let (key, person) = (|| named("keys", "this key"), || named("users", "this person"));
        let of_other = label
            .owner
            .filter(|owner| *owner != event.actor && !is_this)
            .map(|owner| format!(" of {}", local_part(owner)));
        let of_other = of_other.unwrap_or_default();
        let is_own = event.object_id.is_some() && event.object_id == event.actor_id;
        let (verb, object, after): (String, Option<NameInSentence>, String) = match action {
            Some(Action::KeyCreated) => {
                let replaced = fact("replaces_hint").map(|hint| format!(", which replaces {hint}"));
                let for_other = of_other.replacen(" of ", " for ", 1);
                ("created".into(), key(), for_other + &replaced.unwrap_or_default())
            }
            Some(Action::KeyRevoked) if is_own => ("revoked itself".into(), None, String::new()),
            Some(Action::KeyRevoked) => {
                let unused = if fact("last_used_at") == Some("never") { ", which was never used" } else { "" };
                ("revoked".into(), key(), of_other + unused)
            }
            Some(Action::KeyRotated) => {
                let old = if is_this { "; it ends " } else { "; the old one ends " };
                let ends = fact("ends_at").map(|ends| format!("{old}{}", until(ends, event.at)));
                ("rotated".into(), key(), of_other + &ends.unwrap_or_default())
            }
            Some(Action::KeyDisabled) => ("disabled".into(), key(), of_other),
            Some(Action::KeyEnabled) => ("enabled".into(), key(), of_other),
            Some(Action::KeyChanged) => (changed(&items), key(), of_other),
            Some(Action::KeysImported) => (format!("imported {}", event.object), None, String::new()),
            Some(Action::KeyRevived) => ("restored".into(), key(), format!("{of_other} by an import")),
            Some(Action::UserAdded) => ("added".into(), person(), role(&items, " as ")),
            Some(Action::UserChanged) => ("changed the role of".into(), person(), role(&items, " to ")),
            Some(Action::UserDeactivated) => ("deactivated".into(), person(), String::new()),
            Some(Action::UserActivated) => ("activated".into(), person(), String::new()),
            Some(Action::UserRemoved) => ("removed".into(), person(), String::new()),
            Some(Action::PasswordSet) if is_own => ("changed their password".into(), None, String::new()),
            Some(Action::PasswordSet) => ("set the password of".into(), person(), String::new()),
            Some(Action::LinkCreated) => ("made a password link for".into(), person(), String::new()),
            Some(Action::SignedIn) => ("signed in".into(), None, String::new()),
            Some(Action::LogInFailed) if event.actor_kind == "server" => {
                (format!("counted {}", event.object), None, String::new())
            }
            Some(Action::LogInFailed) => (format!("failed to sign in as {}", event.object), None, String::new()),
            Some(Action::SignedOut) => ("signed out".into(), None, String::new()),
            Some(Action::SessionEnded) => ("ended a session".into(), None, String::new()),
            Some(Action::SigningKeysRotated) => ("rotated the signing keys".into(), None, String::new()),
            Some(Action::SigningKeysReplaced) => ("replaced the signing keys after a leak".into(), None, String::new()),
            Some(Action::TokenIssued) => ("got a token".into(), None, of_other),
            Some(Action::TokenRefreshed) => ("refreshed a token".into(), None, of_other),
            Some(Action::TokenRevoked) => ("revoked a token".into(), None, of_other),
            Some(Action::TokenReused) => ("was refused: a refresh token was used twice".into(), None, of_other),
            Some(Action::DatabaseReplaced) => {
                (format!("accepted another database: {}", event.object), None, String::new())
            }
            Some(Action::DatabaseMoved) => (format!("moved the database: {}", event.object), None, String::new()),
            Some(Action::DatabaseRestored) => (format!("restored the database {}", event.object), None, String::new()),
            None => (
                event.action.clone(),
                Some(NameInSentence { text: event.object.clone(), title: String::new(), url: None }),
                String::new(),
            ),
        };
        let actor_path = if event.actor_kind == "key" { "keys" } else { "users" };
        let actor = match event.actor_kind.as_str() {
            "user" => local_part(&event.actor).to_owned(),
            "key" => format!("The key {}", event.actor),
            "operator" => "The command line".to_owned(),
            "server" => "The server".to_owned(),
            _ if event.actor.is_empty() => "Somebody".to_owned(),
            _ => event.actor.clone(),
        };
        let is_this_actor = context.this.is_some() && context.this == event.actor_id.as_deref();
        let url = page(&event.actor_id, actor_path).filter(|_| !is_this_actor);
        Sentence { who: NameInSentence { text: actor, title: event.actor.clone(), url }, verb, object, after }
    }
}

/// `changed the scopes and the expiry of`.
fn changed(items: &[DetailItem]) -> String {
    let name = |item: &DetailItem| match item.field.as_str() {
        "expires_at" => Some("expiry"),
        "allowed_ips" => Some("addresses"),
        "rate_limit" => Some("rate limit"),
        "name" => Some("name"),
        "description" => Some("description"),
        "scopes" => Some("scopes"),
        "metadata" => Some("metadata"),
        "owner" => Some("owner"),
        _ => None,
    };
    let names: Vec<_> = items.iter().filter_map(name).collect();
    match names.as_slice() {
        [] => "changed".to_owned(),
        [one] => format!("changed the {one} of"),
        [most @ .., last] => format!("changed the {} and the {last} of", most.join(", the ")),
    }
}

fn role(items: &[DetailItem], word: &str) -> String {
    items.iter().find(|item| item.field == "role").map_or_else(String::new, |item| format!("{word}{}", item.after))
}

/// `in 24 hours`, as it was when it happened.
fn until(ends: &str, at: Time) -> String {
    let Ok(end) = Time::parse(ends) else { return ends.to_owned() };
    let seconds = end.since(at.whole_second()).as_secs();
    let (number, unit) = match seconds {
        0..90 => (seconds, "second"),
        90..5400 => (seconds / 60, "minute"),
        5400..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("in {}", crate::model::counted(number, unit))
}
