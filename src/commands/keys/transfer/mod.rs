//! One key in an import or export file: its digest and settings, without its text. `csv` and `json` are two formats for
//! it.

mod cells;
pub mod csv;
pub mod json;
pub mod text;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::model::characters::is_deceptive;
use crate::model::foreign_text::has_key;
use crate::model::{
    Digest, Email, ImportedKey, KeyName, KeyPrefix, KeyRecord, KeySettings, Metadata, Networks, RateLimit, ScopeSet,
    Time,
};

const LONGEST_HINT: usize = 64;

/// `sha256`, `owner` and `name` are required.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferEntry {
    sha256: String,
    owner: String,
    name: String,
    #[serde(default, deserialize_with = "null_is_left_out")]
    scopes: Vec<String>,
    /// RFC 3339; none or `never` means that the key does not expire.
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "null_is_left_out", skip_serializing_if = "Vec::is_empty")]
    allowed_ips: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate_limit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
}

impl TransferEntry {
    /// The key, if every field is valid; an error has the field's name.
    pub fn parse(self) -> Result<ImportedKey> {
        Ok(ImportedKey {
            digest: at("sha256", Digest::parse(&self.sha256))?,
            owner: at("owner", Email::parse(&self.owner))?,
            prefix: optional("prefix", self.prefix, "null for a key of another system", KeyPrefix::parse)?,
            hint: optional("hint", self.hint, "null for the hint \"imported\"", hint)?
                .unwrap_or_else(|| "imported".to_owned()),
            enabled: self.enabled.unwrap_or(true),
            settings: KeySettings {
                name: at("name", KeyName::parse(&self.name))?,
                scopes: at("scopes", ScopeSet::parse(self.scopes.iter().map(String::as_str)))?,
                expires_at: optional(
                    "expires_at",
                    self.expires_at,
                    "null or never for a key that does not expire",
                    end,
                )?
                .flatten(),
                allowed_ips: at("allowed_ips", Networks::parse(self.allowed_ips.iter().map(String::as_str)))?,
                rate_limit: optional(
                    "rate_limit",
                    self.rate_limit,
                    "null for a key without a limit",
                    RateLimit::parse,
                )?,
                metadata: at("metadata", self.metadata.map(|json| Metadata::parse(json.get())).transpose())?
                    .unwrap_or_default(),
            },
        })
    }

    pub fn of(record: KeyRecord) -> Self {
        let KeySettings { name, scopes, expires_at, allowed_ips, rate_limit, metadata } = record.settings;
        TransferEntry {
            sha256: hex::encode(record.digest.as_bytes()),
            owner: record.owner.email.to_string(),
            name: name.to_string(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
            expires_at: expires_at.map(|time| time.to_string()),
            hint: Some(record.hint),
            prefix: record.prefix,
            enabled: (!record.enabled).then_some(false),
            allowed_ips: allowed_ips.iter().map(ToString::to_string).collect(),
            rate_limit: rate_limit.map(|limit| limit.text()),
            metadata: (!metadata.is_empty()).then(|| metadata.into_raw()),
        }
    }
}

fn null_is_left_out<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn at<T>(field: &'static str, parsed: Result<T>) -> Result<T> {
    parsed.map_err(|error| Error { field: Some(field), ..error })
}

/// Parses an optional field. A blank is an error: `""` for "never expires" is a mistake that would be noticed too late.
fn optional<T>(
    field: &'static str,
    text: Option<String>,
    none: &str,
    parse: impl Fn(&str) -> Result<T>,
) -> Result<Option<T>> {
    match text {
        None => Ok(None),
        Some(text) if text.trim().is_empty() => Err(Error::invalid(field, format!("It is blank. Write {none}."))),
        Some(text) => at(field, parse(text.trim())).map(Some),
    }
}

fn end(text: &str) -> Result<Option<Time>> {
    if text.eq_ignore_ascii_case("never") { Ok(None) } else { Time::parse(text).map(Some) }
}

fn hint(hint: &str) -> Result<String> {
    if hint.chars().count() > LONGEST_HINT || hint.chars().any(is_deceptive) {
        return Err(Error::invalid("hint", "A hint must have at most 64 characters and no control characters."));
    }
    if has_key(hint) {
        return Err(Error::invalid(
            "hint",
            "The hint contains a key. Keys are never stored; a hint must be only the last characters of a key.",
        ));
    }
    Ok(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::collection::{hash_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn entry() -> impl Strategy<Value = TransferEntry> {
        let name = "[-=+@'\";,a-c é]{1,12}".prop_filter("a name", |name| KeyName::parse(name).is_ok());
        let metadata = hash_map("[-=+@'\"; a]{0,4}", "[-=+@'\"\\n;, a]{0,8}", 0..3);
        let scopes = vec("[a-c][a-c:.-]{0,4}", 0..3);
        (any::<[u8; 32]>(), name, scopes, any::<Option<bool>>(), metadata, 0_i64..4_000_000_000).prop_map(
            |(digest, name, scopes, enabled, metadata, end)| TransferEntry {
                sha256: hex::encode(digest),
                owner: "+ada@example.com".to_owned(),
                hint: Some(name.clone()),
                name,
                scopes,
                expires_at: (end % 2 == 0).then(|| Time::from_millis(end * 1000).to_string()),
                enabled,
                metadata: (!metadata.is_empty()).then(|| serde_json::value::to_raw_value(&metadata).unwrap()),
                ..TransferEntry::default()
            },
        )
    }

    /// All of it, for comparison.
    fn text(entry: TransferEntry) -> String {
        let key = entry.parse().unwrap();
        format!("{:?} {:?}", key.digest.as_bytes(), key)
    }

    proptest! {
        #[test]
        fn an_entry_comes_back_from_both_forms(entry in entry()) {
            let mut line = Vec::new();
            json::write(&mut line, &entry).unwrap();
            let mut rows = ::csv::Writer::from_writer(Vec::new());
            rows.write_record(&entry.cells()).unwrap();
            let row = rows.into_inner().unwrap();
            let header = csv::Header::parse(&csv::COLUMNS.join(","), None).unwrap();
            let cells = csv::split(row.strip_suffix(b"\n").unwrap(), header.separator).unwrap();
            let expected = text(entry);
            prop_assert_eq!(&text(json::read(&line).unwrap()), &expected);
            prop_assert_eq!(&text(header.read(&cells).unwrap()), &expected);
        }
    }
}
