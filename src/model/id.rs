//! Identifiers: UUIDv7, made from our clock and our randomness, never used again and never a
//! proof of anything.

use std::fmt;

use uuid::Uuid;

use super::Time;
use crate::error::{Error, Result};

macro_rules! id {
    ($name:ident, $what:literal) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            pub fn new(now: Time, random: [u8; 10]) -> Self {
                $name(uuid::Builder::from_unix_timestamp_millis(now.millis().max(0) as u64, &random).into_uuid())
            }

            /// The `number`th of many made at `now`, in order (RFC 9562 §6.2 method 1: a counter in
            /// the 12 bits after the time), so that neighbours stay neighbours on disk.
            pub fn in_sequence(now: Time, number: u64, mut random: [u8; 10]) -> Self {
                let now = Time::from_millis(now.millis().saturating_add((number >> 12) as i64));
                random[0] = (number >> 8) as u8 & 0x0f;
                random[1] = number as u8;
                Self::new(now, random)
            }

            /// The moment that went into it.
            pub fn made_at(&self) -> Time {
                let mut millis = [0; 8];
                millis[2..].copy_from_slice(&self.0.as_bytes()[..6]);
                Time::from_millis(i64::from_be_bytes(millis))
            }

            /// The usual hyphenated form in lower case only, so that one id has one spelling.
            pub fn parse(text: &str) -> Result<Self> {
                match Uuid::try_parse(text) {
                    Ok(id) if text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase()) => Ok($name(id)),
                    _ => Err(Error::not_found($what)),
                }
            }

            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                $name(Uuid::from_bytes(bytes))
            }

            /// The hyphenated form, without an allocation.
            pub fn encoded(&self) -> [u8; 36] {
                let mut text = [0; 36];
                self.0.hyphenated().encode_lower(&mut text);
                text
            }

            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
    };
}

id!(KeyId, "key");
id!(UserId, "user");
id!(SessionId, "session");
id!(TokenId, "token");
id!(FamilyId, "token");
