//! `keybearer scanner-rules`: rules with which secret scanners find the keys of this server. A pattern cannot check the
//! checksum, but it knows which characters can be where.

use clap::ValueEnum;

use super::output;
use crate::error::Result;
use crate::model::{KeyPrefix, PlainKey};

/// What follows the prefix: `_`, 32 bytes in base64url, of whose last character two bits are always zero, and a CRC-32 in
/// base 62, which begins with 0 to 4.
const TAIL: &str = "_[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048][0-4][0-9A-Za-z]{5}";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScannerFormat {
    /// A configuration file of Gitleaks (TOML)
    Gitleaks,
    /// Custom detectors of TruffleHog (YAML)
    Trufflehog,
    /// The fields of custom patterns in GitHub's secret scanning
    Github,
    /// One regular expression for all prefixes (RE2, PCRE)
    Regex,
}

pub fn run(format: ScannerFormat, prefixes: &[KeyPrefix]) -> Result<()> {
    output::write(rules(format, prefixes).as_bytes())
}

fn rules(format: ScannerFormat, prefixes: &[KeyPrefix]) -> String {
    let each = |rule: fn(&str) -> String| prefixes.iter().map(|prefix| rule(prefix.as_str())).collect::<String>();
    match format {
        ScannerFormat::Gitleaks => {
            let head = "# Use with: gitleaks git --config FILE\ntitle = \"Keybearer\"\n\n[extend]\nuseDefault = true\n";
            format!("{head}{}", each(gitleaks))
        }
        ScannerFormat::Trufflehog => {
            let head = "# Use with: trufflehog filesystem --config FILE PATH\ndetectors:\n";
            format!("{head}{}", each(trufflehog))
        }
        ScannerFormat::Github => prefixes.iter().map(github).collect::<Vec<_>>().join("\n"),
        ScannerFormat::Regex => {
            let prefixes: Vec<_> = prefixes.iter().map(KeyPrefix::as_str).collect();
            let prefix =
                if let [prefix] = prefixes[..] { prefix.to_owned() } else { format!("(?:{})", prefixes.join("|")) };
            format!("{}\n", bounded(&prefix))
        }
    }
}

/// The pattern between word boundaries; in a longer word it would not be a whole key.
fn bounded(prefix: &str) -> String {
    format!("\\b{prefix}{TAIL}\\b")
}

fn gitleaks(prefix: &str) -> String {
    format!(
        "\n[[rules]]\nid = \"keybearer-{prefix}\"\ndescription = \"Keybearer API key ({prefix})\"\n\
         regex = '''{}'''\nkeywords = [\"{prefix}_\"]\n",
        bounded(prefix)
    )
}

fn trufflehog(prefix: &str) -> String {
    format!(
        "  - name: keybearer-{prefix}\n    keywords:\n      - {prefix}_\n    regex:\n      key: '{}'\n",
        format_args!("\\b({prefix}{TAIL})\\b")
    )
}

/// GitHub searches for the text before and after the secret separately. The test string is a key that nobody can have.
fn github(prefix: &KeyPrefix) -> String {
    let name = prefix.as_str();
    let example = PlainKey::generate(prefix, &[0; 32]);
    format!(
        "Pattern name: Keybearer API key ({name})\nSecret format: {name}{TAIL}\nBefore secret: \\A|[^0-9A-Za-z_]\n\
         After secret: \\z|[^0-9A-Za-z_]\nTest string: {}\n",
        example.expose()
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    fn prefixes(names: &[&str]) -> Vec<KeyPrefix> {
        names.iter().map(|name| KeyPrefix::parse(name).unwrap()).collect()
    }

    fn pattern(names: &[&str]) -> Regex {
        Regex::new(rules(ScannerFormat::Regex, &prefixes(names)).trim_end()).unwrap()
    }

    proptest! {
        #[test]
        fn the_pattern_finds_every_key_and_no_text_of_another_length(secret: [u8; 32], more in "[A-Za-z0-9_]") {
            let one = pattern(&["kb"]);
            let both = pattern(&["kb", "acme_live"]);
            for prefix in prefixes(&["kb", "acme_live"]) {
                let key = PlainKey::generate(&prefix, &secret);
                let key = key.expose();
                for text in [format!("KEY='{key}'"), format!("{key},{key}\n")] {
                    prop_assert_eq!(both.find(&text).map(|found| found.as_str()), Some(key));
                }
                prop_assert_eq!(one.is_match(key), prefix.as_str() == "kb");
                for other in [format!("{key}{more}"), format!("{more}{key}"), key[..key.len() - 1].to_owned()] {
                    prop_assert!(!both.is_match(&other), "{}", other);
                }
            }
        }
    }

    #[test]
    fn what_only_resembles_a_key_is_not_found() {
        let kb = pattern(&["kb"]);
        for text in [
            "kb_",
            &format!("kb_{}", "z".repeat(49)),
            "KB_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh80VyYDB",
            "kc_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh80VyYDB",
            "kb_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh90VyYDB",
            "kb_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh85VyYDB",
        ] {
            assert!(!kb.is_match(text), "{text}");
        }
    }

    #[test]
    fn each_format_has_a_rule_for_each_prefix() {
        let prefixes = prefixes(&["kb", "acme_live"]);
        let gitleaks: toml::Table = rules(ScannerFormat::Gitleaks, &prefixes).parse().unwrap();
        let found: Vec<_> =
            gitleaks["rules"].as_array().unwrap().iter().map(|rule| rule["regex"].as_str().unwrap()).collect();
        assert_eq!(found, [bounded("kb"), bounded("acme_live")]);
        assert_eq!(gitleaks["rules"][1]["keywords"][0].as_str(), Some("acme_live_"));
        let trufflehog = rules(ScannerFormat::Trufflehog, &prefixes);
        for line in
            ["  - name: keybearer-acme_live\n", "      - acme_live_\n", &format!("      key: '\\b(kb{TAIL})\\b'\n")]
        {
            assert!(trufflehog.contains(line), "{line}: {trufflehog}");
        }
        let github = rules(ScannerFormat::Github, &prefixes);
        for line in [
            &format!("Secret format: acme_live{TAIL}\n"),
            "Test string: kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs\n",
        ] {
            assert!(github.contains(line), "{line}: {github}");
        }
    }
}
