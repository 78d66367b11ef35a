//! Text that may be a secret although no key is found in it: a key with a typo, or one of another system.

/// Minimum length in characters; a random text of this length has more than 128 bits.
const MIN_CHARS: usize = 32;

/// Whether a part of the text looks random: long, and neither words nor an id. Such text is not repeated.
pub fn may_be_secret(text: &str) -> bool {
    text.split(|c: char| !is_in_secret(c)).any(looks_random)
}

fn is_in_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '/' | '=')
}

fn looks_random(run: &str) -> bool {
    let has = |is: fn(&u8) -> bool| run.as_bytes().iter().any(is);
    let mixes_cases = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    let is_one_word = !run.contains(['-', '_', '/']);
    let is_random = has(u8::is_ascii_digit) && (mixes_cases || is_one_word);
    run.len() >= MIN_CHARS && is_random && uuid::Uuid::try_parse(run).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_random_text_may_be_a_secret_and_names_and_ids_are_not() {
        for secret in [
            "kb_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh80VyYDC",
            "key=kb_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ] {
            assert!(may_be_secret(secret), "{secret}");
        }
        for text in [
            "",
            "billing sandbox",
            "kb_…C55T",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "a-very-long-name-that-somebody-chose-2-times",
            "a-long-local-part-of-an-address.with-dots@subdomain.example-of-a-long-domain.com",
        ] {
            assert!(!may_be_secret(text), "{text}");
        }
    }
}
