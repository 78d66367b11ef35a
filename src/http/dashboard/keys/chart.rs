//! A bar chart of usage, as numbers for the template's SVG. It is drawn here, so that it needs no script and no inline
//! style.

use crate::model::Time;
use crate::model::usage_report::{BucketSize, UsageReport};

/// The drawing, in the units of its `viewBox`.
const WIDTH: f64 = 720.0;
const LEFT: f64 = 40.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 160.0;

pub struct UsageChart {
    pub bars: Vec<ChartBar>,
    /// Where lines are drawn, and what they stand for.
    pub lines: Vec<ChartLine>,
    /// The first and the last bucket.
    pub first: String,
    pub last: String,
    /// What the chart shows, for those who do not see it.
    pub sentence: String,
}

pub struct ChartBar {
    pub label: String,
    pub accepted: u64,
    pub refused: u64,
    pub x: String,
    pub width: String,
    pub accepted_y: String,
    pub accepted_height: String,
    pub refused_y: String,
    pub refused_height: String,
}

pub struct ChartLine {
    pub y: String,
    pub text_y: String,
    pub value: u64,
}

impl UsageChart {
    /// `None` if there is nothing to draw.
    pub fn of(report: &UsageReport, span: &str) -> Option<Self> {
        let counts = |at: usize| (report.buckets[at].counts.accepted, report.buckets[at].counts.refused());
        let most = (0..report.buckets.len()).map(|at| counts(at).0.saturating_add(counts(at).1)).max()?;
        if most == 0 {
            return None;
        }
        let top = round_up(most);
        let height = |count: u64| (BOTTOM - TOP) * count as f64 / top as f64;
        let pitch = (WIDTH - LEFT) / report.buckets.len() as f64;
        let bar = |at: usize| {
            let (accepted, refused) = counts(at);
            let (accepted_height, refused_height) = (height(accepted), height(refused));
            ChartBar {
                label: label(report.buckets[at].start, report.span.by),
                accepted,
                refused,
                x: number(LEFT + pitch * (at as f64 + 0.14)),
                width: number(pitch * 0.72),
                accepted_y: number(BOTTOM - accepted_height),
                accepted_height: number(accepted_height),
                refused_y: number(BOTTOM - accepted_height - refused_height),
                refused_height: number(refused_height),
            }
        };
        let bars: Vec<_> = (0..report.buckets.len()).map(bar).collect();
        let mut values = vec![0, top / 2, top];
        values.dedup();
        let line = |value| {
            let y = BOTTOM - height(value);
            ChartLine { y: number(y), text_y: number(y + 4.0), value }
        };
        Some(UsageChart {
            first: bars.first()?.label.clone(),
            last: bars.last()?.label.clone(),
            lines: values.into_iter().map(line).collect(),
            bars,
            sentence: format!(
                "Requests by {} in the last {span}: {} accepted, {} refused. The table below has the numbers.",
                report.span.by.name(),
                report.totals.accepted,
                report.totals.refused()
            ),
        })
    }
}

/// `23 Nov`, or `23 Nov, 08:00`.
fn label(start: Time, by: BucketSize) -> String {
    let text = start.for_pages();
    let words: Vec<&str> = text.split(' ').collect();
    match (by, &words[..]) {
        (BucketSize::Hour, [day, month, _, time, ..]) => format!("{day} {month}, {time}"),
        (BucketSize::Day, [day, month, ..]) => format!("{day} {month}"),
        _ => text,
    }
}

/// The next of 2, 4, 6, 8, 10, 20, 40 and so on.
fn round_up(count: u64) -> u64 {
    let mut unit: u64 = 1;
    while unit.saturating_mul(10) < count {
        unit *= 10;
    }
    count.div_ceil(2 * unit).saturating_mul(2 * unit)
}

fn number(number: f64) -> String {
    format!("{number:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Refusal;
    use crate::model::usage::Hour;
    use crate::model::usage_report::UsageSpan;

    #[test]
    fn bars_are_as_high_as_their_counts() {
        let now = Time::parse("2026-11-23T08:01:00Z").unwrap();
        let mut report = UsageReport::empty(UsageSpan::last(2, BucketSize::Hour, now));
        assert!(UsageChart::of(&report, "2 hours").is_none());
        report.add(Hour::of(now), None, 30);
        report.add(Hour::of(now), Some(Refusal::Expired), 6);
        let chart = UsageChart::of(&report, "2 hours").unwrap();
        let bar = &chart.bars[1];
        assert_eq!(
            (bar.label.as_str(), bar.accepted_height.as_str(), bar.refused_height.as_str()),
            ("23 Nov, 08:00", "112.5", "22.5")
        );
        assert_eq!((bar.accepted_y.as_str(), bar.refused_y.as_str()), ("47.5", "25.0"));
        assert_eq!(chart.lines.iter().map(|line| line.value).collect::<Vec<_>>(), [0, 20, 40]);
        assert_eq!([1, 2, 3, 10, 11, 99, 101].map(round_up), [2, 2, 4, 10, 20, 100, 200]);
    }
}
