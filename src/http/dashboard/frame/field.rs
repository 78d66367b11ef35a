//! A form field: what a person typed into it and what is wrong with it.

use crate::error::Result;

/// Longest value that a page repeats, in characters: more than any field accepts.
const MAX_REPEATED: usize = 1_000;
const MAX_REPEATED_LIST: usize = 4_000;

/// The value of a password field is never rendered.
#[derive(Clone, Default)]
pub struct Field {
    pub value: String,
    pub error: Option<String>,
}

impl Field {
    pub fn new(value: &str) -> Self {
        Field { value: value.chars().take(MAX_REPEATED).collect(), error: None }
    }

    /// A field that holds several values, and so a longer text.
    pub fn list(value: &str) -> Self {
        Field { value: value.chars().take(MAX_REPEATED_LIST).collect(), error: None }
    }

    /// Returns the value, or keeps the error in the field.
    pub fn keep<T>(&mut self, parsed: Result<T>) -> Option<T> {
        parsed.map_err(|error| self.error = Some(error.message.to_string())).ok()
    }

    /// An empty field with an error.
    pub fn wrong(error: impl Into<String>) -> Self {
        Field { value: String::new(), error: Some(error.into()) }
    }
}

/// One line of the error summary: the field's `id` and what is wrong with it.
pub struct FieldError<'a> {
    pub id: String,
    pub message: &'a str,
}

/// The fields that have an error, in the order given.
pub fn errors_of<'a>(fields: impl IntoIterator<Item = (String, &'a Field)>) -> Vec<FieldError<'a>> {
    let wrong = |(id, field): (String, &'a Field)| {
        let message = field.error.as_deref()?;
        Some(FieldError { id, message })
    };
    fields.into_iter().filter_map(wrong).collect()
}
