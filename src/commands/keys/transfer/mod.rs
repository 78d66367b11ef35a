//! The files of import and export. `entry` is one key; `csv` and `json` are two formats for it.

pub mod csv;
mod entry;
pub mod json;
pub mod text;

pub use entry::TransferEntry;

#[cfg(test)]
mod tests {
    use proptest::collection::{hash_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::model::{KeyName, Time};

    fn entry() -> impl Strategy<Value = TransferEntry> {
        let name = "[-=+@'\";,a-c é]{1,12}".prop_filter("a name", |name| KeyName::parse(name).is_ok());
        let metadata = hash_map("[-=+@'\"; a]{0,4}", "[-=+@'\"\\n;, a]{0,8}", 0..3);
        let scopes = vec("[a-c][a-c:.-]{0,4}", 0..3);
        (any::<[u8; 32]>(), name, scopes, any::<Option<bool>>(), metadata, 0_i64..4_000_000_000).prop_map(
            |(digest, name, scopes, enabled, metadata, end)| TransferEntry {
                sha256: hex::encode(digest),
                owner: "+ada@example.com".to_owned(),
                hint: Some(name.clone()),
                name,
                scopes,
                expires_at: (end % 2 == 0).then(|| Time::from_millis(end * 1000).to_string()),
                enabled,
                metadata: (!metadata.is_empty()).then(|| serde_json::value::to_raw_value(&metadata).unwrap()),
                ..TransferEntry::default()
            },
        )
    }

    /// The whole key as text, for comparison.
    fn text(entry: TransferEntry) -> String {
        let key = entry.parse().unwrap();
        format!("{:?} {:?}", key.digest.as_bytes(), key)
    }

    proptest! {
        #[test]
        fn an_entry_survives_a_round_trip_in_both_formats(entry in entry()) {
            let mut line = Vec::new();
            json::write(&mut line, &entry).unwrap();
            let mut rows = ::csv::Writer::from_writer(Vec::new());
            rows.write_record(&entry.cells()).unwrap();
            let row = rows.into_inner().unwrap();
            let header = csv::Header::parse(&csv::names().join(","), None).unwrap();
            let cells = csv::split(row.strip_suffix(b"\n").unwrap(), header.separator).unwrap();
            let expected = text(entry);
            prop_assert_eq!(&text(json::read(&line).unwrap()), &expected);
            prop_assert_eq!(&text(header.read(&cells).unwrap()), &expected);
        }
    }
}
