//! The formats of `/metrics`, and the choice between them (RFC 9110 §12.5.1). Prometheus sends
//! `application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1`.

use actix_web::http::header::{self, HeaderMap};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    OpenMetrics {
        version: &'static str,
    },
    /// The Prometheus text format.
    Text {
        version: &'static str,
    },
}

impl Format {
    /// All formats; if several are equally acceptable, the first is used.
    const ALL: [Format; 4] = [
        Format::OpenMetrics { version: "1.0.0" },
        Format::Text { version: "0.0.4" },
        Format::OpenMetrics { version: "0.0.1" },
        Format::Text { version: "1.0.0" },
    ];

    /// The format to send. OpenMetrics is only for those who name it; without an `Accept`, for `*/*`, and if no format
    /// is acceptable, the format that all tools read is used: the figures help more than a 406.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT).filter_map(|line| line.to_str().ok());
        let ranges: Vec<Range<'_>> = lines.flat_map(|line| line.split(',')).map(Range::parse).collect();
        let mut best = (0, Format::Text { version: "0.0.4" });
        for format in Self::ALL {
            let most_specific = ranges.iter().filter_map(|range| Some((range.fit(format)?, range.quality))).max();
            if let Some((_, quality)) = most_specific.filter(|(_, quality)| *quality > best.0) {
                best = (quality, format);
            }
        }
        best.1
    }

    pub fn content_type(self) -> String {
        let (kind, version) = self.parts();
        format!("{kind}; version={version}; charset=utf-8")
    }

    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Format::OpenMetrics { version } => ("application/openmetrics-text", version),
            Format::Text { version } => ("text/plain", version),
        }
    }
}

/// A media range of `Accept`.
struct Range<'a> {
    kind: &'a str,
    version: Option<&'a str>,
    /// The quality in thousandths.
    quality: u32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let mut range = Range { kind, version: None, quality: 1000 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("version") => range.version = Some(value),
                name if name.eq_ignore_ascii_case("q") => range.quality = quality(value),
                // `charset` is the same for all our formats, and they do not need `escaping`.
                _ => {}
            }
        }
        range
    }

    /// How specifically this range matches the format, if it does.
    fn fit(&self, format: Format) -> Option<u8> {
        let (kind, version) = format.parts();
        match self.version {
            Some(own) if self.kind.eq_ignore_ascii_case(kind) => (own == version).then_some(3),
            None if self.kind.eq_ignore_ascii_case(kind) => Some(2),
            _ if self.kind == "*/*" => matches!(format, Format::Text { .. }).then_some(0),
            _ => {
                let family = kind.split('/').next().unwrap_or_default();
                let own = self.kind.strip_suffix("/*")?;
                own.eq_ignore_ascii_case(family).then_some(1)
            }
        }
    }
}

/// Parses a quality (RFC 9110 §12.4.2); a malformed one counts as 0.
fn quality(text: &str) -> u32 {
    match text.parse::<f64>() {
        Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * 1000.0).round() as u32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    fn wanted(lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        let (kind, version) = Format::wanted(&headers).parts();
        format!("{} {version}", &kind[..1])
    }

    #[test]
    fn the_requested_format_is_returned() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let text_first = "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.2";
        for (accept, format) in [
            ("", "t 0.0.4"),
            ("*/*", "t 0.0.4"),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "t 0.0.4"),
            ("application/openmetrics-text, */*", "a 1.0.0"),
            ("application/openmetrics-text;q=0.5, */*", "t 0.0.4"),
            ("text/plain;version=0.0.4", "t 0.0.4"),
            ("text/plain; version=\"0.0.4\"; charset=utf-8", "t 0.0.4"),
            ("TEXT/Plain ; VERSION=0.0.4", "t 0.0.4"),
            ("text/plain", "t 0.0.4"),
            ("text/*", "t 0.0.4"),
            ("text/plain;version=1.0.0", "t 1.0.0"),
            ("application/openmetrics-text", "a 1.0.0"),
            ("application/openmetrics-text;version=0.0.1", "a 0.0.1"),
            ("application/*", "a 1.0.0"),
            (prometheus_3, "a 1.0.0"),
            (text_first, "t 0.0.4"),
            ("text/plain;q=0.5, application/openmetrics-text;q=0.4", "t 0.0.4"),
            ("text/plain, application/openmetrics-text", "a 1.0.0"),
            ("application/openmetrics-text;q=0, */*", "t 0.0.4"),
            ("text/plain;q=0.1, */*;q=0.9", "t 0.0.4"),
            ("application/json", "t 0.0.4"),
            ("application/openmetrics-text;version=2.0.0", "t 0.0.4"),
            ("application/vnd.google.protobuf;encoding=delimited,text/plain;q=0.1", "t 0.0.4"),
            ("application/openmetrics-text;q=x, text/plain;q=0.1", "t 0.0.4"),
        ] {
            assert_eq!(wanted(&[accept]), format, "{accept}");
        }
        assert_eq!(wanted(&[]), "t 0.0.4");
        assert_eq!(wanted(&["text/plain;q=0.2", "application/openmetrics-text;q=0.1"]), "t 0.0.4");
    }

    proptest! {
        #[test]
        fn any_accept_gets_a_format(lines in prop::collection::vec("[ -~]{0,60}", 0..4)) {
            wanted(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
