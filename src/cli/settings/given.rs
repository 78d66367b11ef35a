//! One setting as the operator gave it: its text, not parsed yet, and where it was written, so that a message about it
//! names what the operator wrote.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{TypedValueParser, ValueParserFactory};
use clap::{Arg, Command};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::expiry::parse_span;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    origin: GivenBy,
    /// Flags can be any bytes: a path need not be UTF-8.
    text: OsString,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GivenBy {
    /// `--workers`
    Flag(String),
    /// `KEYBEARER_WORKERS`
    Variable(String),
    /// `workers`, and the settings file that sets it.
    File(String, String),
}

impl GivenBy {
    fn name(&self) -> String {
        match self {
            GivenBy::Flag(name) | GivenBy::Variable(name) => name.clone(),
            GivenBy::File(name, path) => format!("{name} in {path}"),
        }
    }

    fn with(&self, text: &str) -> String {
        match self {
            GivenBy::Flag(name) => format!("{name} {text}"),
            GivenBy::Variable(name) => format!("{name}={text}"),
            GivenBy::File(name, path) => format!("{name} = {text:?} in {path}"),
        }
    }
}

/// Sets one plain value, if the setting was given; otherwise `target` keeps its default.
pub fn set<T>(target: &mut T, given: &Option<Given>, parse: impl Fn(&Given) -> Result<T>) -> Result<()> {
    if let Some(given) = given {
        *target = parse(given)?;
    }
    Ok(())
}

impl Given {
    pub fn new(origin: GivenBy, text: impl Into<OsString>) -> Self {
        Given { origin, text: text.into() }
    }

    /// `--workers`, `KEYBEARER_WORKERS`, or `workers in keybearer.toml`.
    pub fn name(&self) -> String {
        self.origin.name()
    }

    /// The error for a value that breaks a rule.
    pub fn wrong(&self, rule: impl Display) -> Error {
        let shown = self.origin.with(self.text.to_string_lossy().trim());
        Error::invalid("usage", format!("{shown}: {rule}"))
    }

    /// The text without surrounding blanks, which a file of variables easily adds.
    pub fn text(&self) -> Result<&str> {
        self.text.to_str().map(str::trim).ok_or_else(|| self.wrong("it is not UTF-8."))
    }

    pub fn parse<T>(&self, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
        parse(self.text()?).map_err(|error| self.wrong(error.message))
    }

    pub fn number<N: FromStr + PartialOrd + Display>(&self, bounds: RangeInclusive<N>) -> Result<N> {
        match self.text()?.parse() {
            Ok(number) if bounds.contains(&number) => Ok(number),
            _ => Err(self.wrong(format_args!("write a number from {} to {}.", bounds.start(), bounds.end()))),
        }
    }

    /// Parses a time span that must satisfy `is_allowed`; `rule` is the message if it does not.
    pub fn span(&self, is_allowed: impl Fn(Duration) -> bool, rule: &str) -> Result<Duration> {
        parse_span(self.text()?).filter(|span| is_allowed(*span)).ok_or_else(|| self.wrong(rule))
    }

    /// A file's path. A blank one is refused.
    pub fn path(&self) -> Result<PathBuf> {
        if self.text.to_str().is_some_and(|path| path.trim().is_empty()) {
            return Err(self.wrong("it is blank. Name a file, or leave the setting out."));
        }
        Ok(PathBuf::from(&self.text))
    }

    /// The entries of a list, separated by commas. Blank ones are left out.
    pub fn entries(&self) -> Result<Vec<Given>> {
        let entries = self.text()?.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Ok(entries.map(|entry| Given::new(self.origin.clone(), entry)).collect())
    }

    pub fn parse_entries<T>(&self, parse: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
        self.entries()?.iter().map(|entry| entry.parse(&parse)).collect()
    }

    /// Joins two lists, because a flag can be repeated.
    pub fn and(mut self, other: Given) -> Self {
        self.text.push(",");
        self.text.push(other.text);
        self
    }
}

/// Makes clap parse a flag's value as `Given`.
impl ValueParserFactory for Given {
    type Parser = FlagParser;

    fn value_parser() -> FlagParser {
        FlagParser
    }
}

#[derive(Clone)]
pub struct FlagParser;

impl TypedValueParser for FlagParser {
    type Value = Given;

    fn parse_ref(&self, _: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Given, clap::Error> {
        let name = arg.and_then(Arg::get_long).unwrap_or_default();
        Ok(Given::new(GivenBy::Flag(format!("--{name}")), value))
    }
}
