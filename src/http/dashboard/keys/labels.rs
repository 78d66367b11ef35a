//! The fields that say what a key is for, in the form for a new key and in the form that edits one. `keys/macros.html`
//! renders them.

use crate::http::dashboard::frame::{Field, FormFields};
use crate::model::key_settings::Description;
use crate::model::{KeyName, KeySettings};

pub struct LabelFields {
    pub name: Field,
    pub description: Field,
}

impl LabelFields {
    /// The fields as they were typed.
    pub fn typed(fields: &FormFields) -> Self {
        LabelFields { name: Field::new(fields.text("name")), description: Field::new(fields.text("description")) }
    }

    /// The fields of an existing key.
    pub fn of(settings: &KeySettings) -> Self {
        LabelFields { name: Field::new(settings.name.as_str()), description: Field::new(settings.description.as_str()) }
    }

    /// Settings with these labels. `None` if one is wrong; its field then has the error.
    pub fn parse(&mut self, fields: &FormFields) -> Option<KeySettings> {
        let name = self.name.keep(KeyName::parse(fields.text("name")));
        let description = self.description.keep(Description::parse(fields.text("description")));
        Some(KeySettings { description: description?, ..KeySettings::named(name?) })
    }

    /// Each field with its `id` on the page.
    pub fn fields(&self) -> impl Iterator<Item = (String, &Field)> {
        [("name", &self.name), ("description", &self.description)].into_iter().map(|(id, field)| (id.to_owned(), field))
    }
}
