//! Every documented recipe, read as text: none forwards a client's forged identity, and none sends Keybearer
//! a client's cookies.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::home::documented;

const IDENTITY: [&str; 5] = ["X-Auth-Key-Id", "X-Auth-Owner", "X-Auth-Owner-Id", "X-Auth-Scopes", "X-Auth-Identity"];
/// The words that mark a block of text as one that sends requests to Keybearer.
const ASKS: [&str; 6] = ["/auth?", "/auth/", "auth_request ", "forward_auth", "forwardAuth", "ext_authz"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and every page under docs.
pub fn pages() -> Vec<(PathBuf, String)> {
    let mut pages = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "md" => pages.push(path),
                _ => {}
            }
        }
    }
    pages.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// Language and text of each fenced block of a page.
pub fn blocks(page: &str) -> Vec<(&str, &str)> {
    let fenced = page.split("```").skip(1).step_by(2);
    fenced.filter_map(|block| block.split_once('\n')).map(|(language, text)| (language.trim(), text)).collect()
}

/// The files of each gateway and framework: those linked next to its page in the index.
fn recipes() -> Vec<(String, String)> {
    let index = documented("README.md");
    let cells = index.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('|'));
    let linked =
        cells.map(|cell| cell.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect::<Vec<_>>());
    let mut recipes = Vec::new();
    for files in linked {
        let of_recipe = |name: &&&str| !name.ends_with(".md") && !name.ends_with(".toml");
        match files.as_slice() {
            // One or the other, each whole.
            [one, other] if one.starts_with("apache") => {
                recipes.extend([one, other].map(|name| ((*name).to_owned(), documented(name))));
            }
            files => {
                let texts: Vec<String> = files.iter().filter(of_recipe).map(|name| documented(name)).collect();
                if !texts.is_empty() {
                    recipes.push((files.join(" "), texts.concat()));
                }
            }
        }
    }
    recipes
}

fn assert_whole(what: &str, text: &str) {
    let text = text.to_ascii_lowercase();
    for name in IDENTITY {
        // Of two names that begin alike each must stand for itself.
        let name = name.to_ascii_lowercase();
        let ends_there = |(at, _): (usize, &str)| !text[at + name.len()..].starts_with(['-', '_']);
        assert!(text.match_indices(&name).any(ends_there), "{what} neither sets nor clears {name}");
    }
}

#[test]
fn every_recipe_sets_or_clears_every_identity_header() {
    let recipes = recipes();
    assert!(recipes.len() >= 17, "{recipes:?}");
    for (files, text) in &recipes {
        assert_whole(files, text);
    }
    let mut found = BTreeSet::new();
    for (path, page) in pages() {
        for (language, text) in blocks(&page) {
            let is_command = ["console", "sh"].contains(&language);
            if !is_command && ASKS.iter().any(|word| text.contains(word)) {
                found.insert(path.strip_prefix(root()).unwrap().to_owned());
                assert_whole(&path.display().to_string(), text);
            }
        }
    }
    assert!(found.contains(Path::new("README.md")), "{found:?}");
}

/// All mixtures of `-` and `_` except our own name.
fn other_spellings(name: &str) -> Vec<String> {
    let mut spellings = vec![String::new()];
    for (number, part) in name.split('-').enumerate() {
        let joints: &[&str] = if number == 0 { &[""] } else { &["-", "_"] };
        spellings =
            joints.iter().flat_map(|joint| spellings.iter().map(move |text| format!("{text}{joint}{part}"))).collect();
    }
    spellings.retain(|spelling| spelling != name);
    spellings
}

#[test]
fn the_replayed_files_remove_every_other_spelling() {
    for (file, parts) in [("traefik.yaml", 1), ("apisix.yaml", 3)] {
        let text = documented(file);
        let mut words =
            text.split(|byte: char| !byte.is_ascii_alphanumeric() && !"-_".contains(byte)).collect::<Vec<_>>();
        words.sort_unstable();
        for spelling in IDENTITY.into_iter().flat_map(other_spellings) {
            let count = words.iter().filter(|word| **word == spelling).count();
            assert_eq!(count, parts, "{file} {spelling}");
        }
    }
}

#[test]
fn no_recipe_forwards_a_clients_cookies() {
    // A gateway that sends all fields leaves this one out; the others list what they send.
    for (files, rule) in [
        ("keybearer-question.conf", "proxy_set_header Cookie \"\";"),
        ("Caddyfile", "header_up -Cookie"),
        ("traefik.yaml", "authRequestHeaders: ["),
        ("apisix.yaml", "request_headers: ["),
        ("envoy.yaml", "allowed_headers: &asked"),
        ("envoy-grpc.yaml", "allowed_headers:"),
        ("keybearer.lua", "local asked = {"),
    ] {
        let text = documented(files);
        assert!(text.contains(rule), "{files}");
        let mentions = text.to_ascii_lowercase().matches("cookie").count();
        assert_eq!(mentions, usize::from(rule.contains("Cookie")), "{files}");
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(blocks(&readme).iter().any(|(_, text)| text.contains("proxy_set_header Cookie \"\";")));
}
