//! The settings file, `keybearer.toml`: its keys are the names of the flags.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction};
use toml::{Table, Value};

use super::given::{Given, GivenBy};
use super::known::{name, nearest};
use super::layer::Layer;
use super::policy::{POLICY, PolicySection};
use crate::ambient::plain_file;
use crate::commands::input::Encoding;
use crate::error::{Error, Result};

const DEFAULT_FILE: &str = "keybearer.toml";
/// The setting that says where the file is cannot be in it.
const CONFIG: &str = "config";

#[derive(Default)]
pub struct SettingsFile {
    /// The file's path, for messages.
    pub shown: String,
    pub settings: Layer,
    pub policy: PolicySection,
}

impl SettingsFile {
    /// Reads the file that the flag names, else the one that the environment names, else the usual one if it exists.
    pub fn find(known: &[&Arg], flag: Option<&Path>, variable: Option<&Path>) -> Result<Self> {
        match (flag, variable) {
            (Some(path), _) => Self::read(known, path, &format!("--config {}", path.display())),
            (None, Some(path)) => Self::read(known, path, &format!("KEYBEARER_CONFIG={}", path.display())),
            // A dangling link counts as a settings file, so it is an error: whoever created it expects its settings to
            // apply.
            (None, None) => match fs::symlink_metadata(DEFAULT_FILE) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
                _ => Self::read(known, &PathBuf::from(DEFAULT_FILE), DEFAULT_FILE),
            },
        }
    }

    /// `label` says how the file was named.
    fn read(known: &[&Arg], path: &Path, label: &str) -> Result<Self> {
        let (text, shown) = (text(path, label)?, path.display().to_string());
        let wrong = |error: toml::de::Error| Error::invalid("usage", format!("{shown}: {error}"));
        let mut settings = Layer::default();
        let mut seen = BTreeSet::new();
        for (key, value) in toml::from_str::<Table>(&text).map_err(wrong)? {
            // In TOML, names are often written with underscores.
            let key = key.replace('_', "-");
            if !seen.insert(key.clone()) {
                return Err(Error::invalid("usage", format!("{shown} sets {key} twice. Leave one of them out.")));
            }
            if key == POLICY {
                continue;
            }
            let known = known.iter().filter(|setting| name(setting) != CONFIG);
            let Some(setting) = known.clone().find(|setting| name(setting) == key) else {
                return Err(unknown(&shown, &key, known.map(|setting| name(setting)).chain([POLICY])));
            };
            let Some(value) = plain(&value, setting) else {
                return Err(Error::invalid(
                    "usage",
                    format!("{key} in {shown}: write a string, a number, true or false."),
                ));
            };
            settings.insert(setting, Given::new(GivenBy::File(key, shown.clone()), value));
        }
        let policy = toml::from_str(&text).map_err(wrong)?;
        Ok(SettingsFile { shown, settings, policy })
    }
}

/// The value as text. A list, if the setting accepts one, is joined with commas.
fn plain(value: &Value, setting: &Arg) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Array(list) if matches!(setting.get_action(), ArgAction::Append) => {
            let is_nested = list.iter().any(Value::is_array);
            let entries = list.iter().map(|entry| plain(entry, setting)).collect::<Option<Vec<_>>>();
            entries.filter(|_| !is_nested).map(|entries| entries.join(","))
        }
        _ => None,
    }
}

fn unknown<'a>(file: &str, key: &str, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    let advice = nearest(key, known.clone()).map_or_else(String::new, |other| format!("Did you mean {other}? "));
    let known = known.collect::<Vec<_>>().join(", ");
    Error::invalid("usage", format!("{file} sets {key}, which is not a known setting. {advice}Known: {known}."))
}

fn text(path: &Path, label: &str) -> Result<String> {
    let unreadable =
        |why: &dyn Display| Error::invalid("usage", format!("{label}: the settings file cannot be read: {why}."));
    let bytes = plain_file::read(path).map_err(|error| match fs::read_link(path) {
        Ok(target) if error.kind() == io::ErrorKind::NotFound => {
            unreadable(&format_args!("it is a link to {}, which does not exist", target.display()))
        }
        _ => unreadable(&error),
    })?;
    let encoding = match Encoding::of(&bytes).0 {
        Encoding::Utf8 => "in Windows-1252, Latin-1 or another encoding",
        Encoding::Utf16Le | Encoding::Utf16Be => "in UTF-16",
        Encoding::Utf32 => "in UTF-32",
    };
    let text = std::str::from_utf8(&bytes).ok().filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| unreadable(&format_args!("it is {encoding}. Save it as UTF-8")))?;
    Ok(text.to_owned())
}
