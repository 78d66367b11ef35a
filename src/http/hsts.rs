//! `Strict-Transport-Security` (RFC 6797): how long browsers use https only. It is sent if the public URL is https.

use actix_web::http::header::HeaderValue;

use crate::error::{Error, Result};

/// The header's value; `None` means that the header is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hsts(Option<HeaderValue>);

impl Default for Hsts {
    /// Two years, for this host only: its subdomains may belong to someone else.
    fn default() -> Self {
        Hsts(Some(HeaderValue::from_static("max-age=63072000")))
    }
}

impl Hsts {
    /// Parses `off`, or the directives of RFC 6797 §6.1: `max-age=SECONDS`, optionally with `; includeSubDomains` and
    /// `; preload`. Each can appear once; case does not matter.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(
                "hsts",
                "Write off, max-age=SECONDS or max-age=SECONDS; includeSubDomains (optionally also ; preload).",
            )
        };
        if text.trim().eq_ignore_ascii_case("off") {
            return Ok(Hsts(None));
        }
        let (mut max_age, mut subdomains, mut preload) = (None, false, false);
        for directive in text.split(';').map(str::trim) {
            let (name, value) =
                directive.split_once('=').map_or((directive, None), |(name, value)| (name, Some(value)));
            match (name.trim_end().to_ascii_lowercase().as_str(), value.map(str::trim_start)) {
                ("max-age", Some(seconds)) if max_age.is_none() && is_number(seconds) => max_age = seconds.parse().ok(),
                ("includesubdomains", None) if !subdomains => subdomains = true,
                ("preload", None) if !preload => preload = true,
                _ => return Err(wrong()),
            }
        }
        let seconds: u32 = max_age.ok_or_else(wrong)?;
        let more = [(subdomains, "; includeSubDomains"), (preload, "; preload")];
        let more: String = more.into_iter().filter_map(|(is_wanted, text)| is_wanted.then_some(text)).collect();
        Ok(Hsts(Some(HeaderValue::try_from(format!("max-age={seconds}{more}")).map_err(|_| wrong())?)))
    }

    pub fn header(&self) -> Option<&HeaderValue> {
        self.0.as_ref()
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<String> {
        Hsts::parse(text).unwrap().header().map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn directives_are_read_in_any_order_and_written_in_a_fixed_order() {
        assert_eq!(read("off"), None);
        assert_eq!(read("max-age=0").unwrap(), "max-age=0");
        assert_eq!(read("INCLUDESUBDOMAINS ;max-age = 60").unwrap(), "max-age=60; includeSubDomains");
        assert_eq!(read("max-age=9; preload; includeSubDomains").unwrap(), "max-age=9; includeSubDomains; preload");
        for bad in [
            "",
            "on",
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=+1",
            "max-age=1d",
            "max-age=99999999999",
            "max-age=1;",
            "includeSubDomains",
            "max-age=1; max-age=2",
            "max-age=1; preload=1",
            "max-age=1\r\nx: y",
            "max-age=1, preload",
        ] {
            assert!(Hsts::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_accepted_text_survives_a_round_trip(text in "(?i)(max-age=[0-9]{0,11}|includeSubDomains|preload|[;= x])*") {
            if let Ok(hsts) = Hsts::parse(&text)
                && let Some(value) = hsts.header()
            {
                prop_assert_eq!(&Hsts::parse(value.to_str().unwrap()).unwrap(), &hsts);
            }
        }
    }
}
