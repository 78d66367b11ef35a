//! The tests of the benchmark's parts.

mod verify;

use clap::Parser;
use sha2::{Digest, Sha256};
use std::io;
use std::process::ExitCode;
use std::time::Duration;
use verify::answer::{self, Answer};
use verify::draw::{self, Draw, Zipf};
use verify::goals::{Limit, other_size};
use verify::keys::{Series, render_key, show_count};
use verify::latency::Latencies;
use verify::options::Options;
use verify::schedule::{Route, Schedule, Source};
use verify::spread::Spread;

fn options(line: &str) -> io::Result<Options> {
    let words = format!("verify {line}");
    Options::try_parse_from(words.split_whitespace()).map_err(io::Error::other)?.checked()
}

#[test]
fn a_test_run_measures_nothing() {
    assert_eq!(verify::run(&["--list".to_owned()]), ExitCode::SUCCESS);
}

#[test]
fn lists_are_sorted_and_counts_are_read_as_they_are_shown() {
    let options = options("--keys 10M,1k,1500,1k --server-cores 1,0,1").unwrap();
    let shown: Vec<_> = options.keys.iter().map(|keys| show_count(*keys)).collect();
    assert_eq!(shown, ["1k", "1500", "10M"]);
    assert_eq!(options.server_cores, [0, 1]);
}

#[test]
fn a_wrong_command_line_is_named() {
    for line in ["--keys ten", "--rounds 0", "--what", "--server-cores 1"] {
        let error = options(line).err().unwrap().to_string();
        assert!(error.contains(line.split(' ').next().unwrap()), "{line}: {error}");
    }
}

#[test]
fn a_response_is_found_exactly_when_it_is_complete() {
    let text = b"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\ncontent-length: 3\r\n\r\nabc";
    for cut in 0..text.len() {
        assert_eq!(answer::parse(&text[..cut]).unwrap(), None, "cut at {cut}");
    }
    let complete = Answer { status: 401, head: text.len() - 3, length: text.len(), closes: false };
    assert_eq!(answer::parse(text).unwrap(), Some(complete));
    let closing = answer::parse(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap().unwrap();
    assert_eq!((closing.status, closing.closes), (204, true));
    assert!(answer::parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    assert!(answer::parse(b"SSH-2.0-Sshd\r\n").is_err());
}

#[test]
fn zipf_frequencies_follow_the_law() {
    let (keys, draws, mut draw) = (1000, 1_000_000, Draw::new(3));
    let zipf = Zipf::new(keys);
    let mut counts = vec![0u64; keys as usize + 1];
    for _ in 0..draws {
        counts[zipf.rank(&mut draw) as usize] += 1;
    }
    let total: f64 = (1..=keys).map(|rank| draw::density(rank as f64)).sum();
    for rank in [1, 2, 3, 10, 100, 1000] {
        let expected = f64::from(draws) * draw::density(rank as f64) / total;
        let found = counts[rank] as f64;
        assert!((found - expected).abs() < 5.0 * expected.sqrt(), "rank {rank}: {found}, expected {expected:.0}");
    }
}

#[test]
fn scrambled_ranks_are_different_keys() {
    for keys in [1, 2, 1000, 99_999] {
        let mut found: Vec<u64> = (0..keys).map(|rank| rank * draw::STRIDE % keys).collect();
        found.sort_unstable();
        assert!(found.into_iter().eq(0..keys), "{keys} keys");
    }
}

#[test]
fn quantiles_of_a_ramp_are_where_they_should_be() {
    let mut latencies = Latencies::with_room(1);
    for microseconds in (1..=10_000).rev() {
        latencies.record(Duration::from_micros(microseconds));
    }
    assert_eq!(latencies.quantiles([0.001, 0.5, 0.99, 1.0]), [10.0, 5_000.0, 9_900.0, 10_000.0]);
    assert_eq!(Latencies::with_room(0).quantiles([0.5]), [0.0]);
}

#[test]
fn keys_match_the_published_vectors() {
    let counting: Vec<u8> = (0..32).collect();
    for (secret, text, digest) in [
        (
            &counting[..],
            "kb_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh80VyYDB",
            "1dd8c25c8eea3ef9797f06745dbeefb0a267bfb43ea2bb8181cbe39c34b247bc",
        ),
        (
            &[0; 32],
            "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs",
            "7511f98ffc53a8a5b6b6b0605a986dfe38f0e36ed91c9d33c5b00dc7633572e1",
        ),
    ] {
        let mut out = b"kept ".to_vec();
        render_key("kb", secret, &mut out);
        assert_eq!(&out[5..], text.as_bytes());
        assert_eq!(data_encoding::HEXLOWER.encode(&Sha256::digest(text)), digest);
    }
    assert_ne!(Series::ISSUED.text(7), Series::UNKNOWN.text(7));
}

#[test]
fn requests_start_again_after_the_last() {
    let mut schedule = Schedule::default();
    schedule.fill(&Route::AUTH, &Source::Uniform { keys: 10 }, 3, 5);
    let requests: Vec<Vec<u8>> = (0..6).map(|_| schedule.next().to_vec()).collect();
    assert_eq!(requests[..3], requests[3..]);
    let text = String::from_utf8(requests[0].clone()).unwrap();
    assert!(text.starts_with("GET /auth HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer kb_"), "{text}");
    assert!(text.ends_with("\r\n\r\n"));
}

#[test]
fn a_verify_call_carries_the_key_in_a_body_of_the_stated_length() {
    let mut out = Vec::new();
    Route::verify("kb_admin").render(b"kb_x", &mut out);
    let text = String::from_utf8(out).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, r#"{"key":"kb_x"}"#);
    assert!(head.contains("Authorization: Bearer kb_admin\r\n") && head.ends_with("Content-Length: 14"), "{head}");
}

#[test]
fn a_goal_is_judged_only_at_its_own_size() {
    assert_eq!(Limit::AtLeast(0.95).judge(0.95, other_size(1000, 1000)), "met");
    assert_eq!(Limit::AtMost(1.15).judge(1.16, None), "**missed**");
    assert_eq!(Limit::AtLeast(0.95).judge(0.99, other_size(1000, 10_000)), "not judged: the goal is for 10k keys");
}

#[test]
fn a_spread_has_the_median_between_its_ends() {
    let spread = Spread::of([3.0, 1.0, 2.0, 10.0]).unwrap();
    assert_eq!((spread.median, spread.least, spread.most), (2.5, 1.0, 10.0));
    assert!(Spread::of([]).is_none());
}
