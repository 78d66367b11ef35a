//! A key is found whatever surrounds it and however the text is split and encoded.

use std::collections::HashSet;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use proptest::prelude::*;

use super::*;

/// All candidates in the text when it is read in pieces of this size: keys, and words.
fn found(text: &[u8], size: usize) -> (HashSet<Vec<u8>>, HashSet<Vec<u8>>) {
    let (mut keys, mut words) = (HashSet::new(), HashSet::new());
    let mut search = Search::default();
    let mut note = |candidate: Candidate<'_>| match candidate {
        Candidate::Key(key) => drop(keys.insert(key.to_vec())),
        Candidate::Word(word) => drop(words.insert(word.to_vec())),
    };
    text.chunks(size).for_each(|piece| search.read(piece, &mut note));
    search.end(&mut note);
    (keys, words)
}

fn key(prefix: &str, byte: u8) -> String {
    PlainKey::generate(&KeyPrefix::parse(prefix).unwrap(), &[byte; 32]).expose().to_owned()
}

fn has_word(text: &str, word: &str) -> bool {
    found(text.as_bytes(), 1 << 20).1.contains(word.as_bytes())
}

fn little_endian(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Base64 wrapped as by `base64 -w`, with `before` at the start of each line.
fn wrapped(bytes: &[u8], width: usize, before: &str, end: &str) -> String {
    let encoded = BASE64.encode(bytes);
    let lines = encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap());
    lines.map(|line| format!("{before}{line}{end}")).collect()
}

#[test]
fn our_own_key_is_found_wherever_it_appears() {
    for key in [key("kb", 1), key("acme_live", 255), key("kb_refresh", 7)] {
        let basic = BASE64.encode(format!("client:{key}").as_bytes());
        for text in [
            key.clone(),
            format!("x_{key}_y"),
            format!("Authorization: Bearer {key}\r\n"),
            format!("https://api.example.com/?k={key}&b=1"),
            format!("{{\"key\":\"{key}\",\"n\":1}}"),
            format!("{{\\\"key\\\":\\\"{key}\\\"}}"),
            format!("+export KEY='{key}'"),
            format!("Authorization: Basic {basic}"),
            format!("token: {}", BASE64URL_NOPAD.encode(key.as_bytes())),
            format!("token: {}", BASE64.encode(&little_endian(&format!("the key is {key}!")))),
            format!("\u{1b}[31m{key}\u{1b}[m"),
            format!("?q={}", key.replace('_', "%5F").replace('-', "%2D")),
        ] {
            assert!(found(text.as_bytes(), 1 << 20).0.contains(key.as_bytes()), "{text}");
        }
    }
}

#[test]
fn a_word_is_found_between_any_delimiters() {
    for word in ["old-key-1", "secret-token:E92FB7EB-D882%20foo", "a/b+c==", "s.e.c.r.e.t", "schlüssel", "ключ"] {
        for text in [
            word.to_owned(),
            format!("Bearer {word}\n"),
            format!("key={word}&more=1"),
            format!("{{\"key\":\"{word}\"}}"),
            format!("('{word}')"),
            format!("the key is {word}."),
            format!("“{word}”, «{word}»"),
            format!("<b>{word}</b>"),
            format!("&quot;{word}&quot;"),
            format!("+{word}\n"),
            format!("-{word}\n"),
            format!("| {word} |"),
            format!("**{word}**"),
            format!("user:{word}@host"),
            format!("a,{word};b"),
            format!("\u{1b}[31m-{word}\u{1b}[m"),
            format!("\u{1b}[1;38;5;196m{word}\u{1b}[0K"),
            format!("\u{1b}(B{word}\u{1b}(B"),
            format!("\u{1b}{word}\u{1b}"),
            format!("{{\"log\":\"{{\\\"text\\\":\\\"first\\\\n{word}\\\\tand\\\"}}\"}}"),
            format!("（{word}），［{word}］"),
            format!("～：{word}；"),
            format!("~{word}^"),
            format!("{word}$X"),
            format!("${word}$"),
            format!("x~{word}~y"),
        ] {
            assert!(has_word(&text, word), "{word} in {text}");
        }
        let escaped = word.replace('/', "\\/").replace('+', "\\u002b");
        assert!(has_word(&format!("{{\"key\":\"{escaped}\"}}"), word), "{escaped}");
        let percent: String = word.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert!(has_word(&format!("?key={percent}&x"), word), "{percent}");
        if word.is_ascii() {
            let basic = BASE64.encode(format!("user-name:{word}").as_bytes());
            assert!(has_word(&format!("Authorization: Basic {basic}"), word), "{basic}");
        }
    }
    assert!(!has_word("not-the-word-itself", "word"));
}

#[test]
fn text_in_utf_16_is_searched_even_if_it_starts_in_another_encoding() {
    let (ours, word) = (key("kb", 3), "schlüssel-№7");
    let text = format!("first line\r\n{ours} and\r\n{word}\r\n");
    let units = |order: fn(u16) -> [u8; 2], text: &str| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        for bytes in [
            units(order, &text),
            units(order, &format!("\u{feff}{text}")),
            [b"a UTF-8 line\n".to_vec(), units(order, &text)].concat(),
            [b"an odd UTF-8 line\n".to_vec(), units(order, &text)].concat(),
            [units(order, "a UTF-16 line\n"), text.clone().into_bytes()].concat(),
        ] {
            let (keys, words) = found(&bytes, 1 << 20);
            assert!(keys.contains(ours.as_bytes()) && words.contains(word.as_bytes()), "{bytes:?}");
        }
    }
    let utf32: Vec<u8> = ours.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    assert!(found(&utf32, 1 << 20).0.contains(ours.as_bytes()));
}

#[test]
fn a_word_is_found_between_the_punctuation_of_windows_1252() {
    for word in ["old-key-1".as_bytes(), b"schl\xfcssel", "schlüssel".as_bytes(), "„ключ“".as_bytes()] {
        for (before, after) in [(0x84, 0x93), (0x93, 0x94), (0x91, 0x92), (0xab, 0xbb), (0xa0, 0xa0), (0x96, 0x97)] {
            let text = [b"the key is ", &[before][..], word, &[after], b" \xe4h"].concat();
            let words = found(&text, 1 << 20).1;
            assert!(words.contains(word) || words.contains("ключ".as_bytes()), "{before:x} {word:x?}");
        }
    }
    assert!(!has_word("слово", &"слово"[2..]));
}

#[test]
fn base64_text_is_searched_across_line_breaks() {
    let (ours, word) = (key("kb", 9), "legacy-secret-0815");
    let text = format!("{}\n{ours}\nand {word} here\n{}\n", "first line ".repeat(9), "and more ".repeat(700));
    for shift in (0..80).step_by(27) {
        let text = format!("{}{text}", "x".repeat(shift));
        for (width, before, end) in
            [(76, "", "\n"), (64, "    ", "\r\n"), (76, "+", "\n"), (76, "> ", "\n"), (77, "", "\n"), (76, "", "\\n")]
        {
            for bytes in [text.clone().into_bytes(), little_endian(&text)] {
                let text = format!("before\n{}after\n", wrapped(&bytes, width, before, end));
                for size in [1000, 1 << 20] {
                    let (keys, words) = found(text.as_bytes(), size);
                    assert!(keys.contains(ours.as_bytes()), "{width} {before:?} {shift} {size}");
                    assert!(words.contains(word.as_bytes()), "{width} {before:?} {shift} {size}");
                }
            }
        }
    }
    let binary = [&[0xff, 1, 2, 3][..], &[0x80; 90], ours.as_bytes(), &[0; 90]].concat();
    assert!(found(wrapped(&binary, 76, "", "\n").as_bytes(), 1 << 20).0.contains(ours.as_bytes()));
}

#[test]
fn part_of_a_split_word_is_not_a_word() {
    let text = "x".repeat(3 * CONTEXT) + " word " + &"y".repeat(3 * CONTEXT);
    for size in [1, 7, 100, 5000] {
        let words = found(text.as_bytes(), size).1;
        assert!(words.contains(b"word".as_slice()));
        assert!(words.iter().all(|word| word == b"word"), "{size}");
    }
}

proptest! {
    #[test]
    fn the_result_does_not_depend_on_how_the_text_is_split(
        before in "[ -~\\n]{0,300}",
        after in "[ -~\\n]{0,300}",
        filling in 0usize..9000,
        size in 1usize..9000,
        byte: u8,
    ) {
        let ours = key("kb", byte);
        let text = format!("{before} {} {ours} old-key {after}", "lorem ".repeat(filling / 6));
        let (keys, words) = found(text.as_bytes(), size);
        prop_assert!(keys.contains(ours.as_bytes()) && words.contains(b"old-key".as_slice()));
        let whole = found(text.as_bytes(), 1 << 20);
        prop_assert_eq!((keys, words), whole);
    }

    #[test]
    fn wrapped_base64_is_searched_however_it_is_split(
        before in "[ -~\\n]{0,300}",
        after in "[ -~\\n]{0,3000}",
        width in 20usize..100,
        size in 1usize..9000,
        byte: u8,
    ) {
        let ours = key("kb", byte);
        let text = wrapped(format!("{before} {ours} old-key {after}").as_bytes(), width, "", "\n");
        let (keys, words) = found(text.as_bytes(), size);
        prop_assert!(keys.contains(ours.as_bytes()) && words.contains(b"old-key".as_slice()));
    }

    #[test]
    fn any_bytes_are_handled(bytes in proptest::collection::vec(any::<u8>(), 0..400), size in 1usize..50) {
        for word in found(&bytes, size).1 {
            prop_assert!((MIN_WORD_BYTES..=MAX_WORD_BYTES).contains(&word.len()));
        }
    }
}
