//! The settings from one source (flags, environment or settings file), and how the sources are combined.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::given::Given;
use super::known;
use crate::error::{Error, Result};

/// Settings by name, such as `public-url`.
#[derive(Debug, Default, Serialize)]
pub struct Layer(BTreeMap<String, Given>);

impl Layer {
    /// The settings given as flags. Their values have the type [`Given`].
    pub fn flags(known: &[&Arg], matches: &ArgMatches) -> Self {
        let mut layer = Layer::default();
        for matches in matches.subcommand_matches("serve").into_iter().chain([matches]) {
            for setting in known {
                let values = matches.try_get_many::<Given>(setting.get_id().as_str()).ok().flatten();
                if let Some(given) = values.and_then(|values| values.cloned().reduce(Given::and)) {
                    layer.insert(setting, given);
                }
            }
        }
        layer
    }

    /// Most lists without any entry count as not set.
    pub fn insert(&mut self, setting: &Arg, given: Given) {
        if !(known::may_be_empty(setting) && given.entries().is_ok_and(|entries| entries.is_empty())) {
            self.0.insert(known::name(setting).to_owned(), given);
        }
    }

    pub fn get(&self, name: &str) -> Option<&Given> {
        self.0.get(name)
    }

    /// Combines two layers; where both have a setting, this layer's value is used.
    pub fn over(self, mut below: Layer) -> Layer {
        below.0.extend(self.0);
        below
    }

    /// The settings of one or more sections.
    pub fn sections<S: DeserializeOwned>(&self) -> Result<S> {
        serde_json::to_value(self).and_then(serde_json::from_value).map_err(Error::internal)
    }

    /// Replaces each flag in the error's message with the name under which the setting was given.
    pub fn as_given(&self, mut error: Error) -> Error {
        let mut rest = std::mem::take(&mut error.message).into_owned();
        let mut message = String::new();
        while let Some(start) = rest.find("--") {
            let tail = rest.split_off(start);
            message.push_str(&rest);
            let end = tail[2..].find(|c: char| !c.is_ascii_lowercase() && c != '-').map_or(tail.len(), |end| end + 2);
            let (flag, tail) = tail.split_at(end);
            message.push_str(&self.get(&flag[2..]).map_or_else(|| flag.to_owned(), Given::name));
            rest = tail.to_owned();
        }
        error.message = (message + &rest).into();
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings::given::GivenBy;
    use proptest::prelude::*;

    /// A layer with `listen` from the environment and `workers` from the file.
    fn layer() -> Layer {
        let listen = GivenBy::Variable("KEYBEARER_LISTEN".to_owned());
        let workers = GivenBy::File("workers".to_owned(), "a.toml".to_owned());
        let given = [("listen", listen), ("workers", workers)];
        Layer(given.map(|(name, origin)| (name.to_owned(), Given::new(origin, "x"))).into())
    }

    fn as_given(message: &str) -> String {
        layer().as_given(Error::invalid("usage", message.to_owned())).message.into_owned()
    }

    #[test]
    fn a_message_names_settings_as_the_operator_gave_them() {
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
        fn any_other_message_is_unchanged(message in "[^ls]{0,40}") {
            prop_assert_eq!(as_given(&message), message);
        }
    }
}
