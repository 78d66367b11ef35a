//! How a key is used, on its page: figures, a chart, the clients, and the latest refusals.

use std::time::Duration;

use serde::Deserialize;

use super::chart::UsageChart;
use super::in_words::with_commas;
use crate::error::Result as Outcome;
use crate::http::dashboard::frame::{SignedIn, When};
use crate::model::key_clients::KeyClient;
use crate::model::usage::LatestRefusal;
use crate::model::usage_report::{BucketSize, KeyUsage, UsageReport, UsageSpan};
use crate::model::{KeyRecord, Refusal, Time};

/// What is not in a table at once is in a disclosure.
const CLIENTS: usize = 10;
const REFUSALS: usize = 5;
/// How long a client is marked as new.
const NEW: Duration = Duration::from_secs(7 * 86_400);
/// The days of the figures.
const DAYS: u32 = 30;

/// The choices of `?use=`: name, label, size of the buckets and how many.
const CHOICES: [(&str, &str, BucketSize, u32); 4] = [
    ("24h", "24 hours", BucketSize::Hour, 24),
    ("7d", "7 days", BucketSize::Hour, 168),
    ("30d", "30 days", BucketSize::Day, 30),
    ("90d", "90 days", BucketSize::Day, 90),
];

#[derive(Default, Deserialize)]
pub struct UsageQuery {
    #[serde(rename = "use")]
    chosen: Option<String>,
}

impl UsageQuery {
    /// An unknown choice is the default one, 30 days.
    pub fn choice(&self) -> (&'static str, &'static str, BucketSize, u32) {
        let chosen = CHOICES.into_iter().find(|(name, ..)| Some(*name) == self.chosen.as_deref());
        chosen.unwrap_or(CHOICES[2])
    }
}

pub struct KeyUseView {
    /// Name, label and whether it is chosen.
    pub choices: Vec<(&'static str, &'static str, bool)>,
    pub chosen: &'static str,
    /// `None` if there was no request in this time.
    pub chart: Option<UsageChart>,
    /// Requests in the last 30 days.
    pub requests: String,
    /// The trend, in words.
    pub trend: Option<String>,
    pub refused: String,
    /// The refusals by reason, in words; empty if there were none.
    pub reasons: String,
    pub clients: Vec<ClientView>,
    pub more_clients: Vec<ClientView>,
    pub refusals: Vec<RefusalView>,
    pub more_refusals: Vec<RefusalView>,
}

pub struct ClientView {
    pub address: String,
    pub program: String,
    pub requests: String,
    pub last: When,
    pub is_new: bool,
}

pub struct RefusalView {
    pub at: When,
    pub reason: &'static str,
    pub address: Option<String>,
    pub program: Option<String>,
    pub advice: String,
}

impl KeyUseView {
    pub async fn load(who: &SignedIn, record: &KeyRecord, query: &UsageQuery) -> Outcome<Self> {
        let now = who.site.auth.now();
        // All hours are read once, and added up for the chart and for the figures.
        let all = UsageSpan { by: BucketSize::Hour, ..UsageSpan::last(90, BucketSize::Day, now) };
        let usage = who.site.auth.usage_of(record, all).await?;
        Ok(Self::of(&usage, record, query, now))
    }

    fn of(usage: &KeyUsage, record: &KeyRecord, query: &UsageQuery, now: Time) -> Self {
        let (chosen, label, by, number) = query.choice();
        let figures = usage.report.within(UsageSpan::last(DAYS, BucketSize::Day, now));
        let span = UsageSpan::last(2 * DAYS, BucketSize::Day, now);
        let before = usage.report.within(UsageSpan { until: figures.span.since, ..span });
        let (from, to) = figures.days();
        // While nobody else is known, nobody is new.
        let is_old = |client: &KeyClient| now.since(client.first_at) > NEW;
        let some_are_old = now.since(record.created_at) > NEW && usage.clients.iter().any(is_old);
        let client = |client: &KeyClient| ClientView {
            address: client.name.address.clone(),
            program: client.name.user_agent.clone(),
            requests: with_commas(client.days.sum(from, to)),
            last: client.last_at.into(),
            is_new: some_are_old && !is_old(client),
        };
        let mut clients: Vec<_> = usage.clients.iter().map(client).collect();
        let mut refusals: Vec<_> = usage.latest_refusals.iter().map(RefusalView::of).collect();
        KeyUseView {
            choices: CHOICES.map(|(name, label, ..)| (name, label, name == chosen)).into(),
            chosen,
            chart: UsageChart::of(&usage.report.within(UsageSpan::last(number, by, now)), label),
            requests: with_commas(figures.totals.accepted),
            trend: trend(figures.totals.accepted, before.totals.accepted),
            refused: with_commas(figures.totals.refused()),
            reasons: reasons(&figures),
            more_clients: clients.split_off(clients.len().min(CLIENTS)),
            clients,
            more_refusals: refusals.split_off(refusals.len().min(REFUSALS)),
            refusals,
        }
    }
}

/// `▲ 12 % on the 30 days before`; `None` if there is nothing to compare with.
fn trend(now: u64, before: u64) -> Option<String> {
    if before == 0 {
        return None;
    }
    let change = (now.abs_diff(before) as f64 / before as f64 * 100.0).round();
    Some(match now.cmp(&before) {
        _ if change < 1.0 => "as many as in the 30 days before".to_owned(),
        std::cmp::Ordering::Less => format!("▼ {change} % on the 30 days before"),
        _ => format!("▲ {change} % on the 30 days before"),
    })
}

/// `289 scope · 12 address`
fn reasons(report: &UsageReport) -> String {
    let reasons = report.totals.reasons().map(|(reason, count)| format!("{} {}", with_commas(count), short(reason)));
    reasons.collect::<Vec<_>>().join(" · ")
}

fn short(reason: Refusal) -> &'static str {
    match reason {
        Refusal::OwnerDeactivated => "owner",
        Refusal::Disabled => "disabled",
        Refusal::Expired => "expired",
        Refusal::IpNotAllowed => "address",
        Refusal::InsufficientScope => "scope",
        Refusal::RateLimited => "rate limit",
        Refusal::Malformed | Refusal::NotFound => "unknown",
    }
}

impl RefusalView {
    fn of(one: &LatestRefusal) -> Self {
        let (reason, advice) = match one.reason {
            Refusal::OwnerDeactivated => {
                ("Owner deactivated", "Activate the owner, or give this client a key of someone else.".to_owned())
            }
            Refusal::Disabled => ("Disabled", "Enable the key if this client may go on.".to_owned()),
            Refusal::Expired => ("Expired", "Rotate the key, and give this client the new one.".to_owned()),
            Refusal::IpNotAllowed => {
                let address = one.address.as_deref().unwrap_or("its address");
                ("Address not allowed", format!("If you know this client, add {address} to the key’s addresses."))
            }
            Refusal::InsufficientScope => {
                ("Scope missing", "Grant the scope that this client needs, or let it use another key.".to_owned())
            }
            Refusal::RateLimited => {
                ("Rate limit reached", "Raise the rate limit, or let this client send fewer requests.".to_owned())
            }
            Refusal::Malformed | Refusal::NotFound => ("Unknown key", String::new()),
        };
        let (address, program) = (one.address.clone(), one.user_agent.clone());
        RefusalView { at: one.at.into(), reason, address, program, advice }
    }
}
