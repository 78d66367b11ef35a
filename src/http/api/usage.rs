//! `GET /api/v1/usage`: the sums of all keys, or of one owner's; and the JSON of usage.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::manager::KeysManager;
use super::parameters::{GivenParameters, Parameters};
use crate::error::Result as Outcome;
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::Time;
use crate::model::usage_report::{UsageBucket, UsageCounts, UsageReport, UsageSpan};

/// How often keys were accepted and refused. Buckets begin at whole hours or days in UTC; all buckets of the range are
/// listed.
#[derive(Serialize, ToSchema)]
#[schema(as = Usage)]
pub struct UsageJson {
    #[schema(value_type = field::Moment)]
    since: Time,
    /// The end, which is no longer part of the range.
    #[schema(value_type = field::Moment)]
    until: Time,
    /// `hour` or `day`.
    by: &'static str,
    buckets: Vec<BucketJson>,
    totals: CountsJson,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UsageBucket)]
struct BucketJson {
    #[schema(value_type = field::Moment)]
    start: Time,
    #[serde(flatten)]
    counts: CountsJson,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UsageCounts)]
struct CountsJson {
    accepted: u64,
    /// The refusals by reason, such as `expired`. Reasons that did not occur are left out.
    #[schema(value_type = BTreeMap<String, u64>)]
    refused: BTreeMap<&'static str, u64>,
}

impl From<&UsageCounts> for CountsJson {
    fn from(counts: &UsageCounts) -> Self {
        let refused = counts.reasons().map(|(reason, count)| (reason.code(), count)).collect();
        CountsJson { accepted: counts.accepted, refused }
    }
}

impl From<&UsageReport> for UsageJson {
    fn from(report: &UsageReport) -> Self {
        let bucket = |bucket: &UsageBucket| BucketJson { start: bucket.start, counts: (&bucket.counts).into() };
        UsageJson {
            since: report.since(),
            until: report.until(),
            by: report.span.by.name(),
            buckets: report.buckets.iter().map(bucket).collect(),
            totals: (&report.totals).into(),
        }
    }
}

/// The parameters that choose the range.
pub const SPAN: [&str; 3] = ["by", "since", "until"];

/// Describes these parameters.
pub fn with_span(operation: Operation) -> Operation {
    operation
        .query("by", field::one_of(["hour", "day"]), "The length of a bucket. Default: `hour`.")
        .query("since", field::time(), "Default: 24 hours or 30 days before `until`. Max 31 days by hour, 366 by day.")
        .query("until", field::time(), "Default: the end of the current bucket.")
}

pub fn span(query: &GivenParameters, now: Time) -> Outcome<UsageSpan> {
    UsageSpan::parse(query.text("by"), query.text("since"), query.text("until"), now)
}

pub fn operation() -> Operation {
    let operation = Operation::new("Keys", "getTotalUsage", "Usage of all keys, or of one owner's").described_as(
        "Includes keys that were revoked since. The latest uses can be missing until they are in the database.",
    );
    with_span(operation)
        .query("owner", field::any_text(), "Only keys of this user: email or ID. Default: all keys that you can see.")
        .answers::<UsageJson>(200, "The counts.", &[])
}

pub async fn show(manager: KeysManager, query: Parameters) -> Result<HttpResponse, Problem> {
    let query = query.only(&["owner", "by", "since", "until"])?;
    let (auth, asking) = (&manager.site.auth, manager.asking().await?);
    let owner = match query.filled("owner") {
        Some(text) => Some(auth.owner(&asking.caller, text).await?),
        None => None,
    };
    let report = auth.total_usage(&asking.caller, owner, span(&query, auth.now())?).await?;
    Ok(HttpResponse::Ok().json(UsageJson::from(&report)))
}
