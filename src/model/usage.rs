//! How keys were used: counts per key and hour, and the last use of each key.

use std::collections::HashMap;
use std::sync::Arc;

use super::{ClientAddress, KeyId, Time};

/// Hours since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub u32);

impl Hour {
    pub fn of(time: Time) -> Self {
        Hour(u32::try_from(time.seconds().max(0) / 3600).unwrap_or(u32::MAX))
    }
}

/// Who used a key, as far as it is recorded: up to 200 bytes of user agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UseOrigin {
    pub address: Option<ClientAddress>,
    pub user_agent: Arc<[u8]>,
}

/// Uses of one key in one hour, with the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub last_at: Time,
    pub last_client: UseOrigin,
}

impl Tally {
    pub fn add(&mut self, more: Tally) {
        self.count += more.count;
        if more.last_at >= self.last_at {
            (self.last_at, self.last_client) = (more.last_at, more.last_client);
        }
    }
}

pub type Tallies = HashMap<(KeyId, Hour), Tally>;

/// Adds `more` to `tallies`.
pub fn merge(tallies: &mut Tallies, key: (KeyId, Hour), more: Tally) {
    match tallies.entry(key) {
        std::collections::hash_map::Entry::Vacant(place) => drop(place.insert(more)),
        std::collections::hash_map::Entry::Occupied(mut place) => place.get_mut().add(more),
    }
}

/// Uses in the order in which they were recorded, 32 bytes each, both in memory and in the journal.
#[derive(Debug, Default, Clone)]
pub struct Uses(Vec<[u8; 32]>);

/// One of [`Uses`]: a single use or, in a journal, the total of a key's uses in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub key: KeyId,
    pub at: Time,
    /// Index into the list of clients that accompanies the uses.
    pub client: u32,
    /// In memory, the key's number in the index; in a list of totals, the number of uses.
    pub number: u32,
}

impl Uses {
    pub const BYTES: usize = 32;

    pub fn push(&mut self, used: Use) {
        let mut row = [0; Self::BYTES];
        row[..16].copy_from_slice(used.key.as_bytes());
        row[16..24].copy_from_slice(&used.at.millis().to_le_bytes());
        row[24..28].copy_from_slice(&used.client.to_le_bytes());
        row[28..].copy_from_slice(&used.number.to_le_bytes());
        self.0.push(row);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes all uses and keeps capacity for up to `room` others.
    pub fn clear(&mut self, room: usize) {
        self.0.clear();
        self.0.shrink_to(room);
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Use> + '_ {
        self.0.iter().map(read)
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_flattened()
    }

    /// `None` if the bytes are not whole rows.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (rows, rest) = bytes.as_chunks::<{ Self::BYTES }>();
        rest.is_empty().then(|| Uses(rows.to_vec()))
    }
}

fn read(row: &[u8; Uses::BYTES]) -> Use {
    let (key, rest) = row.split_first_chunk::<16>().expect("16 of 32 bytes");
    let (at, rest) = rest.split_first_chunk::<8>().expect("8 of 16 bytes");
    let (client, number) = rest.split_at(4);
    let four = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    Use {
        key: KeyId::from_bytes(*key),
        at: Time::from_millis(i64::from_le_bytes(*at)),
        client: four(client),
        number: four(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_read_in_the_order_they_were_pushed() {
        let used = |number| Use {
            key: KeyId::from_bytes([9; 16]),
            at: Time::from_millis(1_700_000_000_123),
            client: 7,
            number,
        };
        let mut uses = Uses::default();
        uses.push(used(1));
        uses.push(used(u32::MAX));
        let read = Uses::from_bytes(uses.as_bytes()).unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), [used(1), used(u32::MAX)]);
        assert!(Uses::from_bytes(&uses.as_bytes()[..63]).is_none());
    }
}
