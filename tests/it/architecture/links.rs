//! Every link of a template and every URL in the script follow the base path.

use std::fs;
use std::path::{Path, PathBuf};

pub fn templates() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut waiting: Vec<PathBuf> = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(found.len() > 10);
    found
}

/// The values of the attributes in which HTML has a URL.
fn urls(template: &str) -> impl Iterator<Item = &str> {
    let names = ["href", "src", "srcset", "action", "formaction", "data", "poster", "cite", "ping", "http-equiv"];
    names.into_iter().flat_map(move |name| {
        let ends_a_name = |at: usize| !template[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-');
        let starts = template.match_indices(name).filter(move |(at, _)| ends_a_name(*at));
        starts.filter_map(move |(at, _)| template[at + name.len()..].strip_prefix('=')).map(|rest| {
            let quote = &rest[..1];
            assert!(["\"", "'"].contains(&quote), "an attribute without quotes: {rest:.40}");
            rest[1..].split(quote).next().unwrap()
        })
    })
}

#[test]
fn every_url_of_a_template_begins_with_the_base_path() {
    let mut links = 0;
    for (file, text) in templates() {
        for url in urls(&text) {
            // A macro shows the whole public URL.
            let is_whole = file == "frame/macros.html" && url == "{{ url }}";
            let path = url.strip_prefix("{{ shell.base }}");
            let is_path = path.is_some_and(|path| path.starts_with('/') || path.starts_with("{{ "));
            assert!(url.starts_with('#') || is_whole || is_path, "{file}: {url}");
            links += 1;
        }
        let bare = ["=\"/", "='/"].iter().find(|start| text.contains(*start));
        assert_eq!(bare, None, "{file} has a path without {{{{ shell.base }}}}");
    }
    assert!(links > 50, "{links}");
    let whole = templates().iter().map(|(_, text)| text.matches("\"{{ url }}\"").count()).sum::<usize>();
    assert_eq!(whole, 1, "only the link to the https address");
}

#[test]
fn every_path_in_the_script_follows_the_base_path() {
    let script = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("static/app.js")).unwrap();
    let mut paths = 0;
    for start in ["\"/", "'/", "`/"] {
        for (at, _) in script.match_indices(start) {
            assert!(script[..at].ends_with("url("), "{}", script[at..].lines().next().unwrap());
            paths += 1;
        }
    }
    assert!(paths >= 3, "{paths}");
}
