//! `keybearer keys list`, and the table that other commands show their keys in.

use clap::Args;

use super::super::{Context, output};
use super::owner::owner_called;
use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::Result;
use crate::http::KeyJson;
use crate::model::{
    KeyFilter, KeyRecord, KeySort, KeyState, ListedState, Time, parse_filter_prefix, parse_filter_scope,
    parse_filter_span,
};

/// The filter and the order, named as in the API.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// List only the keys of the user with this email
    #[arg(long)]
    owner: Option<String>,
    /// List only keys in this state: active, disabled or expired
    #[arg(long)]
    state: Option<String>,
    /// List only keys that have this scope, or one with * that covers it
    #[arg(long, value_name = "S")]
    scope: Option<String>,
    /// List only keys that expire within this time, such as 7d
    #[arg(long, value_name = "SPAN")]
    expiring_within: Option<String>,
    /// List only keys that never expire
    #[arg(long)]
    never_expires: bool,
    /// List only keys that were neither created nor used within this time, such as 90d
    #[arg(long, value_name = "SPAN")]
    unused_for: Option<String>,
    /// List only keys with this prefix
    #[arg(long)]
    prefix: Option<String>,
    /// List only keys whose name, hint, owner or id matches this text, as in the API
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Order: created_at, expires_at, last_used_at or name; with a leading - descending [default: -created_at]
    #[arg(long, allow_hyphen_values = true)]
    sort: Option<String>,
}

impl ListArgs {
    async fn filter(&self, auth: &Auth, asking: &Asking) -> Result<KeyFilter> {
        let owner = match &self.owner {
            Some(email) => Some(owner_called(auth, asking, email).await?),
            None => None,
        };
        let span = |name, text: &Option<String>| text.as_deref().map(|text| parse_filter_span(name, text)).transpose();
        Ok(KeyFilter {
            owner,
            search: self.search.clone(),
            state: self.state.as_deref().map(ListedState::parse).transpose()?,
            scope: self.scope.as_deref().map(parse_filter_scope).transpose()?,
            expiring_within: span("expiring_within", &self.expiring_within)?,
            never_expires: self.never_expires.then_some(true),
            unused_for: span("unused_for", &self.unused_for)?,
            prefix: self.prefix.as_deref().map(parse_filter_prefix).transpose()?,
            sort: self.sort.as_deref().map_or(Ok(KeySort::NEWEST), KeySort::parse)?,
            ..KeyFilter::default()
        })
    }
}

pub async fn run(context: &Context, auth: &Auth, asking: &Asking, args: ListArgs) -> Result<()> {
    let filter = args.filter(auth, asking).await?;
    let (mut records, mut at) = (Vec::new(), None);
    loop {
        let page = auth.keys(&asking.caller, KeyFilter { at, ..filter.clone() }).await?;
        records.extend(page.rows);
        at = page.next;
        if at.is_none() {
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
