//! The line of an import or export file: what another system knows of a key.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::model::key::Metadata;
use crate::model::name::{is_deceptive, is_joiner};
use crate::model::{Digest, Email, ImportedKey, KeyName, KeyPrefix, KeyRecord, Networks, RateLimit, ScopeSet, Time};

const LONGEST_HINT: usize = 64;

/// JSON Lines: one object a line. `sha256`, `owner` and `name` must be there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    sha256: String,
    owner: String,
    name: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allowed_ips: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate_limit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
}

/// CSV: a header line with these names; lists are separated by blanks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvLine {
    sha256: String,
    owner: String,
    name: String,
    #[serde(default)]
    scopes: String,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    prefix: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    allowed_ips: String,
    #[serde(default)]
    rate_limit: Option<String>,
    #[serde(default)]
    metadata: Option<String>,
}

impl Line {
    pub fn parse(&self) -> Result<ImportedKey> {
        let hint = self.hint.as_deref().map(str::trim).filter(|hint| !hint.is_empty()).unwrap_or("imported");
        if hint.chars().count() > LONGEST_HINT || hint.chars().any(|c| is_deceptive(c) || is_joiner(c)) {
            return Err(Error::invalid("hint", "A hint has at most 64 characters, none of them a control character."));
        }
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(ImportedKey {
            digest: Digest::parse(&self.sha256)?,
            owner: Email::parse(&self.owner)?,
            name: KeyName::parse(&self.name)?,
            prefix: given(&self.prefix).map(|prefix| KeyPrefix::parse(&prefix)).transpose()?,
            hint: hint.to_owned(),
            scopes: ScopeSet::parse(self.scopes.iter().map(String::as_str))?,
            enabled: self.enabled.unwrap_or(true),
            expires_at: given(&self.expires_at).map(|time| Time::parse(&time)).transpose()?,
            allowed_ips: Networks::parse(self.allowed_ips.iter().map(String::as_str))?,
            rate_limit: given(&self.rate_limit).map(|limit| RateLimit::parse(&limit)).transpose()?,
            metadata: self.metadata.as_ref().map(|json| Metadata::parse(json.get())).transpose()?.unwrap_or_default(),
        })
    }

    pub fn of(digest: &Digest, record: KeyRecord) -> Self {
        let metadata = (!record.metadata.is_empty()).then(|| record.metadata.into_raw());
        Line {
            sha256: hex::encode(digest.as_bytes()),
            owner: record.owner.email.to_string(),
            name: record.name,
            scopes: record.scopes.iter().map(ToString::to_string).collect(),
            expires_at: record.expires_at.map(|time| time.to_string()),
            hint: Some(record.hint),
            prefix: record.prefix,
            enabled: (!record.enabled).then_some(false),
            allowed_ips: record.allowed_ips.iter().map(ToString::to_string).collect(),
            rate_limit: record.rate_limit.map(|limit| limit.text()),
            metadata,
        }
    }
}

impl TryFrom<CsvLine> for Line {
    type Error = Error;

    fn try_from(line: CsvLine) -> Result<Self> {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let metadata = line.metadata.filter(|text| !text.is_empty()).map(RawValue::from_string).transpose();
        Ok(Line {
            scopes: list(&line.scopes),
            allowed_ips: list(&line.allowed_ips),
            metadata: metadata.map_err(|_| Error::invalid("metadata", "Metadata is a JSON object."))?,
            sha256: line.sha256,
            owner: line.owner,
            name: line.name,
            expires_at: line.expires_at,
            hint: line.hint,
            prefix: line.prefix,
            enabled: line.enabled,
            rate_limit: line.rate_limit,
        })
    }
}

impl From<Line> for CsvLine {
    fn from(line: Line) -> Self {
        CsvLine {
            scopes: line.scopes.join(" "),
            allowed_ips: line.allowed_ips.join(" "),
            metadata: line.metadata.map(|json| json.get().to_owned()),
            sha256: line.sha256,
            owner: line.owner,
            name: line.name,
            expires_at: line.expires_at,
            hint: line.hint,
            prefix: line.prefix,
            enabled: line.enabled,
            rate_limit: line.rate_limit,
        }
    }
}
