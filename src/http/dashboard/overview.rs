//! `/overview`: what needs attention, how much the keys are used, and what happened last. An admin sees everything, a
//! member their own keys.

use std::time::Duration;

use actix_web::HttpResponse;
use askama::Template;

use super::events::{EventRow, history};
use super::frame::{Nav, PageError, Shell, SignedIn, When, count_text};
use super::keys::chart::UsageChart;
use crate::error::Result as Outcome;
use crate::model::event::EventOutcome;
use crate::model::usage_report::{BucketSize, UsageSpan};
use crate::model::{ChainReport, EventFilter, KeyFilter, KeyRecord, KeySet, KeySort, SortedBy};

/// How many events and keys the page lists.
const SHOWN: usize = 10;
const BUSY: usize = 5;
/// Refused events of a day are counted up to here.
const MAX_REFUSED: usize = 100;
const DAYS: u32 = 30;
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    shell: Shell,
    is_admin: bool,
    attention: Vec<AttentionItem>,
    /// `None` if no request came in this time.
    chart: Option<UsageChart>,
    accepted: u64,
    refused: u64,
    recent: Vec<RecentKey>,
    /// Empty for members.
    events: Vec<EventRow>,
}

/// A number that leads to the rows it counts.
struct AttentionItem {
    label: &'static str,
    number: String,
    url: String,
    /// Whether the number should be zero and is not.
    is_due: bool,
}

/// One of the keys that were used last.
struct RecentKey {
    id: String,
    name: String,
    /// Shown to admins.
    owner: String,
    last_used: Option<When>,
}

pub async fn page(who: SignedIn) -> Result<HttpResponse, PageError> {
    let (auth, asking) = (&who.site.auth, who.asking());
    let is_admin = who.user().is_admin();
    let owner = (!is_admin).then(|| who.user().id);
    let list = if is_admin { "/admin/keys" } else { "/keys" };
    let mut attention = key_sets(&who, KeyFilter { owner, ..KeyFilter::default() }, list).await?;
    let mut events = Vec::new();
    if is_admin {
        attention.extend(security(&who).await?);
        let newest = EventFilter { limit: SHOWN, ..EventFilter::default() };
        events = history(auth.events(&asking, newest).await?.rows, "");
    }
    let usage = auth.total_usage(&asking.caller, owner, UsageSpan::last(DAYS, BucketSize::Day, auth.now())).await?;
    let by_use = KeySort { by: SortedBy::LastUsedAt, is_descending: true };
    let recent = KeyFilter { owner, sort: by_use, limit: BUSY, ..KeyFilter::default() };
    let recent = auth.keys(&asking.caller, recent).await?.rows;
    who.ok(&OverviewPage {
        shell: who.shell("Overview", Nav::Overview)?,
        is_admin,
        attention,
        chart: UsageChart::of(&usage, "30 days"),
        accepted: usage.totals.accepted,
        refused: usage.totals.refused(),
        recent: recent.iter().filter(|record| record.last_use.is_some()).map(RecentKey::from).collect(),
        events,
    })
}

/// The sets of keys that somebody should look at.
async fn key_sets(who: &SignedIn, filter: KeyFilter, list: &str) -> Outcome<Vec<AttentionItem>> {
    let counts = who.site.auth.key_counts(&who.asking().caller, filter).await?;
    let count_of = |set| KeySet::ALL.iter().position(|other| *other == set).map(|place| counts[place]);
    let item = |(set, label, show): (KeySet, &'static str, &str)| {
        let count = count_of(set)?;
        let (number, url) = (count_text(count), format!("{list}?show={show}"));
        Some(AttentionItem { label, number, url, is_due: count.number > 0 && set != KeySet::Active })
    };
    let sets = [
        (KeySet::Active, "Active keys", "active"),
        (KeySet::Expiring, "End within 7 days", "expiring"),
        (KeySet::Unused, "Unused for 90 days", "unused"),
        (KeySet::NeverExpiring, "Never expire", "never-expiring"),
        (KeySet::Disabled, "Disabled", "disabled"),
    ];
    Ok(sets.into_iter().filter_map(item).collect())
}

/// Refusals of the last day, and the state of the audit log.
async fn security(who: &SignedIn) -> Outcome<Vec<AttentionItem>> {
    let auth = &who.site.auth;
    let refused = EventFilter {
        outcome: Some(EventOutcome::Refused),
        since: Some(auth.now().minus(DAY)),
        limit: MAX_REFUSED,
        ..EventFilter::default()
    };
    let refused = auth.events(&who.asking(), refused).await?.rows.len();
    let more = if refused == MAX_REFUSED { "+" } else { "" };
    let chain = match auth.chain_state().map(|state| state.report) {
        None => ("Being checked", false),
        Some(ChainReport::Whole { .. }) => ("Intact", false),
        Some(ChainReport::Broken { .. }) => ("Broken", true),
    };
    let item = |label, number: String, url: &str, is_due| AttentionItem { label, number, url: url.to_owned(), is_due };
    Ok(vec![
        item("Refused in 24 hours", format!("{refused}{more}"), "/events?outcome=refused", refused > 0),
        item("Audit log", chain.0.to_owned(), "/events", chain.1),
    ])
}

impl From<&KeyRecord> for RecentKey {
    fn from(record: &KeyRecord) -> Self {
        RecentKey {
            id: record.id.to_string(),
            name: record.settings.name.to_string(),
            owner: record.owner.email.to_string(),
            last_used: record.last_use.as_ref().map(|last| last.at.into()),
        }
    }
}
