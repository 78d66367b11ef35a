//! `keybearer keys revoke ID…`: revokes the keys that exist, and lists the other ids.

use serde::Serialize;

use super::super::{Context, output};
use super::id::{INSTEAD, is_key};
use crate::auth::caller::Asking;
use crate::auth::{Auth, WhichKeys};
use crate::error::{Error, Result};
use crate::http::KeyJson;
use crate::model::{Basis, KeyId, KeyRecord, Time, counted};

/// Printed instead of a key that was given where an id belongs.
const IN_PLACE_OF_A_KEY: &str = "[key]";

/// The outcome for one id, or for one key that was found.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Revoked {
        outcome: &'static str,
        #[serde(flatten)]
        key: Box<KeyJson<'a>>,
    },
    NotFound {
        outcome: &'static str,
        id: &'a str,
    },
}

pub async fn run(context: &Context, auth: &Auth, asking: &Asking, names: Vec<String>) -> Result<()> {
    let ids = names.iter().filter_map(|name| KeyId::parse(name).ok()).collect();
    let mut revoked = auth.revoke_keys(asking, WhichKeys::Ids(ids), Basis::Anything).await?.records;
    let (mut records, mut missing, mut keys) = (Vec::new(), Vec::new(), 0);
    // The result keeps the order of the arguments.
    for name in names {
        let id = KeyId::parse(&name).ok();
        match revoked.iter().position(|record| Some(record.id) == id) {
            Some(at) => records.push(revoked.swap_remove(at)),
            None if records.iter().any(|record: &KeyRecord| Some(record.id) == id) || missing.contains(&name) => {}
            None if id.is_none() && is_key(auth, asking, &name).await => keys += 1,
            None => missing.push(name),
        }
    }
    let count = records.len();
    let unnamed = std::iter::repeat_n(IN_PLACE_OF_A_KEY.to_owned(), keys);
    report(context, records, &missing.iter().cloned().chain(unnamed).collect::<Vec<_>>(), auth.now())?;
    if missing.is_empty() && keys == 0 {
        return Ok(());
    }
    let unknown =
        if missing.is_empty() { String::new() } else { format!("There is no such key: {}.", missing.join(", ")) };
    let pasted = match keys {
        0 => String::new(),
        1 => format!("One argument is a key, not the id of a key; it was not revoked. {INSTEAD}"),
        _ => format!("{keys} arguments are keys, not the ids of keys; they were not revoked. {INSTEAD}"),
    };
    let rest = match count {
        0 => String::new(),
        1 => " The other key was revoked.".to_owned(),
        _ => format!(" The other {count} keys were revoked."),
    };
    let space = if unknown.is_empty() || pasted.is_empty() { "" } else { " " };
    Err(Error::conflict(format!("{unknown}{space}{pasted}{rest}")))
}

/// Prints the keys that were revoked. The `missing` ids are only in JSON, which has an entry for each id.
pub fn report(context: &Context, revoked: Vec<KeyRecord>, missing: &[String], now: Time) -> Result<()> {
    if !revoked.is_empty() {
        output::say(&format!("Revoked {}.", counted(revoked.len() as u64, "key")));
    }
    if !context.json {
        return revoked.iter().try_for_each(|record| output::print(&format!("{}  {}", record.id, record.hint)));
    }
    let revoked =
        revoked.iter().map(|record| Outcome::Revoked { outcome: "revoked", key: Box::new(KeyJson::of(record, now)) });
    let missing = missing.iter().map(|id| Outcome::NotFound { outcome: "not_found", id });
    output::json(&revoked.chain(missing).collect::<Vec<_>>())
}
