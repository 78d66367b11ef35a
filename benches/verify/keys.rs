//! The keys of the benchmark, derived from a number: key `i` of a series is the same in every run and on every machine,
//! so that neither the import file nor the load generator has to keep key texts.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_TEXT: usize = 43;
const CHECKSUM_TEXT: usize = 6;

/// A deterministic, practically endless list of well-formed keys with the prefix `kb`.
#[derive(Clone, Copy)]
pub struct Series {
    seed: u64,
}

impl Series {
    /// The keys that the populations hold: population N has the first N of them.
    pub const ISSUED: Self = Self { seed: 1 };
    /// Keys with a valid checksum that nobody ever issued.
    pub const UNKNOWN: Self = Self { seed: 2 };

    /// Appends the text of key `index` to `out`.
    pub fn render(self, index: u64, out: &mut Vec<u8>) {
        let secret = Sha256::new()
            .chain_update(b"bench")
            .chain_update(self.seed.to_le_bytes())
            .chain_update(index.to_le_bytes())
            .finalize();
        render_key("kb", secret.as_slice(), out);
    }

    /// The text of key `index`.
    pub fn text(self, index: u64) -> String {
        let mut out = Vec::new();
        self.render(index, &mut out);
        String::from_utf8(out).expect("a key is ASCII")
    }

    /// SHA-256 of the text of key `index`, in lower-case hex: what an import file carries.
    pub fn digest(self, index: u64, scratch: &mut Vec<u8>) -> String {
        scratch.clear();
        self.render(index, scratch);
        data_encoding::HEXLOWER.encode(&Sha256::digest(scratch.as_slice()))
    }
}

/// `<prefix>_<base64url of the secret><CRC-32 of all before, base 62, six digits>`.
fn render_key(prefix: &str, secret: &[u8], out: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_the_published_vectors() {
        let counting: Vec<u8> = (0..32).collect();
        let vectors: [(&str, &[u8], &str, &str); 3] = [
            (
                "kb",
                &[0; 32],
                "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs",
                "7511f98ffc53a8a5b6b6b0605a986dfe38f0e36ed91c9d33c5b00dc7633572e1",
            ),
            (
                "kb",
                &counting,
                "kb_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh80VyYDB",
                "1dd8c25c8eea3ef9797f06745dbeefb0a267bfb43ea2bb8181cbe39c34b247bc",
            ),
            (
                "acme_live",
                &[0xff; 32],
                "acme_live___________________________________________84VeyXc",
                "638d615f2e032162e7ccb0c5540f2ae2e2667effa75931a1bb74a2e47a17bbdb",
            ),
        ];
        for (prefix, secret, text, digest) in vectors {
            let mut out = b"kept ".to_vec();
            render_key(prefix, secret, &mut out);
            assert_eq!(&out[5..], text.as_bytes());
            assert_eq!(data_encoding::HEXLOWER.encode(&Sha256::digest(text)), digest);
        }
    }

    #[test]
    fn a_series_repeats_itself_and_shares_nothing_with_the_other() {
        assert_eq!(Series::ISSUED.text(7), Series::ISSUED.text(7));
        assert_ne!(Series::ISSUED.text(7), Series::ISSUED.text(8));
        assert_ne!(Series::ISSUED.text(7), Series::UNKNOWN.text(7));
    }
}
