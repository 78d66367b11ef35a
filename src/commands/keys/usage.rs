//! `keybearer keys usage`: how often keys were accepted and refused, and who used them.

use super::super::{Context, output};
use super::{id, owner::owner_called};
use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::Result;
use crate::http::{KeyUsageJson, UsageJson};
use crate::model::usage_report::{KeyUsage, UsageCounts, UsageReport, UsageSpan};

/// Whose usage is shown, and how.
pub struct UsageQuestion {
    pub id: Option<String>,
    pub owner: Option<String>,
    pub by: Option<String>,
    pub since: Option<String>,
    pub until: Option<String>,
    pub csv: bool,
}

pub async fn run(context: &Context, auth: &Auth, asking: &Asking, asked: UsageQuestion) -> Result<()> {
    let (since, until) = (asked.since.as_deref(), asked.until.as_deref());
    let span = UsageSpan::parse(asked.by.as_deref(), since, until, auth.now())?;
    let Some(key) = &asked.id else {
        let owner = match &asked.owner {
            Some(email) => Some(owner_called(auth, asking, email).await?),
            None => None,
        };
        let report = auth.total_usage(&asking.caller, owner, span).await?;
        return match (context.json, asked.csv) {
            (true, _) => output::json(&UsageJson::from(&report)),
            (_, true) => output::write(report.csv().as_bytes()),
            _ => counts(&report),
        };
    };
    let (_, usage) = auth.key_usage(&asking.caller, id::parse(auth, asking, key).await?, span).await?;
    match (context.json, asked.csv) {
        (true, _) => output::json(&KeyUsageJson::from(&usage)),
        (_, true) => output::write(usage.report.csv().as_bytes()),
        _ => counts(&usage.report).and_then(|()| clients(&usage)).and_then(|()| refusals(&usage)),
    }
}

fn counts(report: &UsageReport) -> Result<()> {
    let row = |start: String, counts: &UsageCounts| {
        vec![start, counts.accepted.to_string(), counts.refused().to_string(), counts.reasons_in_words()]
    };
    let rows = report.buckets.iter().map(|bucket| row(bucket.start.to_string(), &bucket.counts));
    let header = ["START", "ACCEPTED", "REFUSED", "REASONS"];
    output::table(&header, rows.chain([row("total".to_owned(), &report.totals)]))
}

fn clients(usage: &KeyUsage) -> Result<()> {
    let (from, to) = usage.report.days();
    let rows = usage.clients.iter().map(|client| (client, client.days.sum(from, to))).filter(|(_, count)| *count > 0);
    let rows = rows.map(|(client, count)| {
        let (address, program) = (or_unknown(&client.name.address), or_unknown(&client.name.user_agent));
        vec![address, program, count.to_string(), client.first_at.to_string(), client.last_at.to_string()]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    output::print("")?;
    output::table(&["ADDRESS", "PROGRAM", "COUNT", "FIRST SEEN", "LAST SEEN"], rows)
}

fn refusals(usage: &KeyUsage) -> Result<()> {
    if usage.latest_refusals.is_empty() {
        return Ok(());
    }
    let rows = usage.latest_refusals.iter().map(|one| {
        let [address, program] = [&one.address, &one.user_agent].map(|text| or_unknown(text.as_deref().unwrap_or("")));
        vec![one.at.to_string(), one.reason.code().to_owned(), address, program]
    });
    output::print("")?;
    output::table(&["REFUSED AT", "REASON", "ADDRESS", "PROGRAM"], rows)
}

fn or_unknown(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}
