//! A key's metadata: a small JSON object of the caller's own. Its text is kept as it was sent, because a number that is
//! converted to a float comes back as different, possibly longer, text.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::foreign_text::has_key;
use crate::error::{Error, Result};

/// One JSON object (RFC 8259 §4), without white space between its parts.
#[derive(Debug, Clone)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    /// Maximum size in bytes of compact JSON.
    pub const MAX: usize = 4096;
    /// Maximum nesting depth of objects and arrays.
    const MAX_DEPTH: u8 = 32;

    /// Parses metadata from a caller: no duplicate names in an object, not too deep, not too long.
    pub fn parse(json: &str) -> Result<Self> {
        let wrong = |message: &'static str| Error::invalid("metadata", message);
        let metadata = Self::stored(json).ok_or_else(|| wrong("Metadata must be a JSON object."))?;
        check(&metadata.0, Self::MAX_DEPTH).map_err(wrong)?;
        if metadata.text().len() > Self::MAX {
            return Err(wrong("Metadata must not exceed 4,096 bytes of compact JSON."));
        }
        Ok(metadata)
    }

    /// Reads metadata from the database: any JSON object, whatever the limits were when it was sent. `None` if it is
    /// not an object.
    pub fn stored(json: &str) -> Option<Self> {
        // The syntax is checked before white space is removed, because without it `1 2` is a number.
        let sent: &RawValue = serde_json::from_str(json).ok().filter(|sent: &&RawValue| sent.get().starts_with('{'))?;
        RawValue::from_string(compact(sent.get())).ok().map(Metadata)
    }

    pub fn text(&self) -> &str {
        self.0.get()
    }

    pub fn raw(&self) -> &RawValue {
        &self.0
    }

    pub fn into_raw(self) -> Box<RawValue> {
        self.0
    }

    pub fn is_empty(&self) -> bool {
        self.text() == "{}"
    }
}

impl Default for Metadata {
    fn default() -> Self {
        Metadata(RawValue::from_string("{}".to_owned()).expect("an empty object is JSON"))
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl serde::Serialize for Metadata {
    /// Writes the text unchanged. Only `serde_json` can do this, and only when it writes text, not a `Value`.
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

/// Removes white space between the parts, but not inside strings.
fn compact(json: &str) -> String {
    let (mut in_string, mut is_escaped) = (false, false);
    let is_kept = |c: &char| {
        let is_blank = !in_string && matches!(c, ' ' | '\t' | '\n' | '\r');
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = in_string,
            '"' => in_string = !in_string,
            _ => {}
        }
        !is_blank
    };
    json.chars().filter(is_kept).collect()
}

/// A key may be escaped, so the search covers the text that a JSON reader gets.
fn must_hold_no_key(text: &str) -> std::result::Result<(), &'static str> {
    if has_key(text) { Err("The metadata contains a key. Keys are never stored: remove it.") } else { Ok(()) }
}

/// Checks what the syntax alone does not: duplicate names, depth, unpaired surrogates, keys.
fn check(json: &RawValue, levels: u8) -> std::result::Result<(), &'static str> {
    const NOT_JSON: &str = "Metadata must be a valid JSON object.";
    let deeper = levels.checked_sub(1).ok_or("Metadata must not be nested more than 32 levels deep.");
    match json.get().as_bytes().first() {
        Some(b'{') => {
            let deeper = deeper?;
            let Members(members) = serde_json::from_str(json.get()).map_err(|_| NOT_JSON)?;
            let mut names = HashSet::with_capacity(members.len());
            for (name, value) in members {
                must_hold_no_key(&name)?;
                if !names.insert(name) {
                    return Err("Metadata must not repeat a name within one object.");
                }
                check(value, deeper)?;
            }
            Ok(())
        }
        Some(b'[') => {
            let deeper = deeper?;
            let items: Vec<&RawValue> = serde_json::from_str(json.get()).map_err(|_| NOT_JSON)?;
            items.into_iter().try_for_each(|item| check(item, deeper))
        }
        Some(b'"') => must_hold_no_key(&serde_json::from_str::<String>(json.get()).map_err(|_| NOT_JSON)?),
        _ => Ok(()),
    }
}

/// An object's members in order, including duplicate names.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_kept_and_only_whitespace_between_parts_is_removed() {
        for (sent, kept) in [
            ("{}", "{}"),
            (
                " { \"a b\" : [ 1.0 , -0.0 , 1e400 , 12345678901234567890 ] } ",
                r#"{"a b":[1.0,-0.0,1e400,12345678901234567890]}"#,
            ),
            (
                r#"{"z":9.210669260379999e-253,"a":"\" \\ \u00e9 / \/"}"#,
                r#"{"z":9.210669260379999e-253,"a":"\" \\ \u00e9 / \/"}"#,
            ),
        ] {
            let metadata = Metadata::parse(sent).unwrap();
            assert_eq!(metadata.text(), kept);
            assert_eq!(serde_json::to_string(&metadata).unwrap(), kept);
            assert_eq!(Metadata::stored(kept), Some(metadata));
        }
    }

    #[test]
    fn input_is_read_strictly_and_stored_values_leniently() {
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(Metadata::parse(r#"{"a":[1,-1,1.5,"x",null,true,{}]}"#).is_ok());
        assert!(Metadata::parse(&nested(32)).is_ok());
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(4089));
        assert!(Metadata::parse(&long[..]).is_err() && Metadata::parse(&long.replacen("xx", "x", 1)).is_ok());
        for lax in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"b":[{"a":1,"a":2}]}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"\udc00":1}"#,
            &nested(33),
            &nested(5000),
            &long,
        ] {
            assert!(Metadata::parse(lax).is_err(), "{lax:.40}");
            assert_eq!(Metadata::stored(lax).unwrap().text(), lax);
        }
        for bad in [
            "",
            "[]",
            "1",
            "null",
            "\"{}\"",
            "{",
            "{}{}",
            "{\"a\":01}",
            "{'a':1}",
            "{\"a\":NaN}",
            "{\"a\" 1}",
            "{\"a\":1 2}",
            "{\"a\":tr ue}",
        ] {
            assert!(Metadata::parse(bad).is_err(), "{bad}");
            assert_eq!(Metadata::stored(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn accepted_metadata_survives_a_round_trip(text in r#"\{("[a-z\\"]{0,3}":(-?[0-9]{1,20}(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,4})?|"\PC{0,8}"|\[ ?\]),? ?){0,4}\}"#) {
            if let Ok(metadata) = Metadata::parse(&text) {
                prop_assert_eq!(Metadata::parse(metadata.text()).unwrap(), metadata.clone());
                prop_assert_eq!(Metadata::stored(metadata.text()).unwrap(), metadata);
            }
        }
    }
}
