//! `keybearer keys list`, and the table that other commands show their keys in.

use super::super::{Context, output};
use super::owner::owner_called;
use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::Result;
use crate::http::KeyJson;
use crate::model::{KeyFilter, KeyRecord, KeyState, Time};

pub async fn run(context: &Context, auth: &Auth, asking: &Asking, owner: Option<String>) -> Result<()> {
    let owner = match owner {
        Some(email) => Some(owner_called(auth, asking, &email).await?),
        None => None,
    };
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let page = auth.keys(&asking.caller, KeyFilter { owner, after, ..KeyFilter::default() }).await?;
        records.extend(page.rows);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    print(context, &records, auth.now())
}

/// Prints keys with their state, as a table or as JSON.
pub fn print(context: &Context, records: &[KeyRecord], now: Time) -> Result<()> {
    if context.json {
        return output::json(&records.iter().map(|record| KeyJson::of(record, now)).collect::<Vec<_>>());
    }
    let row = |record: &KeyRecord| {
        let expires = record.settings.expires_at.map_or_else(|| "never".to_owned(), |end| end.to_string());
        vec![
            record.id.to_string(),
            record.settings.name.to_string(),
            record.hint.clone(),
            record.owner.email.to_string(),
            record.settings.scopes.joined(),
            expires,
            state_with_damage(record, now),
        ]
    };
    output::table(&["ID", "NAME", "HINT", "OWNER", "SCOPES", "EXPIRES", "STATE"], records.iter().map(row))
}

fn state(record: &KeyRecord, now: Time) -> &'static str {
    match record.state(now) {
        KeyState::OwnerDeactivated => "owner deactivated",
        KeyState::Disabled => "disabled",
        KeyState::Expired => "expired",
        KeyState::Damaged => "damaged",
        KeyState::Active => "active",
    }
}

fn state_with_damage(record: &KeyRecord, now: Time) -> String {
    match record.unreadable.join(", ") {
        fields if fields.is_empty() => state(record, now).to_owned(),
        fields => format!("{}, unreadable: {fields}", state(record, now)),
    }
}
