//! `keybearer keys revoke ID…`: revokes what is there, and names the rest.

use serde::Serialize;

use super::super::{Context, output};
use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::{Error, Result};
use crate::http::KeyJson;
use crate::model::{KeyId, KeyRecord};

/// What became of one id, or of one key that was found.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Revoked {
        outcome: &'static str,
        #[serde(flatten)]
        key: Box<KeyJson>,
    },
    NotFound {
        outcome: &'static str,
        id: String,
    },
}

pub async fn run(context: &Context, auth: &Auth, asking: &Asking, names: Vec<String>) -> Result<()> {
    let ids = names.iter().filter_map(|name| KeyId::parse(name).ok()).collect();
    let mut revoked = auth.revoke_keys(asking, ids).await?.records;
    let (mut records, mut missing) = (Vec::new(), Vec::new());
    // In the order of the command, whatever that of the store is.
    for name in names {
        let id = KeyId::parse(&name).ok();
        match revoked.iter().position(|record| Some(record.id) == id) {
            Some(at) => records.push(revoked.swap_remove(at)),
            None if records.iter().any(|record: &KeyRecord| Some(record.id) == id) || missing.contains(&name) => {}
            None => missing.push(name),
        }
    }
    let count = records.len();
    report(context, records, &missing)?;
    if missing.is_empty() {
        return Ok(());
    }
    let rest = match count {
        0 => String::new(),
        1 => " The other one is revoked.".to_owned(),
        _ => format!(" The other {count} are revoked."),
    };
    Err(Error::conflict(format!("There is no such key: {}.{rest}", missing.join(", "))))
}

/// The keys that are revoked now; those that are `missing` only as JSON, which tells of each id.
pub fn report(context: &Context, revoked: Vec<KeyRecord>, missing: &[String]) -> Result<()> {
    if !revoked.is_empty() {
        output::say(&format!("Revoked {} {}.", revoked.len(), if revoked.len() == 1 { "key" } else { "keys" }));
    }
    if !context.json {
        return revoked.iter().try_for_each(|record| output::print(&format!("{}  {}", record.id, record.hint)));
    }
    let revoked =
        revoked.into_iter().map(|record| Outcome::Revoked { outcome: "revoked", key: Box::new(KeyJson::from(record)) });
    let missing = missing.iter().map(|id| Outcome::NotFound { outcome: "not_found", id: id.clone() });
    output::json(&revoked.chain(missing).collect::<Vec<_>>())
}
