//! Identifiers: UUIDv7, made from our clock and our randomness. They are never reused, and knowing one proves nothing.

use std::fmt;

use uuid::Uuid;

use super::Time;
use crate::error::{Error, Result};

/// The first bit after the time and the version; set only in the ids of a sequence.
const SEQUENCE: u8 = 0x08;

macro_rules! id {
    ($name:ident, $what:literal) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        #[allow(dead_code, reason = "not every kind of id needs every function")]
        impl $name {
            pub fn new(now: Time, mut random: [u8; 10]) -> Self {
                random[0] &= !SEQUENCE;
                Self::made(now, random)
            }

            fn made(now: Time, random: [u8; 10]) -> Self {
                $name(uuid::Builder::from_unix_timestamp_millis(now.millis().max(0) as u64, &random).into_uuid())
            }

            /// The `number`th of many ids made at `at`, in order (RFC 9562 §6.2 method 1: a counter of 41 bits after
            /// the time and one bit that is set). Neighbours stay neighbours on disk, and no id of [`Self::new`] falls
            /// between them.
            pub fn in_sequence(at: Time, number: u64, mut random: [u8; 10]) -> Self {
                random[0] = SEQUENCE | (number >> 38) as u8 & 0x07;
                random[1] = (number >> 30) as u8;
                random[2] = (number >> 24) as u8 & 0x3f;
                random[3..6].copy_from_slice(&number.to_be_bytes()[5..]);
                Self::made(at, random)
            }

            /// The time that the id contains.
            pub fn made_at(&self) -> Time {
                let mut millis = [0; 8];
                millis[2..].copy_from_slice(&self.0.as_bytes()[..6]);
                Time::from_millis(i64::from_be_bytes(millis))
            }

            /// Parses the hyphenated form in lower or upper case (RFC 9562 §4). Ids are written in lower case.
            pub fn parse(text: &str) -> Result<Self> {
                match Uuid::try_parse(text) {
                    Ok(id) if text.len() == 36 => Ok($name(id)),
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
                s.serialize_str(self.0.hyphenated().encode_lower(&mut [0; 36]))
            }
        }
    };
}

id!(KeyId, "key");
id!(UserId, "user");
id!(SessionId, "session");
id!(TokenId, "token");
id!(FamilyId, "token");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LAST: u64 = (1 << 41) - 1;

    proptest! {
        #[test]
        fn sequential_ids_are_ordered_and_no_other_id_falls_between_them(number in 0..LAST, random: [u8; 10], other: [u8; 10]) {
            let at = Time::from_millis(1_790_000_000_000);
            let [this, next] = [number, number + 1].map(|number| KeyId::in_sequence(at, number, random));
            prop_assert!(this < next);
            prop_assert_eq!(this.made_at(), at);
            let (first, last) = (KeyId::in_sequence(at, 0, [0; 10]), KeyId::in_sequence(at, LAST, [0xff; 10]));
            prop_assert!(first <= this && next <= last);
            prop_assert!(KeyId::new(at, other) < first);
            prop_assert_eq!(Uuid::from_bytes(*this.as_bytes()).get_version_num(), 7);
        }

        #[test]
        fn an_id_is_read_in_lower_and_upper_case(bytes: [u8; 16]) {
            let id = KeyId::from_bytes(bytes);
            let text = id.to_string();
            prop_assert_eq!(KeyId::parse(&text).unwrap(), id);
            prop_assert_eq!(KeyId::parse(&text.to_ascii_uppercase()).unwrap(), id);
        }

        #[test]
        fn any_other_form_is_refused(text in "[0-9a-fA-F{}-]{0,40}|\\PC{0,40}") {
            let is_hyphenated = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
            prop_assert_eq!(KeyId::parse(&text).is_ok(), is_hyphenated && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()));
        }
    }
}
