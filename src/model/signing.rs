//! The server's own signing keys: which one signs, which are only published, and when that changes. This module does no
//! I/O: `signing` generates and uses the keys, and the store keeps the file.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::Time;
use crate::error::{Error, Result};

/// A key's algorithm, fixed for each key so that no token can choose it (RFC 8725 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: every client of RFC 9068 must support it.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519 (RFC 8037): a hundred times faster to generate.
    EdDSA,
}

impl SigningAlgorithm {
    pub const ALL: [SigningAlgorithm; 2] = [SigningAlgorithm::Rs256, SigningAlgorithm::EdDSA];

    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text);
        found.ok_or_else(|| Error::invalid("algorithm", "Use RS256 or EdDSA as the algorithm."))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            SigningAlgorithm::Rs256 => "RS256",
            SigningAlgorithm::EdDSA => "EdDSA",
        }
    }
}

/// PKCS#8 (RFC 5208), DER. `Debug` prints only the type.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Vec<u8>);

impl PrivateKey {
    pub fn new(pkcs8: Vec<u8>) -> Self {
        PrivateKey(pkcs8)
    }

    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// A new key, not yet in a ring.
#[derive(Debug, Clone)]
pub struct FreshKey {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub private: PrivateKey,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The thumbprint of its public part (RFC 7638).
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub private: PrivateKey,
    pub made_at: Time,
    /// `None` for a key that is published in advance and not in use yet.
    pub signs_from: Option<Time>,
    /// Retired; still published until this time, for the tokens that it has signed.
    pub ends_at: Option<Time>,
}

impl SigningKey {
    pub fn state(&self) -> &'static str {
        match (self.signs_from, self.ends_at) {
            (_, Some(_)) => "past",
            (Some(_), None) => "signs",
            (None, None) => "next",
        }
    }

    fn signs(&self) -> bool {
        self.signs_from.is_some() && self.ends_at.is_none()
    }
}

/// All keys of the server: for each algorithm one that signs, one that is next, and retired ones whose tokens may still
/// be valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyring(Vec<SigningKey>);

impl Keyring {
    /// A new ring: for each algorithm the first fresh key signs and the second is next.
    pub fn begin(fresh: Vec<FreshKey>, now: Time) -> Self {
        let mut ring = Keyring(Vec::new());
        for key in fresh {
            let signs_from = ring.signing(key.algorithm).is_none().then_some(now);
            ring.0.push(SigningKey { signs_from, ..unused(key, now) });
        }
        ring
    }

    /// The next keys start to sign, fresh keys become next, and retired keys stay published for `overlap`.
    pub fn rotated(mut self, fresh: Vec<FreshKey>, now: Time, overlap: Duration) -> Self {
        self.0.retain(|key| key.ends_at.is_none_or(|end| end > now));
        for fresh in fresh {
            let of_it = |key: &&mut SigningKey| key.algorithm == fresh.algorithm;
            for old in self.0.iter_mut().filter(of_it).filter(|key| key.signs()) {
                old.ends_at = Some(now.plus(overlap));
            }
            if let Some(next) = self.0.iter_mut().filter(of_it).find(|key| key.signs_from.is_none()) {
                next.signs_from = Some(now);
                self.0.push(unused(fresh, now));
            } else {
                self.0.push(SigningKey { signs_from: Some(now), ..unused(fresh, now) });
            }
        }
        self
    }

    /// Whether a key has signed for its full rotation period.
    pub fn is_due(&self, now: Time, every: Duration) -> bool {
        self.0.iter().any(|key| key.signs() && key.signs_from.is_some_and(|from| now.since(from) >= every))
    }

    /// The next time at which a key stops being published.
    pub fn next_end(&self, now: Time) -> Option<Time> {
        self.0.iter().filter_map(|key| key.ends_at).filter(|end| *end > now).min()
    }

    pub fn signing(&self, algorithm: SigningAlgorithm) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.algorithm == algorithm && key.signs())
    }

    pub fn published(&self, now: Time) -> impl Iterator<Item = &SigningKey> {
        self.0.iter().filter(move |key| key.ends_at.is_none_or(|end| end > now))
    }

    /// A label for people: `RS256 Xk…, EdDSA 9f…`.
    pub fn label(&self) -> String {
        let signing = SigningAlgorithm::ALL.into_iter().filter_map(|algorithm| self.signing(algorithm));
        signing.map(|key| format!("{} {}", key.algorithm.as_str(), key.kid)).collect::<Vec<_>>().join(", ")
    }

    pub fn parse(text: &str) -> Result<Self> {
        // serde quotes its input, which may be a private key, so the error reports only the position.
        let damaged = |place: String| Error::invalid("signing_keys", format!("the file is damaged at {place}"));
        let stored: Stored = serde_json::from_str(text)
            .map_err(|error| damaged(format!("line {}, column {}", error.line(), error.column())))?;
        let keys = stored
            .keys
            .into_iter()
            .enumerate()
            .map(|(number, key)| key.parse().ok_or_else(|| damaged(format!("key {}", number + 1))));
        Ok(Keyring(keys.collect::<Result<_>>()?))
    }

    pub fn text(&self) -> String {
        let stored = Stored { keys: self.0.iter().map(StoredKey::of).collect() };
        serde_json::to_string_pretty(&stored).expect("strings always serialise")
    }
}

fn unused(key: FreshKey, now: Time) -> SigningKey {
    let FreshKey { kid, algorithm, private } = key;
    SigningKey { kid, algorithm, private, made_at: now, signs_from: None, ends_at: None }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    kid: String,
    algorithm: SigningAlgorithm,
    made_at: String,
    signs_from: Option<String>,
    ends_at: Option<String>,
    /// PKCS#8 in base64.
    private_key: String,
}

impl StoredKey {
    fn of(key: &SigningKey) -> Self {
        StoredKey {
            kid: key.kid.clone(),
            algorithm: key.algorithm,
            made_at: key.made_at.to_string(),
            signs_from: key.signs_from.map(|time| time.to_string()),
            ends_at: key.ends_at.map(|time| time.to_string()),
            private_key: BASE64.encode(key.private.expose()),
        }
    }

    fn parse(self) -> Option<SigningKey> {
        let time = |text: Option<String>| text.map(|text| Time::parse(&text)).transpose();
        Some(SigningKey {
            kid: self.kid,
            algorithm: self.algorithm,
            private: PrivateKey(BASE64.decode(self.private_key.as_bytes()).ok()?),
            made_at: Time::parse(&self.made_at).ok()?,
            signs_from: time(self.signs_from).ok()?,
            ends_at: time(self.ends_at).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(kid: &str, algorithm: SigningAlgorithm) -> FreshKey {
        FreshKey { kid: kid.into(), algorithm, private: PrivateKey::new(kid.into()) }
    }

    fn states(ring: &Keyring, now: Time) -> Vec<(&str, &str)> {
        ring.published(now).map(|key| (key.kid.as_str(), key.state())).collect()
    }

    #[test]
    fn the_next_key_is_published_before_it_signs_and_the_old_one_stays_published() {
        use SigningAlgorithm::{EdDSA, Rs256};
        let (start, day) = (Time::parse("2026-11-23T08:00:00Z").unwrap(), Duration::from_secs(86_400));
        let ring =
            Keyring::begin(vec![fresh("r1", Rs256), fresh("r2", Rs256), fresh("e1", EdDSA), fresh("e2", EdDSA)], start);
        assert_eq!(states(&ring, start), [("r1", "signs"), ("r2", "next"), ("e1", "signs"), ("e2", "next")]);
        assert!(!ring.is_due(start.plus(day * 89), day * 90) && ring.is_due(start.plus(day * 90), day * 90));
        let later = start.plus(day * 90);
        let ring = ring.rotated(vec![fresh("r3", Rs256), fresh("e3", EdDSA)], later, day);
        let expected =
            [("r1", "past"), ("r2", "signs"), ("e1", "past"), ("e2", "signs"), ("r3", "next"), ("e3", "next")];
        assert_eq!(states(&ring, later), expected);
        assert_eq!((ring.label().as_str(), ring.next_end(later)), ("RS256 r2, EdDSA e2", Some(later.plus(day))));
        assert!(!ring.is_due(later, day * 90));
        assert_eq!(states(&ring, later.plus(day)).len(), 4);
        assert_eq!(Keyring::parse(&ring.text()).unwrap(), ring);
        let ring = ring.rotated(vec![fresh("r4", Rs256)], later.plus(day), day);
        assert_eq!(ring.signing(Rs256).unwrap().kid, "r3");
        assert_eq!(ring.signing(EdDSA).unwrap().kid, "e2");
        assert!(!ring.text().contains("\"r1\""));
    }

    #[test]
    fn the_error_for_a_damaged_file_names_it_without_its_content() {
        for text in ["", "{", "[]", "{\"keys\":[{\"kid\":\"SECRET\"}]}", "{\"keys\":[\"SECRET\"]}"] {
            let error = Keyring::parse(text).unwrap_err().to_string();
            assert!(error.contains("damaged") && !error.contains("SECRET"), "{error}");
        }
        assert_eq!(format!("{:?}", PrivateKey::new(vec![1])), "PrivateKey");
    }
}
