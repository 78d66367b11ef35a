//! The report as Markdown, for people.

use crate::goals::{Goal, SATURATED, Verdict};
use crate::load::Slice;
use crate::options::show_population;
use crate::process::Memory;
use crate::rounds::{Measured, Spread};
use serde_json::Value;
use std::fmt::Write;
use std::time::Duration;

/// How one population started and what it holds.
pub struct Start {
    pub keys: u64,
    pub import: Duration,
    pub reused: bool,
    pub answering: Duration,
    pub full: Duration,
    pub at_rest: Memory,
    pub after_load: Memory,
}

pub struct Report {
    pub setting: Value,
    pub goals: Vec<Goal>,
    pub rows: Vec<Measured>,
    pub starts: Vec<Start>,
    /// Of a server without keys.
    pub empty: Memory,
}

impl Report {
    pub fn markdown(&self) -> String {
        let mut out = String::from("# Keybearer, measured\n\n");
        for (name, value) in self.setting.as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _infallible = writeln!(out, "- {name}: {value}");
        }
        out.push_str("\n## Goals\n\n| what | goal | measured | |\n|---|---|---|---|\n");
        for goal in &self.goals {
            let verdict = show_verdict(&goal.verdict);
            let _infallible = writeln!(out, "| {} | {} | {} | {verdict} |", goal.what, goal.goal, goal.measured);
        }
        self.write_rounds(&mut out);
        self.write_starts(&mut out);
        let warnings = self.warnings();
        if !warnings.is_empty() {
            out.push_str("\n## Warnings\n\n");
            for warning in warnings {
                let _infallible = writeln!(out, "- {warning}");
            }
        }
        out
    }

    fn write_rounds(&self, out: &mut String) {
        out.push_str(
            "\n## Rounds\n\nMedians of the rounds; a ratio is the median of the rounds' own ratios (least–most).\n\n",
        );
        out.push_str("| measurement | keys | against | requests/s | ratio | CPU µs | CPU ratio | p50 / p99 / p99.9 / max µs | p99 there | CPU share |\n");
        out.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
        for row in &self.rows {
            let keys = show_population(row.keys);
            let _infallible = write!(out, "| {} | {keys} | {} |", row.what, row.reference_name);
            match &row.failure {
                Some(failure) if row.subject.is_empty() => {
                    let _infallible = writeln!(out, " not available: {failure} | | | | | | |");
                    continue;
                }
                _ => {}
            }
            let subject = |of: fn(&Slice) -> f64| median(&row.subject, of);
            let ratio = row.ratio(Slice::rate).map_or(String::new(), show_spread);
            let cost_ratio = row.ratio(Slice::cost).map_or(0.0, |spread| spread.median);
            let _infallible = writeln!(
                out,
                " {:.0} | {ratio} | {:.2} | {cost_ratio:.3} | {:.0} / {:.0} / {:.0} / {:.0} | {:.0} | {:.3} |",
                subject(Slice::rate),
                subject(Slice::cost),
                subject(|slice| slice.latency.quantile(0.5)),
                subject(|slice| slice.latency.quantile(0.99)),
                subject(|slice| slice.latency.quantile(0.999)),
                subject(|slice| slice.latency.longest()),
                median(&row.reference, |slice| slice.latency.quantile(0.99)),
                subject(Slice::server_share),
            );
        }
        out.push_str("\nThe references by themselves:\n\n| reference | requests/s | CPU µs | p50 / p99 µs | CPU share |\n|---|---|---|---|---|\n");
        let mut listed: Vec<&str> = Vec::new();
        for row in self.rows.iter().filter(|row| !row.reference.is_empty()) {
            if listed.contains(&row.reference_name.as_str()) {
                continue;
            }
            listed.push(&row.reference_name);
            let all = || self.rows.iter().filter(|other| other.reference_name == row.reference_name);
            let of = |of: fn(&Slice) -> f64| {
                Spread::of(all().flat_map(|row| &row.reference).map(of)).map_or(0.0, |spread| spread.median)
            };
            let _infallible = writeln!(
                out,
                "| {} | {:.0} | {:.2} | {:.0} / {:.0} | {:.3} |",
                row.reference_name,
                of(Slice::rate),
                of(Slice::cost),
                of(|slice| slice.latency.quantile(0.5)),
                of(|slice| slice.latency.quantile(0.99)),
                of(Slice::server_share),
            );
        }
    }

    fn write_starts(&self, out: &mut String) {
        out.push_str("\n## Start and memory\n\n| keys | import | answers after | index full after | memory | bytes a key at rest / after load |\n|---|---|---|---|---|---|\n");
        let megabytes = self.empty.resident as f64 / 1e6;
        let _infallible = writeln!(out, "| 0 | – | – | – | {megabytes:.1} MB | – |");
        for start in &self.starts {
            let _infallible = writeln!(
                out,
                "| {} | {:.1} s{} | {:.3} s | {:.3} s | {:.1} MB | {:.0} / {:.0} |",
                show_population(start.keys),
                start.import.as_secs_f64(),
                if start.reused { " (kept)" } else { "" },
                start.answering.as_secs_f64(),
                start.full.as_secs_f64(),
                start.at_rest.resident as f64 / 1e6,
                self.bytes_a_key(start.keys, start.at_rest),
                self.bytes_a_key(start.keys, start.after_load),
            );
        }
    }

    pub fn bytes_a_key(&self, keys: u64, memory: Memory) -> f64 {
        (memory.resident as f64 - self.empty.resident as f64) / keys as f64
    }

    /// Everything that makes a number doubtful.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for row in &self.rows {
            let what = format!("{}, {} keys, against {}", row.what, show_population(row.keys), row.reference_name);
            if let Some(failure) = &row.failure {
                warnings.push(format!("{what}: stopped after {} rounds: {failure}", row.subject.len()));
            }
            for (side, slices) in [("", &row.subject), (" (the reference)", &row.reference)] {
                let slack = slices
                    .iter()
                    .filter(|slice| slice.server_share() < SATURATED)
                    .min_by(|left, right| left.server_share().total_cmp(&right.server_share()));
                if let Some(slice) = slack {
                    let generator = slice.generator_share();
                    let limit = if generator > SATURATED { "the generator" } else { "something else" };
                    warnings.push(format!(
                        "{what}{side}: the server had only {:.3} of its cores, the generator {generator:.2}: {limit} was the limit",
                        slice.server_share(),
                    ));
                }
                let reconnects: u64 = slices.iter().map(|slice| slice.reconnects).sum();
                if reconnects > 0 {
                    warnings.push(format!("{what}{side}: the server closed {reconnects} connections"));
                }
            }
        }
        warnings
    }
}

fn median(slices: &[Slice], of: fn(&Slice) -> f64) -> f64 {
    Spread::of(slices.iter().map(of)).map_or(0.0, |spread| spread.median)
}

fn show_spread(spread: Spread) -> String {
    let digits = if spread.median < 10.0 { 3 } else { 1 };
    format!("{:.digits$} ({:.digits$}–{:.digits$})", spread.median, spread.least, spread.most)
}

pub fn show_verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Met => "met".into(),
        Verdict::Missed => "**missed**".into(),
        Verdict::NotJudged(reason) => format!("not judged: {reason}"),
        Verdict::NotAvailable(reason) => format!("not available: {reason}"),
        Verdict::NoGoal => String::new(),
    }
}
