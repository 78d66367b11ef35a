//! A statement whose conditions depend on the filter, with its values.

use crate::store::value::{SqlValue, ToValue};

#[derive(Default)]
pub(super) struct ListStatement(Vec<Box<dyn ToValue>>);

impl ListStatement {
    /// Adds a value and returns its placeholder.
    pub fn bind(&mut self, value: impl ToValue + 'static) -> String {
        self.0.push(Box::new(value));
        format!("?{}", self.0.len())
    }

    pub fn values(&self) -> Vec<SqlValue<'_>> {
        self.0.iter().map(|value| value.value()).collect()
    }
}
