//! The part of a key's record that no verdict depends on, and that the index leaves out.

use super::Time;

/// Its fields; a missing text is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestFields<'a> {
    pub created_at: Time,
    pub name: &'a str,
    pub description: &'a str,
    /// Empty for a key of another system.
    pub prefix: &'a str,
    pub hint: &'a str,
    /// A JSON object.
    pub metadata: &'a str,
}

/// One small block, because many of these are kept in memory: the time in eight bytes, then the texts, separated by
/// [`SEPARATOR`]. Metadata without members is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestOfRecord(Box<[u8]>);

/// No UTF-8 text contains this byte.
const SEPARATOR: u8 = 0xff;
const NO_METADATA: &str = "{}";

impl RestOfRecord {
    pub fn pack(fields: &RestFields<'_>) -> Self {
        let RestFields { created_at, name, description, prefix, hint, metadata } = *fields;
        let metadata = if metadata == NO_METADATA { "" } else { metadata };
        let texts = [name, description, prefix, hint, metadata].map(str::as_bytes);
        RestOfRecord([&created_at.millis().to_le_bytes(), &*texts.join(&SEPARATOR)].concat().into())
    }

    pub fn unpack(&self) -> RestFields<'_> {
        let (created_at, texts) = self.0.split_first_chunk().expect("it begins with a time");
        let mut texts = texts.split(|byte| *byte == SEPARATOR);
        let mut next = || str::from_utf8(texts.next().expect("it has five texts")).expect("each text was a string");
        let (name, description, prefix, hint, metadata) = (next(), next(), next(), next(), next());
        let metadata = if metadata.is_empty() { NO_METADATA } else { metadata };
        RestFields {
            created_at: Time::from_millis(i64::from_le_bytes(*created_at)),
            name,
            description,
            prefix,
            hint,
            metadata,
        }
    }

    /// Bytes of the block.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_field_comes_back(
            millis: i64, name: String, description: String, prefix: String, hint: String, metadata in "\\{\\PC*\\}",
        ) {
            let created_at = Time::from_millis(millis);
            let fields = RestFields {
                created_at, name: &name, description: &description, prefix: &prefix, hint: &hint, metadata: &metadata,
            };
            let packed = RestOfRecord::pack(&fields);
            prop_assert_eq!(packed.unpack(), fields);
        }
    }

    #[test]
    fn metadata_without_members_takes_no_space() {
        let fields = RestFields {
            created_at: Time::from_millis(0),
            name: "n",
            description: "",
            prefix: "kb",
            hint: "h",
            metadata: "{}",
        };
        let packed = RestOfRecord::pack(&fields);
        assert_eq!((packed.unpack(), packed.size()), (fields, 8 + 4 + 4));
    }
}
