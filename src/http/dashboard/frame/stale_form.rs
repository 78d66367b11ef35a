//! A form that was rendered for an earlier session: the page shows it again, filled in, to be sent with a fresh token.

use askama::Template;

use super::{Nav, Shell, SignedIn};
use crate::error::{Error, Result};
use crate::model::foreign_text::has_key;

#[derive(Template)]
#[template(path = "frame/stale_form.html")]
struct StaleFormPage<'a> {
    shell: Shell,
    /// Where the form goes, below the public URL.
    action: &'a str,
    fields: Vec<(&'a str, &'a str)>,
}

impl StaleFormPage<'_> {
    /// The fields that a person filled in.
    fn filled(&self) -> impl Iterator<Item = &(&str, &str)> {
        let technical = ["version", "utc_offset", "confirmed"];
        self.fields.iter().filter(move |(name, value)| !value.trim().is_empty() && !technical.contains(name))
    }
}

/// A key or a password in the form is left out: the page never repeats one.
pub fn stale_form<'a>(
    who: &SignedIn,
    action: &'a str,
    fields: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Box<str>> {
    let fields = fields.filter(|(_, value)| !has_key(value)).collect();
    let shell = who.shell("Send it again?", Nav::None)?;
    let text = StaleFormPage { shell, action, fields }.render().map_err(Error::internal)?;
    Ok(text.into())
}
