//! Reads the expiry date from a certificate's DER; no other X.509 field is needed (RFC 5280 §4.1, X.690 §8).

use rustls::sign::CertifiedKey;

use crate::model::Time;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// `notAfter` of the server's certificate.
pub fn of(pair: &CertifiedKey) -> Option<Time> {
    not_after(pair.cert.first()?)
}

/// The path to `notAfter`: Certificate, tbsCertificate (version (optional), serialNumber, signature, issuer),
/// validity (notBefore, notAfter).
fn not_after(der: &[u8]) -> Option<Time> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if let Some((_, after)) = element(rest, VERSION) {
        rest = after;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, rest) = element(rest, tag)?;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (_, end) = time(validity)?;
    time(end)?.0
}

/// A UTCTime or GeneralizedTime and the bytes after it. Two-digit years are from 1950 to 2049.
fn time(der: &[u8]) -> Option<(Option<Time>, &[u8])> {
    if let Some((text, rest)) = element(der, UTC_TIME) {
        let century = if text < &b"50"[..] { "20" } else { "19" };
        return Some((date(&[century.as_bytes(), text].concat()), rest));
    }
    let (text, rest) = element(der, GENERALIZED_TIME)?;
    Some((date(text), rest))
}

/// A date such as `20491231235958Z`.
fn date(text: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 15 && text.is_ascii())?;
    let (date, time) = text.split_at(8);
    let (year, date) = date.split_at(4);
    let iso = format!("{year}-{}-{}T{}:{}:{}", &date[..2], &date[2..], &time[..2], &time[2..4], &time[4..]);
    Time::parse(&iso).ok()
}

/// The content of the first element, if it has this tag, and the bytes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        // The number of bytes of the length; no certificate exceeds 4 GiB.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    (found == tag).then_some((content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    /// `openssl req -x509 -newkey ed25519 -nodes -subj /CN=keys.test -not_before … -not_after …`
    const UNTIL_2049: &str = include_str!("test_2049.pem");
    const UNTIL_2050: &str = include_str!("test_2050.pem");

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    #[test]
    fn both_date_formats_are_read() {
        assert_eq!(not_after(&der(UNTIL_2049)), Some(Time::parse("2049-12-31T23:59:58Z").unwrap()));
        assert_eq!(not_after(&der(UNTIL_2050)), Some(Time::parse("2050-01-01T00:00:01Z").unwrap()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = not_after(&bytes);
        }

        #[test]
        fn a_damaged_certificate_is_read_without_a_panic(at in 0_usize..200, byte: u8, length in 0_usize..400) {
            let mut bytes = der(UNTIL_2049).to_vec();
            let (at, length) = (at.min(bytes.len() - 1), length.min(bytes.len()));
            bytes[at] = byte;
            let _ = not_after(&bytes[..length]);
        }
    }
}
