//! The keys of the benchmark, derived from a number: key `i` of a series is the same in every run, so neither the
//! import file nor the generator stores key texts.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_TEXT: usize = 43;
const CHECKSUM_TEXT: usize = 6;

/// A repeatable, practically endless list of well-formed keys with the prefix `kb`.
#[derive(Clone, Copy)]
pub struct Series(u64);

impl Series {
    /// The keys in the databases: a database of N keys has the first N of them.
    pub const ISSUED: Self = Self(1);
    /// Keys with a valid checksum that nobody ever issued.
    pub const UNKNOWN: Self = Self(2);

    /// Appends the text of key `index` to `out`.
    pub fn render(self, index: u64, out: &mut Vec<u8>) {
        let secret = Sha256::new()
            .chain_update(b"bench")
            .chain_update(self.0.to_le_bytes())
            .chain_update(index.to_le_bytes())
            .finalize();
        render_key("kb", secret.as_slice(), out);
    }

    pub fn text(self, index: u64) -> Vec<u8> {
        let mut out = Vec::new();
        self.render(index, &mut out);
        out
    }
}

/// `<prefix>_<base64url of the secret><CRC-32 of all before, base 62, six digits>`.
pub fn render_key(prefix: &str, secret: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(prefix.as_bytes());
    out.push(b'_');
    let secret_start = out.len();
    out.resize(secret_start + SECRET_TEXT, 0);
    BASE64URL_NOPAD.encode_mut(secret, &mut out[secret_start..]);

    let mut rest = crc32fast::hash(&out[start..]);
    let mut checksum = [b'0'; CHECKSUM_TEXT];
    for digit in checksum.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    out.extend_from_slice(&checksum);
}

/// `1000000` as `1M`, as it is written on the command line.
pub fn show_count(keys: u64) -> String {
    match keys {
        1.. if keys.is_multiple_of(1_000_000) => format!("{}M", keys / 1_000_000),
        1.. if keys.is_multiple_of(1_000) => format!("{}k", keys / 1_000),
        _ => keys.to_string(),
    }
}
