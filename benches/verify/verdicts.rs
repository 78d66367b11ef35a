//! All goals in the order of the report: from the rounds, from the starts, and from managing keys.

use crate::comparisons::{LOGGING_IN, PEER, UNIFORM, UNKNOWN, WRITING, ZIPF};
use crate::goals::{self, Goal, Limit, Verdict, VerificationRows};
use crate::management;
use crate::options::show_population;
use crate::peers::PEERS;
use crate::rounds::Plan;
use crate::stage::Stage;
use crate::table::{Report, Start};
use std::io;

const TEN_MILLION: u64 = 10_000_000;

/// Judges what `report` holds, and measures what is measured one product at a time.
pub fn all(
    report: &Report,
    stage: &Stage,
    plan: &Plan,
    only: Option<&str>,
    mut say: impl FnMut(&str),
) -> io::Result<Vec<Goal>> {
    let is_wanted = |what: &str| only.is_none_or(|only| what.contains(only));
    let rows = &report.rows;
    let mut goals = VerificationRows { rows, zipf: ZIPF, uniform: UNIFORM, unknown: UNKNOWN }.goals();
    goals.extend(rows.iter().filter(|row| row.what == WRITING).map(|row| goals::writing_goal(WRITING, row)));
    goals.extend(rows.iter().filter(|row| row.what == LOGGING_IN).flat_map(|row| goals::log_in_goals(LOGGING_IN, row)));
    for row in rows.iter().filter(|row| row.what == PEER) {
        let peer = PEERS.iter().find(|peer| peer.name == row.reference_name);
        goals.push(goals::peer_goal(row, peer.and_then(|peer| peer.goal)));
    }
    goals.extend(memory(report));
    goals.extend(starts(report));
    say("managing keys");
    let (principal, largest) = (stage.principal(), stage.largest());
    if is_wanted(management::DURABLE) {
        principal.server.wake_up()?;
        goals.push(management::durable_writes(principal, plan));
        principal.server.rest()?;
    }
    largest.server.wake_up()?;
    if is_wanted(management::REVOKE) {
        goals.push(management::revoke_by_id(largest));
    }
    if is_wanted(management::SEARCH) {
        goals.push(management::search_by_name(largest));
    }
    largest.server.rest()?;
    goals.retain(|goal| only.is_none() || !matches!(goal.verdict, Verdict::NotAvailable(_)));
    Ok(goals)
}

/// At every population, after the load: what the load left behind counts too.
fn memory(report: &Report) -> Vec<Goal> {
    let judge = |start: &Start| {
        let allowed = start.keys as f64 * 100.0 + 30e6;
        let resident = start.after_load.resident as f64;
        let measured = format!(
            "{:.1} MB of {:.1} MB allowed, {:.0} bytes a key",
            resident / 1e6,
            allowed / 1e6,
            report.bytes_a_key(start.keys, start.after_load),
        );
        let what = format!("memory after load, {} keys", show_population(start.keys));
        Goal::new(what, "≤ 100 bytes a key + 30 MB", measured, Limit::AtMost(allowed).judge(resident))
    };
    report.starts.iter().map(judge).collect()
}

fn starts(report: &Report) -> Vec<Goal> {
    let Some(largest) = report.starts.last() else { return Vec::new() };
    let keys = show_population(largest.keys);
    let judge = |seconds: f64, limit: f64| match Limit::AtMost(limit).judge(seconds) {
        Verdict::Met => Limit::AtMost(limit).judge_at(seconds, largest.keys, TEN_MILLION),
        missed => missed,
    };
    let answering = largest.answering.as_secs_f64();
    let first = Goal::new(
        "answering after start, 10M keys",
        "< 0.5 s",
        format!("{answering:.3} s, {keys}"),
        judge(answering, 0.5),
    );
    let full = largest.full.as_secs_f64();
    let second =
        Goal::new("index full after start, 10M keys", "< 10 s", format!("{full:.3} s, {keys}"), judge(full, 10.0));
    vec![first, second]
}
