//! `keys`: what a record has beside what is in the index, for checks over the API.

use crate::error::Result;
use crate::model::{KeyId, Metadata, RestFields, RestOfRecord};
use crate::store::Tx;
use crate::store::columns::{Salvage, lifetime};

/// One row of one table: it is read while a check waits.
const REST: &str = "SELECT name, description, prefix, hint, metadata, created_at, lifetime FROM keys WHERE id = ?1";

/// The rest of a record as it was read.
pub struct StoredRest {
    pub rest: RestOfRecord,
    /// The fields that cannot be read, of a damaged record.
    pub unreadable: Vec<&'static str>,
}

impl Tx<'_> {
    /// The rest of the record of each of these keys that exists, read at one moment.
    pub fn rests_of_records(&self, ids: &[KeyId]) -> Result<Vec<Option<StoredRest>>> {
        if let [id] = ids {
            return Ok(vec![self.rest_of_record(*id)?]);
        }
        self.at_one_moment(|| ids.iter().map(|id| self.rest_of_record(*id)).collect())
    }

    fn rest_of_record(&self, id: KeyId) -> Result<Option<StoredRest>> {
        self.row(REST, [id.as_bytes()], |row| {
            let mut salvage = Salvage::of(row);
            let [name, description] = [salvage.text("name", 0)?, salvage.text("description", 1)?];
            let (prefix, hint) = (salvage.text_or_null("prefix", 2)?, salvage.text("hint", 3)?);
            let metadata = Metadata::stored(&salvage.text("metadata", 4)?);
            let metadata = salvage.or("metadata", metadata, Metadata::default());
            let created_at = salvage.time("created_at", 5);
            salvage.or("lifetime", lifetime(row, 6).ok(), None);
            let rest = RestOfRecord::pack(&RestFields {
                created_at,
                name: &name,
                description: &description,
                prefix: prefix.as_deref().unwrap_or_default(),
                hint: &hint,
                metadata: metadata.text(),
            });
            Ok(StoredRest { rest, unreadable: salvage.unreadable })
        })
    }
}
