//! Converts OpenMetrics to the Prometheus text format ("exposition formats", 0.0.4). Samples are the same. The names
//! and types of counters and infos differ, and there are no units and no end marker.

use std::fmt::Write;

/// `metrics` is the output of prometheus-client: for each metric `HELP`, `TYPE`, an optional `UNIT`, and samples.
pub fn from_openmetrics(metrics: &str) -> String {
    let mut text = String::with_capacity(metrics.len() + 256);
    let mut help = "";
    for line in metrics.lines() {
        let Some(said) = line.strip_prefix("# ") else {
            let _ = writeln!(text, "{line}"); // writing to a String cannot fail
            continue;
        };
        if let Some(described) = said.strip_prefix("HELP ") {
            help = described.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = said.strip_prefix("TYPE ").and_then(|typed| typed.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            let _ = writeln!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_keep_their_samples_and_are_named_after_them() {
        let metrics = "# HELP a_b Some things\n# TYPE a_b counter\na_b_total{code=\"x\"} 3\n\
            # HELP a_seconds Time\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\na_seconds_sum 0.5\n\
            a_seconds_count 1\na_seconds_bucket{le=\"+Inf\"} 1\n# HELP a_i It\n# TYPE a_i info\na_i_info{v=\"1\"} 1\n\
            # HELP a_g Now\n# TYPE a_g gauge\na_g 7\n# EOF\n";
        let text = "# HELP a_b_total Some things\n# TYPE a_b_total counter\na_b_total{code=\"x\"} 3\n\
            # HELP a_seconds Time\n# TYPE a_seconds histogram\na_seconds_sum 0.5\na_seconds_count 1\n\
            a_seconds_bucket{le=\"+Inf\"} 1\n# HELP a_i_info It\n# TYPE a_i_info gauge\na_i_info{v=\"1\"} 1\n\
            # HELP a_g Now\n# TYPE a_g gauge\na_g 7\n";
        assert_eq!(from_openmetrics(metrics), text);
    }
}
