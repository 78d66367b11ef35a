//! The report as JSON, with the numbers of every round, to compare one version of the product with the next.

use crate::goals::Goal;
use crate::load::Slice;
use crate::rounds::Measured;
use crate::table::{Report, Start, show_verdict};
use serde_json::{Value, json};

pub fn json(report: &Report) -> Value {
    json!({
        "setting": report.setting,
        "goals": report.goals.iter().map(goal_json).collect::<Vec<_>>(),
        "rows": report.rows.iter().map(row_json).collect::<Vec<_>>(),
        "starts": report.starts.iter().map(start_json).collect::<Vec<_>>(),
        "resident_bytes_empty": report.empty.resident,
        "warnings": report.warnings(),
    })
}

fn goal_json(goal: &Goal) -> Value {
    json!({ "what": goal.what, "goal": goal.goal, "measured": goal.measured, "verdict": show_verdict(&goal.verdict) })
}

fn row_json(row: &Measured) -> Value {
    json!({
        "what": row.what,
        "keys": row.keys,
        "reference": row.reference_name,
        "ratio": row.ratio(Slice::rate).map(|spread| spread.median),
        "subject_rounds": row.subject.iter().map(slice_json).collect::<Vec<_>>(),
        "reference_rounds": row.reference.iter().map(slice_json).collect::<Vec<_>>(),
        "writes_per_second": row.written.iter().map(|written| written.rate()).collect::<Vec<_>>(),
        "failure": row.failure,
    })
}

/// Latencies in microseconds.
fn slice_json(slice: &Slice) -> Value {
    json!({
        "requests_per_second": slice.rate(),
        "cpu_microseconds": slice.cost(),
        "server_share": slice.server_share(),
        "generator_share": slice.generator_share(),
        "p50": slice.latency.quantile(0.5),
        "p99": slice.latency.quantile(0.99),
        "p999": slice.latency.quantile(0.999),
        "max": slice.latency.longest(),
        "reconnects": slice.reconnects,
    })
}

fn start_json(start: &Start) -> Value {
    json!({
        "keys": start.keys,
        "import_seconds": start.import.as_secs_f64(),
        "database_reused": start.reused,
        "answering_seconds": start.answering.as_secs_f64(),
        "full_seconds": start.full.as_secs_f64(),
        "resident_bytes": start.at_rest.resident,
        "anonymous_bytes": start.at_rest.anonymous,
        "resident_bytes_after_load": start.after_load.resident,
        "anonymous_bytes_after_load": start.after_load.anonymous,
    })
}
