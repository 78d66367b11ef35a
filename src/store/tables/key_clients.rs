//! `key_clients`: who uses each key. The counts per day are read, added to and written again, because a row has all of
//! them.

use std::collections::BTreeMap;

use super::usage::places;
use crate::error::Result;
use crate::model::KeyId;
use crate::model::key_clients::{ClientChanges, ClientName, ClientUses, DayCounts, KeyClient, merge};
use crate::model::usage::Day;
use crate::store::Tx;
use crate::store::columns::time;
use crate::store::row::{Read, Row};
use crate::store::value::SqlValue;

/// The uses of each client of some keys.
pub(super) type UsesOfKeys = BTreeMap<KeyId, Vec<ClientUses>>;

const COLUMNS: &str = "address, user_agent, first_at, last_at, days";

const REPLACE: &str = "ON CONFLICT (key_id, address, user_agent) DO UPDATE SET first_at = excluded.first_at,
    last_at = excluded.last_at, day = excluded.day, days = excluded.days";

impl Tx<'_> {
    pub(super) fn add_client_uses(&self, uses: UsesOfKeys) -> Result<()> {
        let keys: Vec<KeyId> = uses.keys().copied().collect();
        let mut stored = self.clients_of(&keys)?;
        let (mut put, mut removed) = (Vec::new(), Vec::new());
        for (key, uses) in uses {
            let before = stored.remove(&key).unwrap_or_default();
            let changes: ClientChanges = merge(before, uses);
            put.extend(changes.put.into_iter().map(|client| (key, client)));
            removed.extend(changes.removed.into_iter().map(|name| (key, name)));
        }
        for (key, name) in &removed {
            let text = "DELETE FROM key_clients WHERE key_id = ?1 AND address = ?2 AND user_agent = ?3";
            self.execute(text, (key.as_bytes(), &name.address, &name.user_agent))?;
        }
        self.put_clients(&put)
    }

    fn put_clients(&self, clients: &[(KeyId, KeyClient)]) -> Result<()> {
        let texts: Vec<String> = clients.iter().map(|(_, client)| client.days.text()).collect();
        let rows: Vec<_> = clients
            .iter()
            .zip(&texts)
            .map(|((key, client), days)| {
                vec![
                    SqlValue::Blob(key.as_bytes()),
                    SqlValue::Text(client.name.address.as_bytes()),
                    SqlValue::Text(client.name.user_agent.as_bytes()),
                    SqlValue::Integer(client.first_at.millis()),
                    SqlValue::Integer(client.last_at.millis()),
                    SqlValue::Integer(client.days.last_day().0.into()),
                    SqlValue::Text(days.as_bytes()),
                ]
            })
            .collect();
        self.put_rows("key_clients (key_id, address, user_agent, first_at, last_at, day, days)", REPLACE, &rows)
    }

    fn clients_of(&self, keys: &[KeyId]) -> Result<BTreeMap<KeyId, Vec<KeyClient>>> {
        let mut found: BTreeMap<KeyId, Vec<KeyClient>> = BTreeMap::new();
        self.in_batches(keys, |keys| {
            let text = format!("SELECT {COLUMNS}, key_id FROM key_clients WHERE key_id IN {}", places(1, keys.len()));
            let ids: Vec<_> = keys.iter().map(|key| SqlValue::Blob(key.as_bytes())).collect();
            self.each(&text, &ids[..], |row| {
                found.entry(KeyId::from_bytes(row.get(5)?)).or_default().push(client(row)?);
                Ok(true)
            })
        })?;
        Ok(found)
    }

    /// The clients of this key, the latest one first.
    pub fn key_clients(&self, key: KeyId, limit: usize) -> Result<Vec<KeyClient>> {
        let text = format!(
            "SELECT {COLUMNS} FROM key_clients WHERE key_id = ?1 ORDER BY last_at DESC, address, user_agent LIMIT ?2"
        );
        self.rows(&text, (key.as_bytes(), limit as i64), client)
    }

    /// Deletes up to `limit` clients that were last seen before `oldest`. Returns how many.
    pub fn delete_clients_before(&self, oldest: Day, limit: usize) -> Result<usize> {
        let text = "DELETE FROM key_clients WHERE (key_id, address, user_agent) IN
             (SELECT key_id, address, user_agent FROM key_clients WHERE day < ?1 LIMIT ?2)";
        self.execute(text, (oldest.0, limit as i64))
    }
}

fn client(row: &Row<'_>) -> Read<KeyClient> {
    let name = ClientName { address: row.get(0)?, user_agent: row.get(1)? };
    let days = DayCounts::stored(row.text(4)?);
    Ok(KeyClient { name, first_at: time(row, 2)?, last_at: time(row, 3)?, days })
}
