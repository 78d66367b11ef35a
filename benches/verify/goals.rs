//! What the measurements must reach. A goal is judged only at the population that it was set for.

use crate::load::Slice;
use crate::rounds::{Measured, Spread};

/// One line of the table of goals.
pub struct Goal {
    pub what: String,
    pub goal: String,
    pub measured: String,
    pub verdict: Verdict,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    Met,
    Missed,
    /// Measured, but not at the size that the goal is for.
    NotJudged(String),
    /// Could not be measured at all.
    NotAvailable(String),
    /// There is no goal: the number is for comparison.
    NoGoal,
}

/// Which side of the limit is good.
#[derive(Clone, Copy)]
pub enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Limit {
    pub fn judge(self, value: f64) -> Verdict {
        let good = match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        };
        if good { Verdict::Met } else { Verdict::Missed }
    }

    /// Judges at the population `found` a goal that was set for `wanted`.
    pub fn judge_at(self, value: f64, found: u64, wanted: u64) -> Verdict {
        if found == wanted {
            return self.judge(value);
        }
        let wanted = crate::options::show_population(wanted);
        Verdict::NotJudged(format!("the goal is for {wanted} keys"))
    }
}

impl Goal {
    pub fn new(what: impl Into<String>, goal: impl Into<String>, measured: String, verdict: Verdict) -> Self {
        Self { what: what.into(), goal: goal.into(), measured, verdict }
    }

    pub fn not_available(what: impl Into<String>, goal: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(what, goal, "–".into(), Verdict::NotAvailable(reason.into()))
    }
}

/// Goals about verification, from the rounds. `zipf`, `uniform` and `unknown` name their rows.
pub struct VerificationRows<'a> {
    pub rows: &'a [Measured],
    pub zipf: &'a str,
    pub uniform: &'a str,
    pub unknown: &'a str,
}

const MILLION: u64 = 1_000_000;
/// A server's share of its cores below which something else was the limit.
pub const SATURATED: f64 = 0.95;

impl VerificationRows<'_> {
    pub fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        let zipf = self.nearest(self.zipf, MILLION);
        goals.push(ratio_goal("verify a live key, 1M keys, Zipf 0.99", zipf, Limit::AtLeast(0.95), MILLION));
        let uniform = self.nearest(self.uniform, 10 * MILLION);
        goals.push(ratio_goal("verify a live key, 10M keys, uniform", uniform, Limit::AtLeast(0.88), 10 * MILLION));
        goals.push(self.growth());
        let unknown = self.nearest(self.unknown, 10 * MILLION);
        goals.push(ratio_goal("flood of unknown keys, 10M keys", unknown, Limit::AtLeast(0.95), 10 * MILLION));
        goals.push(tail_goal(zipf));
        goals
    }

    /// The row named `what` whose population is the wanted one, else the largest.
    fn nearest(&self, what: &str, keys: u64) -> Option<&Measured> {
        let named = || self.rows.iter().filter(|row| row.what == what);
        named().find(|row| row.keys == keys).or_else(|| named().max_by_key(|row| row.keys))
    }

    fn growth(&self) -> Goal {
        let what = "cost of a request from 1k to 10M keys, uniform";
        let limit = "grows < 15 %";
        let named = || self.rows.iter().filter(|row| row.what == self.uniform && !row.subject.is_empty());
        let small = named().min_by_key(|row| row.keys);
        let large = named().max_by_key(|row| row.keys);
        let (Some(small), Some(large)) = (small, large) else {
            return Goal::not_available(what, limit, "no such row was measured");
        };
        // Each side against the bare server of its own moment, so that the machine's drift cancels out.
        let costs = (small.ratio(|slice| slice.cost()), large.ratio(|slice| slice.cost()));
        let (Some(before), Some(after)) = costs else {
            return Goal::not_available(what, limit, "no such row was measured");
        };
        let growth = (after.median / before.median - 1.0) * 100.0;
        let sizes = (small.keys, large.keys);
        let measured = format!("{growth:+.1} % ({})", crate::options::show_population(large.keys));
        let verdict = match Limit::AtMost(15.0).judge(growth) {
            verdict if sizes == (1_000, 10 * MILLION) => verdict,
            _ => Verdict::NotJudged("the goal is for 1k to 10M keys".into()),
        };
        Goal::new(what, limit, measured, verdict)
    }
}

/// The medians of subject over reference in requests a second.
fn ratio_goal(what: &str, row: Option<&Measured>, limit: Limit, keys: u64) -> Goal {
    let text = show_limit(limit, "× bare");
    let Some(row) = row else { return Goal::not_available(what, text, "no such row was measured") };
    match row.ratio(|slice| slice.rate()) {
        Some(ratio) => {
            let verdict = unless_starved(row, limit.judge_at(ratio.median, row.keys, keys));
            Goal::new(what, text, show_ratio(ratio, row.keys), verdict)
        }
        None => Goal::not_available(what, text, row.failure.clone().unwrap_or_default()),
    }
}

/// A ratio says something about the servers only if they, and not the generator or a busy machine, were the limit.
fn unless_starved(row: &Measured, verdict: Verdict) -> Verdict {
    unless_below(share(&row.subject).min(share(&row.reference)), verdict)
}

fn unless_below(share: f64, verdict: Verdict) -> Verdict {
    if share >= SATURATED {
        return verdict;
    }
    Verdict::NotJudged(format!("a server had only {share:.3} of its cores"))
}

/// The median of the rounds' shares of the server's cores.
fn share(slices: &[Slice]) -> f64 {
    Spread::of(slices.iter().map(Slice::server_share)).map_or(0.0, |share| share.median)
}

fn tail_goal(row: Option<&Measured>) -> Goal {
    let (what, limit) = ("p99 under that load, 1M keys, Zipf 0.99", Limit::AtMost(1.15));
    let text = show_limit(limit, "× bare");
    match row.and_then(|row| Some((row, row.ratio(|slice| slice.latency.quantile(0.99))?))) {
        Some((row, ratio)) => {
            let verdict = unless_starved(row, limit.judge_at(ratio.median, row.keys, MILLION));
            Goal::new(what, text, show_ratio(ratio, row.keys), verdict)
        }
        None => Goal::not_available(what, text, "no such row was measured"),
    }
}

/// Verification while keys are created and revoked, against the same without.
pub fn writing_goal(what: &str, row: &Measured) -> Goal {
    let limit = Limit::AtMost(1.5);
    let text = format!("p99 {}", show_limit(limit, "× idle"));
    let pace = Spread::of(row.written.iter().map(|written| written.rate() / 2.0));
    match (row.ratio(|slice| slice.latency.quantile(0.99)), pace) {
        (Some(ratio), Some(pace)) => {
            let verdict = match limit.judge(ratio.median) {
                Verdict::Met if pace.least < 900.0 => {
                    Verdict::NotJudged("the writers fell short of 1,000 a second".into())
                }
                // That the writers hold the server up is what this is about; only its idle side tells of the machine.
                verdict => unless_below(share(&row.reference), verdict),
            };
            let measured = format!("{}, {:.0} keys/s", show_ratio(ratio, row.keys), pace.median);
            Goal::new(what, text, measured, verdict)
        }
        _ => Goal::not_available(what, text, row.failure.clone().unwrap_or_default()),
    }
}

/// Verification and memory while many log in, against the same without.
pub fn log_in_goals(what: &str, row: &Measured) -> Vec<Goal> {
    let (rate, tail) = (Limit::AtLeast(0.333), Limit::AtMost(5.0));
    let rate_text = format!("rate {}", show_limit(rate, "× idle"));
    let Some(ratio) = row.ratio(|slice| slice.rate()) else {
        return vec![Goal::not_available(what, rate_text, row.failure.clone().unwrap_or_default())];
    };
    let answered = |status: u16| row.floods.iter().map(|flood| flood.statuses.get(&status).unwrap_or(&0)).sum::<u64>();
    let seconds: f64 = row.floods.iter().map(|flood| flood.wall.as_secs_f64()).sum();
    let hashed = answered(401) as f64 / seconds;
    let measured = format!("{}, {hashed:.0} hashed/s", show_ratio(ratio, row.keys));
    let mut goals = vec![Goal::new(what, rate_text, measured, rate.judge(ratio.median))];
    if let Some(p99) = Spread::of(row.subject.iter().map(|slice| slice.latency.quantile(0.99) / 1000.0)) {
        let measured = format!("{:.2} ms ({:.2}–{:.2})", p99.median, p99.least, p99.most);
        goals.push(Goal::new(what, format!("p99 {}", show_limit(tail, "ms")), measured, tail.judge(p99.median)));
    }
    let most = row.floods.iter().map(|flood| flood.most).max().unwrap_or_default() as f64 / f64::from(1 << 20);
    let idle = row.floods.iter().map(|flood| flood.idle).min().unwrap_or_default() as f64 / f64::from(1 << 20);
    let released: Option<Vec<f64>> =
        row.floods.iter().map(|flood| flood.released.map(|span| span.as_secs_f64())).collect();
    let (verdict, text) = match released.and_then(|spans| spans.into_iter().reduce(f64::max)) {
        Some(span) => (Limit::AtMost(128.0).judge_at(most, row.keys, 10_000), format!("given back in {span:.1} s")),
        None => (Verdict::Missed, "not given back in 10 s".to_owned()),
    };
    let measured = format!("{most:.0} MiB at most, {idle:.0} MiB idle, {text}");
    goals.push(Goal::new(what, "memory ≤ 128 MiB, given back in 10 s", measured, verdict));
    goals
}

/// The product against a peer in requests a second.
pub fn peer_goal(row: &Measured, least: Option<f64>) -> Goal {
    let what = format!("against {}", row.reference_name);
    let text = least.map_or("–".into(), |least| format!("≥ {least} ×"));
    let Some(ratio) = row.ratio(|slice| slice.rate()) else {
        return Goal::not_available(what, text, row.failure.clone().unwrap_or_default());
    };
    // A peer may wait for its disk; the product must be what limits the product.
    let verdict = match least.map(|least| Limit::AtLeast(least).judge(ratio.median)) {
        Some(verdict) => unless_below(share(&row.subject), verdict),
        None => Verdict::NoGoal,
    };
    let measured = format!("{:.1} × ({:.1}–{:.1})", ratio.median, ratio.least, ratio.most);
    Goal::new(what, text, measured, verdict)
}

pub fn show_limit(limit: Limit, unit: &str) -> String {
    match limit {
        Limit::AtLeast(limit) => format!("≥ {limit} {unit}"),
        Limit::AtMost(limit) => format!("≤ {limit} {unit}"),
    }
}

fn show_ratio(ratio: Spread, keys: u64) -> String {
    let keys = crate::options::show_population(keys);
    format!("{:.3} ({:.3}–{:.3}), {keys}", ratio.median, ratio.least, ratio.most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_judged_only_at_its_own_size() {
        assert_eq!(Limit::AtLeast(0.95).judge_at(0.95, MILLION, MILLION), Verdict::Met);
        assert_eq!(Limit::AtLeast(0.95).judge_at(0.94, MILLION, MILLION), Verdict::Missed);
        assert_eq!(Limit::AtMost(1.15).judge_at(1.16, MILLION, MILLION), Verdict::Missed);
        assert!(matches!(Limit::AtLeast(0.95).judge_at(0.99, 1_000, MILLION), Verdict::NotJudged(_)));
    }
}
