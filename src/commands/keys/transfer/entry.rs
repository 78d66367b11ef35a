//! One key in an import or export file: its digest and settings, without its text. A new setting must be added to the
//! struct, to `parse` and `of`, and to the CSV columns.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::model::characters::is_deceptive;
use crate::model::foreign_text::has_key;
use crate::model::key_settings::Description;
use crate::model::{
    Digest, Email, ImportedKey, KeyName, KeyPrefix, KeyRecord, KeySettings, Metadata, Networks, RateLimit, ScopeSet,
    Time,
};

const MAX_HINT_CHARS: usize = 64;

/// `sha256`, `owner` and `name` are required.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferEntry {
    pub(super) sha256: String,
    pub(super) owner: String,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, deserialize_with = "null_is_left_out")]
    pub(super) scopes: Vec<String>,
    /// RFC 3339; none or `never` means that the key does not expire.
    #[serde(default)]
    pub(super) expires_at: Option<String>,
    #[serde(default)]
    pub(super) hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) enabled: Option<bool>,
    #[serde(default, deserialize_with = "null_is_left_out", skip_serializing_if = "Vec::is_empty")]
    pub(super) allowed_ips: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rate_limit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Box<RawValue>>,
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
                description: optional(
                    "description",
                    self.description,
                    "null for a key without a description",
                    Description::parse,
                )?
                .unwrap_or_default(),
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
        let KeySettings { name, description, scopes, expires_at, allowed_ips, rate_limit, metadata } = record.settings;
        TransferEntry {
            sha256: hex::encode(record.digest.as_bytes()),
            owner: record.owner.email.to_string(),
            name: name.to_string(),
            description: description.filled().map(str::to_owned),
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
    if hint.chars().count() > MAX_HINT_CHARS || hint.chars().any(is_deceptive) {
        return Err(Error::invalid("hint", "A hint must not exceed 64 characters or contain control characters."));
    }
    if has_key(hint) {
        return Err(Error::invalid(
            "hint",
            "The hint contains a key. Keys are never stored; a hint must be only the last characters of a key.",
        ));
    }
    Ok(hint.to_owned())
}

/// A column of a CSV file, with the functions that convert between its cell and its field.
pub struct Column {
    pub name: &'static str,
    pub put: fn(&mut TransferEntry, &str) -> Result<()>,
    pub cell: fn(&TransferEntry) -> String,
}

/// How many of the first columns are required.
pub const REQUIRED_COLUMNS: usize = 3;

pub const COLUMNS: [Column; 12] = [
    column("sha256", |entry, text| set(&mut entry.sha256, text.trim().to_owned()), |entry| entry.sha256.clone()),
    column("owner", |entry, text| set(&mut entry.owner, text.to_owned()), |entry| entry.owner.clone()),
    column("name", |entry, text| set(&mut entry.name, text.to_owned()), |entry| entry.name.clone()),
    column("scopes", |entry, text| set(&mut entry.scopes, words(text)), |entry| entry.scopes.join(" ")),
    column("expires_at", |entry, text| set(&mut entry.expires_at, filled(text)), |entry| or_empty(&entry.expires_at)),
    column("hint", |entry, text| set(&mut entry.hint, filled(text)), |entry| or_empty(&entry.hint)),
    column("prefix", |entry, text| set(&mut entry.prefix, filled(text)), |entry| or_empty(&entry.prefix)),
    column(
        "enabled",
        |entry, text| set(&mut entry.enabled, filled(text).map(|text| boolean(&text)).transpose()?),
        |entry| entry.enabled.map_or_else(String::new, |enabled| enabled.to_string()),
    ),
    column("allowed_ips", |entry, text| set(&mut entry.allowed_ips, words(text)), |entry| entry.allowed_ips.join(" ")),
    column("rate_limit", |entry, text| set(&mut entry.rate_limit, filled(text)), |entry| or_empty(&entry.rate_limit)),
    column(
        "description",
        |entry, text| set(&mut entry.description, filled(text)),
        |entry| or_empty(&entry.description),
    ),
    column(
        "metadata",
        |entry, text| set(&mut entry.metadata, filled(text).map(object).transpose()?),
        |entry| entry.metadata.as_ref().map_or_else(String::new, |json| json.get().to_owned()),
    ),
];

const fn column(
    name: &'static str,
    put: fn(&mut TransferEntry, &str) -> Result<()>,
    cell: fn(&TransferEntry) -> String,
) -> Column {
    Column { name, put, cell }
}

fn set<T>(field: &mut T, value: T) -> Result<()> {
    *field = value;
    Ok(())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn filled(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn or_empty(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

fn object(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|_| Error::invalid("metadata", "Metadata must be a JSON object."))
}

fn boolean(text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Error::invalid("enabled", "Write true or false.")),
    }
}
