//! The report as Markdown, with the tables of docs/performance.md.

use crate::verify::{goals::Goal, keys::show_count, load::Slice, product::Product, rounds::Row, spread::Spread};

pub struct Report<'a> {
    pub goals: Vec<Goal>,
    pub rows: Vec<Row<'a>>,
    /// What could not be measured at all.
    pub unavailable: Vec<String>,
    /// The products with their resident bytes after the load.
    pub loaded: Vec<(&'a Product, u64)>,
    /// Resident bytes of a server without keys.
    pub empty: u64,
    /// What was measured on PostgreSQL, and how it was set up.
    pub postgres: (Vec<Figure>, String),
}

/// One line of the table about PostgreSQL.
pub struct Figure {
    pub what: String,
    pub keys: u64,
    pub setup: String,
    pub measured: String,
}

const GOALS: &str = "## Against the goals

| what | goal | measured | |
|---|---|---|---|";
const ROUNDS: &str = "
## Rounds

The figures are medians of the rounds. A ratio is the median of the rounds' own ratios (min–max).

| measurement | keys | against | requests/s | ratio | CPU µs | CPU ratio \
| p50 / p99 / p99.9 / max µs | p99 there | CPU share |
|---|---|---|---|---|---|---|---|---|---|";
const REFERENCES: &str = "
The references themselves:

| reference | requests/s | CPU µs | p50 / p99 µs | CPU share |
|---|---|---|---|---|";
const STARTS: &str = "
## Start and memory

| keys | import | answers after | index full after | memory | bytes per key at rest / after load |
|---|---|---|---|---|---|";
const POSTGRES: &str = "
| measurement | keys | setup | measured |
|---|---|---|---|";

impl Report<'_> {
    pub fn markdown(&self) -> String {
        let mut lines = vec![GOALS.to_owned()];
        lines.extend(
            self.goals
                .iter()
                .map(|Goal { what, goal, measured, verdict }| format!("| {what} | {goal} | {measured} | {verdict} |")),
        );
        lines.push(ROUNDS.to_owned());
        lines.extend(self.rows.iter().filter_map(row));
        let failures = self.unavailable.iter().cloned().chain(self.rows.iter().filter_map(failure));
        lines.extend(failures.map(|failure| format!("\nNot measured, or not in all rounds: {failure}.")));
        lines.push(REFERENCES.to_owned());
        lines.extend(self.references());
        if !self.loaded.is_empty() {
            lines.push(format!("{STARTS}\n| 0 | – | – | – | {:.1} MB | – |", self.empty as f64 / 1e6));
            lines.extend(self.loaded.iter().map(start));
        }
        let (figures, description) = &self.postgres;
        if !figures.is_empty() {
            lines.push(format!("\n## PostgreSQL\n\n{description}\n{POSTGRES}"));
            lines.extend(figures.iter().map(figure));
        }
        lines.join("\n") + "\n"
    }

    /// Each reference once, with the rounds of all rows that are compared with it.
    fn references(&self) -> Vec<String> {
        let mut references: Vec<(&str, Vec<&Slice>)> = Vec::new();
        for row in self.rows.iter().filter(|row| !row.rounds.is_empty()) {
            let slices = row.rounds.iter().map(|round| &round.reference);
            match references.iter_mut().find(|(name, _)| *name == row.against) {
                Some((_, all)) => all.extend(slices),
                None => references.push((row.against, slices.collect())),
            }
        }
        let line = |(name, slices): (&str, Vec<&Slice>)| {
            let of =
                |of: fn(&Slice) -> f64| Spread::of(slices.iter().map(|slice| of(slice))).map(|spread| spread.median);
            let (rate, cost) = (of(|slice| slice.rate)?, of(|slice| slice.cost)?);
            let (p50, p99, share) = (of(|slice| slice.p50)?, of(|slice| slice.p99)?, of(|slice| slice.share)?);
            Some(format!("| {name} | {rate:.0} | {cost:.2} | {p50:.0} / {p99:.0} | {share:.3} |"))
        };
        references.into_iter().filter_map(line).collect()
    }
}

fn row(row: &Row) -> Option<String> {
    let Row { what, against, .. } = row;
    let (keys, ratio) = (show_count(row.keys), row.ratio(|slice| slice.rate)?);
    let ratio = ratio.show(if ratio.median < 10.0 { 3 } else { 1 });
    let cost_ratio = row.ratio(|slice| slice.cost)?.median;
    let there = row.references(|slice| slice.p99)?.median;
    let of = |of: fn(&Slice) -> f64| row.subjects(of).map(|spread| spread.median);
    let (rate, cost, share) = (of(|slice| slice.rate)?, of(|slice| slice.cost)?, of(|slice| slice.share)?);
    let (p50, p99) = (of(|slice| slice.p50)?, of(|slice| slice.p99)?);
    let (p999, max) = (of(|slice| slice.p999)?, of(|slice| slice.max)?);
    let latency = format!("{p50:.0} / {p99:.0} / {p999:.0} / {max:.0} | {there:.0}");
    let side = format!("{rate:.0} | {ratio} | {cost:.2} | {cost_ratio:.3} | {latency} | {share:.3}");
    Some(format!("| {what} | {keys} | {against} | {side} |"))
}

fn failure(row: &Row) -> Option<String> {
    let (reason, keys, rounds) = (row.failure.as_ref()?, show_count(row.keys), row.rounds.len());
    Some(format!("{}, {keys} keys, against {}: stopped after {rounds} rounds: {reason}", row.what, row.against))
}

fn figure(Figure { what, keys, setup, measured }: &Figure) -> String {
    format!("| {what} | {} | {setup} | {measured} |", show_count(*keys))
}

fn start((product, after_load): &(&Product, u64)) -> String {
    let Product { population, answering, full, at_rest, .. } = product;
    let times = format!("{:.1} s | {answering:.3} s | {full:.3} s", population.import.as_secs_f64());
    let (keys, megabytes) = (show_count(population.keys), *at_rest as f64 / 1e6);
    let (before, after) = (product.per_key(*at_rest), product.per_key(*after_load));
    format!("| {keys} | {times} | {megabytes:.1} MB | {before:.0} / {after:.0} |")
}
