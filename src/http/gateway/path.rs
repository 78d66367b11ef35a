//! Misspelt paths below `/auth`. Read as plain `/auth`, they would require less than their author intended, so they are
//! refused.

use std::borrow::Cow;

pub const NGINX: &str = "nginx";
pub const ENVOY: &str = "envoy";
/// Maximum layers of percent-encoding that are decoded.
const ROUNDS: usize = 4;

/// Whether this path is `/auth/{name}…` for one of `names`, or differs from it only in case, slashes, dots, encoding,
/// text next to the name, or one typo in the name.
pub fn resembles(path: &str, names: &[&str]) -> bool {
    let path = read_liberally(path);
    let (mut walked, mut written) = (Vec::new(), Vec::new());
    for segment in path.split(['/', '\\']) {
        let name: String = segment.chars().filter(char::is_ascii_alphanumeric).collect();
        if !name.is_empty() {
            walked.push(name.clone());
            written.push(name);
        } else if segment.contains("..") {
            walked.pop();
        }
    }
    // Some programs resolve dot segments, others ignore them.
    [walked, written].iter().any(|segments| begin_with(segments, names))
}

fn begin_with(segments: &[String], names: &[&str]) -> bool {
    let joined = segments.concat();
    let Some(rest) = joined.strip_prefix("auth") else { return false };
    let second = segments.get(1).map_or("", String::as_str);
    names.iter().any(|name| rest.starts_with(name) || is_one_slip(second, name))
}

/// The path in lower case, with up to `ROUNDS` layers of percent-encoding decoded.
fn read_liberally(path: &str) -> String {
    let mut path = path.to_ascii_lowercase();
    for _ in 0..ROUNDS {
        match percent_encoding::percent_decode_str(&path).decode_utf8_lossy() {
            Cow::Borrowed(_) => break,
            Cow::Owned(decoded) => path = decoded.to_ascii_lowercase(),
        }
    }
    path
}

/// Whether at most one letter is added, missing or wrong, or two adjacent ones are swapped.
fn is_one_slip(text: &str, name: &str) -> bool {
    let (text, name) = (text.as_bytes(), name.as_bytes());
    let same = text.iter().zip(name).take_while(|(a, b)| a == b).count();
    let (text, name) = (&text[same..], &name[same..]);
    let same = text.iter().rev().zip(name.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&text[..text.len() - same], &name[..name.len() - same]) {
        ([], [] | [_]) | ([_], [] | [_]) => true,
        ([a, b], [c, d]) => (a, b) == (d, c),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_of_our_paths_are_distinguished_from_other_suffixes() {
        for ours in [
            "/auth/nginx",
            "/auth/Nginx",
            "/AUTH/nginx",
            "//auth//nginx",
            "/auth/./nginx",
            "/auth/x/../nginx",
            "/auth/../envoy/a",
            "/x/../auth/envoy/a",
            "/auth/%6eginx",
            "/auth/%256eginx",
            "/auth%2fnginx",
            "/auth\\nginx",
            "/auth/nginx%20",
            "/auth/nginx;v=1",
            "/auth/.nginx",
            "/auth/nginxx",
            "/auth/ngin",
            "/auth/ngnix",
            "/auth/evnoy/orders-read",
            "/auth/en/voy/orders-read",
            "/auth/envoy%3fpolicy=a",
        ] {
            assert!(resembles(ours, &[NGINX, ENVOY]), "{ours}");
        }
        for other in [
            "/auth",
            "/auth/",
            "/auth/any/suffix",
            "/auth/orders-read",
            "/auth/api/nginx",
            "/auth/gin",
            "/auth/convoy",
            "/keys",
            "/",
            "*",
            "/authority",
        ] {
            assert!(!resembles(other, &[NGINX, ENVOY]), "{other}");
        }
        assert!(resembles("/auth/nginx/../envoy/a", &[ENVOY]) && !resembles("/auth/nginx/envoy/a", &[ENVOY]));
        assert!(!resembles(&format!("/auth/{}", "%25".repeat(2700)), &[NGINX, ENVOY]));
    }
}
