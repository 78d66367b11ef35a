//! What a page, the API and the command line show of usage: counts by hour or by day.

use super::key_clients::KeyClient;
use super::usage::{Day, Hour, LatestRefusal};
use super::{Refusal, Time};
use crate::error::{Error, Result};

/// Maximum buckets of a report: 31 days by the hour, or a year by the day.
const MAX_HOURS: u32 = 31 * 24;
const MAX_DAYS: u32 = 366;
const DEFAULT_HOURS: u32 = 24;
const DEFAULT_DAYS: u32 = 30;

/// The length of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketSize {
    Hour,
    Day,
}

impl BucketSize {
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "hour" => Ok(BucketSize::Hour),
            "day" => Ok(BucketSize::Day),
            _ => Err(Error::invalid("by", "Write hour or day.")),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            BucketSize::Hour => "hour",
            BucketSize::Day => "day",
        }
    }

    fn hours(self) -> u32 {
        match self {
            BucketSize::Hour => 1,
            BucketSize::Day => 24,
        }
    }
}

/// A range of whole buckets, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageSpan {
    pub by: BucketSize,
    pub since: Hour,
    /// The first hour after the range.
    pub until: Hour,
}

impl UsageSpan {
    /// The last buckets, including the one that `now` is in.
    pub fn last(number: u32, by: BucketSize, now: Time) -> Self {
        let until = end_of_bucket(now, by);
        UsageSpan { by, since: Hour(until.0.saturating_sub(number * by.hours())), until }
    }

    /// The range from the bucket of `since` to that of `until`. Default: the last 24 hours or 30 days.
    pub fn parse(by: Option<&str>, since: Option<&str>, until: Option<&str>, now: Time) -> Result<Self> {
        let by = by.map_or(Ok(BucketSize::Hour), BucketSize::parse)?;
        let (default, most) = match by {
            BucketSize::Hour => (DEFAULT_HOURS, MAX_HOURS),
            BucketSize::Day => (DEFAULT_DAYS, MAX_DAYS),
        };
        let time = |text: Option<&str>, field| {
            let error = |error| Error { field: Some(field), ..error };
            text.map(|text| Time::parse(text).map_err(error)).transpose()
        };
        let (since, until) = (time(since, "since")?, time(until, "until")?);
        let until = match until {
            // The end of a bucket does not belong to the next one.
            Some(time) => end_of_bucket(Time::from_millis(time.millis() - 1), by),
            None => end_of_bucket(now, by),
        };
        let since = match since {
            Some(time) => Hour(Hour::of(time).0 / by.hours() * by.hours()),
            None => Hour(until.0.saturating_sub(default * by.hours())),
        };
        if since >= until {
            return Err(Error::invalid("since", "The start must be before the end."));
        }
        if until.0 - since.0 > most * by.hours() {
            let text = match by {
                BucketSize::Hour => "By hour, a range must not exceed 31 days. Use by=day for more.",
                BucketSize::Day => "By day, a range must not exceed 366 days.",
            };
            return Err(Error::invalid("since", text));
        }
        Ok(UsageSpan { by, since, until })
    }

    fn buckets(&self) -> usize {
        ((self.until.0 - self.since.0) / self.by.hours()) as usize
    }
}

fn end_of_bucket(time: Time, by: BucketSize) -> Hour {
    Hour((Hour::of(time).0 / by.hours() + 1).saturating_mul(by.hours()))
}

/// How often keys were accepted, and how often refused for which reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageCounts {
    pub accepted: u64,
    /// In the order of [`Refusal::OF_KEYS`].
    refused: [u64; Refusal::OF_KEYS.len()],
}

impl UsageCounts {
    /// `None` stands for accepted checks.
    pub fn add(&mut self, refusal: Option<Refusal>, more: u64) {
        let count = match refusal {
            None => Some(&mut self.accepted),
            Some(refusal) => {
                let place = Refusal::OF_KEYS.into_iter().position(|one| one == refusal);
                place.map(|place| &mut self.refused[place])
            }
        };
        if let Some(count) = count {
            *count = count.saturating_add(more);
        }
    }

    pub fn refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// `289 insufficient_scope, 12 ip_not_allowed`; empty if there were no refusals.
    pub fn reasons_in_words(&self) -> String {
        let reasons = self.reasons().map(|(reason, count)| format!("{count} {}", reason.code()));
        reasons.collect::<Vec<_>>().join(", ")
    }

    /// The reasons that occurred, with their counts.
    pub fn reasons(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::OF_KEYS.into_iter().zip(self.refused).filter(|(_, count)| *count > 0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageBucket {
    pub start: Time,
    pub counts: UsageCounts,
}

/// Counts of one key, of an owner's keys or of all keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageReport {
    pub span: UsageSpan,
    /// Every bucket of the span, oldest first, also those without uses.
    pub buckets: Vec<UsageBucket>,
    pub totals: UsageCounts,
}

impl UsageReport {
    pub fn empty(span: UsageSpan) -> Self {
        let start = |at: usize| Hour(span.since.0 + at as u32 * span.by.hours()).start();
        let bucket = |at| UsageBucket { start: start(at), counts: UsageCounts::default() };
        UsageReport { span, buckets: (0..span.buckets()).map(bucket).collect(), totals: UsageCounts::default() }
    }

    /// Adds counts of an hour; those outside the span are left out.
    pub fn add(&mut self, hour: Hour, refusal: Option<Refusal>, count: u64) {
        let Some(hours) = hour.0.checked_sub(self.span.since.0) else { return };
        if let Some(bucket) = self.buckets.get_mut((hours / self.span.by.hours()) as usize) {
            bucket.counts.add(refusal, count);
            self.totals.add(refusal, count);
        }
    }

    /// A part of this report, which must be by the hour.
    pub fn within(&self, span: UsageSpan) -> UsageReport {
        let mut part = UsageReport::empty(span);
        for UsageBucket { start, counts } in &self.buckets {
            let hour = Hour::of(*start);
            part.add(hour, None, counts.accepted);
            counts.reasons().for_each(|(reason, count)| part.add(hour, Some(reason), count));
        }
        part
    }

    pub fn since(&self) -> Time {
        self.span.since.start()
    }

    pub fn until(&self) -> Time {
        self.span.until.start()
    }

    /// The first and the last day of the span.
    pub fn days(&self) -> (Day, Day) {
        (self.span.since.day(), Hour(self.span.until.0.saturating_sub(1)).day())
    }

    /// CSV: one line per bucket. It contains nothing but times and numbers, which no spreadsheet takes for a formula.
    pub fn csv(&self) -> String {
        let codes = Refusal::OF_KEYS.map(Refusal::code).join(",");
        let mut text = format!("start,accepted,refused,{codes}\r\n");
        for UsageBucket { start, counts } in &self.buckets {
            let reasons = counts.refused.map(|count| count.to_string()).join(",");
            text.push_str(&format!("{start},{},{},{reasons}\r\n", counts.accepted, counts.refused()));
        }
        text
    }
}

/// The usage of one key.
#[derive(Debug, Clone)]
pub struct KeyUsage {
    pub report: UsageReport,
    /// The latest one first, whatever the span.
    pub clients: Vec<KeyClient>,
    /// The last one first, whatever the span.
    pub latest_refusals: Vec<LatestRefusal>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Time {
        Time::parse("2026-11-23T08:01:00Z").unwrap()
    }

    #[test]
    fn a_span_consists_of_whole_buckets_and_is_bounded() {
        let span = |by: &str, since: Option<&str>, until: Option<&str>| {
            let report = UsageReport::empty(UsageSpan::parse(Some(by), since, until, now())?);
            Ok::<_, Error>((report.since().to_string(), report.until().to_string(), report.buckets.len()))
        };
        let is = |since: &str, until: &str, buckets| Ok::<_, String>((since.to_owned(), until.to_owned(), buckets));
        for (asked, expected) in [
            (span("hour", None, None), is("2026-11-22T09:00:00Z", "2026-11-23T09:00:00Z", 24)),
            (span("day", None, None), is("2026-10-25T00:00:00Z", "2026-11-24T00:00:00Z", 30)),
            (
                span("day", Some("2026-11-01T10:00:00Z"), Some("2026-11-03T00:00:00Z")),
                is("2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z", 2),
            ),
            (span("hour", Some("2026-11-23T08:00:00Z"), Some("2026-11-23T08:00:00Z")), Err("before".to_owned())),
            (span("hour", Some("2026-10-01T00:00:00Z"), None), Err("by=day".to_owned())),
            (span("day", Some("2020-10-01T00:00:00Z"), None), Err("366".to_owned())),
            (span("week", None, None), Err("hour or day".to_owned())),
        ] {
            match (asked, expected) {
                (Err(error), Err(part)) => assert!(error.message.contains(&part), "{error:?}"),
                (asked, expected) => assert_eq!(asked.map_err(|error| error.to_string()), expected),
            }
        }
    }

    #[test]
    fn counts_are_added_to_the_bucket_of_their_hour() {
        let mut report = UsageReport::empty(UsageSpan::last(2, BucketSize::Day, now()));
        let hour = Hour::of(now());
        report.add(hour, None, 3);
        report.add(Hour(hour.0 - 24), Some(Refusal::Expired), 2);
        report.add(Hour(hour.0 - 48), None, 9);
        report.add(Hour(hour.0 + 24), None, 9);
        assert_eq!(
            report.buckets.iter().map(|b| (b.counts.accepted, b.counts.refused())).collect::<Vec<_>>(),
            [(0, 2), (3, 0)]
        );
        assert_eq!(report.totals.reasons().collect::<Vec<_>>(), [(Refusal::Expired, 2)]);
    }
}
