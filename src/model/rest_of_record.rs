//! The part of a key's record that no verdict depends on, and that the index leaves out.

use super::Time;

/// Its texts are one string, because many of these are kept in memory.
#[derive(Debug, PartialEq, Eq)]
pub struct RestOfRecord {
    /// Name, description, prefix, hint and metadata.
    texts: Box<str>,
    /// Where each text but the last one ends.
    ends: [usize; 4],
    pub created_at: Time,
    /// The fields that cannot be read, of a damaged record.
    pub unreadable: Vec<&'static str>,
}

impl RestOfRecord {
    /// `texts` are the name, the description, the prefix, the hint and the metadata; `metadata` is a JSON object, and a
    /// missing text is empty.
    pub fn new(texts: [&str; 5], created_at: Time, unreadable: Vec<&'static str>) -> Self {
        let mut end = 0;
        let ends = std::array::from_fn(|at| {
            end += texts[at].len();
            end
        });
        RestOfRecord { texts: texts.concat().into(), ends, created_at, unreadable }
    }

    pub fn name(&self) -> &str {
        &self.texts[..self.ends[0]]
    }

    pub fn description(&self) -> Option<&str> {
        filled(&self.texts[self.ends[0]..self.ends[1]])
    }

    /// `None` for a key of another system.
    pub fn prefix(&self) -> Option<&str> {
        filled(&self.texts[self.ends[1]..self.ends[2]])
    }

    pub fn hint(&self) -> &str {
        &self.texts[self.ends[2]..self.ends[3]]
    }

    /// A JSON object.
    pub fn metadata(&self) -> &str {
        &self.texts[self.ends[3]..]
    }

    /// Bytes that it takes in memory, without what the allocator adds.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.texts.len() + self.unreadable.len() * size_of::<&str>()
    }
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_text_comes_back(name: String, description: String, prefix: String, hint: String, metadata: String) {
            let texts = [&*name, &*description, &*prefix, &*hint, &*metadata];
            let rest = RestOfRecord::new(texts, Time::from_millis(1), Vec::new());
            let back = [
                rest.name(),
                rest.description().unwrap_or_default(),
                rest.prefix().unwrap_or_default(),
                rest.hint(),
                rest.metadata(),
            ];
            prop_assert_eq!(back, texts);
            prop_assert_eq!(rest.description().is_none(), description.is_empty());
        }
    }
}
