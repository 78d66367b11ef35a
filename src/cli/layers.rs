//! Settings from three places, the first of which that has one wins: flags, environment, settings
//! file. A value knows its place, so that a message names what the operator wrote.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::args::ServeArgs;
use super::environment::variable;
use super::text::Text;
use crate::error::{Error, Result};

#[derive(Default)]
pub struct Layer {
    pub args: ServeArgs,
    /// The settings that are given here, by the names of their flags.
    pub names: BTreeSet<String>,
}

pub struct Layers {
    pub flags: Layer,
    pub environment: Layer,
    pub file: Layer,
    /// The settings file.
    pub path: PathBuf,
}

#[derive(Clone, Copy)]
enum Place {
    Flag,
    Environment,
    File,
}

/// A value, and where it was given.
pub struct Given<T> {
    pub value: T,
    /// `--workers`, `KEYBEARER_WORKERS`, or `workers in keybearer.toml`.
    pub name: String,
    /// The same with the value.
    shown: String,
}

impl<T> Given<T> {
    pub fn wrong(&self, rule: impl Display) -> Error {
        Error::invalid("usage", format!("{}: {rule}", self.shown))
    }
}

impl Layers {
    /// The value that counts of the setting `name`, which `get` finds in a layer.
    pub fn one<'a>(&'a self, name: &str, get: impl Fn(&'a ServeArgs) -> Option<&'a Text>) -> Option<Given<&'a str>> {
        let (place, text) = self.first(|layer| get(&layer.args))?;
        Some(self.given(place, name, text.as_str(), text.as_str()))
    }

    /// The same of a file's path, which a blank is not.
    pub fn path<'a>(
        &'a self,
        name: &str,
        get: impl Fn(&'a ServeArgs) -> Option<&'a PathBuf>,
    ) -> Result<Option<Given<&'a Path>>> {
        let Some((place, path)) = self.first(|layer| get(&layer.args)) else { return Ok(None) };
        let given = self.given(place, name, &path.display().to_string(), path.as_path());
        if path.to_str().is_some_and(|path| path.trim().is_empty()) {
            return Err(given.wrong("it is blank. Name a file, or leave the setting out."));
        }
        Ok(Some(given))
    }

    /// The same of a list. Blank entries are left out; a list of nothing else is not given.
    pub fn many<'a>(&'a self, name: &str, get: impl Fn(&'a ServeArgs) -> &'a [Text]) -> Vec<Given<&'a str>> {
        let entries = |layer: &'a Layer| {
            let entries = get(&layer.args).iter().flat_map(|text| text.as_str().split(','));
            let entries: Vec<&str> = entries.map(str::trim).filter(|entry| !entry.is_empty()).collect();
            (!entries.is_empty()).then_some(entries)
        };
        let Some((place, entries)) = self.first(entries) else { return Vec::new() };
        entries.into_iter().map(|entry| self.given(place, name, entry, entry)).collect()
    }

    /// In the error's message every setting is named as it was given.
    pub fn as_given(&self, mut error: Error) -> Error {
        let mut rest = std::mem::take(&mut error.message).into_owned();
        let mut message = String::new();
        while let Some(start) = rest.find("--") {
            let tail = rest.split_off(start);
            message.push_str(&rest);
            let end = tail[2..].find(|c: char| !c.is_ascii_lowercase() && c != '-').map_or(tail.len(), |end| end + 2);
            let (flag, tail) = tail.split_at(end);
            message.push_str(&self.name(&flag[2..]).unwrap_or_else(|| flag.to_owned()));
            rest = tail.to_owned();
        }
        error.message = (message + &rest).into();
        error
    }

    /// How a setting of this name was given, if it was.
    fn name(&self, setting: &str) -> Option<String> {
        let (place, ()) = self.first(|layer| layer.names.contains(setting).then_some(()))?;
        Some(self.named(place, setting))
    }

    fn first<'a, T>(&'a self, get: impl Fn(&'a Layer) -> Option<T>) -> Option<(Place, T)> {
        [(Place::Flag, &self.flags), (Place::Environment, &self.environment), (Place::File, &self.file)]
            .into_iter()
            .find_map(|(place, layer)| get(layer).map(|value| (place, value)))
    }

    fn given<T>(&self, place: Place, name: &str, text: &str, value: T) -> Given<T> {
        let shown = match place {
            Place::Flag => format!("--{name} {text}"),
            Place::Environment => format!("{}={text}", variable(name)),
            Place::File => format!("{name} = {text:?} in {}", self.path.display()),
        };
        Given { value, name: self.named(place, name), shown }
    }

    fn named(&self, place: Place, name: &str) -> String {
        match place {
            Place::Flag => format!("--{name}"),
            Place::Environment => variable(name),
            Place::File => format!("{name} in {}", self.path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `listen` in the environment, `workers` in the file.
    fn layers() -> Layers {
        let layer = |name: &str| Layer { args: ServeArgs::default(), names: BTreeSet::from([name.to_owned()]) };
        let path = PathBuf::from("a.toml");
        Layers { flags: Layer::default(), environment: layer("listen"), file: layer("workers"), path }
    }

    fn as_given(message: &str) -> String {
        layers().as_given(Error::invalid("usage", message.to_owned())).message.into_owned()
    }

    #[test]
    fn a_message_names_settings_as_they_were_given() {
        for (message, said) in [
            ("Choose another --listen.", "Choose another KEYBEARER_LISTEN."),
            ("--workers", "workers in a.toml"),
            ("--listen-x --database --", "--listen-x --database --"),
            ("---listen --\u{e9}--listen", "---listen --\u{e9}KEYBEARER_LISTEN"),
        ] {
            assert_eq!(as_given(message), said);
        }
    }

    proptest! {
        #[test]
        fn any_other_message_stays_as_it_is(message in "[^ls]{0,40}") {
            prop_assert_eq!(as_given(&message), message);
        }
    }
}
