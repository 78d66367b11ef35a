//! Spans of time and rate limits in words.

use std::time::Duration;

use crate::model::RateLimit;

const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];

/// The span in the largest unit that expresses it exactly.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (size, unit) = UNITS.into_iter().find(|(size, _)| seconds.is_multiple_of(*size)).unwrap_or((1, "second"));
    count(seconds / size, unit)
}

/// The time left, in the largest unit that fits, rounded down.
pub fn time_left(left: Duration) -> String {
    let seconds = left.as_secs().max(1);
    let (size, unit) = UNITS.into_iter().find(|(size, _)| seconds >= *size).unwrap_or((1, "second"));
    format!("Expires in {}", count(seconds / size, unit))
}

pub fn rate(limit: RateLimit) -> String {
    let window = span(Duration::from_secs(limit.window.into()));
    let requests = count(limit.requests.into(), "request");
    format!("{requests} per {} (burst {})", window.strip_prefix("1 ").unwrap_or(&window), limit.burst)
}

/// `18,204`
pub fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn count(count: u64, unit: &str) -> String {
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_limits_are_written_in_everyday_words() {
        let spans = [(60, "1 minute"), (90, "90 seconds"), (7200, "2 hours"), (90 * 86_400, "90 days")];
        for (seconds, words) in spans {
            assert_eq!(span(Duration::from_secs(seconds)), words);
        }
        for (seconds, words) in
            [(0, "1 second"), (3599, "59 minutes"), (86_399, "23 hours"), (3 * 86_400 + 1, "3 days")]
        {
            assert_eq!(time_left(Duration::from_secs(seconds)), format!("Expires in {words}"));
        }
        assert_eq!([0, 999, 1000, 1_234_567].map(with_commas), ["0", "999", "1,000", "1,234,567"]);
        for (requests, window, burst, words) in [
            (100, 60, 100, "100 requests per minute (burst 100)"),
            (1, 1, 5, "1 request per second (burst 5)"),
            (10, 90, 10, "10 requests per 90 seconds (burst 10)"),
        ] {
            assert_eq!(rate(RateLimit { requests, window, burst }), words);
        }
    }
}
