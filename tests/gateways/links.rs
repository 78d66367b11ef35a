//! Links between pages lead to files; the index of `docs/gateways` names every file there, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use super::home::documented;
use super::recipes::pages;

/// The relative targets of a page's links.
fn links(page: &str) -> BTreeSet<String> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).map(str::to_owned).collect()
}

#[test]
fn every_file_is_linked_and_every_link_leads_to_a_file() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gateways");
    let there: BTreeSet<String> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut linked = links(&documented("README.md"));
    for page in there.iter().filter(|name| name.ends_with(".md")) {
        for link in links(&documented(page)) {
            assert!(directory.join(&link).exists(), "{page} links {link}");
            linked.insert(link);
        }
        assert!(
            page == "README.md" || links(&documented("README.md")).contains(page),
            "README.md does not link {page}"
        );
    }
    let unlinked: Vec<_> = there.iter().filter(|name| *name != "README.md" && !linked.contains(*name)).collect();
    assert!(unlinked.is_empty(), "no page links {unlinked:?}");
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut anchors = BTreeSet::new();
    for line in page.lines() {
        is_code ^= line.starts_with("```");
        if let Some(heading) = line.strip_prefix('#').filter(|_| !is_code) {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
            anchors.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
    }
    anchors
}

#[test]
fn every_link_between_pages_leads_to_an_existing_file_and_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let others = ["ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md"].map(|name| root.join(name));
    let mut checked = 0;
    let others = others.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()));
    for (path, text) in pages().into_iter().chain(others) {
        let page = path.display();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(file.exists(), "{page} links {target}");
            let is_there = anchor.is_empty() || anchors(&std::fs::read_to_string(&file).unwrap()).contains(anchor);
            assert!(is_there, "{page} links {target}, which is no heading");
            checked += 1;
        }
    }
    assert!(checked > 60, "{checked}");
}
