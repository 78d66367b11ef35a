//! What an event changed: fields with their values before and after, and facts about the act. Never key material.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{KeySettings, Time};

/// A text longer than this many bytes is cut.
const MAX_TEXT: usize = 500;
/// How much of what two long texts have in common is kept before their first difference.
const CONTEXT: usize = 40;
const CUT: char = '…';

/// The fields in the order in which they were added, as the log stores them: a JSON object, in which an array of two is
/// a change, and everything else is a fact.
#[derive(Debug, Clone, Default)]
pub struct EventDetail(Vec<(&'static str, Value)>);

impl EventDetail {
    #[must_use]
    pub fn fact(mut self, field: &'static str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) => Value::String(cut(&text)),
            other => other,
        };
        self.0.push((field, value));
        self
    }

    /// Adds nothing if the two are equal.
    #[must_use]
    pub fn change(mut self, field: &'static str, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        let (before, after) = (before.into(), after.into());
        if before != after {
            let (before, after) = match (before, after) {
                (Value::String(before), Value::String(after)) => {
                    let (before, after) = cut_at_difference(&before, &after);
                    (Value::String(before), Value::String(after))
                }
                other => other,
            };
            self.0.push((field, Value::Array(vec![before, after])));
        }
        self
    }

    /// Both details in one.
    #[must_use]
    pub fn and(mut self, other: EventDetail) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The settings that a change to a key altered.
    pub fn between(before: &KeySettings, after: &KeySettings) -> Self {
        let mut detail = EventDetail::default();
        for ((field, before), (_, after)) in before.values().into_iter().zip(after.values()) {
            detail = match field {
                // No page shows it, so the log only says that it changed.
                "metadata" if before == after => detail,
                "metadata" => detail.fact(field, "changed"),
                _ => detail.change(field, before, after),
            };
        }
        detail
    }

    /// What a new key can do, and until when.
    pub fn granted(settings: &KeySettings) -> Self {
        let mut detail = EventDetail::default();
        for (field, value) in settings.values() {
            let is_told = match field {
                "scopes" | "expires_at" => true,
                "allowed_ips" | "rate_limit" => !matches!(&value, Value::Null) && value != "",
                _ => false,
            };
            if is_told {
                detail = detail.fact(field, value);
            }
        }
        detail
    }

    /// The text that is stored and chained; `None` if there is nothing to say.
    pub fn stored(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        // A map would sort the fields.
        let fields: Vec<_> = self.0.iter().map(|(field, value)| format!("\"{field}\":{value}")).collect();
        Some(format!("{{{}}}", fields.join(",")))
    }
}

/// An optional time as a value; `null` if there is none.
pub fn time_or_null(time: Option<Time>) -> Value {
    time.map_or(Value::Null, |time| time.to_string().into())
}

/// One field of a stored detail, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetailItem {
    /// The field's API name.
    pub field: String,
    /// `None` for a fact.
    pub before: Option<String>,
    pub after: String,
}

impl DetailItem {
    /// The fields of a stored detail; empty if it cannot be read.
    pub fn all(stored: &str) -> Vec<DetailItem> {
        let fields: Map<String, Value> = serde_json::from_str(stored).unwrap_or_default();
        let item = |(field, value): (String, Value)| match value {
            Value::Array(pair) if pair.len() == 2 => {
                let before = Some(in_words(&field, &pair[0]));
                DetailItem { before, after: in_words(&field, &pair[1]), field }
            }
            value => DetailItem { before: None, after: in_words(&field, &value), field },
        };
        fields.into_iter().map(item).collect()
    }

    /// All fields in one line, without the session.
    pub fn one_line(stored: &str) -> String {
        let items = Self::all(stored).into_iter().filter(|item| item.field != "session");
        let texts: Vec<_> = items
            .map(|item| match item.before {
                Some(before) => format!("{}: {before} → {}", item.field, item.after),
                None => format!("{}: {}", item.field, item.after),
            })
            .collect();
        texts.join("; ")
    }

    /// `Expires`, for people.
    pub fn label(&self) -> String {
        let label = match self.field.as_str() {
            "allowed_ips" => return "Addresses".to_owned(),
            "expires_at" => return "Expires".to_owned(),
            "ends_at" => return "Old key ends".to_owned(),
            field => field.replace('_', " "),
        };
        let mut letters = label.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }
}

fn in_words(field: &str, value: &Value) -> String {
    match (field, value) {
        ("expires_at" | "last_used_at", Value::Null) => "never".to_owned(),
        ("ends_at", Value::Null) => "at once".to_owned(),
        ("allowed_ips", Value::String(text)) if text.is_empty() => "any".to_owned(),
        (_, Value::Null) => "none".to_owned(),
        (_, Value::String(text)) if text.is_empty() => "none".to_owned(),
        (_, Value::String(text)) => text.clone(),
        (_, Value::Bool(true)) => "yes".to_owned(),
        (_, Value::Bool(false)) => "no".to_owned(),
        (_, other) => other.to_string(),
    }
}

/// Writes a stored detail as the JSON object that it is; as a text if somebody damaged it.
pub fn as_object<S: serde::Serializer>(stored: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::Serialize as _;
    match stored {
        None => serializer.serialize_none(),
        Some(text) => match serde_json::from_str::<&RawValue>(text) {
            Ok(object) => object.serialize(serializer),
            Err(_) => serializer.serialize_str(text),
        },
    }
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let mut shorter = text[..text.floor_char_boundary(MAX_TEXT)].to_owned();
    shorter.push(CUT);
    shorter
}

/// Cuts long texts so that what differs stays visible.
fn cut_at_difference(before: &str, after: &str) -> (String, String) {
    if before.len().max(after.len()) <= MAX_TEXT {
        return (before.to_owned(), after.to_owned());
    }
    let common = before.bytes().zip(after.bytes()).take_while(|(one, other)| one == other).count();
    let start = before.floor_char_boundary(common.saturating_sub(CONTEXT));
    let from_there = |text: &str| {
        let rest = cut(&text[start..]);
        if start == 0 { rest } else { format!("{CUT}{rest}") }
    };
    (from_there(before), from_there(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_where_they_differ() {
        let (before, after) = (format!("{}é1", "é".repeat(400)), format!("{}é2", "é".repeat(400)));
        let stored = EventDetail::default().change("description", before, after).stored().unwrap();
        assert!(stored.len() < 300 && stored.contains("é1") && stored.contains("é2"), "{stored}");
        let stored = EventDetail::default().fact("name", "é".repeat(400)).stored().unwrap();
        assert!(stored.len() < MAX_TEXT + 20, "{stored}");
    }

    #[test]
    fn a_detail_is_read_as_it_was_written() {
        let detail = EventDetail::default()
            .change("name", "a", "a")
            .change("expires_at", Value::Null, "2027-01-31T12:00:00Z")
            .fact("quoted", "\"<é>\n");
        let stored = detail.stored().unwrap();
        let items = DetailItem::all(&stored);
        assert_eq!(items[0].before.as_deref(), Some("never"));
        assert_eq!((items[0].label().as_str(), items[1].after.as_str()), ("Expires", "\"<é>\n"));
        assert_eq!(EventDetail::default().stored(), None);
        assert!(DetailItem::all("no JSON").is_empty());
    }
}
